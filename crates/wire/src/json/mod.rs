//! JSON as the door reads it: bounded in depth, and refused where two parsers
//! could see two requests.

mod fields;

pub use fields::{Field, Fields, TOP_LEVEL_FIELDS_MAX, folds_to};

use std::ops::Range;

use bytes::{BufMut, BytesMut};
use memchr::memchr2;

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

/// The body as text, once it is known to be UTF-8 and not too deep.
///
/// # Errors
/// [`Fault::NotUtf8`] and [`Fault::TooDeep`]; syntax is not checked here.
pub fn text(body: &[u8], depth_max: u32) -> Result<&str, Fault> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::NotUtf8)?;
    if deepest(text.as_bytes()) > depth_max {
        return Err(Fault::TooDeep { depth_max });
    }
    Ok(text)
}

/// The deepest nesting of arrays and objects, in one pass and without a stack.
#[must_use]
pub fn deepest(bytes: &[u8]) -> u32 {
    let (mut depth, mut most, mut at) = (0_u32, 0_u32, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                most = most.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => at = string_end(bytes, at + 1),
            _ => {}
        }
        at += 1;
    }
    most
}

/// The index of the quote that ends the string whose text begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        for (text, depth) in [
            ("1", 0),
            ("{}", 1),
            (r#"{"a":[{"b":1}],"c":{}}"#, 3),
            (r#"{"a":"[[[[\"[[["}"#, 1),
            (r#""\\"[[]]"#, 2),
            ("[[[", 3),
        ] {
            assert_eq!(deepest(text.as_bytes()), depth, "{text}");
        }
    }

    #[test]
    fn the_depth_limit_holds_at_the_limit_and_not_one_past_it() {
        let nested = |n: usize| "[".repeat(n) + &"]".repeat(n);
        assert!(text(nested(64).as_bytes(), 64).is_ok());
        assert_eq!(text(nested(65).as_bytes(), 64), Err(Fault::TooDeep { depth_max: 64 }));
        assert_eq!(text(b"\xff", 64), Err(Fault::NotUtf8));
    }
}
