//! Putting back what was exchanged in a request: words that an upstream was given
//! in the place of values are found in its answer and exchanged again, also where
//! one comes in pieces, a few letters in each event.
//!
//! An event that ends in what may be the beginning of a word is held back until
//! the next ones decide. What holds no word goes out byte by byte as it came.

mod slots;

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::Value;

use self::slots::{Slot, slots};
use crate::ClientDialect;
use crate::lines::Lines;
use crate::sse::{self, Block, Parser, Piece, TooLarge};

/// Events that are held back, at most: a word is no longer than that.
pub const HELD_EVENTS_MAX: usize = 256;

/// The words of one request, and what each stands for.
#[derive(Clone, Debug, Default)]
pub struct Words(BTreeMap<String, String>);

impl Words {
    /// These words. Each begins with `[` and has no other; letter case does not count.
    #[must_use]
    pub fn new(values: BTreeMap<String, String>) -> Self {
        let lower = |(word, value): (String, String)| (word.to_ascii_lowercase(), value);
        Self(values.into_iter().map(lower).collect())
    }

    /// Whether there are none: then nothing is ever put back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` with values in the place of words; `None` where it has no word.
    #[must_use]
    pub fn put_back(&self, text: &str) -> Option<String> {
        let (mut out, mut from) = (String::new(), 0);
        for (at, _) in text.match_indices('[') {
            let word = text.get(at..).and_then(|rest| rest.split_inclusive(']').next());
            let value = word.and_then(|word| self.0.get(&word.to_ascii_lowercase()));
            if let (Some(word), Some(value)) = (word, value) {
                out.push_str(text.get(from..at).unwrap_or_default());
                out.push_str(value);
                from = at + word.len();
            }
        }
        if from == 0 {
            return None;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        Some(out)
    }

    /// A whole answer with its words put back: values are such that they need no
    /// escapes, at whatever depth of JSON a word stands.
    #[must_use]
    pub fn put_back_whole(&self, body: Bytes) -> Bytes {
        let text = std::str::from_utf8(&body).ok();
        text.and_then(|text| self.put_back(text)).map_or(body, Bytes::from)
    }

    /// Where the beginning of a word stands at the end of `text`.
    fn begun(&self, text: &str) -> Option<usize> {
        let at = text.rfind('[')?;
        let tail = text.get(at..)?.to_ascii_lowercase();
        self.is_begun(&tail).then_some(at)
    }

    /// Whether `tail`, in small letters, is the beginning of a word, and not all of it.
    fn is_begun(&self, tail: &str) -> bool {
        let next =
            self.0.range::<str, _>((std::ops::Bound::Excluded(tail), std::ops::Bound::Unbounded));
        next.map(|(word, _)| word).next().is_some_and(|word| word.starts_with(tail))
    }
}

/// One event that is held back.
#[derive(Debug)]
struct Held {
    /// Its bytes as they came.
    raw: Vec<u8>,
    /// Where its data stands in them, if that is one line.
    data: Option<(usize, usize)>,
    /// The event's name and data, for one whose data is several lines.
    name: String,
    joined: Vec<u8>,
    /// Its data, where a text in it was changed.
    changed: Option<Value>,
}

/// A text of an event that ends in the beginning of a word.
#[derive(Debug)]
struct Begun {
    /// The event's number, and where the text stands in it.
    event: u64,
    pointer: String,
    /// What of the text belongs to the beginning.
    bytes: usize,
}

/// Puts words back in one stream, in the client's dialect.
#[derive(Debug)]
pub struct Restorer {
    words: Words,
    feed: Feed,
    line: Line,
}

#[derive(Debug)]
enum Feed {
    Sse(Parser),
    Lines(Lines),
    /// It is not understood any more: it goes out as it comes.
    Plain,
}

/// The events that wait, in their order.
#[derive(Debug, Default)]
struct Line {
    held: VecDeque<Held>,
    /// The number of the first one.
    first: u64,
    /// By the texts that go on over events: what of a word was begun.
    begun: HashMap<String, Vec<Begun>>,
}

impl Restorer {
    /// For a stream of which nothing came yet.
    #[must_use]
    pub fn new(dialect: ClientDialect, words: Words) -> Self {
        let feed = match dialect {
            ClientDialect::Ollama => Feed::Lines(Lines::default()),
            _ => Feed::Sse(Parser::default()),
        };
        Self { words, feed, line: Line::default() }
    }

