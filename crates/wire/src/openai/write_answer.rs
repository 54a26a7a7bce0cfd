//! An answer, written as an OpenAI chat completion.

use serde_json::{Map, Value, json};
use surgewall_core::usage::Usage;

use super::{finish_reason, write_request::tool_call};
use crate::answer::AnswerOptions;
use crate::ir::{Answer, Part};
use crate::{ClientDialect, Endpoint};

/// Writes the answer. Thinking goes out as `reasoning_content`; what signs it
/// as `thinking_blocks`, which a client may send back unchanged.
pub(crate) fn write(answer: &Answer, options: &AnswerOptions) -> Value {
    if options.endpoint == Endpoint::Completions {
        return completion(answer, options);
    }
    let (mut text, mut reasoning, mut refusal) = (None, None, None);
    let (mut calls, mut blocks) = (Vec::new(), Vec::new());
    for part in &answer.parts {
        match part {
            Part::Text(more) => append(&mut text, more),
            Part::Refusal(more) => append(&mut refusal, more),
            Part::Thinking { text, signature } => {
                append(&mut reasoning, text);
                if !signature.is_empty() {
                    blocks.push(
                        json!({"type": "thinking", "thinking": text, "signature": signature}),
                    );
                }
            }
            Part::Redacted(data) => blocks.push(json!({"type": "redacted_thinking", "data": data})),
            Part::ToolCall { id, name, arguments } => calls.push(tool_call(id, name, arguments)),
            Part::Medium(_) | Part::ToolResult { .. } => {}
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    message.insert("content".into(), text.into());
    message.insert("refusal".into(), refusal.into());
    if reasoning.is_some() {
        message.insert("reasoning_content".into(), reasoning.into());
    }
    if !blocks.is_empty() {
        message.insert("thinking_blocks".into(), blocks.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    let finish_reason = finish_reason(&answer.stop);
    let mut body = json!({
        "id": format!("chatcmpl-{}", options.request_id),
        "object": "chat.completion",
        "created": options.created_s,
        "model": options.shown_model.as_ref().unwrap_or(&answer.model),
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason}],
    });
    if let Some(usage) = &answer.usage {
        body["usage"] = self::usage(usage, options.client);
    }
    body
}

/// A completion: its text alone.
fn completion(answer: &Answer, options: &AnswerOptions) -> Value {
    let text: String = answer
        .parts
        .iter()
        .filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    let finish_reason = finish_reason(&answer.stop);
    let mut body = json!({
        "id": format!("cmpl-{}", options.request_id),
        "object": "text_completion",
        "created": options.created_s,
        "model": options.shown_model.as_ref().unwrap_or(&answer.model),
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": finish_reason}],
    });
    if let Some(usage) = &answer.usage {
        body["usage"] = self::usage(usage, options.client);
    }
    body
}

fn append(text: &mut Option<String>, more: &str) {
    text.get_or_insert_default().push_str(more);
}

/// `usage`, with DeepSeek's cache counts for its clients.
pub(crate) fn usage(usage: &Usage, client: ClientDialect) -> Value {
    let mut value = json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total(),
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    });
    if client == ClientDialect::DeepSeek {
        value["prompt_cache_hit_tokens"] = usage.cached.into();
        value["prompt_cache_miss_tokens"] = usage.input.saturating_sub(usage.cached).into();
    }
    value
}
