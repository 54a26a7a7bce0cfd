//! The built-in `handbook` model: it answers from docs/ by quoting it.
//!
//! It is what a new user talks to before a model server is connected: pure, in
//! process, a few hundred microseconds a question. It finds the passages that
//! fit the question best (BM25, `index`) and quotes them word for word with
//! their place; it never makes up a sentence about the subject, never repeats
//! the question, and says so where it found nothing. Only the question that it
//! is given counts: earlier messages are not read.

mod answer;
mod index;
mod pages;
mod passages;
mod words;

use index::Index;

/// The model's name in requests and in lists of models.
pub const MODEL: &str = "handbook";

/// Bytes of a question that are read; the rest is not looked at.
pub const QUESTION_BYTES_MAX: usize = 4 << 10;

/// The handbook, ready to answer. Build it once and share it.
#[derive(Debug)]
pub struct Handbook {
    index: Index,
}

/// What the handbook has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The whole answer, in Markdown.
    pub text: String,
    /// Where its quotations stand, in the order in which they appear, each once.
    pub citations: Vec<Citation>,
    /// Whether something was found to quote.
    pub found: bool,
}

/// A place in the handbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The page, for example `docs/keys.md`.
    pub file: String,
    /// The heading's anchor, for example `how-do-i-revoke-a-key`.
    pub anchor: String,
    /// The heading's words.
    pub heading: String,
}

impl Handbook {
    /// Splits and indexes the pages that the binary carries.
    #[must_use]
    pub fn load() -> Self {
        Self { index: Index::build(passages::split_all(pages::PAGES)) }
    }

    /// Answers `question`: of it, at most [`QUESTION_BYTES_MAX`] bytes are read.
    #[must_use]
    pub fn answer(&self, question: &str) -> Answer {
        let question = &question[..question.floor_char_boundary(QUESTION_BYTES_MAX)];
        answer::compose(&self.index, question)
    }
}

/// `text` in small pieces, as a model would stream it. Together they are
/// exactly `text`.
pub fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive([' ', '\n'])
}

#[cfg(test)]
mod tests;
