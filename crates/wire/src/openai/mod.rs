//! OpenAI's chat completions, read and written for translation.

pub(crate) mod read_answer;
pub(crate) mod read_request;
pub(crate) mod read_stream;
pub(crate) mod write_answer;
pub(crate) mod write_request;
pub(crate) mod write_stream;

use crate::ir::{Stop, StopReason};

/// `finish_reason` for a stop.
pub(crate) const fn finish_reason(stop: &Stop) -> &'static str {
    match stop.reason {
        StopReason::Done | StopReason::Sequence => "stop",
        StopReason::Length => "length",
        StopReason::ToolCall => "tool_calls",
        StopReason::Withheld => "content_filter",
    }
}

/// Reads `finish_reason`, with the stop sequence where the server names it
/// (vLLM does, in `stop_reason`). `None` for a reason that is no end of an
/// answer, such as DeepSeek's `insufficient_system_resource`.
pub(crate) fn stop(
    finish_reason: &str,
    sequence: Option<&str>,
    tools_called: bool,
) -> Option<Stop> {
    let reason = match finish_reason {
        // Some servers say `stop` where they call a tool.
        "stop" | "tool_calls" | "function_call" if tools_called => StopReason::ToolCall,
        "stop" if sequence.is_some() => StopReason::Sequence,
        "stop" | "tool_calls" | "function_call" | "eos" | "eos_token" => StopReason::Done,
        "length" => StopReason::Length,
        "content_filter" => StopReason::Withheld,
        _ => return None,
    };
    let sequence = sequence.filter(|_| reason == StopReason::Sequence).map(str::to_owned);
    Some(Stop { reason, sequence })
}
