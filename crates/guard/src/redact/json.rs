//! Redaction of JSON: what is found is replaced within strings, so that JSON
//! stays JSON, and the name of a field still tells what its value is.

use super::{Found, Redacted, Redactor};

/// A string or a number of the text, with its quotation marks.
struct Scalar {
    start: usize,
    end: usize,
    is_string: bool,
}

/// Redacts `text`, which is JSON; as any text where it is none.
pub(super) fn redact(redactor: &Redactor, text: &str) -> Redacted {
    let places = redactor.words(text);
    if places.is_empty() {
        return Redacted { text: text.to_owned(), found: Vec::new() };
    }
    let Some(scalars) = scalars(text.as_bytes()) else { return redactor.redact(text) };
    let mut out = String::with_capacity(text.len());
    let mut found = Vec::new();
    let mut written = 0;
    let mut next = 0;
    for scalar in &scalars {
        while places.get(next).is_some_and(|place| place.end <= scalar.start) {
            next += 1;
        }
        let inside: Vec<&Place> =
            places[next..].iter().take_while(|place| place.start < scalar.end).collect();
        if inside.is_empty() {
            continue;
        }
        out.push_str(text.get(written..scalar.start).unwrap_or_default());
        replace(text, scalar, &inside, &mut out);
        found.extend(inside.iter().map(|place| place.found.clone()));
        written = scalar.end;
    }
    out.push_str(text.get(written..).unwrap_or_default());
    Redacted { text: out, found }
}

/// What was found, and the word for it.
pub(super) struct Place {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) word: String,
    pub(super) found: Found,
}

/// Writes a string or number with the words in place of what was found in it.
fn replace(text: &str, scalar: &Scalar, inside: &[&Place], out: &mut String) {
    if !scalar.is_string {
        out.push('"');
        for place in inside {
            out.push_str(&place.word);
        }
        out.push('"');
        return;
    }
    let (start, end) = (scalar.start + 1, scalar.end - 1);
    out.push('"');
    let mut at = start;
    for place in inside {
        let from = escape_start(text.as_bytes(), at, place.start.max(at).min(end));
        out.push_str(text.get(at..from).unwrap_or_default());
        // A place may end in the quotation mark itself, and hold nothing of the string.
        if place.start < end && place.end > start {
            out.push_str(&place.word);
        }
        at = escape_end(text.as_bytes(), from, place.end.max(from).min(end));
    }
    out.push_str(text.get(at..end).unwrap_or_default());
    out.push('"');
}

/// The length of the character of a JSON string at the beginning of `bytes`.
fn character(bytes: &[u8]) -> usize {
    match bytes {
        // Half of a pair stands for nothing without the other.
        [
            b'\\',
            b'u',
            b'd' | b'D',
            b'8'..=b'9' | b'a' | b'b' | b'A' | b'B',
            _,
            _,
            b'\\',
            b'u',
            ..,
        ] => 12,
        [b'\\', b'u', ..] => 6,
        [b'\\', ..] => 2,
        [byte, rest @ ..] if *byte >= 0xc0 => {
            1 + rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count()
        }
        _ => 1,
    }
}

/// The beginning of the character that holds `to`, walked to from `from`, where one begins.
fn escape_start(bytes: &[u8], from: usize, to: usize) -> usize {
    let mut at = from;
    while at < to {
        let next = at + character(&bytes[at..]);
        if next > to {
            break;
        }
        at = next;
    }
    at
}

/// The end of the character in which `to` lies.
fn escape_end(bytes: &[u8], from: usize, to: usize) -> usize {
    let mut at = from;
    while at < to {
        at += character(&bytes[at..]);
    }
    at.min(bytes.len())
}

/// All strings and numbers, in order; `None` where the text is no JSON.
fn scalars(bytes: &[u8]) -> Option<Vec<Scalar>> {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).ok()?;
    let mut scalars = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        if byte == b'"' {
            while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                at += character(&bytes[at..]);
            }
            at += 1;
        } else if byte.is_ascii_digit() || byte == b'-' {
            let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
            at += bytes[at..].iter().take_while(|byte| is_part(byte)).count();
        } else {
            continue;
        }
        scalars.push(Scalar { start, end: at, is_string: byte == b'"' });
    }
    Some(scalars)
}
