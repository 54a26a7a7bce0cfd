//! JSON as the door reads it: bounded in depth, and refused where two parsers
//! could see two requests.

mod fields;
mod walk;

pub use fields::{Field, Fields, TOP_LEVEL_FIELDS_MAX, TopLevel, folds_to};
pub use walk::{Holder, Listener, walk};

use std::ops::Range;

use bytes::{BufMut, BytesMut};

/// Why a text is not JSON that the door takes. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Nested deeper than the limit.
    #[error("the body is nested deeper than {depth_max} levels")]
    TooDeep {
        /// The limit.
        depth_max: u32,
    },
    /// Not JSON.
    #[error("the body is not JSON (line {line}, column {column})")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("the body is not a JSON object")]
    NotObject,
    /// More than [`TOP_LEVEL_FIELDS_MAX`] fields.
    #[error("the body has more than {TOP_LEVEL_FIELDS_MAX} fields")]
    TooManyFields,
    /// A field stands twice.
    #[error("a field stands twice")]
    Duplicate {
        /// Its name, where it is one that the door knows.
        name: Option<&'static str>,
    },
    /// A field's name is a known one in other letter case.
    #[error("a field's name differs from a known one only in letter case")]
    LookAlike {
        /// The known name.
        name: &'static str,
    },
}

/// The body as text, once it is known to be UTF-8.
///
/// # Errors
/// [`Fault::NotUtf8`].
pub fn text(body: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(body).map_err(|_| Fault::NotUtf8)
}

/// Where `part`, a slice of `whole`, stands in it.
#[must_use]
pub fn span(whole: &str, part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// `text` as a JSON string with its quotes.
#[must_use]
pub fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends `text` as a JSON string with its quotes.
pub fn put_quoted(out: &mut BytesMut, text: &str) {
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out.writer(), text);
}
