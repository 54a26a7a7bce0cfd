//! Jupyter: its status, which it tells only with a token.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, judge_json};

static KIND: Kind = Kind {
    id: "jupyter",
    name: "Jupyter",
    holds: Holds::Control,
    advice: "Start it with a token or password, and let it listen on loopback: whoever reaches it runs code.",
};

const STATUS: Probe = Probe { ask: Ask::Get("/api/status"), judge };

/// Port 8888.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[8_888],
    tls: false,
    expected: STATUS,
    recognised: STATUS,
    is_sign: |heard| {
        is_page(heard, |page| {
            let leads = ["/tree", "/lab", "/login"];
            let location = page.header_text("location");
            page.header_text("server").starts_with("TornadoServer")
                && leads.iter().any(|path| location.contains(path))
        })
    },
};

fn judge(heard: &Heard<'_>) -> Judged {
    judge_json(heard, &KIND, is_answer, "It tells its status without a token.")
}

fn is_answer(body: &Value) -> bool {
    body["kernels"].is_number() && body["started"].is_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (
                page(200, "", r#"{"connections":0,"kernels":1,"last_activity":"x","started":"y"}"#),
                "open",
            ),
            (page(200, "", r#"{"version":"2.7.0"}"#), "other"),
            (page(403, "", r#"{"message":"Forbidden","reason":null}"#), "guarded"),
            (page(302, "", r#""#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
