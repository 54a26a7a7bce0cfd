//! A stream of one dialect for a client of the other.

use std::borrow::Cow;
use std::ops::Range;

use bytes::BytesMut;
use surgewall_core::config::schema::Dialect;

use super::{StreamFault, StreamOptions, Tally};
use crate::error::{self, ErrorBody};
use crate::ir::Event;
use crate::{ClientDialect, anthropic, json, ollama, openai, responses};

/// The state of one such stream.
#[derive(Debug)]
pub(super) struct Translation {
    reader: Reader,
    writer: Writer,
    /// What the text of the last event with a text alone was.
    kind: Option<Kind>,
}

/// What reads the upstream's events.
#[derive(Debug)]
enum Reader {
    OpenAi(openai::read_stream::Reader),
    Anthropic(anthropic::read_stream::Reader),
    Ollama(ollama::read_stream::Reader),
}

impl Reader {
    fn event(
        &mut self,
        name: &[u8],
        data: &str,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        match self {
            Self::OpenAi(reader) => reader.event(data, sink),
            Self::Anthropic(reader) => reader.event(name, data, sink),
            Self::Ollama(reader) => reader.event(data, sink),
        }
    }

    /// Whether the answer ended, with or without its terminator.
    const fn is_complete(&self) -> bool {
        match self {
            Self::OpenAi(reader) => reader.is_complete(),
            Self::Anthropic(reader) => reader.is_complete(),
            // The last line is the terminator.
            Self::Ollama(_) => false,
        }
    }
}

/// What writes the client's.
#[derive(Debug)]
enum Writer {
    OpenAi(openai::write_stream::Writer),
    Anthropic(anthropic::write_stream::Writer),
    Ollama(ollama::write_stream::Writer),
    Responses(responses::write_stream::Writer),
}

impl Writer {
    /// `output_estimate` stands for the output where the upstream counts nothing.
    fn event(
        &mut self,
        event: Event<'_>,
        options: &StreamOptions,
        output_estimate: u64,
        out: &mut BytesMut,
    ) {
        match self {
            Self::OpenAi(writer) => writer.event(event, options, out),
            Self::Anthropic(writer) => writer.event(event, options, output_estimate, out),
            Self::Ollama(writer) => writer.event(event, options, output_estimate, out),
            Self::Responses(writer) => writer.event(event, options, output_estimate, out),
        }
    }

    /// Why the stream cannot go on in this dialect, if it cannot.
    fn fault(&self) -> Option<StreamFault> {
        match self {
            Self::OpenAi(_) => None,
            Self::Anthropic(writer) => writer.is_tangled().then_some(StreamFault::Garbage),
            Self::Ollama(writer) => writer.fault(),
            Self::Responses(writer) => writer.fault(),
        }
    }
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
    /// For a client of another dialect than the upstream's.
    pub(super) fn new(options: &StreamOptions) -> Self {
        let reader = match options.upstream {
            Dialect::Openai => Reader::OpenAi(Default::default()),
            Dialect::Anthropic => Reader::Anthropic(Default::default()),
            Dialect::Ollama => {
                Reader::Ollama(ollama::read_stream::Reader::new(&options.request_id))
            }
        };
        let writer = match options.client {
            ClientDialect::OpenAi | ClientDialect::DeepSeek => Writer::OpenAi(Default::default()),
            ClientDialect::Anthropic => Writer::Anthropic(Default::default()),
            ClientDialect::Ollama => Writer::Ollama(Default::default()),
            ClientDialect::Responses => Writer::Responses(Default::default()),
        };
        Self { reader, writer, kind: None }
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
        let writer = &mut self.writer;
        self.reader.event(name, data, &mut |event| {
            note(&event, tally);
            writer.event(event, options, tally.output.raw_tokens(), out);
        })?;
        if let Some(fault) = writer.fault() {
            return Err(fault);
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
        if self.writer.fault().is_some() {
            // Reading it whole raises the fault.
            return false;
        }
        let text = Cow::Borrowed(text);
        let event = match kind {
            Kind::Text => Event::Text(text),
            Kind::Thinking => Event::Thinking(text),
            Kind::ToolArguments(index) => Event::ToolArguments { index, text },
        };
        count(&event, tally);
        self.writer.event(event, options, 0, out);
        true
    }

    /// Ends the stream where the answer had ended; returns whether it had.
    pub(super) fn complete(
        &mut self,
        options: &StreamOptions,
        tally: &Tally,
        out: &mut BytesMut,
    ) -> bool {
        let complete = self.reader.is_complete();
        if complete {
            self.writer.event(Event::End, options, tally.output.raw_tokens(), out);
        }
        complete
    }

    /// Ends the stream with an error event in the client's dialect.
    pub(super) fn fail(&mut self, client: ClientDialect, error: &ErrorBody, out: &mut BytesMut) {
        match &mut self.writer {
            Writer::Responses(writer) => writer.fail(error, out),
            _ => error::render_event(client, error, out),
        }
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