    /// Takes the next bytes, and appends what can go out.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) {
        let Self { words, feed, line } = self;
        let fed = match feed {
            Feed::Plain => {
                out.put_slice(bytes);
                return;
            }
            Feed::Lines(lines) => lines.feed(bytes, &mut |json| line.json(words, json)),
            Feed::Sse(parser) => parser.feed(bytes, &mut |piece| line.piece(words, piece, out)),
        };
        line.release(out);
        if fed.is_err() {
            // What is longer than an event may be has no word that anybody waits for.
            line.end(out);
            *feed = Feed::Plain;
        }
    }

    /// The stream is over: what is held back goes out.
    pub fn finish(&mut self, out: &mut BytesMut) {
        let Self { words, feed, line } = self;
        // An event without its end is none; the machine before never writes one.
        let _: Result<(), TooLarge> = match feed {
            Feed::Plain => Ok(()),
            Feed::Lines(lines) => lines.finish(&mut |json| line.json(words, json)),
            Feed::Sse(parser) => {
                parser.finish(&mut |piece| line.piece(words, piece, out)).map(|_| ())
            }
        };
        line.end(out);
    }
}

impl Line {
    fn piece(
        &mut self,
        words: &Words,
        piece: Piece<'_>,
        out: &mut BytesMut,
    ) -> Result<(), TooLarge> {
        match piece {
            Piece::LineFeed => match self.held.back_mut() {
                Some(held) => held.raw.push(b'\n'),
                None => out.put_u8(b'\n'),
            },
            Piece::Block(block) => self.block(words, &block),
        }
        Ok(())
    }

    fn block(&mut self, words: &Words, block: &Block<'_>) {
        let data = block.data().unwrap_or_default();
        let span = block.data_at().map(|at| (at, at + data.len()));
        let held = Held {
            raw: block.raw.to_vec(),
            data: span,
            name: String::from_utf8_lossy(block.name()).into_owned(),
            joined: if span.is_none() { data.to_vec() } else { Vec::new() },
            changed: None,
        };
        self.take(words, held, &data);
    }

    #[expect(clippy::unnecessary_wraps, reason = "the parser of lines asks for it")]
    fn json(&mut self, words: &Words, json: &[u8]) -> Result<(), TooLarge> {
        let raw = [json, b"\n"].concat();
        let (data, joined) = (Some((0, json.len())), Vec::new());
        let held = Held { raw, data, name: String::new(), joined, changed: None };
        self.take(words, held, json);
        Ok(())
    }

    /// Takes an event into the line, with what its texts come to.
    fn take(&mut self, words: &Words, held: Held, data: &[u8]) {
        let number = self.first + self.held.len() as u64;
        self.held.push_back(held);
        let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
        for Slot { name, pointer, text } in slots(&value) {
            self.text(words, number, &value, Slot { name, pointer, text });
        }
        if self.held.len() > HELD_EVENTS_MAX {
            // No word is this long: what began was none.
            let oldest = self.first;
            self.begun.retain(|_, pieces| pieces.iter().all(|piece| piece.event > oldest));
        }
    }

