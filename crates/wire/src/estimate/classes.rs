//! Counting text by what a byte-pair tokenizer does to it.

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
}

const MILLI: u64 = 1_000;

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
        let mut last = 0_u8;
        for &byte in text.as_bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' => {
                    self.letters += 1;
                    self.words += u64::from(!last.is_ascii_alphabetic());
                }
                b'0'..=b'9' => self.digits += 1,
                b' ' | b'\t' | b'\n' | b'\r' => {
                    self.spaces += 1;
                    self.gaps += u64::from(byte == b'\n' || last == b' ');
                }
                0..=0x7f => self.punctuation += 1,
                0xc0..=0xdf => self.two_byte += 1,
                0xe0..=0xef => self.three_byte += 1,
                0xf0..=0xff => self.four_byte += 1,
                // The rest of a character of several bytes.
                0x80..=0xbf => {}
            }
            last = byte;
        }
        self.bytes += text.len() as u64;
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

    #[test]
    fn nothing_is_no_token_and_anything_at_least_one() {
        assert_eq!(ByteClasses::default().tokens(&Correction::default()), 0);
        assert_eq!(ByteClasses::of(" ").tokens(&Correction::default()), 1);
        assert_eq!(ByteClasses { given: 7, ..Default::default() }.raw_tokens(), 7);
    }
}
