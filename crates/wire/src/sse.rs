//! Server-sent events: an incremental parser with a bound, and a writer.
//!
//! After the HTML standard, section 9.2.6: lines end in LF, CR or CRLF; a
//! blank line ends an event; a line that begins with a colon is a comment; a
//! byte order mark at the start is skipped.

use std::borrow::Cow;
use std::ops::Range;

use bytes::{BufMut, BytesMut};
use memchr::memchr2;
use surgewall_core::limits::SSE_EVENT_BYTES_MAX;

/// The door's own comment, which keeps connections open.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";
/// Capacity that an idle parser keeps, in bytes.
const IDLE_BYTES_MAX: usize = 4 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// An event is longer than [`SSE_EVENT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {SSE_EVENT_BYTES_MAX} bytes")]
pub struct TooLarge;

/// What the parser hands on.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A block of lines that a blank line ended.
    Block(Block<'a>),
    /// The LF of a CRLF whose CR ended the last block and came in an earlier chunk.
    LineFeed,
}

/// A block of lines: an event, comments, or both.
#[derive(Debug)]
pub struct Block<'a> {
    /// All its bytes, with the blank line at the end.
    pub raw: &'a [u8],
    shape: Shape,
}

/// What the lines of a block are, as ranges from its start.
#[derive(Debug, Clone, Default)]
struct Shape {
    name: Option<Range<usize>>,
    data: Option<Range<usize>>,
    data_lines: u32,
    comments: bool,
    fields: bool,
    unknown: bool,
}

impl Shape {
    fn line(&mut self, line: &[u8], at: usize) {
        if line.first() == Some(&b':') {
            self.comments = true;
            return;
        }
        self.fields = true;
        let (name, value) = field(line);
        let range = at + value.start..at + value.end;
        match name {
            b"data" => {
                self.data_lines += 1;
                self.data.get_or_insert(range);
            }
            b"event" => self.name = Some(range),
            b"id" | b"retry" => {}
            _ => self.unknown = true,
        }
    }
}

/// A line's field name and the range of its value, one leading space taken off.
fn field(line: &[u8]) -> (&[u8], Range<usize>) {
    if line.starts_with(b"data: ") {
        return (&line[..4], 6..line.len());
    }
    let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
    let mut start = (colon + 1).min(line.len());
    if line.get(start) == Some(&b' ') {
        start += 1;
    }
    (&line[..colon], start..line.len())
}

impl Block<'_> {
    /// The data: lines joined by LF; `None` where there is no data line.
    #[must_use]
    pub fn data(&self) -> Option<Cow<'_, [u8]>> {
        let first = self.shape.data.clone()?;
        if self.shape.data_lines == 1 {
            return Some(Cow::Borrowed(&self.raw[first]));
        }
        let values = lines(self.raw).filter_map(|line| {
            let (name, value) = field(&line[..line.len() - ending(line)]);
            (name == b"data").then(|| &line[value])
        });
        Some(Cow::Owned(values.collect::<Vec<_>>().join(&b'\n')))
    }

    /// The event's name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.shape.name.clone().map_or(&[], |range| &self.raw[range])
    }

    /// Whether it has a comment.
    #[must_use]
    pub const fn has_comment(&self) -> bool {
        self.shape.comments
    }

    /// Whether it has a field: if not, it is comments alone.
    #[must_use]
    pub const fn has_field(&self) -> bool {
        self.shape.fields
    }

    /// Whether it has a field that the standard does not know.
    #[must_use]
    pub const fn has_unknown(&self) -> bool {
        self.shape.unknown
    }

    /// Whether its data is one line, so that a span of the data is one of the raw bytes.
    #[must_use]
    pub fn data_at(&self) -> Option<usize> {
        let one = self.shape.data_lines == 1 && !self.shape.comments;
        self.shape.data.as_ref().filter(|_| one).map(|range| range.start)
    }

    /// Its bytes without comments.
    #[must_use]
    pub fn without_comments(&self) -> Cow<'_, [u8]> {
        if !self.shape.comments {
            return Cow::Borrowed(self.raw);
        }
        let kept = lines(self.raw).filter(|line| line.first() != Some(&b':'));
        Cow::Owned(kept.collect::<Vec<_>>().concat())
    }
}

