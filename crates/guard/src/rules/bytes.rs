//! Sets of bytes, written as a character class.

use std::fmt;

use regex_syntax::hir::{Class, HirKind};

/// A set of bytes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ByteSet([bool; 256]);

impl ByteSet {
    /// No byte.
    pub(crate) const EMPTY: Self = Self([false; 256]);

    /// Letters, digits and the underscore.
    pub(crate) fn words() -> Self {
        Self::of(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }

    /// Each byte for which this is so.
    pub(crate) fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::EMPTY;
        for (byte, place) in (0_u8..=u8::MAX).zip(&mut set.0) {
            *place = is_in(byte);
        }
        set
    }

    /// Reads a class as in a regular expression, for example `[A-Za-z0-9_]`, or one character.
    pub(crate) fn parse(class: &str) -> Option<Self> {
        let hir = super::pattern::parse(class).ok()?;
        let mut set = Self::EMPTY;
        match hir.kind() {
            HirKind::Class(Class::Bytes(ranges)) => {
                for range in ranges.iter() {
                    for byte in range.start()..=range.end() {
                        set.0[usize::from(byte)] = true;
                    }
                }
            }
            HirKind::Literal(literal) if literal.0.len() == 1 => {
                set.0[usize::from(*literal.0.first()?)] = true;
            }
            _ => return None,
        }
        Some(set)
    }

    /// Whether `byte` is in it.
    #[inline]
    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

impl fmt::Debug for ByteSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = (0_u8..=u8::MAX).filter(|byte| self.contains(*byte));
        f.debug_set().entries(all.map(char::from)).finish()
    }
}
