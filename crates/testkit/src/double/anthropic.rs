//! Anthropic's dialect: messages, token counts, models, errors.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Part;
use super::bank::Kind;
use super::plan::{Plan, Script, Usage, pieces};
use super::request::Ask;

/// A streamed answer.
pub(super) fn stream(plan: &Plan<'_>) -> Script {
    let mut script = VecDeque::new();
    script.push_back(free("message_start", &json!({"message": start(plan)})));
    script.push_back(free("ping", &json!({})));
    let mut index = 0_u8;
    if plan.reasoning > 0 {
        script.push_back(block_start(
            0_u8,
            &json!({"type": "thinking", "thinking": "", "signature": ""}),
        ));
        script.push_back(plan.reasoning_part(Kind::MessageThinking));
        let signature = json!({"type": "signature_delta", "signature": "ZG91Ymxl"});
        script.push_back(free("content_block_delta", &json!({"index": 0, "delta": signature})));
        script.push_back(free("content_block_stop", &json!({"index": 0})));
        index = 1;
    }
    if plan.calls.is_empty() {
        script.push_back(block_start(index, &json!({"type": "text", "text": ""})));
        script.push_back(plan.text_part(Kind::Message(index)));
        script.push_back(free("content_block_stop", &json!({"index": index})));
    }
    for (nth, (tool, arguments)) in plan.calls.iter().enumerate() {
        let index = usize::from(index) + nth;
        let id = format!("toolu_double_{nth}");
        let block = json!({"type": "tool_use", "id": id, "name": tool.name, "input": {}});
        script.push_back(block_start(index, &block));
        let frames = pieces(arguments).map(|piece| call_piece(index, &piece));
        script.push_back(Part::Fixed(frames.collect()));
        script.push_back(free("content_block_stop", &json!({"index": index})));
    }
    script.push_back(free("message_delta", &delta(plan)));
    script.push_back(free("message_stop", &json!({})));
    script
}

fn call_piece(index: usize, piece: &str) -> Bytes {
    let delta = json!({"type": "input_json_delta", "partial_json": piece});
    event("content_block_delta", &json!({"index": index, "delta": delta}))
}

fn block_start(index: impl Into<usize>, block: &Value) -> Part {
    let index: usize = index.into();
    free("content_block_start", &json!({"index": index, "content_block": block}))
}

fn free(name: &str, fields: &Value) -> Part {
    Part::Free(event(name, fields))
}

fn event(name: &str, fields: &Value) -> Bytes {
    let mut data = json!({"type": name});
    if let (Some(data), Some(fields)) = (data.as_object_mut(), fields.as_object()) {
        data.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

fn start(plan: &Plan<'_>) -> Value {
    let mut message = base(plan);
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    if let Some(usage) = plan.usage {
        // The first event tells the input; the output so far is one token.
        message["usage"] = usage_json(Usage { output: usage.output.min(1), ..usage });
    }
    message
}

fn delta(plan: &Plan<'_>) -> Value {
    let mut event = json!({"delta": {"stop_reason": stop(plan), "stop_sequence": null}});
    if let Some(usage) = plan.usage {
        event["usage"] = json!({"output_tokens": usage.output});
    }
    event
}

fn base(plan: &Plan<'_>) -> Value {
    json!({"id": "msg_double", "type": "message", "role": "assistant", "model": plan.model,
        "content": [], "stop_reason": stop(plan), "stop_sequence": null})
}

/// An answer that is no stream.
pub(super) fn whole(plan: &Plan<'_>) -> String {
    let mut content = Vec::new();
    if let Some(thinking) = plan.reasoning_text() {
        content.push(json!({"type": "thinking", "thinking": thinking, "signature": "ZG91Ymxl"}));
    }
    if plan.calls.is_empty() {
        content.push(json!({"type": "text", "text": plan.text()}));
    }
    for (nth, (tool, arguments)) in plan.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(arguments).unwrap_or_default();
        let id = format!("toolu_double_{nth}");
        content.push(json!({"type": "tool_use", "id": id, "name": tool.name, "input": input}));
    }
    let mut message = base(plan);
    message["content"] = Value::Array(content);
    if let Some(usage) = plan.usage {
        message["usage"] = usage_json(usage);
    }
    message.to_string()
}

fn stop(plan: &Plan<'_>) -> &'static str {
    match (plan.calls.is_empty(), plan.is_cut) {
        (false, _) => "tool_use",
        (true, true) => "max_tokens",
        (true, false) => "end_turn",
    }
}

/// Anthropic counts cached input tokens beside the others, not among them.
fn usage_json(usage: Usage) -> Value {
    json!({"input_tokens": usage.input - usage.cached, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached, "output_tokens": usage.output})
}

/// The answer to a count of tokens.
pub(super) fn count(ask: &Ask<'_>) -> String {
    json!({"input_tokens": ask.input_tokens()}).to_string()
}

/// The list of models.
pub(super) fn models(names: &[String]) -> String {
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
        .to_string()
}

/// One model.
pub(super) fn model(name: &str) -> Value {
    json!({"type": "model", "id": name, "display_name": name, "created_at": "2023-11-14T22:13:20Z"})
}

/// An error's body.
pub(super) fn error(status: u16, message: &str) -> String {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        529 | 503 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}}).to_string()
}
