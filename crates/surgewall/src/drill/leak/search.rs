//! Looks for planted things in bytes, in every encoding that a store might use.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use surgewall_core::digest::hex;

use crate::fault::Fault;

/// Finds any of many planted things.
pub(super) struct Search {
    /// The planted text of each pattern.
    texts: Vec<String>,
    patterns: AhoCorasick,
}

impl Search {
    /// For `texts` in each of their encodings, and `binary` as it is.
    pub(super) fn new(texts: &[String], binary: Vec<Vec<u8>>) -> Result<Self, Fault> {
        let (mut named, mut needles) = (Vec::new(), Vec::new());
        for text in texts {
            for form in encodings(text) {
                named.push(text.clone());
                needles.push(form);
            }
        }
        for bytes in binary {
            named.push(format!("the bytes {}", hex(&bytes)));
            needles.push(bytes);
        }
        let patterns = AhoCorasick::new(&needles)
            .map_err(|error| Fault::new(format!("the search cannot be built: {error}")))?;
        Ok(Self { texts: named, patterns })
    }

    /// Fails if `bytes`, of the thing called `place`, hold one of them. The
    /// fault does not repeat it whole.
    pub(super) fn refuse(&self, place: &str, bytes: &[u8]) -> Result<(), Fault> {
        let Some(found) = self.patterns.find(bytes) else { return Ok(()) };
        let text = &self.texts[found.pattern().as_usize()];
        let beginning: String = text.chars().take(12).collect();
        Err(Fault::new(format!("{place} holds `{beginning}...` at byte {}", found.start())))
    }
}

/// The forms in which a text is looked for: as it is, in capitals and small
/// letters, as hex, as UTF-16, escaped for a URL, and as base64 at each of its
/// three alignments.
fn encodings(text: &str) -> Vec<Vec<u8>> {
    let hex = hex(text.as_bytes());
    let mut forms = vec![
        text.as_bytes().to_vec(),
        text.to_lowercase().into_bytes(),
        text.to_uppercase().into_bytes(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        text.replace('@', "%40").replace(' ', "%20").replace(':', "%3A").into_bytes(),
    ];
    for skip in 0..3 {
        let inner = text.as_bytes().get(skip..).unwrap_or_default();
        let whole = inner.len() - inner.len() % 3;
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&inner[..whole]).into_bytes());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_text_is_found_in_every_encoding_and_alignment() {
        let needle = "heron+planted/osprey@example.org";
        let search = Search::new(&[needle.to_owned()], vec![vec![1, 2, 3, 4, 5, 6]]).unwrap();
        let refused = |bytes: &[u8]| search.refuse("f", bytes).is_err();
        for prefix in ["", "x", "xy"] {
            let text = format!("{prefix}{needle}{prefix}zzz");
            assert!(refused(STANDARD_NO_PAD.encode(&text).as_bytes()), "{prefix}");
            assert!(refused(URL_SAFE_NO_PAD.encode(&text).as_bytes()), "{prefix}");
            assert!(refused(hex(text.as_bytes()).as_bytes()), "{prefix}");
            assert!(refused(text.to_uppercase().as_bytes()), "{prefix}");
            let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert!(refused(&wide), "{prefix}");
        }
        assert!(refused(&[0, 1, 2, 3, 4, 5, 6, 7]));
        assert!(!refused(b"nothing of the kind"));
    }

    #[test]
    fn the_fault_does_not_repeat_what_was_planted() {
        let search = Search::new(&["heron-planted-secret".to_owned()], Vec::new()).unwrap();
        let said = search.refuse("door.sqlite", b"..heron-planted-secret").unwrap_err();
        assert_eq!(said.message(), "door.sqlite holds `heron-plante...` at byte 2");
    }
}
