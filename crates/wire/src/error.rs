//! Errors in each dialect's own shape, and what upstreams say in theirs.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use surgewall_core::config::schema::Dialect;
use surgewall_core::quota::Meter;
use surgewall_core::refusal::Refusal;

use crate::{ClientDialect, sse};

/// An upstream's message, in characters: more is cut.
pub const MESSAGE_CHARS_MAX: usize = 512;
/// An upstream's error code or kind, in characters: more is cut.
pub const CODE_CHARS_MAX: usize = 64;

/// One error for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorBody {
    /// The HTTP status.
    pub status: u16,
    /// OpenAI's `error.type`.
    pub kind_openai: &'static str,
    /// Anthropic's `error.type`.
    pub kind_anthropic: &'static str,
    /// The stable code.
    pub code: String,
    /// The words for the client.
    pub message: String,
    /// The parameter that it is about.
    pub param: Option<String>,
    /// The request's id.
    pub request_id: String,
}

impl ErrorBody {
    /// What a client of this dialect is told of `refusal`.
    #[must_use]
    pub fn of(client: ClientDialect, refusal: &Refusal, request_id: &str) -> Self {
        let row = refusal.row();
        let upstream_code = match refusal {
            Refusal::UpstreamRejected { code, .. } => code.clone(),
            _ => None,
        };
        Self {
            status: status(client, refusal),
            kind_openai: row.kind_openai,
            kind_anthropic: row.kind_anthropic,
            code: upstream_code.unwrap_or_else(|| row.code.to_owned()),
            message: refusal.public_text(),
            param: refusal.param().map(str::to_owned),
            request_id: request_id.to_owned(),
        }
    }
}

/// The HTTP status of `refusal` in the client's dialect. DeepSeek tells a wrong
/// parameter (422) from a malformed body (400), and an empty balance is 402.
#[must_use]
pub const fn status(client: ClientDialect, refusal: &Refusal) -> u16 {
    let row = refusal.row();
    match (client, refusal) {
        (ClientDialect::Anthropic, _) => row.status_anthropic,
        (
            ClientDialect::DeepSeek,
            Refusal::InvalidRequest { param: Some(_), .. } | Refusal::UnsupportedParameter { .. },
        ) => 422,
        (ClientDialect::DeepSeek, Refusal::QuotaExceeded { meter: Meter::Money, .. }) => 402,
        _ => row.status,
    }
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: &'a str,
}

#[derive(Serialize)]
struct OpenAiBody<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OllamaBody<'a> {
    error: &'a str,
    // Ollama's own errors have none; its clients read `error` alone.
    code: &'a str,
}

#[derive(Serialize)]
struct ResponsesEvent<'a> {
    r#type: &'a str,
    sequence_number: u64,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'a str,
    message: &'a str,
    code: &'a str,
}

#[derive(Serialize)]
struct AnthropicBody<'a> {
    r#type: &'a str,
    error: AnthropicError<'a>,
    request_id: &'a str,
}

/// The body of an error in the client's dialect.
#[must_use]
pub fn render(client: ClientDialect, error: &ErrorBody) -> Bytes {
    let (message, code) = (error.message.as_str(), error.code.as_str());
    let text = match client {
        ClientDialect::OpenAi | ClientDialect::DeepSeek | ClientDialect::Responses => {
            serde_json::to_vec(&OpenAiBody {
                error: OpenAiError {
                    message,
                    r#type: error.kind_openai,
                    param: error.param.as_deref(),
                    code,
                },
            })
        }
        ClientDialect::Ollama => serde_json::to_vec(&OllamaBody { error: message, code }),
        ClientDialect::Anthropic => serde_json::to_vec(&AnthropicBody {
            r#type: "error",
            error: AnthropicError { r#type: error.kind_anthropic, message, code },
            request_id: &error.request_id,
        }),
    };
    // Strings alone always serialise.
    Bytes::from(text.unwrap_or_default())
}

/// An error as an event of a stream in the client's dialect.
pub fn render_event(client: ClientDialect, error: &ErrorBody, out: &mut BytesMut) {
    match client {
        ClientDialect::OpenAi | ClientDialect::DeepSeek => {
            sse::write(out, "", &render(client, error));
        }
        ClientDialect::Anthropic => sse::write(out, "error", &render(client, error)),
        ClientDialect::Ollama => {
            out.put_slice(&render(client, error));
            out.put_u8(b'\n');
        }
        ClientDialect::Responses => {
            let event = ResponsesEvent {
                r#type: "error",
                sequence_number: 0,
                code: &error.code,
                message: &error.message,
                param: error.param.as_deref(),
            };
            sse::write(out, "error", &serde_json::to_vec(&event).unwrap_or_default());
        }
    }
}

/// What an upstream's error says, made fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamError {
    /// Its message, cut to [`MESSAGE_CHARS_MAX`], without control characters.
    pub message: Option<String>,
    /// Its code, cut to [`CODE_CHARS_MAX`].
    pub code: Option<String>,
    /// Its `type`, cut to [`CODE_CHARS_MAX`].
    pub kind: Option<String>,
}

