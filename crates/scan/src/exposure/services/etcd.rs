//! etcd: the count of one key that nobody has. Its API takes every question as a
//! POST; this one is a read, and answers with a count and no key.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service, no_sign};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::judge_json;

static KIND: Kind = Kind {
    id: "etcd",
    name: "etcd",
    holds: Holds::Control,
    advice: "Ask for client certificates (--client-cert-auth) and enable its own authentication.",
};

const RANGE: Probe = Probe {
    ask: Ask::Question {
        path: "/v3/kv/range",
        json: "{\"key\":\"AA==\",\"limit\":\"1\",\"count_only\":true}",
    },
    judge,
};

/// Port 2379.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[2_379],
    tls: false,
    expected: RANGE,
    recognised: RANGE,
    is_sign: no_sign,
};

fn judge(heard: &Heard<'_>) -> Judged {
    if heard.says("user name is empty") {
        return Judged::Guarded(Some(&KIND), "It asks for a login.");
    }
    judge_json(heard, &KIND, is_answer, "It answered a read without a login.")
}

fn is_answer(body: &Value) -> bool {
    body["header"]["cluster_id"].is_string() && body["header"]["revision"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (
                page(
                    200,
                    "",
                    r#"{"header":{"cluster_id":"1","member_id":"2","revision":"3","raft_term":"2"}}"#,
                ),
                "open",
            ),
            (
                page(
                    400,
                    "",
                    r#"{"error":"etcdserver: user name is empty","code":3,"message":"etcdserver: user name is empty"}"#,
                ),
                "guarded",
            ),
            (page(200, "", r#"{"header":{}}"#), "other"),
            (page(404, "", r#"404 page not found"#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
