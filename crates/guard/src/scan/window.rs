//! The part of a text that is at hand, with positions counted from the text's
//! beginning, and where each byte stood in the text as it came.

use super::WORD_BYTES_MAX;

/// A part of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    bytes: &'a [u8],
    /// The position of the first byte.
    base: usize,
    raw: Raw<'a>,
}

/// Where bytes stood in the text as it came.
#[derive(Clone, Copy, Debug)]
enum Raw<'a> {
    /// Where they stand.
    Same,
    /// At these positions, for each byte of the window; behind the last is the other one.
    Map(&'a [usize], usize),
}

impl<'a> Window<'a> {
    /// A whole text.
    pub(crate) fn whole(bytes: &'a [u8]) -> Self {
        Self { bytes, base: 0, raw: Raw::Same }
    }

    /// A text whose first bytes are gone.
    pub(crate) fn part(bytes: &'a [u8], base: usize) -> Self {
        Self { bytes, base, raw: Raw::Same }
    }

    /// An unescaped text: where each byte began, and where what follows begins.
    pub(super) fn mapped(bytes: &'a [u8], base: usize, starts: &'a [usize], next: usize) -> Self {
        Self { bytes, base, raw: Raw::Map(starts, next) }
    }

    /// The position of the first byte.
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// The position behind the last byte.
    pub(crate) fn end(&self) -> usize {
        self.base + self.bytes.len()
    }

    /// The same, ending at `to`.
    pub(super) fn up_to(&self, to: usize) -> Self {
        let length = to.saturating_sub(self.base).min(self.bytes.len());
        let raw = match self.raw {
            Raw::Map(starts, next) => {
                Raw::Map(&starts[..length], starts.get(length).copied().unwrap_or(next))
            }
            Raw::Same => Raw::Same,
        };
        Self { bytes: &self.bytes[..length], base: self.base, raw }
    }

    /// All bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes from `at` on.
    pub(super) fn from(&self, at: usize) -> &'a [u8] {
        self.bytes.get(at.saturating_sub(self.base)..).unwrap_or_default()
    }

    /// The bytes of `from..to`, as far as they are at hand.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        let rest = self.from(from);
        &rest[..to.saturating_sub(from.max(self.base)).min(rest.len())]
    }

    /// One byte.
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at.checked_sub(self.base)?).copied()
    }

    /// The byte before a position.
    pub(super) fn before(&self, at: usize) -> Option<u8> {
        self.byte(at.checked_sub(1)?)
    }

    /// The blank before a position, where it is written as an escape: `\n`.
    pub(super) fn blank_before(&self, at: usize) -> Option<u8> {
        let letter = at.checked_sub(1)?;
        let blank = super::unescaped::blank(self.byte(letter)?)?;
        let before = self.slice(letter.saturating_sub(WORD_BYTES_MAX), letter);
        let slashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        (slashes % 2 == 1).then_some(blank)
    }

    /// Where the byte at `at` began in the text as it came.
    pub(super) fn raw_start(&self, at: usize) -> usize {
        match self.raw {
            Raw::Same => at,
            Raw::Map(starts, next) => {
                starts.get(at.saturating_sub(self.base)).copied().unwrap_or(next)
            }
        }
    }

    /// The first position whose byte began at `raw` or later in the text as it came.
    pub(super) fn at_raw(&self, raw: usize) -> usize {
        match self.raw {
            Raw::Same => raw,
            Raw::Map(starts, _) => self.base + starts.partition_point(|start| *start < raw),
        }
    }

    /// Whether the text is one that was unescaped.
    pub(super) fn is_mapped(&self) -> bool {
        matches!(self.raw, Raw::Map(..))
    }

    /// Where the word begins that ends at `to`: visible ASCII without a blank, at
    /// most [`WORD_BYTES_MAX`] of it. `to` itself where no word ends there.
    pub(super) fn word_start(&self, to: usize) -> usize {
        let bytes = self.slice(to.saturating_sub(WORD_BYTES_MAX), to);
        let length = bytes.iter().rev().take_while(|byte| byte.is_ascii_graphic()).count();
        to - length
    }
}
