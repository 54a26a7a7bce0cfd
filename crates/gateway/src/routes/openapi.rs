//! The description of the public API (OpenAPI 3.1), made from the route table:
//! a route that is not described cannot exist.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use surgewall_wire::{ClientDialect, Endpoint};

use super::table::{self, Access, Handler, Route};
use crate::listen::Purpose;

/// The document, written once.
pub fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| build().to_string())
}

fn build() -> Value {
    let mut paths = Map::new();
    for route in described() {
        let path = route.path.replace("{*id}", "{id}");
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Surgewall",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "The front door of an AI service. Requests and answers have the shapes of the dialect named on each route; unknown fields pass through.",
        },
        "paths": paths,
        "components": {"securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        }, "schemas": schemas()},
    })
}

/// The public API: what the pages call under /app/ is theirs alone, and changes with them.
fn described() -> impl Iterator<Item = &'static Route> {
    let is_public = |route: &&Route| route.listener == Purpose::Public;
    table::all().filter(is_public).filter(|route| !route.path.starts_with("/app/"))
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "summary": summary(route),
        "tags": [route.dialect.as_str()],
        "responses": responses(route),
        "security": security(route),
    });
    if let Handler::Api(endpoint) = route.handler {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": reference(request_schema(route.dialect, endpoint))}},
        });
    }
    if route.handler == Handler::Show {
        operation["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": reference("ShowRequest")}},
        });
    }
    if route.handler == Handler::Model {
        operation["parameters"] =
            json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    }
    operation
}

fn summary(route: &Route) -> &'static str {
    match route.handler {
        Handler::Api(Endpoint::Chat) => "A model's answer to a conversation, streamed if asked",
        Handler::Api(Endpoint::Completions) => {
            "A model's continuation of a text, with or without a suffix"
        }
        Handler::Api(Endpoint::Embeddings) => "Vectors of texts",
        Handler::Api(Endpoint::CountTokens) => "An estimate of a request's input tokens",
        Handler::Models => "The models that the caller may use",
        Handler::Model => "One model",
        Handler::Show => "One model, named in the body",
        Handler::Version => "The version of Ollama whose API is emulated, and by whom",
        Handler::Balance => "What is left of the caller's budget in money",
        Handler::Healthz => "Whether the process lives",
        Handler::Readyz => "Whether it takes requests",
        Handler::OpenApi => "This document",
        Handler::Front => "The chat",
        Handler::File => "A file of the pages",
        Handler::CspReport => "What a browser found against the rules of a page",
        Handler::Metrics => "Prometheus metrics",
        Handler::Chat(_) => "A call of the chat's page",
        Handler::Lite(_) => "The chat without script",
        Handler::Account(_) => "A page of the own account",
        Handler::FoundByGithub => "GitHub's reports of keys that it saw in public, signed",
        Handler::Status(_) | Handler::StatusMinutes => "The status page",
        Handler::Admin(_) => "A page of the admin listener",
    }
}

fn security(route: &Route) -> Value {
    match route.access {
        Access::Everybody
        | Access::Operator
        | Access::Session
        | Access::Visitor
        | Access::Link
        | Access::Role => json!([{}]),
        Access::Caller => json!([{}, {"bearer": []}, {"apiKey": []}]),
        Access::Credential => json!([{"bearer": []}, {"apiKey": []}]),
    }
}

fn responses(route: &Route) -> Value {
    let kind = match route.handler {
        Handler::Healthz | Handler::Readyz => "text/plain",
        Handler::Front | Handler::Lite(_) | Handler::Status(_) | Handler::StatusMinutes => {
            "text/html"
        }
        _ => "application/json",
    };
    let mut content = json!({kind: {"schema": if kind == "application/json" { json!({"type": "object"}) } else { json!({"type": "string"}) }}});
    if matches!(route.handler, Handler::Api(Endpoint::Chat | Endpoint::Completions)) {
        content[route.dialect.stream_content_type()] = json!({"schema": {"type": "string"}});
    }
    let mut responses = json!({"200": {"description": "The answer", "content": content}});
    let error = match route.dialect {
        ClientDialect::Anthropic => "AnthropicError",
        ClientDialect::Ollama => "OllamaError",
        ClientDialect::OpenAi | ClientDialect::DeepSeek | ClientDialect::Responses => "Error",
    };
    let codes: &[(&str, &str)] = match route.handler {
        Handler::Api(_) => &[
            ("400", "The request is not valid"),
            ("401", "A key is needed, or it was not accepted"),
            ("403", "The key's scopes do not allow it"),
            ("404", "No such model for this caller"),
            ("408", "The body did not arrive in time"),
            ("413", "The body is too large"),
            ("429", "The caller's own quota is used up"),
            ("500", "A bug on the service's side"),
            ("502", "The model's server gave no usable answer"),
            ("503", "No server is available, or the service stops"),
            ("504", "The model's server did not answer in time"),
        ],
        Handler::Models | Handler::Model | Handler::Show | Handler::Balance => &[
            ("400", "Two credentials that differ"),
            ("401", "A key is needed, or it was not accepted"),
            ("403", "The key's scopes do not allow it"),
            ("404", "No such model for this caller"),
        ],
        _ => return responses,
    };
    for (code, description) in codes {
        let content = json!({"application/json": {"schema": reference(error)}});
        responses[*code] = json!({"description": description, "content": content});
    }
    responses
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

const fn request_schema(dialect: ClientDialect, endpoint: Endpoint) -> &'static str {
    match (dialect, endpoint) {
        (ClientDialect::Anthropic, _) => "MessagesRequest",
        (ClientDialect::Responses, _) => "ResponsesRequest",
        (ClientDialect::Ollama, Endpoint::Chat) => "OllamaChatRequest",
        (ClientDialect::Ollama, Endpoint::Completions) => "OllamaGenerateRequest",
        (_, Endpoint::Embeddings) => "EmbeddingsRequest",
        (_, Endpoint::Completions) => "CompletionRequest",
        _ => "ChatRequest",
    }
}

