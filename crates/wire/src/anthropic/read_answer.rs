//! An Anthropic message, read for translation.

use serde_json::Value;

use super::stop;
use crate::answer::AnswerFault;
use crate::ir::{Answer, Part};
use crate::usage::AnthropicUsage;

/// Reads a message.
///
/// # Errors
/// The body is no message.
pub(crate) fn read(body: &Value) -> Result<Answer, AnswerFault> {
    let blocks = body["content"].as_array().ok_or(AnswerFault::Garbage)?;
    let parts = blocks.iter().map(part).collect::<Result<_, _>>()?;
    let reason = body["stop_reason"].as_str().ok_or(AnswerFault::Garbage)?;
    let usage = body.get("usage").and_then(|usage| AnthropicUsage::read(&usage.to_string()));
    Ok(Answer {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        parts,
        stop: stop(reason, body["stop_sequence"].as_str()),
        usage: usage.and_then(|usage| usage.whole()),
    })
}

fn part(block: &Value) -> Result<Part, AnswerFault> {
    let owned = |name: &str| block[name].as_str().map(str::to_owned).ok_or(AnswerFault::Garbage);
    Ok(match block["type"].as_str() {
        Some("text") => Part::Text(owned("text")?),
        Some("thinking") => {
            let signature = block["signature"].as_str().unwrap_or_default().to_owned();
            Part::Thinking { text: owned("thinking")?, signature }
        }
        Some("redacted_thinking") => Part::Redacted(owned("data")?),
        Some("tool_use") => Part::ToolCall {
            id: owned("id")?,
            name: owned("name")?,
            arguments: block["input"].to_string(),
        },
        // Blocks of tools that a translated request cannot have asked for.
        _ => return Err(AnswerFault::Garbage),
    })
}
