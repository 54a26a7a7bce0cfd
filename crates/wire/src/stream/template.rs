//! The short way through a stream: most events differ from the one before
//! them in one piece of text alone, so that comparing bytes is enough.
//!
//! If an event's bytes equal those of an event that was read whole, but for
//! the inside of one JSON string, and that inside has no quote, no backslash
//! and no control character, then it parses to the same value with another
//! text, and its lines are the same.

use std::borrow::Cow;
use std::ops::Range;

use super::Tally;
use crate::chunk::Str;

/// Events longer than this are read whole each time, in bytes.
const TEMPLATE_BYTES_MAX: usize = 1 << 10;

/// An event that was read whole.
#[derive(Debug, Default)]
pub(super) struct Template {
    raw: Vec<u8>,
    /// Where its text stands.
    text: Range<usize>,
    /// Where the model's name stands that another is shown for; before the text.
    pub(super) rename: Option<Range<usize>>,
}

impl Template {
    /// Keeps an event whose only meaning is the text at `text`.
    pub(super) fn keep(&mut self, raw: &[u8], text: Range<usize>, rename: Option<Range<usize>>) {
        self.clear();
        let ahead = rename.as_ref().is_none_or(|rename| rename.end <= text.start);
        if raw.len() <= TEMPLATE_BYTES_MAX && ahead {
            self.raw.extend_from_slice(raw);
            self.text = text;
            self.rename = rename;
        }
    }

    /// Keeps none.
    pub(super) fn clear(&mut self) {
        self.raw.clear();
    }

    /// The text of an event that differs from the kept one in it alone.
    pub(super) fn text_of<'a>(&self, raw: &'a [u8]) -> Option<&'a str> {
        let before = self.raw.get(..self.text.start)?;
        let after = self.raw.get(self.text.end..).filter(|after| !after.is_empty())?;
        let text = raw.strip_prefix(before)?.strip_suffix(after)?;
        let plain = |b: &u8| *b >= b' ' && *b != b'"' && *b != b'\\';
        if text.iter().all(plain) { std::str::from_utf8(text).ok() } else { None }
    }
}

/// The texts of one event: all are counted, and one alone is remembered.
pub(super) struct Texts<'d, 't> {
    tally: &'t mut Tally,
    count: u32,
    lone: Option<&'d str>,
}

impl<'d, 't> Texts<'d, 't> {
    /// None yet; counts go to `tally`.
    pub(super) const fn new(tally: &'t mut Tally) -> Self {
        Self { tally, count: 0, lone: None }
    }

    /// Adds one.
    pub(super) fn add(&mut self, text: Option<&Str<'d>>) {
        let Some(Str(text)) = text.filter(|text| !text.0.is_empty()) else { return };
        self.tally.output.add(text);
        self.count += 1;
        self.lone = match text {
            Cow::Borrowed(text) => Some(text),
            Cow::Owned(_) => None,
        };
    }

    /// The only one, if there was one and it has no escapes.
    pub(super) fn lone(&self) -> Option<&'d str> {
        self.lone.filter(|_| self.count == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_event_that_differs_in_its_text_alone_takes_the_short_way() {
        let mut template = Template::default();
        assert_eq!(template.text_of(b""), None);
        template.keep(br#"data: {"a":"x"}"#, 12..13, None);
        for (raw, text) in [
            (&br#"data: {"a":"yes"}"#[..], Some("yes")),
            (br#"data: {"a":""}"#, Some("")),
            ("data: {\"a\":\"é\"}".as_bytes(), Some("é")),
            (br#"data: {"a":"x","b":"y"}"#, None),
            (br#"data: {"a":"\n"}"#, None),
            (b"data: {\"a\":\"\n\"}", None),
            (b"data: {\"a\":\"\xff\"}", None),
            (br#"data: {"b":"x"}"#, None),
            (br#"data: {"a":""#, None),
        ] {
            assert_eq!(template.text_of(raw), text, "{}", String::from_utf8_lossy(raw));
        }
        template.keep(&[b'x'; TEMPLATE_BYTES_MAX], 1..2, None);
        assert!(template.text_of(&[b'x'; TEMPLATE_BYTES_MAX]).is_some());
        template.keep(&[b'x'; TEMPLATE_BYTES_MAX + 1], 1..2, None);
        assert!(template.text_of(&[b'x'; TEMPLATE_BYTES_MAX + 1]).is_none());
    }
}
