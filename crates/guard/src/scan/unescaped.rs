//! The text as a reader of JSON or of a URL sees it: `\u0041`, `\/`, `\"` and `%41`
//! are one character each. Made from the first escape on, scanned beside the text,
//! and given up when nothing that it finds can differ from the text any more.

use memchr::memchr2;

use crate::rules::{CONTEXT_BYTES, RuleSet};

use super::Scan;
use super::span::Span;
use super::window::Window;

/// Stands for every character that is not ASCII: no rule begins or ends in one.
const FOREIGN: u8 = 0xff;

/// Bytes of an escape, at most.
const ESCAPE_BYTES_MAX: usize = 6;

/// An escape in a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Escape {
    /// It begins here.
    At(usize),
    /// One of a blank begins here, [`BLANK_BYTES`] long.
    Blank(usize),
    /// One may begin here: the text ends too early to tell.
    Unclear(usize),
    /// There is none.
    None,
}

/// Bytes of a blank's escape.
pub(super) const BLANK_BYTES: usize = 2;

/// The blank that a backslash and this letter stand for.
pub(super) fn blank(letter: u8) -> Option<u8> {
    match letter {
        b'n' | b'r' | b'f' => Some(b'\n'),
        b't' | b'b' => Some(b'\t'),
        _ => None,
    }
}

/// One character, perhaps escaped.
enum Character {
    /// What it stands for, and its length.
    Escaped(u8, usize),
    Plain,
    Unclear,
}

/// The first escape from `from` on.
pub(super) fn next(text: &Window<'_>, from: usize, is_end: bool) -> Escape {
    let mut at = from;
    while let Some(offset) = memchr2(b'\\', b'%', text.from(at)) {
        at += offset;
        match character(text.from(at), is_end) {
            Character::Escaped(_, BLANK_BYTES) if is_blank(text.from(at)) => {
                return Escape::Blank(at);
            }
            Character::Escaped(..) => return Escape::At(at),
            Character::Unclear => return Escape::Unclear(at),
            Character::Plain => at += 1,
        }
    }
    Escape::None
}

/// Whether the escape at the beginning of `bytes` is a blank's.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|letter| blank(*letter).is_some())
}

/// Reads what stands at the beginning of `bytes`.
fn character(bytes: &[u8], is_end: bool) -> Character {
    let (head, digits) = match bytes {
        [b'%', ..] => (1, 2),
        [b'\\', b'u', ..] => (2, 4),
        [b'\\', b'x', ..] => (2, 2),
        [b'\\'] if !is_end => return Character::Unclear,
        [b'\\', next, ..] => {
            return match next {
                b'"' | b'\\' | b'/' | b'\'' => Character::Escaped(*next, 2),
                next => blank(*next)
                    .map_or(Character::Plain, |blank| Character::Escaped(blank, BLANK_BYTES)),
            };
        }
        _ => return Character::Plain,
    };
    let hex = bytes[head..].iter().take(digits);
    let mut value = 0_u32;
    let mut count = 0;
    for byte in hex {
        let Some(digit) = char::from(*byte).to_digit(16) else { return Character::Plain };
        value = value * 16 + digit;
        count += 1;
    }
    match (count == digits, is_end) {
        (true, _) => {
            let byte = u8::try_from(value).ok().filter(u8::is_ascii);
            Character::Escaped(byte.unwrap_or(FOREIGN), head + digits)
        }
        (false, true) => Character::Plain,
        (false, false) => Character::Unclear,
    }
}

/// A text without its escapes, scanned as it is made.
#[derive(Debug)]
pub(super) struct Unescaped {
    bytes: Vec<u8>,
    /// Where each byte began in the text as it came.
    starts: Vec<usize>,
    /// The position of the first byte. Positions are those of the escaped text up
    /// to the first escape.
    base: usize,
    /// Where the escaped text goes on, there and in the text as it came.
    fed: usize,
    fed_raw: usize,
    /// The last escape, in the escaped text.
    last_escape: usize,
    scan: Scan,
}

impl Unescaped {
    /// Of nothing yet.
    pub(super) fn new(scan: Scan) -> Self {
        let (bytes, starts) = (Vec::new(), Vec::new());
        Self { bytes, starts, base: 0, fed: 0, fed_raw: 0, last_escape: 0, scan }
    }

    /// Begins with `text`, whose first escape is at `at`, and of which all before
    /// `from` is decided.
    pub(super) fn begin(&mut self, text: &Window<'_>, from: usize, at: usize) {
        self.base = from.saturating_sub(CONTEXT_BYTES).max(text.base());
        self.bytes.clear();
        self.bytes.extend_from_slice(text.slice(self.base, at));
        self.starts.clear();
        self.starts.extend((self.base..at).map(|at| text.raw_start(at)));
        (self.fed, self.fed_raw, self.last_escape) = (at, text.raw_start(at), at);
    }

    /// Its scan.
    pub(super) fn scan(&mut self) -> &mut Scan {
        &mut self.scan
    }

    /// Goes on to the end of the escaped text `text`.
    pub(super) fn advance(
        &mut self,
        rules: &RuleSet,
        text: &Window<'_>,
        is_end: bool,
        spans: &mut Vec<Span>,
    ) {
        self.feed(text, is_end);
        let window = Window::mapped(&self.bytes, self.base, &self.starts, self.fed_raw);
        self.scan.advance(rules, &window, is_end, spans);
        let needed = self.scan.needed_from(&window);
        self.forget(needed);
    }

    fn feed(&mut self, text: &Window<'_>, is_end: bool) {
        while self.fed < text.end() {
            let rest = text.from(self.fed);
            let plain = memchr2(b'\\', b'%', rest).unwrap_or(rest.len());
            for at in self.fed..self.fed + plain {
                self.starts.push(text.raw_start(at));
            }
            self.bytes.extend_from_slice(&rest[..plain]);
            self.fed += plain;
            let Some(&first) = rest.get(plain) else { break };
            let (byte, length) = match character(&rest[plain..], is_end) {
                Character::Escaped(byte, length) => {
                    self.last_escape = self.fed;
                    (byte, length)
                }
                Character::Plain => (first, 1),
                Character::Unclear => break,
            };
            self.starts.push(text.raw_start(self.fed));
            self.bytes.push(byte);
            self.fed += length;
        }
        self.fed_raw = text.raw_start(self.fed);
    }

    /// Drops what is not needed any more, where that is most of it.
    fn forget(&mut self, needed: usize) {
        let count = needed.saturating_sub(self.base).min(self.bytes.len());
        if count > self.bytes.len() / 2 {
            self.bytes.drain(..count);
            self.starts.drain(..count);
            self.base += count;
        }
    }

    /// Whether nothing found here from now on can differ from what is found in the
    /// escaped text, whose last word begins at `word` and ends with it.
    pub(super) fn is_done(&self, text: &Window<'_>) -> bool {
        let word = text.word_start(text.end());
        let is_whole_word = !text.before(word).is_some_and(|before| before.is_ascii_graphic());
        self.fed == text.end()
            && is_whole_word
            && word > self.last_escape + ESCAPE_BYTES_MAX + CONTEXT_BYTES
            && self.scan.is_idle()
    }

    /// The position, in the text as it came, of the first candidate that is not
    /// decided; behind the text where there is none.
    pub(super) fn undecided_from(&self) -> usize {
        let window = Window::mapped(&self.bytes, self.base, &self.starts, self.fed_raw);
        self.scan.first_candidate(&window).unwrap_or(usize::MAX)
    }
}
