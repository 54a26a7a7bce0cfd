//! Passwords: which are taken (NIST SP 800-63B-4 §3.1.1, OWASP ASVS 5.0 §6.2)
//! and how they are kept (Argon2id, RFC 9106, as PHC strings).
//!
//! A password is the exact bytes that were typed: nothing is cut, folded or
//! trimmed. There are no rules of composition. What is refused is what is
//! short, what is made of the account's own words, and what is easy to guess.
//!
//! Guessing is judged offline by `zxcvbn`: its lists hold about 30,000 leaked
//! passwords and as many common words and names (English ones, from 2012), and
//! it knows keyboard walks, dates, repetitions and digits for letters. That is
//! no copy of today's breaches: a long password that leaked elsewhere and is
//! made of nothing known passes.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use surgewall_core::random;
use surgewall_core::secret::SecretString;
use zxcvbn::zxcvbn;

/// The longest password, in bytes: hashing one costs the same for any length, reading it does not.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// The fewest characters of a password that is the only factor.
pub const CHARS_MIN_ALONE: usize = 15;
/// The fewest characters of a password beside a second factor.
pub const CHARS_MIN_WITH_SECOND_FACTOR: usize = 8;
/// A word of the context counts from this many characters on.
const CONTEXT_WORD_CHARS_MIN: usize = 4;
/// Words of the context that are looked at.
const CONTEXT_WORDS_MAX: usize = 32;
/// Characters of a password that are judged by how they can be guessed: it takes time with their square.
const JUDGED_CHARS_MAX: usize = 64;
/// In how many ways the signs of a password may be read as letters before they are read in one.
const READINGS_MAX: usize = 12;
/// The signs that `zxcvbn` reads as letters.
const SIGNS: [(char, &str); 12] = [
    ('a', "4@"),
    ('b', "8"),
    ('c', "({[<"),
    ('e', "3"),
    ('g', "69"),
    ('i', "1!|"),
    ('l', "1|7"),
    ('o', "0"),
    ('s', "$5"),
    ('t', "+7"),
    ('x', "%"),
    ('z', "2"),
];
/// Bytes of a stored hash that are parsed.
const PHC_BYTES_MAX: usize = 256;
/// Memory that a stored hash may ask for, in KiB: an imported one must not ask for a machine.
const MEMORY_KIB_MAX: u32 = 256 * 1_024;
/// Passes that a stored hash may ask for.
const PASSES_MAX: u32 = 16;
/// Lanes that a stored hash may ask for.
const LANES_MAX: u32 = 8;
/// Bytes of a salt (RFC 9106 §3.1).
const SALT_BYTES: usize = 16;
/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// What a password stands beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factors {
    /// It is the only factor.
    Alone,
    /// A second factor is asked for each time.
    WithSecondFactor,
}

impl Factors {
    /// The fewest characters.
    #[must_use]
    pub const fn chars_min(self) -> usize {
        match self {
            Self::Alone => CHARS_MIN_ALONE,
            Self::WithSecondFactor => CHARS_MIN_WITH_SECOND_FACTOR,
        }
    }

    /// Guesses that a password must withstand, as `zxcvbn` counts them.
    const fn guesses_min(self) -> u64 {
        match self {
            Self::Alone => 100_000_000,
            Self::WithSecondFactor => 1_000_000,
        }
    }
}

/// Why a password is not taken. The text is for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordFault {
    /// Too few characters.
    #[error("Use at least {chars_min} characters. A few unrelated words are easy to remember.")]
    TooShort {
        /// The fewest.
        chars_min: usize,
    },
    /// Too many bytes.
    #[error("Use at most {bytes_max} bytes.")]
    TooLong {
        /// The most.
        bytes_max: usize,
    },
    /// Little is left beside the account's or the service's own words.
    #[error(
        "Your e-mail address, your name or this service's name is most of it. Use other words."
    )]
    Context,
    /// Among the first that anybody would try.
    #[error("This password is easy to guess: it is common, or follows a common pattern.")]
    Common,
}

impl PasswordFault {
    /// A stable name.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong { .. } => "password_too_long",
            Self::Context => "password_context",
            Self::Common => "password_common",
        }
    }
}

/// Whether `password` is neither too short nor too long: what can be told for nothing.
///
/// # Errors
/// Which of both.
pub fn fits(password: &SecretString, factors: Factors) -> Result<(), PasswordFault> {
    let text = password.expose();
    if text.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordFault::TooLong { bytes_max: PASSWORD_BYTES_MAX });
    }
    let chars_min = factors.chars_min();
    if text.chars().count() < chars_min {
        return Err(PasswordFault::TooShort { chars_min });
    }
    Ok(())
}

