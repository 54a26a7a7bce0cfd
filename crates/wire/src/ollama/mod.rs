//! Ollama's API: chat, generate, embed; read and written for translation.
//!
//! Shapes after <https://github.com/ollama/ollama/blob/main/docs/api.md>.
//! Streams are lines of JSON, not server-sent events; the last line has
//! `done`, the reason and the counts.

pub(crate) mod embed;
pub(crate) mod line;
pub(crate) mod read_answer;
pub(crate) mod read_request;
pub(crate) mod read_stream;
pub(crate) mod write_answer;
pub(crate) mod write_request;
pub(crate) mod write_stream;

use surgewall_core::clock::Timestamp;
use surgewall_core::usage::Usage;

use crate::ir::{Stop, StopReason};

/// The version that `/api/version` names: the form of the API as emulated here.
pub(crate) const VERSION: &str = "0.12.6";

/// Options that change how the server runs the model for everybody, by loading
/// it anew: they are the operator's to set, not a caller's.
pub(crate) const SERVER_OPTIONS: [&str; 12] = [
    "f16_kv",
    "low_vram",
    "main_gpu",
    "num_batch",
    "num_ctx",
    "num_gpu",
    "num_keep",
    "num_thread",
    "numa",
    "use_mlock",
    "use_mmap",
    "vocab_only",
];

/// `done_reason` for a stop. The dialect has no word for withheld content; its
/// clients show any.
pub(crate) const fn done_reason(stop: &Stop) -> &'static str {
    match stop.reason {
        StopReason::Done | StopReason::Sequence | StopReason::ToolCall => "stop",
        StopReason::Length => "length",
        StopReason::Withheld => "content_filter",
    }
}

/// Reads `done_reason`.
pub(crate) fn stop(done_reason: Option<&str>, tools_called: bool) -> Stop {
    let reason = match done_reason {
        Some("length") => StopReason::Length,
        Some("content_filter") => StopReason::Withheld,
        _ if tools_called => StopReason::ToolCall,
        _ => StopReason::Done,
    };
    Stop { reason, sequence: None }
}

/// The counts of an answer's last part; `None` unless both are there.
pub(crate) const fn usage(prompt: Option<u64>, output: Option<u64>) -> Option<Usage> {
    let (Some(input), Some(output)) = (prompt, output) else { return None };
    Some(Usage { input, cached: 0, cache_write: 0, output, reasoning: 0 })
}

/// The id of the call `index` where the server gave none: the other dialects
/// ask for one that no other call has.
pub(crate) fn call_id(request_id: &str, index: usize) -> String {
    format!("call_{request_id}_{index}")
}

/// `created_at`.
pub(crate) fn created_at(created_s: u64) -> String {
    Timestamp::from_millis(created_s.saturating_mul(1_000)).to_string()
}
