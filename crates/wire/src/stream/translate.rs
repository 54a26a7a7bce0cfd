//! A stream of one dialect for a client of the other.

use bytes::BytesMut;
use surgewall_core::config::schema::Dialect;

use super::{StreamFault, StreamOptions, Tally};
use crate::ir::Event;
use crate::{anthropic, openai};

/// The state of one such stream.
#[derive(Debug)]
pub(super) enum Translation {
    ToAnthropic(openai::read_stream::Reader, anthropic::write_stream::Writer),
    ToOpenAi(anthropic::read_stream::Reader, openai::write_stream::Writer),
}

impl Translation {
    /// For an upstream of this dialect and a client of the other.
    pub(super) fn new(upstream: Dialect) -> Self {
        match upstream {
            Dialect::Anthropic => Self::ToOpenAi(Default::default(), Default::default()),
            Dialect::Openai | Dialect::Ollama => {
                Self::ToAnthropic(Default::default(), Default::default())
            }
        }
    }

    /// Reads one event and writes what it means; returns whether it was the last.
    pub(super) fn event(
        &mut self,
        name: &[u8],
        data: &str,
        options: &StreamOptions,
        tally: &mut Tally,
        out: &mut BytesMut,
    ) -> Result<bool, StreamFault> {
        let mut last = false;
        match self {
            Self::ToAnthropic(reader, writer) => {
                reader.event(data, &mut |event| {
                    last |= count(&event, tally);
                    writer.event(event, options, tally.output.raw_tokens(), out);
                })?;
                if writer.is_tangled() {
                    return Err(StreamFault::Garbage);
                }
            }
            Self::ToOpenAi(reader, writer) => reader.event(name, data, &mut |event| {
                last |= count(&event, tally);
                writer.event(event, options, out);
            })?,
        }
        Ok(last)
    }

    /// Ends the stream where the answer had ended; returns whether it had.
    pub(super) fn complete(
        &mut self,
        options: &StreamOptions,
        tally: &Tally,
        out: &mut BytesMut,
    ) -> bool {
        match self {
            Self::ToAnthropic(reader, writer) if reader.is_complete() => {
                writer.event(Event::End, options, tally.output.raw_tokens(), out);
            }
            Self::ToOpenAi(reader, writer) if reader.is_complete() => {
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
