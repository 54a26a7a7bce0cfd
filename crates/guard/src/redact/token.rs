//! Tokens of personal data.

use std::fmt;
use std::fmt::Write as _;

use aws_lc_rs::hmac;
use surgewall_core::data::DataClass;

/// Bytes of a token, of which each is two characters. Two of a million values
/// share one with a chance of 0.2 %, which confuses a reader and tells nothing.
const TOKEN_BYTES: usize = 6;

/// Makes tokens under one key.
#[derive(Clone)]
pub(super) struct Tokens(hmac::Key);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl Tokens {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The token of a value: HMAC-SHA-256 over its class and the value without
    /// what is only spelling.
    pub(super) fn of(&self, class: DataClass, value: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(class.as_str().as_bytes());
        context.update(&[0]);
        context.update(&plain(class, value));
        let tag = context.sign();
        let mut token = String::with_capacity(2 * TOKEN_BYTES);
        for byte in tag.as_ref().iter().take(TOKEN_BYTES) {
            // Writing to a String cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        token
    }
}

/// Without case, and for numbers without what stands between their signs.
fn plain(class: DataClass, value: &[u8]) -> Vec<u8> {
    let is_number = !matches!(class, DataClass::Email | DataClass::Network);
    let kept = value.iter().filter(|byte| !is_number || byte.is_ascii_alphanumeric());
    kept.map(u8::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_tokens_under_one_key_and_class() {
        let tokens = Tokens::new(&[7; 32]);
        let email = |value: &str| tokens.of(DataClass::Email, value.as_bytes());
        assert_eq!(email("Ann@Example.org"), email("ann@example.org"));
        assert_ne!(email("ann@example.org"), email("bob@example.org"));
        assert_ne!(
            email("ann@example.org"),
            Tokens::new(&[8; 32]).of(DataClass::Email, b"ann@example.org")
        );
        let card = |value: &str| tokens.of(DataClass::Card, value.as_bytes());
        assert_eq!(card("4111 1111 1111 1111"), card("4111-1111-1111-1111"));
        assert_ne!(card("4111111111111111"), tokens.of(DataClass::Phone, b"4111111111111111"));
        assert_eq!(email("x").len(), 2 * TOKEN_BYTES);
    }
}