#[derive(Deserialize)]
struct UpstreamBody {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    message: serde_json::Value,
    #[serde(default)]
    detail: serde_json::Value,
    #[serde(default)]
    code: serde_json::Value,
    #[serde(default)]
    r#type: serde_json::Value,
}

/// Reads an upstream's error body. All dialects are read alike, because
/// servers mix them: `{"error": {"message", "type", "code"}}`,
/// `{"error": "text"}`, `{"message"}`, `{"detail"}`.
#[must_use]
pub fn read_upstream(_upstream: Dialect, body: &[u8]) -> UpstreamError {
    let Ok(body) = serde_json::from_slice::<UpstreamBody>(body) else {
        return UpstreamError::default();
    };
    let inner = |name: &str| body.error.get(name);
    let message = inner("message").or(Some(&body.error)).and_then(text);
    let message = message.or_else(|| text(&body.message)).or_else(|| text(&body.detail));
    let (code, kind) = if body.error.is_object() {
        (inner("code").and_then(text), inner("type").and_then(text))
    } else {
        (text(&body.code), text(&body.r#type))
    };
    UpstreamError {
        message: message.map(|text| clean(&text, MESSAGE_CHARS_MAX)),
        code: code.map(|text| clean(&text, CODE_CHARS_MAX)),
        kind: kind.map(|text| clean(&text, CODE_CHARS_MAX)),
    }
}

fn text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `text` without control characters, cut to `chars_max`.
#[must_use]
pub fn clean(text: &str, chars_max: usize) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control())
        .take(chars_max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(meter: Meter) -> Refusal {
        Refusal::QuotaExceeded { scope: "key", meter, max: 1, window_s: 60, retry_after: None }
    }

    #[test]
    fn each_dialect_has_its_shape() {
        let refusal = Refusal::ModelUnknown;
        let shown = |client| {
            let error = ErrorBody::of(client, &refusal, "req_1");
            String::from_utf8(render(client, &error).to_vec()).unwrap()
        };
        assert_eq!(
            shown(ClientDialect::OpenAi),
            r#"{"error":{"message":"There is no such model for this key. See /v1/models.","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#
        );
        assert_eq!(shown(ClientDialect::OpenAi), shown(ClientDialect::DeepSeek));
        assert_eq!(
            shown(ClientDialect::Anthropic),
            r#"{"type":"error","error":{"type":"not_found_error","message":"There is no such model for this key. See /v1/models.","code":"model_not_found"},"request_id":"req_1"}"#
        );
    }

    #[test]
    fn each_dialect_has_its_status() {
        let invalid = |param: Option<&str>| Refusal::InvalidRequest {
            reason: String::new(),
            param: param.map(str::to_owned),
        };
        for (client, refusal, expected) in [
            (ClientDialect::OpenAi, Refusal::Draining, 503),
            (ClientDialect::DeepSeek, Refusal::Draining, 503),
            (ClientDialect::Anthropic, Refusal::Draining, 529),
            (ClientDialect::OpenAi, invalid(Some("n")), 400),
            (ClientDialect::DeepSeek, invalid(Some("n")), 422),
            (ClientDialect::DeepSeek, invalid(None), 400),
            (ClientDialect::OpenAi, quota(Meter::Money), 429),
            (ClientDialect::DeepSeek, quota(Meter::Money), 402),
            (ClientDialect::DeepSeek, quota(Meter::Requests), 429),
        ] {
            assert_eq!(status(client, &refusal), expected, "{client:?} {refusal:?}");
        }
    }

    #[test]
    fn upstream_errors_are_read_in_every_shape() {
        let read = |body: &str| read_upstream(Dialect::Openai, body.as_bytes());
        let error = read(r#"{"error":{"message":"no\nway\u0007","type":"t","code":402}}"#);
        assert_eq!(error.message.as_deref(), Some("no way"));
        assert_eq!((error.code.as_deref(), error.kind.as_deref()), (Some("402"), Some("t")));
        for body in [r#"{"error":"no way"}"#, r#"{"message":"no way"}"#, r#"{"detail":"no way"}"#] {
            assert_eq!(read(body).message.as_deref(), Some("no way"), "{body}");
        }
        assert_eq!(read("<html>"), UpstreamError::default());
    }

    #[test]
    fn a_long_message_is_cut() {
        let long = "ü".repeat(MESSAGE_CHARS_MAX + 1);
        let body = serde_json::json!({ "error": { "message": long } }).to_string();
        let message = read_upstream(Dialect::Openai, body.as_bytes()).message.unwrap();
        assert_eq!(message.chars().count(), MESSAGE_CHARS_MAX);
    }
}
