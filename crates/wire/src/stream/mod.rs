//! One state machine from an upstream's bytes to the client's, for every pair
//! of dialects.

mod anthropic;
pub(crate) mod ollama;
mod openai;
mod template;
mod translate;

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use surgewall_core::config::schema::Dialect;
use surgewall_core::usage::Usage;

use crate::error::{self, ErrorBody, UpstreamError};
use crate::estimate::ByteClasses;
use crate::lines::Lines;
use crate::request::Form;
use crate::sse::{self, Block, Parser, Piece};
use crate::{ClientDialect, Endpoint};

/// What a stream needs to know of its request.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The client's dialect.
    pub client: ClientDialect,
    /// The upstream's dialect.
    pub upstream: Dialect,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The name to show instead of the upstream's model; `None` leaves it.
    pub shown_model: Option<String>,
    /// Whether the client asked for usage on the stream.
    pub include_usage: bool,
    /// The request's id.
    pub request_id: String,
    /// When the answer began, in seconds since 1970.
    pub created_s: u64,
    /// The door's estimate of the input, for dialects that say it first.
    pub input_tokens_estimate: u64,
    /// What the answer's form depends on besides.
    pub form: Form,
}

/// How an upstream's stream broke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// One event is longer than the limit.
    #[error("an event is too large")]
    EventTooLarge,
    /// Not events of its dialect.
    #[error("not events of its dialect")]
    Garbage,
    /// The upstream said that it failed.
    #[error("the upstream reported an error")]
    UpstreamError(UpstreamError),
    /// It ended before its answer did.
    #[error("the stream ended early")]
    Truncated,
}

impl From<sse::TooLarge> for StreamFault {
    fn from(_: sse::TooLarge) -> Self {
        Self::EventTooLarge
    }
}

/// What was seen of an answer so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The upstream's own count, once it gave a whole one.
    pub reported: Option<Usage>,
    /// All text handed on: content, reasoning, tool arguments.
    pub output: ByteClasses,
    /// Events with data that were taken.
    pub events: u64,
}

/// From an upstream's bytes to the client's.
#[derive(Debug)]
pub struct AnswerStream {
    feed: Feed,
    core: Core,
}

/// How the upstream's bytes are cut into events.
#[derive(Debug)]
enum Feed {
    Sse(Parser),
    Lines(Lines),
}

#[derive(Debug)]
struct Core {
    options: StreamOptions,
    path: Path,
    template: template::Template,
    /// The shown model as a JSON string.
    shown: String,
    tally: Tally,
    done: bool,
    /// Whether a LF that follows belongs to bytes that went out.
    echo: bool,
}

#[derive(Debug)]
enum Path {
    OpenAi(openai::Pass),
    Anthropic(anthropic::Pass),
    Ollama,
    Translated(Box<translate::Translation>),
}

/// What an event whose dialect the client speaks came to.
pub(crate) struct Seen<'d> {
    verdict: Verdict,
    /// Its text, where it means nothing else and has no escapes.
    lone: Option<&'d str>,
}

/// What becomes of such an event.
pub(crate) enum Verdict {
    /// Its bytes go out.
    Forward,
    /// They go out with this range of its data replaced by the shown model.
    Rename(Range<usize>),
    /// They do not go out.
    Swallow,
    /// They go out and the stream is complete.
    Last,
}

impl AnswerStream {
    /// A stream that has seen nothing.
    #[must_use]
    pub fn new(options: StreamOptions) -> Self {
        let path = match options.upstream {
            upstream if !options.client.matches(upstream) => {
                Path::Translated(Box::new(translate::Translation::new(&options)))
            }
            Dialect::Anthropic => Path::Anthropic(anthropic::Pass::default()),
            Dialect::Openai => Path::OpenAi(openai::Pass::default()),
            Dialect::Ollama => Path::Ollama,
        };
        let feed = match options.upstream {
            Dialect::Ollama => Feed::Lines(Lines::default()),
            Dialect::Openai | Dialect::Anthropic => Feed::Sse(Parser::default()),
        };
        let shown = crate::json::quote(options.shown_model.as_deref().unwrap_or_default());
        let core = Core {
            options,
            path,
            template: template::Template::default(),
            shown,
            tally: Tally::default(),
            done: false,
            echo: false,
        };
        Self { feed, core }
    }

