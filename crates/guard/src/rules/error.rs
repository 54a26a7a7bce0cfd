//! What can be wrong with a rule file.

use super::{FILE_BYTES_MAX, KEYWORD_BYTES_MAX, KEYWORDS_MAX, MATCH_BYTES_MAX, RULES_MAX};

/// Why rules cannot be used. The texts name the rule and the field.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// The file is longer than [`FILE_BYTES_MAX`].
    #[error("{file}: a rule file has at most {FILE_BYTES_MAX} bytes, and this has {bytes}")]
    TooLong {
        /// The file's name.
        file: String,
        /// Its length.
        bytes: usize,
    },
    /// It is no TOML, or lacks a field, or has one that is not known.
    #[error("{file}: {message}")]
    Form {
        /// The file's name.
        file: String,
        /// What is wrong, with the place.
        message: String,
    },
    /// One field of one rule is wrong.
    #[error("{file}:{line}: rule `{id}`: {field}: {message}")]
    Field {
        /// The file's name.
        file: String,
        /// The line of the rule's id.
        line: usize,
        /// The rule.
        id: String,
        /// The field.
        field: &'static str,
        /// What is wrong.
        message: String,
    },
    /// A pattern needs too much memory.
    #[error("rule `{id}`: its pattern is too large: fewer alternatives or smaller repetitions")]
    TooLarge {
        /// The rule.
        id: String,
    },
    /// Two rules have one id.
    #[error("rule `{id}` is there twice")]
    Twice {
        /// The rule.
        id: String,
    },
    /// More than [`RULES_MAX`].
    #[error("{count} rules, and {RULES_MAX} are the most")]
    TooMany {
        /// How many.
        count: usize,
    },
    /// All rules together have more keywords than [`KEYWORDS_MAX`].
    #[error("all rules together have more than {KEYWORDS_MAX} keywords")]
    Keywords,
}

/// A field's error, without the file and the rule.
pub(super) struct Wrong {
    pub(super) field: &'static str,
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }

    pub(super) fn unbounded(field: &'static str) -> Self {
        Self::new(
            field,
            format!(
                "a match can be longer than {MATCH_BYTES_MAX} bytes: bound each repetition, and leave what follows to `rest`"
            ),
        )
    }

    pub(super) fn keyword(word: &str) -> Self {
        Self::new(
            "keywords",
            format!(
                "`{word}`: a keyword has 1 to {KEYWORD_BYTES_MAX} visible ASCII characters and no blank"
            ),
        )
    }
}