/// Whether `password` may be set. `context` is what others know of the account:
/// its e-mail, its name, the service's name. This takes milliseconds: strangers
/// have it done by [`crate::hasher::Hasher::take`], in their turn.
///
/// # Errors
/// Why not.
pub fn check(
    password: &SecretString,
    factors: Factors,
    context: &[&str],
) -> Result<(), PasswordFault> {
    fits(password, factors)?;
    let text = password.expose();
    let words = context_words(context);
    if chars_beside(text, &words) < factors.chars_min() / 2 {
        return Err(PasswordFault::Context);
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if zxcvbn(&judged(text), &words).guesses() < factors.guesses_min() {
        return Err(PasswordFault::Common);
    }
    Ok(())
}

/// The context in lower case, whole and in parts, longest first.
fn context_words(context: &[&str]) -> Vec<String> {
    let whole = context.iter().map(|text| text.trim().to_lowercase());
    let mut words: Vec<String> = whole
        .flat_map(|text| {
            let parts = text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned);
            std::iter::once(text.clone()).chain(parts.collect::<Vec<_>>())
        })
        .filter(|word| word.chars().count() >= CONTEXT_WORD_CHARS_MIN)
        .collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.dedup();
    words.truncate(CONTEXT_WORDS_MAX);
    words
}

/// How many letters and digits of `text` belong to none of `words`.
fn chars_beside(text: &str, words: &[String]) -> usize {
    let lower = text.to_lowercase();
    let rest = words.iter().fold(lower, |rest, word| rest.replace(word.as_str(), " "));
    rest.chars().filter(|c| c.is_alphanumeric()).count()
}

/// What of `text` is judged. `zxcvbn` tries every way in which signs can be
/// letters: where there are many signs, all ways together take seconds, so each
/// is read as one letter. That makes the password look weaker, never stronger.
fn judged(text: &str) -> String {
    let text: String = text.chars().take(JUDGED_CHARS_MAX).collect();
    let present = |signs: &str| signs.chars().filter(|sign| text.contains(*sign)).count().max(1);
    let readings: usize = SIGNS.iter().map(|(_, signs)| present(signs)).product();
    if readings <= READINGS_MAX {
        return text;
    }
    let letter = |c: char| {
        SIGNS.iter().find(|(_, signs)| signs.contains(c)).map_or(c, |(letter, _)| *letter)
    };
    text.chars().map(letter).collect()
}

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes, computed one after another.
    pub lanes: u32,
}

impl Cost {
    /// OWASP's smallest recommended: the memory is what many hashes at a time cost the door.
    pub const DEFAULT: Self = Self { memory_kib: 19 * 1_024, passes: 2, lanes: 1 };
    /// The least that Argon2 can do, for tests of what is around it.
    pub const LEAST: Self = Self { memory_kib: 8, passes: 1, lanes: 1 };

    fn params(self) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(HASH_BYTES)).ok()
    }
}

/// A hash in the form that is stored, parsed.
pub(crate) struct StoredHash {
    hash: PasswordHash,
    params: Params,
}

impl StoredHash {
    /// Reads a PHC string; `None` for another algorithm, and for one that asks for too much.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > PHC_BYTES_MAX {
            return None;
        }
        let hash = PasswordHash::new(text).ok()?;
        let is_known =
            hash.algorithm == argon2::ARGON2ID_IDENT && hash.version == Some(Version::V0x13.into());
        let params = Params::try_from(&hash).ok()?;
        let is_bounded = params.m_cost() <= MEMORY_KIB_MAX
            && params.t_cost() <= PASSES_MAX
            && params.p_cost() <= LANES_MAX;
        (is_known && is_bounded && hash.salt.is_some() && hash.hash.is_some())
            .then_some(Self { hash, params })
    }

    /// A hash that no password has: random bytes at `cost`.
    pub(crate) fn dummy(cost: Cost) -> Option<Self> {
        let params = cost.params()?;
        let hash = PasswordHash {
            algorithm: argon2::ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).ok()?,
            salt: Some(Salt::new(&random::bytes::<SALT_BYTES>()).ok()?),
            hash: Some(Output::new(&random::bytes::<HASH_BYTES>()).ok()?),
        };
        Some(Self { hash, params })
    }

    /// Whether it costs less than `cost`.
    pub(crate) fn is_below(&self, cost: Cost) -> bool {
        self.params.m_cost() < cost.memory_kib
            || self.params.t_cost() < cost.passes
            || self.params.p_cost() < cost.lanes
    }

    /// Whether `password` has it. One Argon2 call, counted in `calls`, compared in
    /// constant time; `None` where memory is short.
    pub(crate) fn verify(&self, password: &SecretString, calls: &AtomicU64) -> Option<bool> {
        let (Some(salt), Some(expected)) = (&self.hash.salt, &self.hash.hash) else { return None };
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let mut out = vec![0; expected.len()];
        calls.fetch_add(1, Ordering::Relaxed);
        argon2.hash_password_into(password.expose().as_bytes(), salt, &mut out).ok()?;
        Some(aws_lc_rs::constant_time::verify_slices_are_equal(&out, expected.as_bytes()).is_ok())
    }
}

/// The PHC string of `password` at `cost`, with a random salt: one Argon2 call,
/// counted in `calls`; `None` where memory is short.
pub(crate) fn hash(password: &SecretString, cost: Cost, calls: &AtomicU64) -> Option<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params()?);
    let salt = random::bytes::<SALT_BYTES>();
    calls.fetch_add(1, Ordering::Relaxed);
    let hash = argon2.hash_password_with_salt(password.expose().as_bytes(), &salt).ok()?;
    Some(hash.to_string())
}

#[cfg(test)]
mod tests;
