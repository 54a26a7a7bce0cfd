//! Anthropic's messages, read and written for translation.

pub(crate) mod read_answer;
pub(crate) mod read_request;
pub(crate) mod read_stream;
pub(crate) mod write_answer;
pub(crate) mod write_request;
pub(crate) mod write_stream;

use crate::ir::{Stop, StopReason};

/// `stop_reason` for a stop.
pub(crate) const fn stop_reason(stop: &Stop) -> &'static str {
    match stop.reason {
        StopReason::Done => "end_turn",
        StopReason::Sequence => "stop_sequence",
        StopReason::Length => "max_tokens",
        StopReason::ToolCall => "tool_use",
        StopReason::Withheld => "refusal",
    }
}

/// Reads `stop_reason`; an unknown one is an end like any other.
pub(crate) fn stop(stop_reason: &str, sequence: Option<&str>) -> Stop {
    let reason = match stop_reason {
        "stop_sequence" => StopReason::Sequence,
        "max_tokens" | "model_context_window_exceeded" => StopReason::Length,
        "tool_use" => StopReason::ToolCall,
        "refusal" => StopReason::Withheld,
        _ => StopReason::Done,
    };
    Stop { reason, sequence: sequence.map(str::to_owned) }
}