    /// Goes on with one text.
    fn text(&mut self, words: &Words, number: u64, value: &Value, slot: Slot) {
        let Slot { name, pointer, mut text } = slot;
        let mut changed = false;
        if let Some(pieces) = self.begun.remove(&name) {
            let (before, rest) = self.joined(&pieces, &text);
            let whole = format!("{before}{rest}");
            let lower = whole.to_ascii_lowercase();
            let word = lower.split_inclusive(']').next().unwrap_or_default();
            if let Some(value) = words.0.get(word) {
                self.exchange(&pieces, value);
                text = whole.get(word.len()..).unwrap_or_default().to_owned();
                changed = true;
            } else if words.is_begun(&lower) {
                let mut pieces = pieces;
                if !text.is_empty() {
                    pieces.push(Begun { event: number, pointer, bytes: text.len() });
                }
                self.begun.insert(name, pieces);
                return;
            }
        }
        if let Some(back) = words.put_back(&text) {
            text = back;
            changed = true;
        }
        if changed {
            self.set(number, &pointer, &text, Some(value));
        }
        if let Some(at) = words.begun(&text) {
            let bytes = text.len() - at;
            self.begun.insert(name, vec![Begun { event: number, pointer, bytes }]);
        }
    }

    /// What began before, and the text that goes on.
    fn joined<'t>(&self, pieces: &[Begun], text: &'t str) -> (String, &'t str) {
        let begun = pieces.iter().filter_map(|piece| {
            let whole = self.text_of(piece)?;
            whole.get(whole.len().checked_sub(piece.bytes)?..).map(str::to_owned)
        });
        (begun.collect(), text)
    }

    /// A text of an event that waits, as it is now.
    fn text_of(&self, piece: &Begun) -> Option<String> {
        let held = self.held.get(usize::try_from(piece.event.checked_sub(self.first)?).ok()?)?;
        if let Some(value) = &held.changed {
            return value.pointer(&piece.pointer)?.as_str().map(str::to_owned);
        }
        let value: Value = serde_json::from_slice(held.data()).ok()?;
        value.pointer(&piece.pointer)?.as_str().map(str::to_owned)
    }

    /// The word that `pieces` begin goes, and its value stands in the first of them.
    fn exchange(&mut self, pieces: &[Begun], value: &str) {
        for (nth, piece) in pieces.iter().enumerate() {
            let Some(text) = self.text_of(piece) else { continue };
            let kept = text.get(..text.len().saturating_sub(piece.bytes)).unwrap_or_default();
            let text = if nth == 0 { format!("{kept}{value}") } else { kept.to_owned() };
            self.set(piece.event, &piece.pointer, &text, None);
        }
    }

    fn set(&mut self, event: u64, pointer: &str, text: &str, value: Option<&Value>) {
        let at = event.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let Some(held) = at.and_then(|at| self.held.get_mut(at)) else { return };
        if held.changed.is_none() {
            held.changed = value.cloned().or_else(|| serde_json::from_slice(held.data()).ok());
        }
        if let Some(place) = held.changed.as_mut().and_then(|value| value.pointer_mut(pointer)) {
            *place = Value::from(text);
        }
    }

    /// Lets out what waits for nothing.
    fn release(&mut self, out: &mut BytesMut) {
        let needed = self.begun.values().flatten().map(|piece| piece.event).min();
        while !self.held.is_empty() && needed.is_none_or(|needed| self.first < needed) {
            self.first += 1;
            if let Some(held) = self.held.pop_front() {
                held.write(out);
            }
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        self.begun.clear();
        self.release(out);
    }
}

impl Held {
    /// Its data.
    fn data(&self) -> &[u8] {
        match self.data {
            Some((from, to)) => self.raw.get(from..to).unwrap_or_default(),
            None => &self.joined,
        }
    }

    fn write(self, out: &mut BytesMut) {
        let Some(value) = self.changed else { return out.put_slice(&self.raw) };
        let json = value.to_string();
        match self.data {
            Some((from, to)) => {
                out.put_slice(self.raw.get(..from).unwrap_or_default());
                out.put_slice(json.as_bytes());
                out.put_slice(self.raw.get(to..).unwrap_or_default());
            }
            None => sse::write(out, &self.name, json.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests;
