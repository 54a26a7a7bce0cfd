//! An OpenAI chat completion, read for translation.

use serde_json::Value;

use super::stop;
use crate::answer::AnswerFault;
use crate::error::UpstreamError;
use crate::ir::{Answer, Part};
use crate::usage;

/// Reads the first choice: translated requests ask for one.
///
/// # Errors
/// The body is no chat completion, or its end is a failure.
pub(crate) fn read(body: &Value) -> Result<Answer, AnswerFault> {
    let choice = body["choices"].get(0).ok_or(AnswerFault::Garbage)?;
    let message = choice["message"].as_object().ok_or(AnswerFault::Garbage)?;
    let mut parts = Vec::new();
    let reasoning =
        ["reasoning_content", "reasoning"].iter().find_map(|name| message.get(*name)?.as_str());
    if let Some(text) = reasoning.filter(|text| !text.is_empty()) {
        parts.push(Part::Thinking { text: text.to_owned(), signature: String::new() });
    }
    if let Some(text) =
        message.get("content").and_then(Value::as_str).filter(|text| !text.is_empty())
    {
        parts.push(Part::Text(text.to_owned()));
    }
    if let Some(text) = message.get("refusal").and_then(Value::as_str) {
        parts.push(Part::Refusal(text.to_owned()));
    }
    let calls = message.get("tool_calls").and_then(Value::as_array);
    for call in calls.into_iter().flatten() {
        parts.push(tool_call(call)?);
    }
    let finish = choice["finish_reason"].as_str().ok_or(AnswerFault::Garbage)?;
    let called = calls.is_some_and(|calls| !calls.is_empty());
    let stop = stop(finish, choice["stop_reason"].as_str(), called)
        .ok_or_else(|| AnswerFault::UpstreamError(ended_by(finish)))?;
    Ok(Answer {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        parts,
        stop,
        usage: body.get("usage").and_then(|usage| usage::read_openai(&usage.to_string())),
    })
}

/// An end that is a failure, such as DeepSeek's `insufficient_system_resource`.
pub(crate) fn ended_by(finish_reason: &str) -> UpstreamError {
    UpstreamError {
        message: Some("The model's server stopped before the answer was complete.".to_owned()),
        code: Some(crate::error::clean(finish_reason, crate::error::CODE_CHARS_MAX)),
        kind: None,
    }
}

fn tool_call(call: &Value) -> Result<Part, AnswerFault> {
    let owned = |value: &Value| value.as_str().map(str::to_owned).ok_or(AnswerFault::Garbage);
    let arguments = owned(&call["function"]["arguments"])?;
    let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
    Ok(Part::ToolCall {
        id: owned(&call["id"])?,
        name: owned(&call["function"]["name"])?,
        arguments,
    })
}
