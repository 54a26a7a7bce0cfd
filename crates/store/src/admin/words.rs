//! An operator's words, checked: e-mails, names, limits, scopes, hashes.

use std::collections::BTreeSet;

use surgewall_core::config::Config;
use surgewall_core::config::validate::unpriced;
use surgewall_core::limits::{DELEGATED_NAME_BYTES_MAX, MODEL_NAME_BYTES_MAX};
use surgewall_core::principal::{DelegatedUser, Scopes};
use surgewall_core::quota::{LimitSpec, parse_window};

use super::error::AdminError;

/// An e-mail address, in bytes (RFC 5321 allows a path of 256 with its brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// The part before the `@`, in bytes.
pub const EMAIL_LOCAL_BYTES_MAX: usize = 64;
/// The name of a group or key, in characters.
pub const NAME_CHARS_MAX: usize = 100;
/// Limits of one subject.
pub const LIMITS_PER_SUBJECT_MAX: usize = 16;
/// End users of one key that have limits of their own: further ones are held by
/// the rules for all of them.
pub const USERS_LIMITED_PER_KEY_MAX: usize = 1_000;
/// Entries of each list of a key's scopes.
pub const SCOPE_ENTRIES_MAX: usize = 64;
/// Issuer or subject of a token, in bytes.
pub const EXTERNAL_BYTES_MAX: usize = 1_024;
/// The cost of a foreign bcrypt hash, at most: 2^14 rounds take about a second.
pub const BCRYPT_COST_MAX: u32 = 14;
/// The shortest prefix of a bcrypt key, in characters.
pub const BCRYPT_PREFIX_CHARS_MIN: usize = 8;
/// The longest prefix of a bcrypt key, in characters.
pub const BCRYPT_PREFIX_CHARS_MAX: usize = 32;
/// The route families that a scope may name.
pub const ROUTES: [&str; 5] = ["chat", "completions", "embeddings", "models", "balance"];

/// An e-mail address as it is shown and as it is looked up.
pub(crate) struct Email {
    /// As given, the domain in lower case.
    pub(crate) shown: String,
    /// All in lower case: no provider gives `Ann@` and `ann@` to two people.
    pub(crate) normal: String,
}

/// Checks the form simply: whether an address exists, only a mail can say.
pub(crate) fn email(text: &str) -> Result<Email, AdminError> {
    let text = text.trim();
    let invalid = |why: &str| {
        AdminError::invalid(format!("not an e-mail address: {why}"))
            .hint("write it like ann@example.org")
    };
    let (local, domain) = text.rsplit_once('@').ok_or_else(|| invalid("there is no @"))?;
    let strange = |c: char| c.is_whitespace() || c.is_control() || "@<>()[]\\,;:\"".contains(c);
    if local.is_empty() || local.len() > EMAIL_LOCAL_BYTES_MAX || local.contains(strange) {
        return Err(invalid(
            "the part before the @ is empty, too long, or has a character that does not belong there",
        ));
    }
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && !label.contains(strange)
    };
    if !domain.split('.').all(label) {
        return Err(invalid("the part after the @ is no domain"));
    }
    let shown = format!("{local}@{}", domain.to_lowercase());
    let normal = shown.to_lowercase();
    // Lower case can be longer than what was typed.
    if shown.len().max(normal.len()) > EMAIL_BYTES_MAX {
        return Err(invalid("it is longer than 254 bytes"));
    }
    Ok(Email { shown, normal })
}

/// The name of a `thing`: 1 to 100 characters, none of them a control character.
pub(super) fn name(thing: &str, text: &str) -> Result<String, AdminError> {
    let text = text.trim();
    let chars = text.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        return Err(AdminError::invalid(format!(
            "a {thing}'s name has 1 to {NAME_CHARS_MAX} characters and no control characters"
        )));
    }
    Ok(text.to_owned())
}

/// Limits, each once, and none in money for a model without a price.
pub(super) fn limits(config: &Config, texts: &[String]) -> Result<Vec<LimitSpec>, AdminError> {
    if texts.len() > LIMITS_PER_SUBJECT_MAX {
        return Err(AdminError::invalid(format!("more than {LIMITS_PER_SUBJECT_MAX} limits")));
    }
    let mut counters = BTreeSet::new();
    let mut limits = Vec::with_capacity(texts.len());
    for text in texts {
        let limit = limit(config, text)?;
        if !counters.insert((limit.meter, limit.window_s, limit.model.clone())) {
            return Err(AdminError::invalid(format!(
                "`{text}` limits the same thing as another limit"
            )));
        }
        limits.push(limit);
    }
    Ok(limits)
}

fn limit(config: &Config, text: &str) -> Result<LimitSpec, AdminError> {
    let limit: LimitSpec = text
        .parse()
        .map_err(|error| AdminError::invalid(format!("`{text}` is no limit: {error}")))?;
    if let Some(model) = &limit.model {
        model_pattern(model)?;
    }
    match unpriced(config, &limit) {
        None => Ok(limit),
        Some(model) => Err(AdminError::invalid(format!("a money limit on `{model}`, which has no price")).hint(
            "add [prices.\"MODEL\"] with input_per_million, output_per_million, currency, source and date",
        )),
    }
}

fn model_pattern(model: &str) -> Result<(), AdminError> {
    let fits = !model.is_empty() && model.len() <= MODEL_NAME_BYTES_MAX;
    if fits && !model.chars().any(char::is_control) {
        return Ok(());
    }
    Err(AdminError::invalid(format!("a model's name has 1 to {MODEL_NAME_BYTES_MAX} bytes")))
}

