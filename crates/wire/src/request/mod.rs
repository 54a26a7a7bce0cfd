//! Requests: what the door reads of them, and what the upstream gets.

mod facts;
mod splice;
mod walk;

use bytes::Bytes;
use surgewall_core::config::schema::Dialect;
use surgewall_core::refusal::Refusal;

pub use facts::{CHOICES_MAX, Facts, read};

use crate::{ClientDialect, Endpoint, anthropic, json, openai};

/// The bounds that an operator sets on requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Nesting of JSON.
    pub json_depth_max: u32,
    /// Messages, prompts or inputs in one request.
    pub messages_max: u32,
    /// Tools in one request.
    pub tools_max: u32,
}

/// What a translation needs beyond the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamOptions {
    /// The dialect that the upstream speaks.
    pub dialect: Dialect,
    /// `max_tokens` for an Anthropic upstream where the request has none: that
    /// dialect asks for one.
    pub output_tokens_default: u64,
}

/// The body for the upstream: the client's bytes, except for the model's name
/// where `model` differs and, on OpenAI's streams,
/// `stream_options.include_usage = true`. A body for another dialect is
/// written anew.
///
/// # Errors
/// The upstream's dialect has no such endpoint, or the request asks for
/// something that it cannot express.
pub fn for_upstream(
    client: ClientDialect,
    upstream: &UpstreamOptions,
    endpoint: Endpoint,
    body: &Bytes,
    facts: &Facts,
    model: &str,
) -> Result<Bytes, Refusal> {
    if client.matches(upstream.dialect) {
        return splice::splice(body, facts, model, upstream.dialect);
    }
    if endpoint != Endpoint::Chat {
        return Err(elsewhere("it speaks another dialect, which has no such endpoint"));
    }
    translate(client, upstream, body, model)
}

/// Writes a chat request anew in the upstream's dialect.
fn translate(
    client: ClientDialect,
    upstream: &UpstreamOptions,
    body: &Bytes,
    model: &str,
) -> Result<Bytes, Refusal> {
    let body: serde_json::Value =
        serde_json::from_slice(body).map_err(|_| invalid("the body is not JSON", None))?;
    let request = match client {
        ClientDialect::OpenAi | ClientDialect::DeepSeek => openai::read_request::read(&body)?,
        ClientDialect::Anthropic => anthropic::read_request::read(&body)?,
    };
    let written = match upstream.dialect {
        Dialect::Openai => openai::write_request::write(&request, model)?,
        Dialect::Anthropic => {
            anthropic::write_request::write(&request, model, upstream.output_tokens_default)?
        }
        Dialect::Ollama => return Err(elsewhere("its dialect is not spoken yet")),
    };
    Ok(Bytes::from(written.to_string()))
}

/// A model whose server cannot take the request.
fn elsewhere(reason: &str) -> Refusal {
    Refusal::UnsupportedParameter {
        param: "model".to_owned(),
        reason: format!("this model's server cannot take the request: {reason}"),
    }
}

/// A parameter that the model's server has nothing for.
pub(crate) fn unsupported(param: &str) -> Refusal {
    Refusal::UnsupportedParameter {
        param: param.to_owned(),
        reason: "this model's server speaks another dialect, which has nothing like it".to_owned(),
    }
}

/// The path below the upstream's base URL. An OpenAI base URL ends in `/v1` or
/// the like and the path follows it; see [`upstream_url`] for Anthropic's.
#[must_use]
pub const fn upstream_path(
    upstream: Dialect,
    endpoint: Endpoint,
    _client: ClientDialect,
) -> &'static str {
    match (upstream, endpoint) {
        (Dialect::Anthropic, Endpoint::CountTokens) => "/messages/count_tokens",
        (Dialect::Anthropic, _) => "/messages",
        (Dialect::Ollama, Endpoint::Embeddings) => "/api/embed",
        (Dialect::Ollama, Endpoint::Completions) => "/api/generate",
        (Dialect::Ollama, _) => "/api/chat",
        (Dialect::Openai, Endpoint::Completions) => "/completions",
        (Dialect::Openai, Endpoint::Embeddings) => "/embeddings",
        (Dialect::Openai, _) => "/chat/completions",
    }
}

/// The URL to call: `base` without a slash at its end, `/v1` where an
/// Anthropic base URL lacks it (both forms are common), and the path.
#[must_use]
pub fn upstream_url(base: &str, upstream: Dialect, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let version = upstream == Dialect::Anthropic && !base.ends_with("/v1");
    format!("{base}{}{path}", if version { "/v1" } else { "" })
}

/// An invalid request; `reason` holds nothing of the body.
pub(crate) fn invalid(reason: impl Into<String>, param: Option<&str>) -> Refusal {
    Refusal::InvalidRequest { reason: reason.into(), param: param.map(str::to_owned) }
}

impl From<json::Fault> for Refusal {
    fn from(fault: json::Fault) -> Self {
        let param = match fault {
            json::Fault::Duplicate { name } => name,
            json::Fault::LookAlike { name } => Some(name),
            _ => None,
        };
        invalid(fault.to_string(), param)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_an_anthropic_base_url_work() {
        for (base, upstream, expected) in [
            ("http://h:1/v1", Dialect::Openai, "http://h:1/v1/x"),
            ("http://h:1/v1/", Dialect::Openai, "http://h:1/v1/x"),
            ("http://h:1", Dialect::Openai, "http://h:1/x"),
            ("http://h:1", Dialect::Anthropic, "http://h:1/v1/x"),
            ("http://h:1/v1", Dialect::Anthropic, "http://h:1/v1/x"),
            ("http://h:1/anthropic/", Dialect::Anthropic, "http://h:1/anthropic/v1/x"),
        ] {
            assert_eq!(upstream_url(base, upstream, "/x"), expected);
        }
    }
}
