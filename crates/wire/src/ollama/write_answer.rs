//! An answer, written as Ollama's chat or generate.

use serde_json::{Map, Value, json};
use surgewall_core::usage::Usage;

use super::{created_at, done_reason};
use crate::Endpoint;
use crate::answer::AnswerOptions;
use crate::ir::{Answer, Part};

/// Writes the answer. The door measures no durations of the model's server, so
/// none are told.
pub(crate) fn write(answer: &Answer, options: &AnswerOptions) -> Value {
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &answer.parts {
        match part {
            Part::Text(more) | Part::Refusal(more) => text.push_str(more),
            Part::Thinking { text: more, .. } => thinking.push_str(more),
            Part::ToolCall { id, name, arguments } => calls.push(tool_call(id, name, arguments)),
            // Only its maker can read redacted thinking.
            Part::Redacted(_) | Part::Medium(_) | Part::ToolResult { .. } => {}
        }
    }
    let model = options.shown_model.as_ref().unwrap_or(&answer.model);
    let mut body = head(model, options.created_s);
    said(&mut body, options.endpoint, text, thinking, calls);
    body.insert("done".into(), true.into());
    body.insert("done_reason".into(), done_reason(&answer.stop).into());
    if let Some(usage) = &answer.usage {
        counts(&mut body, usage);
    }
    Value::Object(body)
}

/// What every line and body begins with.
pub(super) fn head(model: &str, created_s: u64) -> Map<String, Value> {
    let mut head = Map::new();
    head.insert("model".into(), model.into());
    head.insert("created_at".into(), created_at(created_s).into());
    head
}

/// Adds what the model says, in the form of the endpoint.
pub(super) fn said(
    body: &mut Map<String, Value>,
    endpoint: Endpoint,
    text: String,
    thinking: String,
    calls: Vec<Value>,
) {
    let mut said = Map::new();
    let generate = endpoint == Endpoint::Completions;
    if !generate {
        said.insert("role".into(), "assistant".into());
    }
    said.insert(if generate { "response" } else { "content" }.into(), text.into());
    if !thinking.is_empty() {
        said.insert("thinking".into(), thinking.into());
    }
    if !calls.is_empty() {
        said.insert("tool_calls".into(), calls.into());
    }
    if generate {
        body.extend(said);
    } else {
        body.insert("message".into(), Value::Object(said));
    }
}

/// Adds the counts.
pub(super) fn counts(body: &mut Map<String, Value>, usage: &Usage) {
    body.insert("prompt_eval_count".into(), usage.input.into());
    body.insert("eval_count".into(), usage.output.into());
}

/// A call; arguments that are no object are shown under a name of their own,
/// because the dialect has no text of arguments.
pub(crate) fn tool_call(id: &str, name: &str, arguments: &str) -> Value {
    let read = serde_json::from_str::<Value>(arguments).ok().filter(Value::is_object);
    let arguments = read.unwrap_or_else(|| json!({ "arguments": arguments }));
    json!({"id": id, "function": {"name": name, "arguments": arguments}})
}
