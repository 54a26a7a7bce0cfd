//! A filter over a text: eight bytes at a time it tells that nothing stands there,
//! which is so for most of a text, with eight look-ups and without a state.
//!
//! The text is read in steps of two bytes. A keyword of five bytes and more has
//! two fours of bytes that follow each other, its rarest, and one of the two
//! stands at such a step; they are looked up by a hash, in any case. Shorter
//! keywords, digits and what ends a run of base64 are looked up by pairs.
//! (Sampling grams as in Wu and Manber, "A fast algorithm for multi-pattern
//! searching", 1994.)

use super::RulesError;
use crate::scan::sextets;

/// Bytes that are looked at in one go.
pub(super) const CHUNK_BYTES: usize = 8;
/// Bytes that this needs: the last four begin in the chunk and end behind it.
pub(super) const LOOK_BYTES: usize = CHUNK_BYTES + 2;
/// Bytes of a keyword that is looked up by its fours, at least.
pub(super) const LONG_BYTES_MIN: usize = 5;

/// In a chunk, or a pair: there is a digit.
pub(super) const DIGIT: u8 = 1;
/// There may be a short keyword.
pub(super) const SHORT: u8 = 1 << 1;
/// In a chunk: all is base64. In a pair: something is not.
pub(super) const SEXTETS: u8 = 1 << 2;
/// In a chunk: there may be a longer keyword.
pub(super) const LONG: u8 = 1 << 3;
/// In a pair: a short keyword may begin with it. These two are the highest.
const BEGIN: u8 = 1 << 4;
/// In a pair: its first byte is a digit.
const FIRST: u8 = 1 << 5;
/// Bytes of a short keyword, at most.
const SHORT_BYTES_MAX: usize = LONG_BYTES_MIN - 1;
/// Bytes that a short keyword may begin before the chunk that tells of it.
const BEFORE_BYTES: usize = SHORT_BYTES_MAX - 1;
/// Places at which one may begin.
const PLACES: usize = BEFORE_BYTES + CHUNK_BYTES;
/// Each second bit.
const BEGINS: u64 = 0x5555_5555_5555_5555;

const PAIRS: usize = 1 << 16;
const HASH_BITS: u32 = 15;
const HASHES: usize = 1 << HASH_BITS;

/// Four bytes, in any case.
#[inline]
pub(super) fn four(bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes) & 0xdfdf_dfdf
}

/// The place of four bytes (multiplicative hashing by the golden ratio).
#[inline]
fn hash(four: u32) -> usize {
    usize::try_from(four.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS)).unwrap_or_default()
}

/// The filter of a set of keywords.
pub(super) struct Filter {
    /// By two bytes, the second times 256: what they tell.
    pairs: Box<[u8; PAIRS]>,
    /// By the hash of four bytes: 0, or the number of a list of words.
    fours: Box<[u8; HASHES]>,
}

impl Filter {
    /// A filter of no keyword: it tells digits and runs only.
    pub(super) fn new() -> Result<Self, RulesError> {
        let pairs: Vec<u8> = (0..PAIRS)
            .map(|pair| {
                let [first, second, ..] = pair.to_le_bytes();
                let begin = if first.is_ascii_digit() { FIRST } else { 0 };
                kind(first) | kind(second) | begin
            })
            .collect();
        let fixed = |_| RulesError::Keywords;
        Ok(Self {
            pairs: pairs.into_boxed_slice().try_into().map_err(fixed)?,
            fours: vec![0; HASHES]
                .into_boxed_slice()
                .try_into()
                .map_err(|_| RulesError::Keywords)?,
        })
    }

    /// Marks pairs that tell of a short keyword; `None` is any byte.
    pub(super) fn add_pair(&mut self, pair: [Option<u8>; 2]) {
        self.mark(pair, SHORT);
    }

    /// Marks pairs that one begins with.
    pub(super) fn add_begin(&mut self, pair: [Option<u8>; 2]) {
        self.mark(pair, BEGIN);
    }