/// Scopes that can be meant.
pub(super) fn scopes(scopes: &Scopes) -> Result<(), AdminError> {
    let longest = scopes.models.len().max(scopes.routes.len()).max(scopes.networks.len());
    if longest > SCOPE_ENTRIES_MAX {
        return Err(AdminError::invalid(format!(
            "more than {SCOPE_ENTRIES_MAX} entries in a scope"
        )));
    }
    scopes.models.iter().try_for_each(|model| model_pattern(model))?;
    match scopes.routes.iter().find(|route| !ROUTES.contains(&route.as_str())) {
        None => Ok(()),
        Some(route) => Err(AdminError::invalid(format!("`{route}` is no route family"))
            .hint(format!("one of {}", ROUTES.join(", ")))),
    }
}

/// Seconds until a key stops working.
pub(super) fn expires_in(text: &str) -> Result<u64, AdminError> {
    parse_window(text).map_err(|_| {
        AdminError::invalid(format!("`{text}` is no time to live"))
            .hint("a number and s, m, h or d, from 1s to 366d, for example 90d; leave it out for a key without an end")
    })
}

/// The issuer or subject of a token.
pub(super) fn external(what: &str, text: &str) -> Result<(), AdminError> {
    if text.is_empty() || text.len() > EXTERNAL_BYTES_MAX {
        return Err(AdminError::invalid(format!(
            "the token's {what} has not 1 to {EXTERNAL_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// The name of a delegated user, as its key's requests carry it.
pub(super) fn delegated_name(text: &str) -> Result<&str, AdminError> {
    if text.is_empty() || text.len() > DELEGATED_NAME_BYTES_MAX {
        return Err(AdminError::invalid(format!(
            "an end user's name has 1 to {DELEGATED_NAME_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}

/// The keyed hash of a delegated user, as the ledger shows it.
pub(super) fn delegated_hash(text: &str) -> Result<DelegatedUser, AdminError> {
    let text = text.trim();
    let hex = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let bits = u128::from_str_radix(text, 16).ok().filter(|_| hex);
    bits.map(DelegatedUser).ok_or_else(|| {
        AdminError::invalid("the hash of an end user is 32 hex digits")
            .hint("`surgewall admin ledger export` shows it as `user`")
    })
}

/// The bytes of a SHA-256 in hex.
pub(super) fn sha256(text: &str) -> Result<[u8; 32], AdminError> {
    let digits = text.trim().as_bytes();
    let nibble =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(nibble(*high)? << 4 | nibble(*low)?),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        AdminError::invalid("a SHA-256 is 64 hex digits")
            .hint("it is the hash of the whole key: printf %s \"$KEY\" | sha256sum")
    })
}

/// A bcrypt hash of a bearable cost, and the prefix that selects it.
pub(super) fn bcrypt(hash: &str, prefix: &str) -> Result<(), AdminError> {
    let parts: bcrypt::HashParts = hash.parse().map_err(|_| {
        AdminError::invalid("not a bcrypt hash")
            .hint("it begins with $2a$, $2b$ or $2y$ and has 60 characters")
    })?;
    // 2x marks hashes of a broken implementation, which must not be matched as sound ones.
    if hash.starts_with("$2x$") || !(4..=BCRYPT_COST_MAX).contains(&parts.get_cost()) {
        return Err(AdminError::invalid(format!(
            "a bcrypt hash of cost {} is not accepted: 4 to {BCRYPT_COST_MAX}, and not of the broken 2x form",
            parts.get_cost()
        )));
    }
    let chars = BCRYPT_PREFIX_CHARS_MIN..=BCRYPT_PREFIX_CHARS_MAX;
    if chars.contains(&prefix.len()) && prefix.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    Err(AdminError::invalid(format!(
        "a bcrypt key's prefix is its first {BCRYPT_PREFIX_CHARS_MIN} to {BCRYPT_PREFIX_CHARS_MAX} characters"
    ))
    .hint("bcrypt cannot be looked up: the prefix tells which hashes a credential is compared with"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use surgewall_core::digest;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_judged_and_what_is_accepted_is_stable(text in ".{0,300}", local in "[a-zA-Z0-9.+_-]{1,64}") {
            for text in [text.clone(), format!("{local}@Example.org"), format!("{text}@x.y")] {
                if let Ok(once) = email(&text) {
                    let twice = email(&once.shown).unwrap();
                    prop_assert_eq!((&twice.shown, &twice.normal), (&once.shown, &once.normal));
                    prop_assert!(once.shown.len() <= EMAIL_BYTES_MAX);
                }
            }
            if let Ok(name) = name("group", &text) {
                prop_assert_eq!(super::name("group", &name).unwrap(), name);
            }
            let _ = (sha256(&text), bcrypt(&text, &text), expires_in(&text));
        }

        #[test]
        fn a_sha_256_is_read_as_it_is_written(bytes: [u8; 32]) {
            let hex = digest::hex(&bytes);
            prop_assert_eq!(sha256(&hex).unwrap(), bytes);
            prop_assert_eq!(sha256(&hex.to_uppercase()).unwrap(), bytes);
            let longer = format!("{hex}00");
            prop_assert!(sha256(&hex[1..]).is_err() && sha256(&longer).is_err());
        }
    }
}
