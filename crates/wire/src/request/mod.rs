//! Requests: what the door reads of them, and what the upstream gets.

mod facts;
mod form;
mod media;
mod rewrite;
mod spans;
mod splice;
mod texts;
mod weigh;

use bytes::Bytes;
use surgewall_core::config::schema::Dialect;
use surgewall_core::refusal::Refusal;

pub use facts::{CHOICES_MAX, Facts, read, read_beside};
pub use form::Form;
pub(crate) use media::MEDIA;
pub use rewrite::rewrite;
pub use texts::Texts;

use crate::{ClientDialect, Endpoint, anthropic, json, ollama, openai, responses};

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
    let body: serde_json::Value =
        serde_json::from_slice(body).map_err(|_| invalid("the body is not JSON", None))?;
    let written = match (endpoint, client, upstream.dialect) {
        (Endpoint::Chat, _, _) | (Endpoint::Completions, ClientDialect::Ollama, _) => {
            chat(client, upstream, &body, facts, model)?
        }
        (Endpoint::Completions, _, Dialect::Ollama) => {
            ollama::write_request::generate(&openai::read_request::read(&body)?, model)?
        }
        (Endpoint::Embeddings, ClientDialect::Ollama, Dialect::Openai) => {
            ollama::embed::to_openai(&body, model)?
        }
        (Endpoint::Embeddings, _, Dialect::Ollama) => ollama::embed::to_ollama(&body, model)?,
        _ => return Err(elsewhere("it speaks another dialect, which has no such endpoint")),
    };
    Ok(Bytes::from(written.to_string()))
}

/// Writes a chat request anew in the upstream's dialect. Ollama's generate is
/// a conversation of one turn, because its server puts the prompt into the
/// model's template as it does with messages.
fn chat(
    client: ClientDialect,
    upstream: &UpstreamOptions,
    body: &serde_json::Value,
    facts: &Facts,
    model: &str,
) -> Result<serde_json::Value, Refusal> {
    let request = match client {
        ClientDialect::OpenAi | ClientDialect::DeepSeek => openai::read_request::read(body)?,
        ClientDialect::Anthropic => anthropic::read_request::read(body)?,
        ClientDialect::Ollama => ollama::read_request::read(body, facts.stream)?,
        ClientDialect::Responses => responses::read_request::read(body)?,
    };
    match upstream.dialect {
        Dialect::Openai => openai::write_request::write(&request, model),
        Dialect::Anthropic => {
            anthropic::write_request::write(&request, model, upstream.output_tokens_default)
        }
        Dialect::Ollama => ollama::write_request::chat(&request, model),
    }
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
    client: ClientDialect,
) -> &'static str {
    match (upstream, endpoint, client) {
        (Dialect::Anthropic, Endpoint::CountTokens, _) => "/messages/count_tokens",
        (Dialect::Anthropic, _, _) => "/messages",
        (Dialect::Ollama, Endpoint::Embeddings, _) => "/api/embed",
        (Dialect::Ollama, Endpoint::Completions, _) => "/api/generate",
        (Dialect::Ollama, _, _) => "/api/chat",
        // Ollama's generate is translated to a conversation.
        (Dialect::Openai, Endpoint::Completions, ClientDialect::Ollama) => "/chat/completions",
        (Dialect::Openai, Endpoint::Completions, _) => "/completions",
        (Dialect::Openai, Endpoint::Embeddings, _) => "/embeddings",
        (Dialect::Openai, _, _) => "/chat/completions",
    }
}

/// The path of the list of models, as [`upstream_path`]: what a health check asks.
#[must_use]
pub const fn models_path(upstream: Dialect) -> &'static str {
    match upstream {
        Dialect::Openai | Dialect::Anthropic => "/models",
        Dialect::Ollama => "/api/tags",
    }
}

/// What an upstream's stream has to name itself, without parameters.
#[must_use]
pub const fn stream_content_type(upstream: Dialect) -> &'static str {
    match upstream {
        Dialect::Openai | Dialect::Anthropic => "text/event-stream",
        Dialect::Ollama => "application/x-ndjson",
    }
}

/// The URL to call: `base` without a slash at its end, `/v1` where an
/// Anthropic base URL lacks it (both forms are common), and the path. Paths of
/// Ollama's begin at its root, so that `/v1` or `/api` at the end goes.
#[must_use]
pub fn upstream_url(base: &str, upstream: Dialect, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let base = match upstream {
        Dialect::Ollama => {
            base.strip_suffix("/v1").or_else(|| base.strip_suffix("/api")).unwrap_or(base)
        }
        Dialect::Openai | Dialect::Anthropic => base,
    };
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
    fn every_form_of_a_base_url_works() {
        for (base, upstream, expected) in [
            ("http://h:1/v1", Dialect::Openai, "http://h:1/v1/x"),
            ("http://h:1/v1/", Dialect::Openai, "http://h:1/v1/x"),
            ("http://h:1", Dialect::Openai, "http://h:1/x"),
            ("http://h:1", Dialect::Anthropic, "http://h:1/v1/x"),
            ("http://h:1/v1", Dialect::Anthropic, "http://h:1/v1/x"),
            ("http://h:1", Dialect::Ollama, "http://h:1/x"),
            ("http://h:1/v1/", Dialect::Ollama, "http://h:1/x"),
            ("http://h:1/api", Dialect::Ollama, "http://h:1/x"),
            ("http://h:1/anthropic/", Dialect::Anthropic, "http://h:1/anthropic/v1/x"),
        ] {
            assert_eq!(upstream_url(base, upstream, "/x"), expected);
        }
    }
}
