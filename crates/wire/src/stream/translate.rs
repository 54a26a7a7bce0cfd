//! A stream of one dialect for a client of the other.

use std::borrow::Cow;
use std::ops::Range;

use bytes::BytesMut;
use surgewall_core::config::schema::Dialect;

use super::{StreamFault, StreamOptions, Tally};
use crate::ir::Event;
use crate::{anthropic, json, openai};

/// The state of one such stream.
#[derive(Debug)]
pub(super) struct Translation {
    way: Way,
    /// What the text of the last event with a text alone was.
    kind: Option<Kind>,
}

#[derive(Debug)]
enum Way {
    ToAnthropic(openai::read_stream::Reader, anthropic::write_stream::Writer),
    ToOpenAi(anthropic::read_stream::Reader, openai::write_stream::Writer),
}

/// What a text is.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Thinking,
    ToolArguments(u32),
}

/// What one event came to.
pub(super) struct Translated {
    /// Whether it was the last.
    pub(super) last: bool,
    /// Where its text stands in the data, if it meant nothing else.
    pub(super) lone: Option<Range<usize>>,
}

impl Translation {
    /// For an upstream of this dialect and a client of the other.
    pub(super) fn new(upstream: Dialect) -> Self {
        let way = match upstream {
            Dialect::Anthropic => Way::ToOpenAi(Default::default(), Default::default()),
            Dialect::Openai | Dialect::Ollama => {
                Way::ToAnthropic(Default::default(), Default::default())
            }
        };
        Self { way, kind: None }
    }

    /// Reads one event and writes what it means.
    pub(super) fn event(
        &mut self,
        name: &[u8],
        data: &str,
        options: &StreamOptions,
        tally: &mut Tally,
        out: &mut BytesMut,
    ) -> Result<Translated, StreamFault> {
        let (mut last, mut events, mut lone) = (false, 0_u32, None);
        let mut note = |event: &Event<'_>, tally: &mut Tally| {
            last |= count(event, tally);
            events += 1;
            lone = lone_text(event, data);
        };
        match &mut self.way {
            Way::ToAnthropic(reader, writer) => {
                reader.event(data, &mut |event| {
                    note(&event, tally);
                    writer.event(event, options, tally.output.raw_tokens(), out);
                })?;
                if writer.is_tangled() {
                    return Err(StreamFault::Garbage);
                }
            }
            Way::ToOpenAi(reader, writer) => reader.event(name, data, &mut |event| {
                note(&event, tally);
                writer.event(event, options, out);
            })?,
        }
        let lone = lone.filter(|_| events == 1);
        self.kind = lone.as_ref().map(|(kind, _)| *kind);
        Ok(Translated { last, lone: lone.map(|(_, span)| span) })
    }

    /// Writes an event that differs from the last one with a text alone in
    /// that text; returns whether there was such a one.
    pub(super) fn text(
        &mut self,
        text: &str,
        options: &StreamOptions,
        tally: &mut Tally,
        out: &mut BytesMut,
    ) -> bool {
        // What an empty text means is for the readers to say.
        let Some(kind) = self.kind.filter(|_| !text.is_empty()) else { return false };
        let text = Cow::Borrowed(text);
        let event = match kind {
            Kind::Text => Event::Text(text),
            Kind::Thinking => Event::Thinking(text),
            Kind::ToolArguments(index) => Event::ToolArguments { index, text },
        };
        count(&event, tally);
        match &mut self.way {
            Way::ToAnthropic(_, writer) => writer.event(event, options, 0, out),
            Way::ToOpenAi(_, writer) => writer.event(event, options, out),
        }
        true
    }

    /// Ends the stream where the answer had ended; returns whether it had.
    pub(super) fn complete(
        &mut self,
        options: &StreamOptions,
        tally: &Tally,
        out: &mut BytesMut,
    ) -> bool {
        match &mut self.way {
            Way::ToAnthropic(reader, writer) if reader.is_complete() => {
                writer.event(Event::End, options, tally.output.raw_tokens(), out);
            }
            Way::ToOpenAi(reader, writer) if reader.is_complete() => {
                writer.event(Event::End, options, out);
            }
            _ => return false,
        }
        true
    }
}

/// Counts what an event hands on; returns whether it is the end.
fn count(event: &Event<'_>, tally: &mut Tally) -> bool {
    match event {
        Event::Text(text)
        | Event::Refusal(text)
        | Event::Thinking(text)
        | Event::ToolArguments { text, .. }
        | Event::ToolStart { name: text, .. } => tally.output.add(text),
        Event::Usage(usage) => tally.reported = Some(*usage),
        Event::Start { .. } | Event::Signature(_) | Event::Redacted(_) | Event::Stop(_) => {}
        Event::End => return true,
    }
    false
}

/// What an event's text is and where it stands in the data, if it has one
/// that had no escapes.
fn lone_text(event: &Event<'_>, data: &str) -> Option<(Kind, Range<usize>)> {
    let (kind, text) = match event {
        Event::Text(text) => (Kind::Text, text),
        Event::Thinking(text) => (Kind::Thinking, text),
        Event::ToolArguments { index, text } => (Kind::ToolArguments(*index), text),
        _ => return None,
    };
    let inside = data.as_bytes().as_ptr_range().contains(&text.as_ptr());
    inside.then(|| (kind, json::span(data, text)))
}
