//! Where the parts of a body stand that are looked at again.

use std::ops::Range;

/// Where the parts stand that may have to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spans {
    /// Just after the opening brace.
    pub(super) open: usize,
    pub(super) model: Range<usize>,
    pub(super) usage: UsageOption,
    /// The value of Ollama's `keep_alive`.
    pub(super) keep_alive: Option<Range<usize>>,
    /// What the model reads, in the order of the model's template.
    pub(super) prompt: Box<[Range<usize>]>,
}

/// How the body asks for usage on the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum UsageOption {
    /// It does.
    Asked,
    /// There is no `stream_options`.
    NoOptions,
    /// `stream_options` is null, here.
    NullOptions(Range<usize>),
    /// `include_usage` stands here and is not true.
    Value(Range<usize>),
    /// There is none in `stream_options`, which opens just before `open`.
    Absent {
        /// Just after its opening brace.
        open: usize,
        /// Whether it has no field at all.
        empty: bool,
    },
}
