//! An answer in no dialect.

use surgewall_core::usage::Usage;

use super::Part;

/// The answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The model, as the upstream names it.
    pub(crate) model: String,
    pub(crate) parts: Vec<Part>,
    pub(crate) stop: Stop,
    pub(crate) usage: Option<Usage>,
}

/// Why the answer ended, and the stop sequence that ended it, if one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) reason: StopReason,
    pub(crate) sequence: Option<String>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The model was done.
    Done,
    /// A stop sequence came up.
    Sequence,
    /// The bound on output or the context was reached.
    Length,
    /// A tool is to be called.
    ToolCall,
    /// The content was withheld or refused.
    Withheld,
}
