//! A streamed answer's events in no dialect.

use std::borrow::Cow;

use surgewall_core::usage::Usage;

use super::Stop;

/// One event.
#[derive(Debug)]
pub(crate) enum Event<'a> {
    /// The answer begins; `model` as the upstream names it.
    Start {
        model: Cow<'a, str>,
    },
    Text(Cow<'a, str>),
    Refusal(Cow<'a, str>),
    Thinking(Cow<'a, str>),
    /// The signature of the thinking that came before.
    Signature(Cow<'a, str>),
    /// Thinking that only its maker can read.
    Redacted(Cow<'a, str>),
    /// A tool call begins; `index` counts tool calls from 0.
    ToolStart {
        index: u32,
        id: Cow<'a, str>,
        name: Cow<'a, str>,
    },
    /// More of its arguments' text.
    ToolArguments {
        index: u32,
        text: Cow<'a, str>,
    },
    Stop(Stop),
    /// The whole usage.
    Usage(Usage),
    /// The terminator.
    End,
}