fn schemas() -> Value {
    let message =
        json!({"type": "object", "required": ["role"], "properties": {"role": {"type": "string"}}});
    let model = json!({"type": "string", "minLength": 1, "maxLength": surgewall_core::limits::MODEL_NAME_BYTES_MAX});
    let positive = json!({"type": "integer", "minimum": 1});
    json!({
        "Error": {"type": "object", "required": ["error"], "properties": {"error": {
            "type": "object", "required": ["message", "type", "code"], "properties": {
                "message": {"type": "string"}, "type": {"type": "string"},
                "code": {"type": ["string", "null"]}, "param": {"type": ["string", "null"]},
            }}}},
        "AnthropicError": {"type": "object", "required": ["type", "error"], "properties": {
            "type": {"const": "error"}, "request_id": {"type": "string"},
            "error": {"type": "object", "required": ["type", "message"], "properties": {
                "type": {"type": "string"}, "message": {"type": "string"}}}}},
        "OllamaError": {"type": "object", "required": ["error"], "properties": {
            "error": {"type": "string"}, "code": {"type": "string"}}},
        "ResponsesRequest": {"type": "object", "required": ["model", "input"], "properties": {
            "model": model, "input": {"type": ["string", "array"]}, "instructions": {"type": ["string", "null"]},
            "stream": {"type": ["boolean", "null"]}, "max_output_tokens": positive,
            "previous_response_id": {"type": "null"}, "conversation": {"type": "null"},
            "background": {"enum": [false, null]}}},
        "OllamaChatRequest": {"type": "object", "required": ["model", "messages"], "properties": {
            "model": model, "messages": {"type": "array", "minItems": 1, "items": message},
            "stream": {"type": ["boolean", "null"], "default": true}, "options": {"type": ["object", "null"]}}},
        "OllamaGenerateRequest": {"type": "object", "required": ["model", "prompt"], "properties": {
            "model": model, "prompt": {"type": "string"}, "suffix": {"type": ["string", "null"]},
            "stream": {"type": ["boolean", "null"], "default": true}, "options": {"type": ["object", "null"]}}},
        "ShowRequest": {"type": "object", "required": ["model"], "properties": {"model": model}},
        "ChatRequest": {"type": "object", "required": ["model", "messages"], "properties": {
            "model": model, "messages": {"type": "array", "minItems": 1, "items": message},
            "stream": {"type": ["boolean", "null"]}, "max_tokens": positive, "max_completion_tokens": positive,
            "n": {"type": "integer", "minimum": 1, "maximum": 128}}},
        "MessagesRequest": {"type": "object", "required": ["model", "messages", "max_tokens"], "properties": {
            "model": model, "messages": {"type": "array", "minItems": 1, "items": message},
            "stream": {"type": "boolean"}, "max_tokens": positive}},
        "CompletionRequest": {"type": "object", "required": ["model", "prompt"], "properties": {
            "model": model, "prompt": {}, "suffix": {"type": ["string", "null"]}, "max_tokens": positive}},
        "EmbeddingsRequest": {"type": "object", "required": ["model", "input"], "properties": {
            "model": model, "input": {}}},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_public_route_is_described() {
        let document: Value = serde_json::from_str(document()).unwrap();
        for route in described() {
            let path = route.path.replace("{*id}", "{id}");
            let found = &document["paths"][&path][route.method.to_lowercase()];
            assert!(found["summary"].is_string(), "{path}");
        }
        assert!(document["paths"].get("/metrics").is_none());
    }
}
