//! Ollama: its list of models. Of the list nothing is kept but that there is one.

use serde_json::Value;

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, on_page};

static KIND: Kind = Kind {
    id: "ollama",
    name: "Ollama",
    holds: Holds::Model,
    advice: "Let it listen on loopback only (OLLAMA_HOST=127.0.0.1) and put the door in front of it.",
};

/// Port 11434.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[11_434],
    tls: false,
    expected: Probe { ask: Ask::Get("/"), judge: root },
    recognised: Probe { ask: Ask::Get("/api/tags"), judge: known_tags },
    is_sign: |heard| is_page(heard, |page| page.text() == RUNNING),
};

/// How a configured upstream is asked.
pub(in crate::exposure) const UPSTREAM: Probe = Probe { ask: Ask::List, judge: known_tags };

const RUNNING: &str = "Ollama is running";

/// The root tells it from other programs that answer on the same path.
fn root(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| {
        let sure = (page.text() == RUNNING).then_some(&KIND);
        let judge = if sure.is_some() { known_tags } else { other_tags };
        Judged::Then(sure, Probe { ask: Ask::Get("/api/tags"), judge })
    })
}

fn known_tags(heard: &Heard<'_>) -> Judged {
    tags(heard, Some(&KIND), "It lists its models without a login.")
}

fn other_tags(heard: &Heard<'_>) -> Judged {
    tags(heard, None, "It lists models as Ollama does, without a login; it is another program.")
}

fn tags(heard: &Heard<'_>, sure: Option<&'static Kind>, opened: &'static str) -> Judged {
    on_page(heard, |page| {
        let body = page.json();
        match body.get("models") {
            Some(Value::Array(_) | Value::Null) if page.is_ok() => Judged::Open(&KIND, opened),
            _ if page.refuses() => Judged::Guarded(sure, "It refuses to list its models."),
            _ if sure.is_some() => Judged::Unclear(sure, "It did not list its models."),
            _ => Judged::Other,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn the_root_and_then_a_list() {
        check(root, page(200, "", "Ollama is running").as_bytes(), "then");
        check(root, page(200, "", "KoboldCpp").as_bytes(), "then");
        check(root, b"-ERR unknown command\r\n", "other");
        let list = r#"{"models":[{"name":"a","details":{"families":["llama"]}}]}"#;
        for (answer, known, other) in [
            (page(200, "", list), "open", "open"),
            (page(200, "", r#"{"models":[]}"#), "open", "open"),
            (page(200, "", r#"{"models":"none"}"#), "unclear", "other"),
            (page(200, "", "Ollama is running"), "unclear", "other"),
            (page(401, "", ""), "guarded", "guarded"),
            (page(404, "", list), "unclear", "other"),
        ] {
            check(known_tags, answer.as_bytes(), known);
            check(other_tags, answer.as_bytes(), other);
        }
    }
}