    fn mark(&mut self, pair: [Option<u8>; 2], mark: u8) {
        let each = |byte: Option<u8>| byte.unwrap_or(0)..=byte.unwrap_or(u8::MAX);
        for first in each(pair[0]) {
            for second in each(pair[1]) {
                self.pairs[usize::from(u16::from_le_bytes([first, second]))] |= mark;
            }
        }
    }

    /// Marks four bytes; the number of their list, which is `fresh` where they had none.
    pub(super) fn add_four(&mut self, four: u32, fresh: u8) -> u8 {
        let number = &mut self.fours[hash(four)];
        if *number == 0 {
            *number = fresh;
        }
        *number
    }

    /// Whether these pairs, all of them, tell something anyway.
    pub(super) fn is_marked(&self, pair: [Option<u8>; 2]) -> bool {
        let each = |byte: Option<u8>| byte.unwrap_or(0)..=byte.unwrap_or(u8::MAX);
        each(pair[0]).all(|first| {
            each(pair[1]).all(|second| self.pair(first, second) & (SHORT | DIGIT) != 0)
        })
    }

    /// The next chunk of `bytes` from `from` on in which something may be, and what.
    #[inline]
    pub(super) fn next(&self, bytes: &[u8], from: usize) -> Option<(usize, u8)> {
        let mut rest = bytes.get(from..)?;
        while let Some(chunk) = rest.first_chunk() {
            let seen = self.look(chunk);
            if seen != 0 {
                return Some((bytes.len() - rest.len(), seen));
            }
            rest = &rest[CHUNK_BYTES..];
        }
        while !rest.is_empty() {
            let at = bytes.len() - rest.len();
            let seen = self.look(&part(bytes, at));
            if seen != 0 {
                return Some((at, seen));
            }
            rest = rest.get(CHUNK_BYTES..).unwrap_or_default();
        }
        None
    }

    /// What there may be in a chunk; 0 where nothing is.
    #[inline]
    fn look(&self, chunk: &[u8; LOOK_BYTES]) -> u8 {
        let [a, b, c, d, e, f, g, h, next @ ..] = *chunk;
        let eight = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let last = (eight >> 48) | u64::from(u16::from_le_bytes(next)) << 16;
        let (mut kinds, mut lists) = (0, 0);
        for two in [eight, eight >> 16, eight >> 32, last] {
            let [first, second, third, fourth, ..] = two.to_le_bytes();
            kinds |= self.pair(first, second);
            lists |= self.list(four([first, second, third, fourth]));
        }
        let long = if lists == 0 { 0 } else { LONG };
        (kinds ^ SEXTETS) & (DIGIT | SHORT | SEXTETS) | long
    }

    /// Where in the chunk at `at`, or shortly before, short keywords may begin, and
    /// the first of some digits in it.
    #[inline]
    pub(super) fn places(&self, bytes: &[u8], at: usize) -> (Places, Places) {
        let start = at.saturating_sub(BEFORE_BYTES);
        let part: [u8; PLACES + 1] = part(bytes, start);
        // Two bits for each place: whether a keyword may begin there, whether a digit stands there.
        let mut marks = 0_u64;
        for (place, pair) in part.windows(2).enumerate() {
            marks |= u64::from(self.pair(pair[0], pair[1]) / BEGIN) << (2 * place);
        }
        let before = 2 * (at - start);
        let chunk = ((1 << (2 * CHUNK_BYTES)) - 1) << before;
        let begins = marks & BEGINS & (chunk | ((1 << before) - 1));
        let digits = marks & !BEGINS;
        (Places { start, bits: begins }, Places { start, bits: digits & !(digits << 2) & chunk })
    }

    /// What a pair tells.
    #[inline]
    fn pair(&self, first: u8, second: u8) -> u8 {
        self.pairs[usize::from(u16::from_le_bytes([first, second]))]
    }

    /// The number of the list of four bytes, or 0.
    #[inline]
    pub(super) fn list(&self, four: u32) -> u8 {
        self.fours[hash(four)]
    }
}

