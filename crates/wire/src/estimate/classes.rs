//! Counting text by what a byte-pair tokenizer does to it.

use std::ops::RangeInclusive;

use super::Correction;

/// How many characters of each class a text has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByteClasses {
    /// Bytes in all.
    pub bytes: u64,
    /// ASCII letters.
    pub letters: u64,
    /// Runs of ASCII letters.
    pub words: u64,
    /// ASCII digits.
    pub digits: u64,
    /// Spaces, tabs and line ends.
    pub spaces: u64,
    /// Runs of spaces longer than one, and line ends: a single space joins its word.
    pub gaps: u64,
    /// Other ASCII.
    pub punctuation: u64,
    /// Characters of two bytes: Latin with accents, Greek, Cyrillic, Arabic.
    pub two_byte: u64,
    /// Characters of three bytes: mostly Chinese, Japanese, Korean.
    pub three_byte: u64,
    /// Characters of four bytes: mostly emoji.
    pub four_byte: u64,
    /// Tokens that the request gave as numbers.
    pub given: u64,
    /// Pieces that were not empty.
    pub pieces: u64,
}

const MILLI: u64 = 1_000;
/// Texts shorter than this are counted byte by byte: most pieces of a stream are.
const SHORT_BYTES: usize = 48;
/// Bytes that are counted in one go: a count of them fits a byte.
const BLOCK_BYTES: usize = 192;

const fn is_letter(b: u8) -> bool {
    (b | 0x20).wrapping_sub(b'a') < 26
}

const fn is_space(b: u8) -> bool {
    (b == b' ') | (b == b'\t') | (b == b'\n') | (b == b'\r')
}

/// How many bytes of `block` begin a character of so many bytes.
fn count_starts(block: &[u8], starts: RangeInclusive<u8>) -> u64 {
    let each = block.iter().map(|byte| u8::from(starts.contains(byte)));
    u64::from(each.fold(0_u8, u8::wrapping_add))
}