    /// Takes the upstream's next bytes and appends what the client gets.
    /// Nothing is taken after [`Self::is_done`].
    ///
    /// # Errors
    /// The stream broke; what was appended before stands. The caller may then
    /// [`Self::fail`] it.
    pub fn feed(&mut self, upstream: &[u8], out: &mut BytesMut) -> Result<(), StreamFault> {
        let Self { feed, core } = self;
        match feed {
            Feed::Lines(_) if core.done => Ok(()),
            Feed::Lines(lines) => lines.feed(upstream, &mut |line| core.line(line, out)),
            Feed::Sse(parser) if core.done => core.tail(parser, upstream, out),
            Feed::Sse(parser) => parser.feed(upstream, &mut |piece| core.piece(piece, out)),
        }
    }

    /// The upstream's bytes are over: completes an answer that was finished
    /// but for its terminator.
    ///
    /// # Errors
    /// [`StreamFault::Truncated`] where the answer was not finished.
    pub fn finish(&mut self, out: &mut BytesMut) -> Result<(), StreamFault> {
        let Self { feed, core } = self;
        if core.done {
            return Ok(());
        }
        let finished = match feed {
            Feed::Sse(parser) => parser.finish(&mut |piece| core.piece(piece, out)).map(|_| ()),
            Feed::Lines(lines) => lines.finish(&mut |line| core.line(line, out)),
        };
        match finished {
            // What is left may be the half of an event.
            Err(StreamFault::Garbage) => return Err(StreamFault::Truncated),
            other => other?,
        };
        if core.done {
            return Ok(());
        }
        let complete = match &mut core.path {
            Path::OpenAi(pass) => pass.complete(out),
            Path::Anthropic(pass) => pass.complete(out),
            Path::Ollama => false,
            Path::Translated(translation) => translation.complete(&core.options, &core.tally, out),
        };
        core.done = complete;
        if complete { Ok(()) } else { Err(StreamFault::Truncated) }
    }

    /// Ends the stream with an error event in the client's dialect, once.
    pub fn fail(&mut self, error: &ErrorBody, out: &mut BytesMut) {
        if std::mem::replace(&mut self.core.done, true) {
            return;
        }
        match &mut self.core.path {
            Path::Translated(translation) => {
                translation.fail(self.core.options.client, error, out);
            }
            _ => error::render_event(self.core.options.client, error, out),
        }
        self.core.echo = false;
    }

    /// Whether the end was seen or written: later bytes are ignored.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.core.done
    }

    /// What was seen so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.core.tally
    }
}

impl Core {
    /// After the end only the LF that completes the last CRLF goes out.
    fn tail(
        &mut self,
        parser: &mut Parser,
        bytes: &[u8],
        out: &mut BytesMut,
    ) -> Result<(), StreamFault> {
        if self.echo {
            let first = &bytes[..bytes.len().min(1)];
            parser.feed(first, &mut |piece| self.piece(piece, out))?;
            self.echo &= first.is_empty();
        }
        Ok(())
    }

    fn piece(&mut self, piece: Piece<'_>, out: &mut BytesMut) -> Result<(), StreamFault> {
        match piece {
            Piece::LineFeed if self.echo => out.put_u8(b'\n'),
            Piece::LineFeed => {}
            Piece::Block(_) if self.done => self.echo = false,
            Piece::Block(block) => {
                self.echo = false;
                if !self.short_way(block.raw, out) {
                    self.block(&block, out)?;
                }
            }
        }
        Ok(())
    }

    /// Takes one line of a stream of lines.
    fn line(&mut self, line: &[u8], out: &mut BytesMut) -> Result<(), StreamFault> {
        if self.done {
            return Ok(());
        }
        let data = std::str::from_utf8(line).map_err(|_| StreamFault::Garbage)?;
        self.tally.events += 1;
        let (options, tally) = (&self.options, &mut self.tally);
        self.done = match &mut self.path {
            Path::Translated(translation) => {
                translation.event(b"", data, options, tally, out)?.last
            }
            _ => ollama::line(data, options, &self.shown, tally, out)?,
        };
        Ok(())
    }