/// The lines of a block with their endings.
fn lines(raw: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let end = memchr2(b'\n', b'\r', rest).map_or(rest.len(), |at| {
            if rest[at] == b'\r' && rest.get(at + 1) == Some(&b'\n') { at + 2 } else { at + 1 }
        });
        let (line, after) = rest.split_at(end);
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

/// How many bytes at the end of `line` are its ending.
fn ending(line: &[u8]) -> usize {
    if line.ends_with(b"\r\n") {
        2
    } else {
        usize::from(line.ends_with(b"\n") || line.ends_with(b"\r"))
    }
}

/// The incremental parser. How the bytes are cut into chunks changes nothing
/// in what it hands on, except where [`Piece::LineFeed`] stands.
#[derive(Debug, Default)]
pub struct Parser {
    /// Bytes of the block that is not complete.
    held: Vec<u8>,
    /// Where its current line begins, and how far it was looked through.
    line: usize,
    looked: usize,
    shape: Shape,
    /// The last byte was a CR that ended a blank line: `Some(true)` if a block went out.
    after_cr: Option<bool>,
    begun: bool,
}

impl Parser {
    /// Takes the next bytes and hands each complete block to `sink`.
    ///
    /// # Errors
    /// An event is too large, or what `sink` returns.
    pub fn feed<E: From<TooLarge>>(
        &mut self,
        mut bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if bytes.is_empty() {
            return Ok(());
        }
        if let Some(went_out) = self.after_cr.take()
            && bytes[0] == b'\n'
        {
            bytes = &bytes[1..];
            if went_out {
                sink(Piece::LineFeed)?;
            }
        }
        if self.begun && self.held.is_empty() {
            let used = self.scan(bytes, sink)?;
            self.held.extend_from_slice(&bytes[used..]);
        } else {
            self.feed_held(bytes, sink)?;
        }
        if self.held.len() > SSE_EVENT_BYTES_MAX { Err(TooLarge.into()) } else { Ok(()) }
    }

    fn feed_held<E: From<TooLarge>>(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut held = std::mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        if !self.begun {
            if held.len() < BOM.len() && BOM.starts_with(&held) {
                self.held = held;
                return Ok(());
            }
            self.begun = true;
            if held.starts_with(BOM) {
                held.drain(..BOM.len());
            }
        }
        let used = self.scan(&held, sink)?;
        if used == held.len() && held.capacity() > IDLE_BYTES_MAX {
            held = Vec::new();
        } else {
            held.drain(..used);
        }
        self.held = held;
        Ok(())
    }

    /// The end of the stream: a block without its blank line is handed on as
    /// if it had one. Returns whether there was one.
    ///
    /// # Errors
    /// As [`Self::feed`].
    pub fn finish<E: From<TooLarge>>(
        &mut self,
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        if self.held.is_empty() {
            return Ok(false);
        }
        self.begun = true;
        let ends: &[u8] = if self.held.ends_with(b"\n") { b"\n" } else { b"\n\n" };
        self.feed(ends, sink)?;
        Ok(true)
    }

    /// Hands on the blocks of `bytes`, which begin where the held block does;
    /// returns how many bytes they took.
    fn scan<E: From<TooLarge>>(
        &mut self,
        bytes: &[u8],
        sink: &mut impl FnMut(Piece<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        let (mut start, mut line, mut at) = (0, self.line, self.looked);
        while let Some(found) = memchr2(b'\n', b'\r', &bytes[at..]) {
            let end = at + found;
            let blank = end == line;
            let next = match (bytes[end], bytes.get(end + 1)) {
                (b'\r', Some(b'\n')) => end + 2,
                // A CR that ends a block is not waited for: the LF may never come.
                (b'\r', None) if blank => {
                    self.after_cr = Some(line > start);
                    end + 1
                }
                (b'\r', None) => {
                    at = end;
                    self.line = line - start;
                    self.looked = at - start;
                    return Ok(start);
                }
                _ => end + 1,
            };
            if !blank {
                self.shape.line(&bytes[line..end], line - start);
            } else if line - start > SSE_EVENT_BYTES_MAX {
                return Err(TooLarge.into());
            } else {
                let shape = std::mem::take(&mut self.shape);
                if line > start {
                    sink(Piece::Block(Block { raw: &bytes[start..next], shape }))?;
                }
                start = next;
            }
            line = next;
            at = next;
        }
        self.line = line - start;
        self.looked = bytes.len() - start;
        Ok(start)
    }
}

/// Writes an event; `name` is left out where it is empty. `data` has no line ends.
pub fn write(out: &mut BytesMut, name: &str, data: &[u8]) {
    out.reserve(name.len() + data.len() + 18);
    if !name.is_empty() {
        out.put_slice(b"event: ");
        out.put_slice(name.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_slice(b"data: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(chunks: &[&[u8]]) -> Result<(Vec<String>, Vec<u8>), TooLarge> {
        let (mut seen, mut raw) = (Vec::new(), Vec::new());
        let mut parser = Parser::default();
        let mut sink = |piece: Piece<'_>| {
            match piece {
                Piece::LineFeed => raw.push(b'\n'),
                Piece::Block(block) => {
                    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                    let data = block.data().map(|data| text(&data));
                    seen.push(format!("{}|{data:?}|{}", text(block.name()), block.has_comment()));
                    raw.extend_from_slice(block.raw);
                }
            }
            Ok(())
        };
        for chunk in chunks {
            parser.feed(chunk, &mut sink)?;
        }
        parser.finish(&mut sink)?;
        Ok((seen, raw))
    }

    const CASES: &[(&str, &[&str])] = &[
        ("data: a\n\ndata:b\n\n", &["|Some(\"a\")|false", "|Some(\"b\")|false"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", &["|Some(\"a\")|false", "|Some(\"b\")|false"]),
        ("data: a\r\rdata: b\r\r", &["|Some(\"a\")|false", "|Some(\"b\")|false"]),
        ("event: x\ndata: 1\ndata:  2\n\n", &["x|Some(\"1\\n 2\")|false"]),
        (": ping\n\n:\ndata\n\n", &["|None|true", "|Some(\"\")|true"]),
        ("\n\n\r\n\ndata: a", &["|Some(\"a\")|false"]),
        ("id: 1\nretry: 5\n\n", &["|None|false"]),
    ];

    #[test]
    fn blocks_are_what_the_standard_says_however_they_are_cut() {
        for (text, expected) in CASES {
            for with_bom in [false, true] {
                let bytes = [if with_bom { BOM } else { b"" }, text.as_bytes()].concat();
                let whole = pieces(&[&bytes]).unwrap();
                assert_eq!(whole.0, *expected, "{text:?}");
                let single: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(pieces(&single).unwrap(), whole, "{text:?} byte by byte");
                for cut in 0..bytes.len() {
                    let (a, b) = bytes.split_at(cut);
                    assert_eq!(pieces(&[a, b]).unwrap(), whole, "{text:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn the_size_of_an_event_is_limited() {
        let event = |n: usize| format!("data: {}\n\n", "x".repeat(n - 7));
        for step in [usize::MAX, 60_000] {
            let run = |text: &str| {
                let step = step.min(text.len());
                pieces(&text.as_bytes().chunks(step).collect::<Vec<_>>()).map(|seen| seen.0.len())
            };
            assert_eq!(run(&event(SSE_EVENT_BYTES_MAX)), Ok(1));
            assert_eq!(run(&event(SSE_EVENT_BYTES_MAX + 1)), Err(TooLarge));
        }
        assert_eq!(pieces(&[&vec![b'x'; SSE_EVENT_BYTES_MAX + 1]]), Err(TooLarge));
    }

    #[test]
    fn comments_can_be_taken_off() {
        let mut parser = Parser::default();
        let mut kept = Vec::new();
        let mut sink = |piece: Piece<'_>| {
            if let Piece::Block(block) = piece {
                kept.extend_from_slice(&block.without_comments());
            }
            Ok::<_, TooLarge>(())
        };
        parser.feed(b": a\r\ndata: x\r\n:b\r\n\r\n", &mut sink).unwrap();
        assert_eq!(kept, b"data: x\r\n\r\n");
    }
}
