//! What a provider is asked, and what an answer says of who is let in.

use serde_json::Value;
use surgewall_core::finding::Severity;

use super::report::Guard;
use crate::exposure::judge::Ask;
use crate::exposure::page::Page;

/// One question.
pub(super) struct Question {
    /// How it is told of: method and path.
    pub(super) name: &'static str,
    pub(super) ask: Ask,
    /// Whether an answer is what only somebody with access should get.
    pub(super) is_answer: fn(&Page<'_>) -> bool,
    /// What it means that a stranger was answered, in one sentence.
    pub(super) opened: &'static str,
    /// How bad that is.
    pub(super) severity: Severity,
}

/// No route has this name: how the server answers what is not there, and whether
/// its error tells more than that.
pub(super) const NOTHING: Ask = Ask::GetUnder("/surgewall-check-no-such-route");
/// What is no JSON, for the words of its error.
pub(super) const BROKEN: Ask =
    Ask::QuestionUnder { path: "/chat/completions", json: "{\"model\":" };
/// No model and no text. Whoever answers that answers with one token.
const EMPTY: &str = "{\"max_tokens\":1}";

const fn post(path: &'static str) -> Ask {
    Ask::QuestionUnder { path, json: EMPTY }
}

/// Every route that is asked for.
pub(super) static QUESTIONS: &[Question] = &[
    Question {
        name: "GET /models",
        ask: Ask::GetUnder("/models"),
        is_answer: |page| page.json()["data"].is_array(),
        opened: "It lists its models to strangers.",
        severity: Severity::Note,
    },
    Question {
        name: "POST /chat/completions",
        ask: post("/chat/completions"),
        is_answer: |page| page.json()["choices"].is_array(),
        opened: "A model answers strangers.",
        severity: Severity::Critical,
    },
    Question {
        name: "POST /completions",
        ask: post("/completions"),
        is_answer: |page| page.json()["choices"].is_array(),
        opened: "A model answers strangers.",
        severity: Severity::Critical,
    },
    Question {
        name: "POST /embeddings",
        ask: post("/embeddings"),
        is_answer: |page| page.json()["data"].is_array(),
        opened: "A model answers strangers.",
        severity: Severity::Critical,
    },
    Question {
        name: "POST /responses",
        ask: post("/responses"),
        is_answer: |page| page.json()["output"].is_array(),
        opened: "A model answers strangers.",
        severity: Severity::Critical,
    },
    Question {
        name: "POST /messages",
        ask: post("/messages"),
        is_answer: |page| page.json()["content"].is_array(),
        opened: "A model answers strangers.",
        severity: Severity::Critical,
    },
    Question {
        name: "GET /files",
        ask: Ask::GetUnder("/files"),
        is_answer: |page| page.json()["data"].is_array(),
        opened: "It lists people's files to strangers.",
        severity: Severity::Critical,
    },
    Question {
        name: "GET /metrics at its root",
        ask: Ask::Get("/metrics"),
        is_answer: |page| page.text().starts_with("# "),
        opened: "It tells strangers its own measurements: load, models, memory.",
        severity: Severity::Warning,
    },
    Question {
        name: "GET /openapi.json at its root",
        ask: Ask::Get("/openapi.json"),
        is_answer: |page| page.json().get("openapi").is_some_and(Value::is_string),
        opened: "It tells strangers all of its routes.",
        severity: Severity::Note,
    },
];

impl Question {
    /// Whether its answer is a model's.
    pub(super) fn is_call(&self) -> bool {
        matches!(self.ask, Ask::QuestionUnder { .. })
    }

    /// Who is let in, and how that was seen in one sentence.
    pub(super) fn judge(&self, page: Option<&Page<'_>>) -> (Guard, &'static str) {
        let Some(page) = page else {
            return (Guard::Unknown, "It gave no answer that can be read.");
        };
        match page.status {
            401 | 403 | 407 => (Guard::Required, "It asks for a key."),
            404 | 405 | 501 => (Guard::Absent, "There is no such route."),
            429 => (Guard::Unknown, "It told strangers to come later before it said more."),
            200 if (self.is_answer)(page) => (Guard::Open, self.opened),
            200..=299 => (Guard::Unknown, "It answers strangers, and not as this route would."),
            300..=399 => (Guard::Unknown, "It sends strangers elsewhere; that is not followed."),
            _ if self.is_call() => {
                (Guard::Late, "It looked into a stranger's request before it asked for a key.")
            }
            _ => (Guard::Unknown, "It failed on a stranger's question."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::page::page;

    fn judged(name: &str, status: u16, body: &str) -> Guard {
        let question = QUESTIONS.iter().find(|question| question.name == name).unwrap();
        let text = format!("HTTP/1.1 {status} R\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        question.judge(page(text.as_bytes()).as_ref()).0
    }

    #[test]
    fn an_answer_says_who_is_let_in() {
        for (name, status, body, expected) in [
            ("GET /models", 401, "", Guard::Required),
            ("GET /models", 200, r#"{"data":[]}"#, Guard::Open),
            ("GET /models", 200, "<html>", Guard::Unknown),
            ("GET /models", 302, "", Guard::Unknown),
            ("GET /models", 500, "", Guard::Unknown),
            ("GET /files", 404, "", Guard::Absent),
            ("POST /chat/completions", 403, "", Guard::Required),
            ("POST /chat/completions", 200, r#"{"choices":[]}"#, Guard::Open),
            ("POST /chat/completions", 200, r#"{"error":{}}"#, Guard::Unknown),
            ("POST /chat/completions", 422, "{}", Guard::Late),
            ("POST /chat/completions", 400, "{}", Guard::Late),
            ("POST /chat/completions", 500, "", Guard::Late),
            ("POST /responses", 405, "", Guard::Absent),
            ("POST /embeddings", 429, "", Guard::Unknown),
            ("GET /metrics at its root", 200, "# HELP x y\n", Guard::Open),
            ("GET /metrics at its root", 200, "hello", Guard::Unknown),
            ("GET /openapi.json at its root", 200, r#"{"openapi":"3.1.0"}"#, Guard::Open),
        ] {
            assert_eq!(judged(name, status, body), expected, "{name} {status} {body}");
        }
        assert_eq!(QUESTIONS[0].judge(None).0, Guard::Unknown);
    }

    #[test]
    fn no_question_names_a_model_and_all_fit_into_the_bound() {
        // With what is not there, and what is no JSON.
        assert!(QUESTIONS.len() + 2 <= usize::from(super::super::limits::REQUESTS_MAX));
        for question in QUESTIONS {
            match question.ask {
                Ask::Get(path) | Ask::GetUnder(path) => assert!(path.starts_with('/')),
                Ask::QuestionUnder { json, .. } => assert_eq!(json, EMPTY, "{}", question.name),
                ref other => panic!("{other:?}"),
            }
        }
    }
}
