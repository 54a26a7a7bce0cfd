//! Codes and links that are sent by mail: short-lived, for one request, for few tries.
//!
//! A code has eight digits (26 bits; OWASP ASVS 5.0 §6.5.4 asks for 20), lives
//! ten minutes (§6.5.5), belongs to the request that asked for it (§6.6.2), and
//! dies of five wrong tries: one in twenty million is guessed. A link's token
//! has 190 bits and is found by its keyed hash.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::sha256;
use surgewall_core::random;
use surgewall_core::secret::SecretString;

/// How long a code works.
pub const CODE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// How long a link works.
pub const LINK_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Tries of one code.
pub const CODE_ATTEMPTS_MAX: u8 = 5;
/// Digits of a code.
pub const CODE_DIGITS: usize = 8;
/// Base62 characters of a link's token.
const TOKEN_CHARS: usize = 32;

/// What a code is for: one that was asked for one thing does not do another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodePurpose {
    /// An account is made.
    SignUp,
    /// Somebody signs in.
    SignIn,
    /// A password was forgotten.
    Reset,
    /// An account gets another address.
    ChangeEmail,
}

/// What became of a code that was typed.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAnswer {
    /// It is the one. It does not work again.
    Right,
    /// It is not.
    Wrong {
        /// Tries that are left.
        left: u8,
    },
    /// It was used, or tried too often.
    Spent,
    /// Too late.
    Expired,
}

/// A code that was sent, as the server keeps it: sealed, or in memory. It holds
/// a salted hash, which hides eight digits from a glance and not from a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingCode {
    purpose: CodePurpose,
    salt: [u8; 16],
    hash: [u8; 32],
    attempts_left: u8,
    expires_at: Timestamp,
}

/// A new code and what to keep of it. `binding` is what it belongs to: the
/// address it goes to and the request that asked for it.
#[must_use]
pub fn issue(purpose: CodePurpose, binding: &str, now: Timestamp) -> (SecretString, PendingCode) {
    let code = digits();
    let salt = random::bytes();
    let pending = PendingCode {
        purpose,
        salt,
        hash: hash(&salt, binding, code.expose()),
        attempts_left: CODE_ATTEMPTS_MAX,
        expires_at: now.plus(CODE_LIFETIME),
    };
    (code, pending)
}

/// `code` as people read it: in two halves.
#[must_use]
pub fn shown(code: &SecretString) -> String {
    let (left, right) = code.expose().split_at(CODE_DIGITS / 2);
    format!("{left} {right}")
}

/// The token of a link: store its keyed hash and when it ends, and take the row away when it is used.
#[must_use]
pub fn link_token() -> SecretString {
    SecretString::new(random::base62(TOKEN_CHARS))
}

