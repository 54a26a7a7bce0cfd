//! Model servers on loopback: who answers, and what it serves.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use surgewall_core::finding::{Finding, Severity};

/// For one answer.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// A list of models, in bytes.
const LIST_BYTES_MAX: usize = 1 << 20;
/// Models that are named to people.
const MODELS_SHOWN_MAX: usize = 8;

/// A model server that is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// <https://ollama.com>
    Ollama,
    /// <https://docs.vllm.ai>
    Vllm,
    /// <https://github.com/ggml-org/llama.cpp>
    LlamaCpp,
    /// <https://lmstudio.ai>
    LmStudio,
}

/// All of them.
pub(super) const KINDS: [Kind; 4] = [Kind::Ollama, Kind::Vllm, Kind::LlamaCpp, Kind::LmStudio];

impl Kind {
    /// Its usual port.
    pub(super) const fn port(self) -> u16 {
        match self {
            Self::Ollama => 11_434,
            Self::Vllm => 8_000,
            Self::LlamaCpp => 8_080,
            Self::LmStudio => 1_234,
        }
    }

    /// Its upstream's name in the configuration.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Vllm => "vllm",
            Self::LlamaCpp => "llama-cpp",
            Self::LmStudio => "lm-studio",
        }
    }

    /// What people call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ollama => "Ollama",
            Self::Vllm => "vLLM",
            Self::LlamaCpp => "llama.cpp",
            Self::LmStudio => "LM Studio",
        }
    }

    /// What is asked: at most two requests.
    const fn paths(self) -> &'static [&'static str] {
        match self {
            Self::Ollama => &["/api/tags"],
            Self::LlamaCpp => &["/v1/models", "/health"],
            Self::Vllm | Self::LmStudio => &["/v1/models"],
        }
    }
}

/// A server that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What it is taken for, by its port.
    pub(super) kind: Kind,
    /// Where.
    pub(super) port: u16,
    /// Its models; none where it did not say.
    pub(super) models: Vec<String>,
    /// Whether it asked for a credential.
    pub(super) guarded: bool,
}

impl Found {
    /// The base address for the configuration.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// What was seen.
    pub(super) fn finding(&self) -> Finding {
        let (port, name) = (self.port, self.kind.name());
        let subject = format!("{name} at 127.0.0.1:{port}");
        let models = match self.models.len() {
            0 => String::new(),
            all => {
                let shown = self.models.iter().take(MODELS_SHOWN_MAX).cloned().collect::<Vec<_>>();
                let more = if all > MODELS_SHOWN_MAX { ", ..." } else { "" };
                format!(" It serves {}{more}.", shown.join(", "))
            }
        };
        if self.guarded {
            return Finding::new(Severity::Note, "init.guarded", subject)
                .evidence("It answers, and asks for a credential.")
                .advice("Add api_key = { env = \"...\" } or { file = \"...\" } to its section.");
        }
        Finding::new(Severity::Note, "init.open", subject)
            .evidence(format!(
                "It answers without a login: every program on this machine can use it.{models}"
            ))
            .advice(format!(
                "Let only this machine reach port {port}, and give people keys of the door instead."
            ))
    }
}

/// Who answers on `ports`.
pub(super) async fn probe(ports: &[(Kind, u16)]) -> Vec<Found> {
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut found = Vec::new();
    for (kind, port) in ports {
        found.extend(look(&client, *kind, *port).await);
    }
    found
}

type HttpClient = Client<HttpConnector, Empty<Bytes>>;

async fn look(client: &HttpClient, kind: Kind, port: u16) -> Option<Found> {
    for path in kind.paths() {
        let Some((status, body)) = ask(client, port, path).await else { continue };
        let guarded = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let models = models(&body);
        // A web server on 8000 or 8080 is no model server: it has to show a list, or health.
        let healthy = *path == "/health" && status.is_success() && body.get("status").is_some();
        if guarded || healthy || (status.is_success() && models.is_some()) {
            return Some(Found { kind, port, models: models.unwrap_or_default(), guarded });
        }
    }
    None
}

#[expect(clippy::disallowed_methods, reason = "the body is bounded by LIST_BYTES_MAX")]
async fn ask(client: &HttpClient, port: u16, path: &str) -> Option<(StatusCode, Value)> {
    let request = Request::get(format!("http://127.0.0.1:{port}{path}")).body(Empty::new()).ok()?;
    let answer = async {
        let answer = client.request(request).await.ok()?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LIST_BYTES_MAX).collect().await.ok()?;
        Some((status, serde_json::from_slice(&body.to_bytes()).unwrap_or(Value::Null)))
    };
    tokio::time::timeout(PATIENCE, answer).await.ok()?
}

/// The names in a list of models, in OpenAI's form or Ollama's.
fn models(body: &Value) -> Option<Vec<String>> {
    let (list, field) = match (body.get("data"), body.get("models")) {
        (Some(list), _) => (list, "id"),
        (None, Some(list)) => (list, "name"),
        (None, None) => return None,
    };
    let names = list.as_array()?.iter().filter_map(|model| model.get(field)?.as_str());
    Some(names.map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists_of_models_are_known_from_other_json() {
        let names = |value: &Value| models(value).map(|names| names.join(" "));
        assert_eq!(names(&json!({"data": [{"id": "a"}, {"id": "b"}]})).as_deref(), Some("a b"));
        assert_eq!(names(&json!({"models": [{"name": "a:1b"}]})).as_deref(), Some("a:1b"));
        assert_eq!(names(&json!({"data": []})).as_deref(), Some(""));
        assert_eq!(names(&json!({"hello": 1})), None);
        assert_eq!(names(&Value::Null), None);
    }
}
