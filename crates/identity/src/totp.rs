//! Codes of an authenticator app (RFC 6238: SHA-1, 6 digits, 30 seconds).
//!
//! SHA-1, because apps take other algorithms from the link and then compute
//! SHA-1 all the same; HMAC does not need what SHA-1 has lost.

use surgewall_core::clock::Timestamp;
use surgewall_core::random;
use surgewall_core::secret::{Secret, SecretString};
use totp_rs::{Algorithm, Builder, Totp};

/// Bytes of a secret (RFC 4226 §4: 160 bits are recommended).
pub const SECRET_BYTES: usize = 20;
/// Digits of a code.
pub const DIGITS: u8 = 6;
/// Seconds of a step.
pub const STEP_S: u64 = 30;
/// Steps that a phone's clock may be off by, to either side.
pub const DRIFT_STEPS: u16 = 1;

/// What an account and its authenticator app share.
#[derive(Clone, Debug)]
pub struct TotpSecret(Secret<[u8; SECRET_BYTES]>);

impl TotpSecret {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(Secret::new(random::bytes()))
    }

    /// As it was stored; `None` if these are not its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Secret::new(bytes)))
    }

    /// Its bytes, to be sealed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.expose()
    }

    /// For typing it into an app: base32 (RFC 4648 §6), 32 characters.
    #[must_use]
    pub fn base32(&self) -> SecretString {
        SecretString::new(base32(self.bytes()))
    }

    /// For a QR code: `otpauth://totp/SERVICE:ACCOUNT?secret=...`.
    #[must_use]
    pub fn url(&self, service: &str, account: &str) -> SecretString {
        let (service, account) = (escaped(service), escaped(account));
        let secret = base32(self.bytes());
        SecretString::new(format!(
            "otpauth://totp/{service}:{account}?secret={secret}&issuer={service}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}"
        ))
    }

    /// The step that `code` is of, if that is now or next to now, and later than
    /// `last_step`, the last one used: a code works once, and none before it.
    /// The caller stores the step before it answers. Spaces in `code` do not count.
    #[must_use]
    pub fn check(&self, code: &str, last_step: Option<u64>, now: Timestamp) -> Option<u64> {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(16).collect();
        let step = self.generator().check(&digits, now.seconds())?;
        last_step.is_none_or(|last| step > last).then_some(step)
    }

    fn generator(&self) -> Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP_S)
            .with_skew(DRIFT_STEPS)
            .with_secret(*self.0.expose())
            .build_noncompliant()
    }
}

/// Base32 without padding (RFC 4648 §6).
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for at in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = (bits >> (35 - 5 * at)) & 31;
            out.push(char::from(ALPHABET[usize::try_from(digit).unwrap_or(0)]));
        }
    }
    out
}

/// Percent-encoding of all that is not unreserved (RFC 3986 §2.3); the colon too, which parts service and account.
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn rfc_secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    /// RFC 6238, appendix B, SHA-1: the last six of its eight digits.
    #[test]
    fn codes_are_the_rfcs() {
        let vectors = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ];
        for (seconds, code) in vectors {
            assert_eq!(rfc_secret().check(code, None, at(seconds)), Some(seconds / 30), "{code}");
        }
    }

    #[test]
    fn one_step_of_drift_is_forgiven_and_not_two() {
        let secret = rfc_secret();
        // The code of step 37037037, which begins at 1111111110.
        for (seconds, fits) in [
            (1_111_111_079, false),
            (1_111_111_080, true),
            (1_111_111_169, true),
            (1_111_111_170, false),
        ] {
            let step = secret.check("050471", None, at(seconds));
            assert_eq!(step, fits.then_some(37_037_037), "{seconds}");
        }
    }

    #[test]
    fn a_code_works_once_and_none_before_it_works_after() {
        let secret = rfc_secret();
        let now = at(1_111_111_111);
        let step = secret.check("050471", None, now).unwrap();
        assert_eq!(secret.check("050471", Some(step), now), None);
        assert_eq!(secret.check("081804", Some(step), now), None, "the step before it");
        assert_eq!(secret.check("050471", Some(step - 1), now), Some(step));
    }

    #[test]
    fn what_is_typed_may_have_spaces_and_nothing_else() {
        let now = at(1_111_111_111);
        for (typed, fits) in [
            ("050 471", true),
            (" 050471 ", true),
            ("50471", false),
            ("+50471", false),
            ("0504711", false),
            ("٠٥٠٤٧١", false),
            ("", false),
        ] {
            assert_eq!(rfc_secret().check(typed, None, now).is_some(), fits, "{typed}");
        }
    }

    /// RFC 4648 §10, without padding.
    #[test]
    fn base32_is_the_rfcs() {
        let vectors = [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ];
        for (bytes, text) in vectors {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_url_is_what_apps_read() {
        let url = rfc_secret().url("Käse: & Co", "a+b@example.org");
        assert_eq!(
            url.expose(),
            "otpauth://totp/K%C3%A4se%3A%20%26%20Co:a%2Bb@example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=K%C3%A4se%3A%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
        assert!(TotpSecret::from_bytes(b"short").is_none());
        assert_ne!(TotpSecret::random().bytes(), TotpSecret::random().bytes());
    }
}
