//! Redaction of a text that comes in pieces. The text that comes out does not
//! depend on where the pieces end.

use crate::rules::CONTEXT_BYTES;
use crate::scan::window::Window;
use crate::scan::{REACH_BYTES_MAX, Scan, WORD_BYTES_MAX};

use super::writer::Writer;
use super::{Found, Redacted, Redactor};

/// Bytes that are held back, at most: what may still become a match, which is at
/// most one match or one word long.
pub const HOLD_BYTES_MAX: usize =
    if REACH_BYTES_MAX > WORD_BYTES_MAX { REACH_BYTES_MAX } else { WORD_BYTES_MAX } + 16;

/// Redacts one stream. What may be the beginning of something is held back until
/// it is decided: usually the last word.
#[derive(Debug)]
pub struct StreamRedactor {
    redactor: Redactor,
    scan: Scan,
    writer: Writer,
    /// The text that is still needed, from the position `base` on.
    text: String,
    base: usize,
    released: usize,
}

impl StreamRedactor {
    pub(super) fn new(redactor: Redactor) -> Self {
        let scan = Scan::new();
        Self { redactor, scan, writer: Writer::new(), text: String::new(), base: 0, released: 0 }
    }

    /// Takes the next piece, and gives what can be released.
    #[must_use]
    pub fn push(&mut self, piece: &str) -> String {
        self.text.push_str(piece);
        self.advance(false)
    }

    /// Ends the stream, and gives what was held back.
    #[must_use]
    pub fn finish(mut self) -> String {
        self.advance(true)
    }

    /// As [`StreamRedactor::finish`], with all that was found in the stream.
    #[must_use]
    pub fn finish_found(mut self) -> Redacted {
        let text = self.advance(true);
        Redacted { text, found: self.writer.into_found() }
    }

    /// What was found in what has been released.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        self.writer.found()
    }

    /// Bytes that are held back now.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.base + self.text.len() - self.released
    }

    fn advance(&mut self, is_end: bool) -> String {
        let window = Window::part(self.text.as_bytes(), self.base);
        self.scan.advance(&self.redactor.rules, &window, is_end, self.writer.spans());
        let to = if is_end { window.end() } else { self.scan.undecided_from(&window) };
        let mut out = String::new();
        self.writer.write(&self.redactor, &self.text, self.base, to, &mut out);
        self.released = to;
        self.forget();
        out
    }

    /// Drops what is released and no match's context any more, where that is most of it.
    fn forget(&mut self) {
        let needed = self.released.saturating_sub(CONTEXT_BYTES);
        let count = self.text.floor_char_boundary(needed.saturating_sub(self.base));
        if count > self.text.len() / 2 {
            self.text.drain(..count);
            self.base += count;
        }
    }
}
