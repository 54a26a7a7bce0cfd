//! The form of our own API keys: `sw_live_` + 30 base62 + 6 base62 of CRC-32.
//!
//! The checksum lets a scanner tell a real key from a look-alike without a
//! network call, and lets the door refuse a mistyped one without a look-up.

use crate::random;
use crate::secret::SecretString;

/// What every key begins with.
pub const PREFIX: &str = "sw_live_";
/// Random characters after the prefix (178 bits).
pub const RANDOM_LEN: usize = 30;
/// Checksum characters at the end.
pub const CHECKSUM_LEN: usize = 6;
/// The whole length.
pub const LEN: usize = PREFIX.len() + RANDOM_LEN + CHECKSUM_LEN;

/// A new random key.
#[must_use]
pub fn generate() -> SecretString {
    let body = format!("{PREFIX}{}", random::base62(RANDOM_LEN));
    let sum = checksum(&body);
    SecretString::new(body + &sum)
}

/// Whether `text` has the form of a key and its checksum is right.
#[must_use]
pub fn is_well_formed(text: &str) -> bool {
    text.len() == LEN
        && text.starts_with(PREFIX)
        && text.bytes().skip(PREFIX.len()).all(|b| b.is_ascii_alphanumeric())
        && checksum(&text[..LEN - CHECKSUM_LEN]) == text[LEN - CHECKSUM_LEN..]
}

/// The last four characters, which may be shown to tell keys apart.
#[must_use]
pub fn last_four(key: &str) -> String {
    let skip = key.chars().count().saturating_sub(4);
    key.chars().skip(skip).collect()
}

fn checksum(body: &str) -> String {
    random::to_base62(u64::from(crc32fast::hash(body.as_bytes())), CHECKSUM_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_well_formed_and_a_changed_one_is_not() {
        let key = generate();
        let text = key.expose();
        assert_eq!(text.len(), 44);
        assert!(is_well_formed(text));
        for i in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[i] = if bytes[i] == b'A' { b'B' } else { b'A' };
            assert!(!is_well_formed(std::str::from_utf8(&bytes).unwrap()), "byte {i} changed");
        }
        assert!(!is_well_formed(&text[..43]));
        assert!(!is_well_formed("sw_live_é"));
    }
}
