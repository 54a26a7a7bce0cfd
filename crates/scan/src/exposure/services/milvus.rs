//! Milvus: its list of collections. Of the list nothing is kept but that there is one.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service, no_sign};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{Page, is_page, judge_json};

static KIND: Kind = Kind {
    id: "milvus",
    name: "Milvus",
    holds: Holds::Data,
    advice: "Set common.security.authorizationEnabled, change the password of root, and bind it to loopback.",
};

const COLLECTIONS: Probe = Probe { ask: Ask::Get("/v1/vector/collections"), judge };

/// Port 19530.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[19_530],
    tls: false,
    expected: COLLECTIONS,
    recognised: COLLECTIONS,
    is_sign: no_sign,
};

fn judge(heard: &Heard<'_>) -> Judged {
    let login = |page: &Page<'_>| page.json()["code"] == 1_800;
    if is_page(heard, login) {
        return Judged::Guarded(Some(&KIND), "It asks for a login.");
    }
    judge_json(heard, &KIND, is_answer, "It lists its collections without a login.")
}

fn is_answer(body: &Value) -> bool {
    matches!(body["code"].as_i64(), Some(0 | 200)) && body["data"].is_array()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (page(200, "", r#"{"code":200,"data":["a"]}"#), "open"),
            (page(200, "", r#"{"code":1800,"message":"user hasn't authenticate"}"#), "guarded"),
            (page(200, "", r#"{"code":800,"message":"x"}"#), "other"),
            (page(404, "", r#"404 page not found"#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
