//! vLLM and other model servers with OpenAI's API: their list of models. Of the
//! list nothing is kept but whose it is.

use serde_json::Value;

use super::llamacpp;
use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service, no_sign};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{Page, on_page};

static VLLM: Kind = Kind {
    id: "vllm",
    name: "vLLM",
    holds: Holds::Model,
    advice: "Start it with --api-key and --host 127.0.0.1, and put the door in front of it.",
};

/// Any other one.
static MODELS: Kind = Kind {
    id: "model_server",
    name: "a model server",
    holds: Holds::Model,
    advice: "Let it ask for a key, or listen on loopback only, and put the door in front of it.",
};

/// Port 8000.
pub(super) const SERVICE: Service = Service {
    kind: &VLLM,
    ports: &[8_000],
    tls: false,
    expected: LISTING,
    recognised: LISTING,
    // Its root is a 404 as of many others.
    is_sign: no_sign,
};

/// How a list is asked for, of any HTTP server whose root says nothing.
pub(in crate::exposure) const LISTING: Probe = Probe { ask: Ask::Get("/v1/models"), judge: models };

/// How a configured upstream is asked.
pub(in crate::exposure) const UPSTREAM: Probe = Probe { ask: Ask::List, ..LISTING };

fn models(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| listed(page).unwrap_or(Judged::Other))
}

/// A list of models in OpenAI's form, or a refusal to show it.
fn listed(page: &Page<'_>) -> Option<Judged> {
    if page.refuses() {
        return Some(Judged::Guarded(None, "It asks for a key before it lists its models."));
    }
    let body = page.json();
    let models = body.get("data").and_then(Value::as_array)?;
    if !page.is_ok() || body["object"] != "list" {
        return None;
    }
    let are = |owner: &str| models.iter().any(|model| model["owned_by"] == owner);
    if are("llamacpp") {
        // Its list is shown to everybody, with or without a key.
        return Some(Judged::Then(Some(&llamacpp::KIND), llamacpp::PROPS));
    }
    Some(if are("vllm") {
        Judged::Open(&VLLM, "It lists its models without a key.")
    } else if models.iter().all(|model| model["id"].is_string()) {
        Judged::Open(&MODELS, "It lists its models without a key.")
    } else {
        return None;
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::judge::End;
    use crate::exposure::tests::{check, page};

    #[test]
    fn lists_of_models() {
        let list = |owner: &str| {
            format!(r#"{{"object":"list","data":[{{"id":"m","owned_by":"{owner}"}}]}}"#)
        };
        for (answer, expected) in [
            (page(200, "", &list("vllm")), "open"),
            (page(200, "", &list("organization")), "open"),
            (page(200, "", &list("llamacpp")), "then"),
            (page(200, "", r#"{"object":"list","data":[{"name":"x"}]}"#), "other"),
            (page(200, "", r#"{"data":[{"id":"x"}]}"#), "other"),
            (page(200, "", r#""object": "list""#), "other"),
            (page(404, "", &list("vllm")), "other"),
            (page(401, "", r#"{"error":"Unauthorized"}"#), "guarded"),
        ] {
            check(models, answer.as_bytes(), expected);
        }
        let whose = |owner: &str| {
            let answer = page(200, "", &list(owner));
            match models(&Heard { bytes: answer.as_bytes(), end: Some(End::Closed) }) {
                Judged::Open(kind, _) => kind.id,
                _ => "none",
            }
        };
        assert_eq!([whose("vllm"), whose("me")], ["vllm", "model_server"]);
    }
}