impl PendingCode {
    /// Judges what was typed, and counts the try: the caller writes this value
    /// back before it answers, also where the code was wrong. Spaces do not count.
    pub fn check(
        &mut self,
        purpose: CodePurpose,
        binding: &str,
        typed: &str,
        now: Timestamp,
    ) -> CodeAnswer {
        if now >= self.expires_at {
            return CodeAnswer::Expired;
        }
        let Some(left) = self.attempts_left.checked_sub(1) else { return CodeAnswer::Spent };
        self.attempts_left = left;
        let typed: String =
            typed.chars().filter(|c| !c.is_whitespace()).take(CODE_DIGITS + 1).collect();
        let is_equal = verify_slices_are_equal(&hash(&self.salt, binding, &typed), &self.hash);
        if is_equal.is_ok() && self.purpose == purpose {
            self.attempts_left = 0;
            CodeAnswer::Right
        } else {
            CodeAnswer::Wrong { left }
        }
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> CodePurpose {
        self.purpose
    }

    /// From when on it can be forgotten.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// Eight uniform digits, by rejection.
fn digits() -> SecretString {
    const BOUND: u32 = 100_000_000;
    loop {
        let value = u32::from_be_bytes(random::bytes());
        if value < u32::MAX - u32::MAX % BOUND {
            return SecretString::new(format!("{:08}", value % BOUND));
        }
    }
}

/// Each part with its length before it: no binding runs into a code.
fn hash(salt: &[u8; 16], binding: &str, code: &str) -> [u8; 32] {
    let mut text = salt.to_vec();
    for part in [binding, code] {
        text.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        text.extend(part.as_bytes());
    }
    sha256(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
    const BINDING: &str = "a@example.org request-1";

    fn issued() -> (String, PendingCode) {
        let (code, pending) = issue(CodePurpose::SignIn, BINDING, NOW);
        (code.expose().clone(), pending)
    }

    fn other_than(code: &str) -> String {
        let last = if code.ends_with('7') { "8" } else { "7" };
        format!("{}{last}", &code[..7])
    }

    #[test]
    fn a_code_works_once() {
        let (code, mut pending) = issued();
        assert_eq!(code.len(), CODE_DIGITS);
        assert_eq!(pending.check(CodePurpose::SignIn, BINDING, &code, NOW), CodeAnswer::Right);
        assert_eq!(pending.check(CodePurpose::SignIn, BINDING, &code, NOW), CodeAnswer::Spent);
    }

    #[test]
    fn five_tries_and_not_one_more() {
        let (code, mut pending) = issued();
        let wrong = other_than(&code);
        for left in (1..CODE_ATTEMPTS_MAX).rev() {
            let answer = pending.check(CodePurpose::SignIn, BINDING, &wrong, NOW);
            assert_eq!(answer, CodeAnswer::Wrong { left });
        }
        let mut last = pending.clone();
        assert_eq!(last.check(CodePurpose::SignIn, BINDING, &code, NOW), CodeAnswer::Right);
        let answer = pending.check(CodePurpose::SignIn, BINDING, &wrong, NOW);
        assert_eq!(answer, CodeAnswer::Wrong { left: 0 });
        assert_eq!(pending.check(CodePurpose::SignIn, BINDING, &code, NOW), CodeAnswer::Spent);
    }

    #[test]
    fn a_code_belongs_to_its_request_purpose_and_time() {
        let (code, pending) = issued();
        let spaced = format!(" {} {} ", &code[..4], &code[4..]);
        let end = pending.expires_at();
        let before_end = Timestamp::from_millis(end.millis() - 1);
        let wrong = CodeAnswer::Wrong { left: 4 };
        let cases = [
            (CodePurpose::SignIn, BINDING, spaced.as_str(), before_end, CodeAnswer::Right),
            (CodePurpose::SignIn, BINDING, &code, end, CodeAnswer::Expired),
            (CodePurpose::Reset, BINDING, &code, NOW, wrong),
            (CodePurpose::SignIn, "a@example.org request-2", &code, NOW, wrong),
            (CodePurpose::SignIn, BINDING, "", NOW, wrong),
            (CodePurpose::SignIn, BINDING, &format!("{code}0"), NOW, wrong),
        ];
        for (purpose, binding, typed, now, expected) in cases {
            let answer = pending.clone().check(purpose, binding, typed, now);
            assert_eq!(answer, expected, "{purpose:?} {binding} {typed} {now}");
        }
    }

    #[test]
    fn what_is_kept_survives_its_text_and_shows_no_code() {
        let (code, mut pending) = issued();
        let _ = pending.check(CodePurpose::SignIn, BINDING, "00000000", NOW);
        let text = serde_json::to_string(&pending).unwrap();
        assert!(!text.contains(&code));
        let mut again: PendingCode = serde_json::from_str(&text).unwrap();
        assert_eq!(again.attempts_left, pending.attempts_left);
        assert_eq!(again.check(CodePurpose::SignIn, BINDING, &code, NOW), CodeAnswer::Right);
    }

    #[test]
    fn codes_are_shown_in_halves_and_links_are_long() {
        assert_eq!(shown(&SecretString::new("01234567".into())), "0123 4567");
        assert_eq!(link_token().expose().len(), TOKEN_CHARS);
        assert_ne!(link_token().expose(), link_token().expose());
    }
}
