//! An answer, written as an Anthropic message.

use serde_json::{Value, json};
use surgewall_core::usage::Usage;

use super::stop_reason;
use crate::answer::AnswerOptions;
use crate::ir::{Answer, Part};

/// Writes the answer. A tool call whose arguments are no JSON object is kept
/// as text under `_raw`: the client sees what the model wrote.
pub(crate) fn write(answer: &Answer, options: &AnswerOptions) -> Value {
    let content: Vec<Value> = answer.parts.iter().filter_map(block).collect();
    let usage = answer.usage.unwrap_or_default();
    json!({
        "id": format!("msg_{}", options.request_id),
        "type": "message",
        "role": "assistant",
        "model": options.shown_model.as_ref().unwrap_or(&answer.model),
        "content": content,
        "stop_reason": stop_reason(&answer.stop),
        "stop_sequence": answer.stop.sequence,
        "usage": self::usage(&usage),
    })
}

fn block(part: &Part) -> Option<Value> {
    Some(match part {
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Thinking { text, signature } => {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Part::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        Part::ToolCall { id, name, arguments } => {
            let input = serde_json::from_str(arguments).ok().filter(Value::is_object);
            let input = input.unwrap_or_else(|| json!({"_raw": arguments}));
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        Part::Medium(_) | Part::ToolResult { .. } => return None,
    })
}

/// `usage`: here `input_tokens` are those that the cache had no part in.
pub(crate) fn usage(usage: &Usage) -> Value {
    let fresh = usage.input.saturating_sub(usage.cached).saturating_sub(usage.cache_write);
    json!({
        "input_tokens": fresh,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    })
}
