//! Qdrant: its list of collections. Of the list nothing is kept but that there is one.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, judge_json};

static KIND: Kind = Kind {
    id: "qdrant",
    name: "Qdrant",
    holds: Holds::Data,
    advice: "Set service.api_key and let it listen on loopback (service.host).",
};

const COLLECTIONS: Probe = Probe { ask: Ask::Get("/collections"), judge };

/// Port 6333.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[6_333],
    tls: false,
    expected: COLLECTIONS,
    recognised: COLLECTIONS,
    is_sign: |heard| {
        is_page(heard, |page| {
            page.json()["title"].as_str().is_some_and(|title| title.contains("qdrant"))
        })
    },
};

fn judge(heard: &Heard<'_>) -> Judged {
    judge_json(heard, &KIND, is_answer, "It lists its collections without a key.")
}

fn is_answer(body: &Value) -> bool {
    body["result"]["collections"].is_array() && body["status"] == "ok"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn what_it_answers() {
        for (answer, expected) in [
            (page(200, "", r#"{"result":{"collections":[]},"status":"ok","time":0.1}"#), "open"),
            (
                page(200, "", r#"{"title":"qdrant - vector search engine","version":"1.9"}"#),
                "other",
            ),
            (
                page(401, "", r#"Must provide an API key or an Authorization bearer token"#),
                "guarded",
            ),
            (page(404, "", r#"{"result":{"collections":[]},"status":"ok"}"#), "other"),
        ] {
            check(judge, answer.as_bytes(), expected);
        }
    }
}
