//! Lists of models, as the door shows them and as upstreams give them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::config::schema::Dialect;
use surgewall_core::limits::MODEL_NAME_BYTES_MAX;
use surgewall_core::refusal::Refusal;

use crate::json::{self, Fields};
use crate::request::invalid;
use crate::{ClientDialect, ollama};

/// Models read of one upstream: more are cut off.
pub const UPSTREAM_MODELS_MAX: usize = 10_000;

/// A model that the door shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelEntry {
    /// Its name.
    pub id: String,
    /// When it was made known, in seconds since 1970.
    pub created_s: u64,
    /// Who owns it.
    pub owned_by: String,
}

/// The list of models in the client's dialect.
#[must_use]
pub fn list(client: ClientDialect, entries: &[ModelEntry]) -> Bytes {
    let data: Vec<Value> = entries.iter().map(|entry| shown(client, entry)).collect();
    let list = match client {
        ClientDialect::OpenAi | ClientDialect::DeepSeek | ClientDialect::Responses => {
            json!({"object": "list", "data": data})
        }
        ClientDialect::Ollama => json!({ "models": data }),
        ClientDialect::Anthropic => json!({
            "data": data,
            "has_more": false,
            "first_id": entries.first().map(|entry| &entry.id),
            "last_id": entries.last().map(|entry| &entry.id),
        }),
    };
    Bytes::from(list.to_string())
}

/// One model in the client's dialect.
#[must_use]
pub fn one(client: ClientDialect, entry: &ModelEntry) -> Bytes {
    Bytes::from(shown(client, entry).to_string())
}

fn shown(client: ClientDialect, entry: &ModelEntry) -> Value {
    let ModelEntry { id, created_s, owned_by } = entry;
    match client {
        ClientDialect::Ollama => json!({
            "name": id, "model": id, "modified_at": ollama::created_at(*created_s), "size": 0,
            "digest": "", "details": ollama_details(),
        }),
        ClientDialect::OpenAi | ClientDialect::DeepSeek | ClientDialect::Responses => {
            json!({"id": id, "object": "model", "created": created_s, "owned_by": owned_by})
        }
        ClientDialect::Anthropic => {
            let created_at = Timestamp::from_millis(created_s.saturating_mul(1_000)).to_string();
            json!({"type": "model", "id": id, "display_name": id, "created_at": created_at})
        }
    }
}

/// Ollama's answer to `show`: what the door knows of a model, which is its
/// name and what it can be asked for.
#[must_use]
pub fn show(entry: &ModelEntry) -> Bytes {
    let body = json!({
        "modified_at": ollama::created_at(entry.created_s),
        "details": ollama_details(),
        "model_info": {"general.basename": entry.id},
        "capabilities": ["completion", "tools", "vision", "thinking"],
    });
    Bytes::from(body.to_string())
}

/// Ollama's answer to `version`: the version whose API is emulated, and by whom.
#[must_use]
pub fn version(door: &str) -> Bytes {
    let body = json!({"version": ollama::VERSION, "emulated_by": format!("surgewall {door}")});
    Bytes::from(body.to_string())
}

/// The model that a `show` names: `model`, or `name` as older clients say.
///
/// # Errors
/// The body is not an object, is deeper than `depth_max`, or names none.
pub fn asked(body: &[u8], depth_max: u32) -> Result<String, Refusal> {
    let fields = Fields::read_within(json::text(body)?, depth_max, &["model", "name"])?;
    let named = ["model", "name"].iter().find_map(|name| fields.value(name));
    let named = named.and_then(|value| serde_json::from_str(value).ok());
    named.ok_or_else(|| invalid("it is missing or no string", Some("model")))
}

/// Details of a model's file, which the door does not have.
fn ollama_details() -> Value {
    json!({
        "parent_model": "", "format": "", "family": "", "families": [],
        "parameter_size": "", "quantization_level": "",
    })
}

/// A model that an upstream says it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamModel {
    /// Its name there.
    pub id: String,
    /// Its context in tokens, where the server says it.
    pub context: Option<u64>,
    /// The most output in tokens, where the server says it.
    pub output_max: Option<u64>,
}

/// The upstream's answer is not a list of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of models")]
pub struct NotAList;

#[derive(Deserialize)]
struct UpstreamList {
    #[serde(alias = "models")]
    data: Vec<UpstreamEntry>,
}

