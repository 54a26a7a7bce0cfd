//! An Ollama answer that is no stream, read for translation.

use super::line::Line;
use super::{call_id, stop};
use crate::answer::AnswerFault;
use crate::ir::{Answer, Part};

/// Reads a body whose `error` was looked for.
///
/// # Errors
/// The body is no answer of chat or generate.
pub(crate) fn read(text: &str, request_id: &str) -> Result<Answer, AnswerFault> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|_| AnswerFault::Garbage)?;
    if line.message.is_none() && line.response.is_none() {
        return Err(AnswerFault::Garbage);
    }
    let mut parts = Vec::new();
    if let Some(text) = line.thought() {
        parts.push(Part::Thinking { text: text.0.to_string(), signature: String::new() });
    }
    if let Some(text) = line.text() {
        parts.push(Part::Text(text.0.to_string()));
    }
    for (index, call) in line.calls().iter().enumerate() {
        parts.push(Part::ToolCall {
            id: call.id.as_ref().map_or_else(|| call_id(request_id, index), |id| id.0.to_string()),
            name: call.function.name.0.to_string(),
            arguments: call.arguments().to_owned(),
        });
    }
    let reason = line.done_reason.as_ref().map(|reason| &*reason.0);
    Ok(Answer {
        model: line.model_name(),
        parts,
        stop: stop(reason, !line.calls().is_empty()),
        usage: line.usage(),
    })
}