impl ByteClasses {
    /// The classes of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut classes = Self::default();
        classes.add(text);
        classes
    }

    /// Adds `text`. A word that is split over two calls counts as two.
    pub fn add(&mut self, text: &str) {
        let bytes = text.as_bytes();
        self.bytes += bytes.len() as u64;
        self.pieces += u64::from(!bytes.is_empty());
        if bytes.len() < SHORT_BYTES { self.add_each(bytes) } else { self.add_blocks(bytes) }
    }

    fn add_each(&mut self, bytes: &[u8]) {
        let mut before = 0;
        for &byte in bytes {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' => {
                    self.letters += 1;
                    self.words += u64::from(!is_letter(before));
                }
                b'0'..=b'9' => self.digits += 1,
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.spaces += 1;
                    self.gaps += u64::from(byte == b'\n' || before == b' ');
                }
                0..=0x7f => self.punctuation += 1,
                0xc0..=0xdf => self.two_byte += 1,
                0xe0..=0xef => self.three_byte += 1,
                0xf0..=0xff => self.four_byte += 1,
                // The rest of a character of several bytes.
                0x80..=0xbf => {}
            }
            before = byte;
        }
    }

    fn add_blocks(&mut self, bytes: &[u8]) {
        let Some((first, rest)) = bytes.split_first() else { return };
        self.add_block(&[0], &[*first]);
        for (before, block) in bytes.chunks(BLOCK_BYTES).zip(rest.chunks(BLOCK_BYTES)) {
            self.add_block(before, block);
        }
    }

    /// Adds `block`; `before` has the byte before each of its bytes. Sums of
    /// truth values, without branches: the compiler makes sixteen bytes at once of it.
    fn add_block(&mut self, before: &[u8], block: &[u8]) {
        let (mut letters, mut words, mut digits) = (0_u8, 0_u8, 0_u8);
        let (mut spaces, mut gaps, mut beyond_ascii) = (0_u8, 0_u8, 0_u8);
        for (before, byte) in before.iter().zip(block) {
            let (letter, space) = (u8::from(is_letter(*byte)), u8::from(is_space(*byte)));
            let (gap, line_end) = (space & u8::from(*before == b' '), u8::from(*byte == b'\n'));
            letters = letters.wrapping_add(letter);
            words = words.wrapping_add(letter & !u8::from(is_letter(*before)));
            digits = digits.wrapping_add(u8::from(byte.is_ascii_digit()));
            spaces = spaces.wrapping_add(space);
            gaps = gaps.wrapping_add(gap | line_end);
            beyond_ascii = beyond_ascii.wrapping_add(*byte >> 7);
        }
        self.letters += u64::from(letters);
        self.words += u64::from(words);
        self.digits += u64::from(digits);
        self.spaces += u64::from(spaces);
        self.gaps += u64::from(gaps);
        let others = [letters, digits, spaces, beyond_ascii].map(u64::from);
        self.punctuation += block.len() as u64 - others.iter().sum::<u64>();
        if beyond_ascii > 0 {
            self.two_byte += count_starts(block, 0xc0..=0xdf);
            self.three_byte += count_starts(block, 0xe0..=0xef);
            self.four_byte += count_starts(block, 0xf0..=0xff);
        }
    }

    /// Adds another count.
    pub const fn merge(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.letters += other.letters;
        self.words += other.words;
        self.digits += other.digits;
        self.spaces += other.spaces;
        self.gaps += other.gaps;
        self.punctuation += other.punctuation;
        self.two_byte += other.two_byte;
        self.three_byte += other.three_byte;
        self.four_byte += other.four_byte;
        self.given += other.given;
        self.pieces += other.pieces;
    }

    /// Whether nothing was counted.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0 && self.given == 0
    }

    /// The estimate in tokens, corrected for the model; at least 1 for any text.
    #[must_use]
    pub fn tokens(&self, correction: &Correction) -> u64 {
        let estimate = correction.apply(self.raw_tokens());
        if self.is_empty() { 0 } else { estimate.max(1) }
    }

    /// The estimate for an answer that came in pieces: no server sends less
    /// than a token in one, so what was delivered is never more than this.
    #[must_use]
    pub fn answer_tokens(&self, correction: &Correction) -> u64 {
        self.tokens(correction).max(self.pieces)
    }

    /// The estimate in tokens before correction.
    ///
    /// The weights are those of byte-pair vocabularies of 100,000 to 200,000
    /// entries: a common word is one token, a rare one a token per four
    /// letters, digits go by threes, a Chinese character is under one token.
    #[must_use]
    pub fn raw_tokens(&self) -> u64 {
        let words = (self.words * MILLI).max(self.letters * MILLI / 4) + self.letters * 30;
        let rest = self.digits * 450
            + self.gaps * 350
            + self.punctuation * 600
            + self.two_byte * 450
            + self.three_byte * 800
            + self.four_byte * 2_000;
        (words + rest).div_ceil(MILLI) + self.given
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts by a vocabulary of 200,000 entries (o200k), from OpenAI's published examples and by hand.
    #[test]
    fn estimates_are_near_real_counts() {
        for (text, real) in [
            ("The quick brown fox jumps over the lazy dog.", 10),
            ("Hello, world!", 4),
            ("fn main() {\n    println!(\"hi\");\n}\n", 13),
            ("今天天气很好，我们去公园散步吧。", 12),
            ("Привет, как у тебя дела сегодня?", 10),
            ("1234567890", 4),
        ] {
            let estimate = ByteClasses::of(text).tokens(&Correction::default());
            assert!(estimate * 2 >= real && estimate <= real * 2, "{text}: {estimate} for {real}");
        }
    }

    proptest::proptest! {
        #[test]
        fn many_bytes_at_once_count_as_one_by_one(text in "[a-zA-Z0-9 \n\t\r.,{é今🌞]{0,700}") {
            let (mut each, mut blocks) = (ByteClasses::default(), ByteClasses::default());
            each.add_each(text.as_bytes());
            blocks.add_blocks(text.as_bytes());
            proptest::prop_assert_eq!(each, blocks);
        }
    }

    #[test]
    fn a_piece_of_an_answer_is_at_least_a_token() {
        let mut answer = ByteClasses::default();
        for piece in [",", "", ",", ",", ",", ","] {
            answer.add(piece);
        }
        let none = Correction::default();
        assert_eq!(answer.pieces, 5);
        assert!(answer.answer_tokens(&none) >= 5);
        let whole = ByteClasses::of("The quick brown fox jumps over the lazy dog.");
        assert_eq!(whole.answer_tokens(&none), whole.tokens(&none));
    }

    #[test]
    fn nothing_is_no_token_and_anything_at_least_one() {
        assert_eq!(ByteClasses::default().tokens(&Correction::default()), 0);
        assert_eq!(ByteClasses::of(" ").tokens(&Correction::default()), 1);
        assert_eq!(ByteClasses { given: 7, ..Default::default() }.raw_tokens(), 7);
    }
}