#[derive(Deserialize)]
struct UpstreamEntry {
    #[serde(alias = "name")]
    id: String,
    // vLLM
    #[serde(default)]
    max_model_len: Value,
    // OpenRouter, LM Studio
    #[serde(default)]
    context_length: Value,
    #[serde(default)]
    max_context_length: Value,
    // Anthropic
    #[serde(default)]
    max_input_tokens: Value,
    #[serde(default)]
    max_tokens: Value,
    // llama.cpp
    #[serde(default)]
    meta: Value,
}

impl UpstreamEntry {
    fn into_model(self) -> UpstreamModel {
        let context = [
            &self.max_model_len,
            &self.context_length,
            &self.max_context_length,
            &self.max_input_tokens,
            self.meta.get("n_ctx_train").unwrap_or(&Value::Null),
        ]
        .into_iter()
        .find_map(Value::as_u64);
        UpstreamModel { context, output_max: self.max_tokens.as_u64(), id: self.id }
    }
}

/// Reads what an upstream serves; names that are empty, too long or hold
/// control characters are left out.
///
/// # Errors
/// The body is not a list of models.
pub fn read_upstream(_upstream: Dialect, body: &[u8]) -> Result<Vec<UpstreamModel>, NotAList> {
    let list: UpstreamList = serde_json::from_slice(body).map_err(|_| NotAList)?;
    let fit = |id: &str| {
        !id.is_empty() && id.len() <= MODEL_NAME_BYTES_MAX && !id.chars().any(char::is_control)
    };
    let models = list.data.into_iter().filter(|entry| fit(&entry.id));
    Ok(models.take(UPSTREAM_MODELS_MAX).map(UpstreamEntry::into_model).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_each_dialects_shape() {
        let entry = ModelEntry { id: "m".into(), created_s: 1_735_689_600, owned_by: "us".into() };
        let shown = |client| {
            String::from_utf8(list(client, std::slice::from_ref(&entry)).to_vec()).unwrap()
        };
        assert_eq!(
            shown(ClientDialect::OpenAi),
            r#"{"object":"list","data":[{"id":"m","object":"model","created":1735689600,"owned_by":"us"}]}"#
        );
        assert_eq!(
            shown(ClientDialect::Ollama),
            r#"{"models":[{"name":"m","model":"m","modified_at":"2025-01-01T00:00:00.000Z","size":0,"digest":"","details":{"parent_model":"","format":"","family":"","families":[],"parameter_size":"","quantization_level":""}}]}"#
        );
        assert_eq!(
            shown(ClientDialect::Anthropic),
            r#"{"data":[{"type":"model","id":"m","display_name":"m","created_at":"2025-01-01T00:00:00.000Z"}],"has_more":false,"first_id":"m","last_id":"m"}"#
        );
    }

    #[test]
    fn upstream_lists_are_read() {
        let body = r#"{"object":"list","data":[{"id":"a","max_model_len":8192},
            {"id":"b","max_tokens":64,"context_length":"x"},{"id":""},{"id":"a\u0000"}]}"#;
        let model =
            |id: &str, context, output_max| UpstreamModel { id: id.into(), context, output_max };
        assert_eq!(
            read_upstream(Dialect::Openai, body.as_bytes()),
            Ok(vec![model("a", Some(8192), None), model("b", None, Some(64))])
        );
        assert_eq!(read_upstream(Dialect::Openai, b"{}"), Err(NotAList));
    }

    #[test]
    fn names_and_lists_are_bounded() {
        let body = |n: usize| json!({"data": [{"id": "x".repeat(n)}]}).to_string();
        let count = |n| read_upstream(Dialect::Openai, body(n).as_bytes()).unwrap().len();
        assert_eq!((count(MODEL_NAME_BYTES_MAX), count(MODEL_NAME_BYTES_MAX + 1)), (1, 0));
    }

    #[test]
    fn ollamas_list_is_read_and_a_show_names_its_model() {
        let body = br#"{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest","size":2,"details":{"family":"llama"}}]}"#;
        let read = read_upstream(Dialect::Ollama, body).unwrap();
        assert_eq!(read[0].id, "llama3.2:latest");
        for (body, expected) in [
            (r#"{"model":"m"}"#, Some("m")),
            (r#"{"name":"m","verbose":true}"#, Some("m")),
            (r#"{"model":"a","name":"b"}"#, Some("a")),
            (r#"{"Model":"a"}"#, None),
            (r#"{"model":7}"#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(asked(body.as_bytes(), 8).ok().as_deref(), expected, "{body}");
        }
    }
}