    /// Takes an event that differs from one before it in its text alone.
    fn short_way(&mut self, raw: &[u8], out: &mut BytesMut) -> bool {
        let Some(text) = self.template.text_of(raw) else { return false };
        if let Path::Translated(translation) = &mut self.path {
            let taken = translation.text(text, &self.options, &mut self.tally, out);
            self.tally.events += u64::from(taken);
            return taken;
        }
        self.tally.events += 1;
        self.tally.output.add(text);
        match &self.template.rename {
            None => out.put_slice(raw),
            Some(span) => renamed(raw, span, &self.shown, out),
        }
        self.echo = true;
        true
    }

    fn block(&mut self, block: &Block<'_>, out: &mut BytesMut) -> Result<(), StreamFault> {
        // Lines of JSON have no comments.
        if block.has_comment() && self.options.client != ClientDialect::Ollama {
            out.put_slice(sse::KEEP_ALIVE);
        }
        if !block.has_field() {
            return Ok(());
        }
        let raw = std::str::from_utf8(block.raw).map_err(|_| StreamFault::Garbage)?;
        if block.has_unknown() {
            return Err(bare_error(raw));
        }
        let Some(data) = block.data() else {
            if !matches!(self.path, Path::Translated(_)) {
                self.forward(block, out);
            }
            return Ok(());
        };
        let data = std::str::from_utf8(&data).map_err(|_| StreamFault::Garbage)?;
        self.tally.events += 1;
        let seen = match &mut self.path {
            Path::OpenAi(pass) => pass.event(data, &self.options, &mut self.tally)?,
            Path::Anthropic(pass) => {
                pass.event(block.name(), data, &self.options, &mut self.tally)?
            }
            Path::Ollama => return Err(StreamFault::Garbage),
            Path::Translated(translation) => {
                let (options, tally) = (&self.options, &mut self.tally);
                let seen = translation.event(block.name(), data, options, tally, out)?;
                self.done = seen.last;
                if let Some(text) = seen.lone {
                    self.keep(block, text, None);
                }
                return Ok(());
            }
        };
        if let Some(text) = seen.lone {
            let text = crate::json::span(data, text);
            match &seen.verdict {
                Verdict::Forward => self.keep(block, text, None),
                Verdict::Rename(span) => self.keep(block, text, Some(span.clone())),
                Verdict::Swallow | Verdict::Last => {}
            }
        }
        match seen.verdict {
            Verdict::Forward => self.forward(block, out),
            Verdict::Swallow => {}
            Verdict::Rename(span) => self.rename(block, data, &span, out),
            Verdict::Last => {
                self.forward(block, out);
                self.done = true;
            }
        }
        Ok(())
    }

    /// Keeps an event that those after it may differ from in its text alone.
    /// The spans are those of its data.
    fn keep(&mut self, block: &Block<'_>, text: Range<usize>, rename: Option<Range<usize>>) {
        let Some(at) = block.data_at() else { return self.template.clear() };
        let shifted = |span: Range<usize>| at + span.start..at + span.end;
        self.template.keep(block.raw, shifted(text), rename.map(shifted));
    }

    fn forward(&mut self, block: &Block<'_>, out: &mut BytesMut) {
        out.put_slice(&block.without_comments());
        self.echo = true;
    }

    /// Forwards an event with `span` of its data replaced by the shown model.
    fn rename(&mut self, block: &Block<'_>, data: &str, span: &Range<usize>, out: &mut BytesMut) {
        if let Some(at) = block.data_at() {
            renamed(block.raw, &(at + span.start..at + span.end), &self.shown, out);
            self.echo = true;
            return;
        }
        // Data of several lines is written as one: a line end in JSON is only space.
        let mut line = BytesMut::new();
        renamed(data.as_bytes(), span, &self.shown, &mut line);
        line.iter_mut().filter(|b| **b == b'\n').for_each(|b| *b = b' ');
        sse::write(out, &String::from_utf8_lossy(block.name()), &line);
    }
}

/// Appends `bytes` with `span` replaced by the shown model.
fn renamed(bytes: &[u8], span: &Range<usize>, shown: &str, out: &mut BytesMut) {
    out.put_slice(&bytes[..span.start]);
    out.put_slice(shown.as_bytes());
    out.put_slice(&bytes[span.end..]);
}

/// What a line that is no field of an event means: an upstream that answers a
/// stream with a plain error body, or garbage.
fn bare_error(raw: &str) -> StreamFault {
    let error = error::read_upstream(Dialect::Openai, raw.as_bytes());
    if error.message.is_some() { StreamFault::UpstreamError(error) } else { StreamFault::Garbage }
}