/// Places in a text: two bits for each, the lowest for `start`.
pub(super) struct Places {
    start: usize,
    bits: u64,
}

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let place = usize::try_from(self.bits.trailing_zeros() / 2).unwrap_or_default();
        let is_one = self.bits != 0;
        self.bits &= self.bits.wrapping_sub(1);
        is_one.then_some(self.start + place)
    }
}

/// The bytes from `at` on, and zeros behind the end.
#[inline]
pub(super) fn part<const LENGTH: usize>(bytes: &[u8], at: usize) -> [u8; LENGTH] {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.first_chunk().copied().unwrap_or_else(|| {
        let mut last = [0; LENGTH];
        last[..rest.len()].copy_from_slice(rest);
        last
    })
}

/// What one byte tells without any keyword.
fn kind(byte: u8) -> u8 {
    let digit = if byte.is_ascii_digit() { DIGIT } else { 0 };
    digit | if sextets::is_one(byte) { 0 } else { SEXTETS }
}

/// How common a byte is in texts, roughly, in a thousand bytes: the filter looks
/// for what is rare. (Letters as in English prose.)
pub(super) fn commonness(byte: Option<u8>) -> u64 {
    const LETTERS: [u8; 26] = [
        65, 13, 22, 33, 100, 18, 16, 50, 57, 1, 6, 33, 20, 57, 62, 15, 1, 50, 53, 75, 23, 8, 16, 2,
        16, 1,
    ];
    let Some(byte) = byte else { return 1_000 };
    match byte {
        b'a'..=b'z' => u64::from(LETTERS[usize::from(byte - b'a')]),
        b' ' => 180,
        b',' | b'.' | b'"' | b'\n' => 10,
        b'A'..=b'Z' | b'0'..=b'9' | b':' | b'-' | b'_' => 4,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(filter: &Filter, text: &[u8]) -> Vec<(usize, u8)> {
        let mut all = Vec::new();
        let mut from = 0;
        while let Some((at, seen)) = filter.next(text, from) {
            all.push((at, seen));
            from = at + CHUNK_BYTES;
        }
        all
    }

    #[test]
    fn a_filter_of_nothing_tells_digits_and_runs() {
        let filter = Filter::new().unwrap();
        for (text, kinds) in [
            (*b"abcdefgh", SEXTETS),
            (*b"abc efgh", 0),
            (*b"abcdefg7", DIGIT | SEXTETS),
            (*b"=234 678", DIGIT),
            (*b"AZaz+/-_", SEXTETS),
            (*b"AZaz+/-\xff", 0),
        ] {
            let expected: Vec<_> = Some((0, kinds)).filter(|one| one.1 != 0).into_iter().collect();
            assert_eq!(seen(&filter, &text), expected, "{text:?}");
            let text = [&[b' '; 24][..], &text, b"   "].concat();
            let expected: Vec<_> = expected.iter().map(|one| (24, one.1)).collect();
            assert_eq!(seen(&filter, &text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_was_added_is_seen_at_each_step_and_in_any_case() {
        let mut filter = Filter::new().unwrap();
        assert_eq!(filter.add_four(four(*b"toke"), 7), 7);
        assert_eq!(filter.add_four(four(*b"TOKE"), 9), 7);
        for pair in [[Some(b'@'), None], [None, Some(b'@')]] {
            filter.add_pair(pair);
            assert!(filter.is_marked(pair));
        }
        assert!(!filter.is_marked([None, Some(b'a')]) && filter.is_marked([Some(b'7'), None]));
        for at in 0..CHUNK_BYTES {
            let mut text = [b' '; CHUNK_BYTES];
            text[at] = b'@';
            assert_eq!(seen(&filter, &text), [(0, SHORT)]);
            let mut text = [b' '; LOOK_BYTES + 1];
            text[at..at + 4].copy_from_slice(b"tOke");
            let expected: &[(usize, u8)] = if at % 2 == 0 { &[(0, LONG)] } else { &[] };
            assert_eq!(seen(&filter, &text), expected, "{at}");
        }
    }
}
