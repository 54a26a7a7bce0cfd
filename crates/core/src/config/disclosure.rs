//! `[disclosure]`: how strangers tell the operator what they found.

use serde::Deserialize;

/// Ways to reach the operator at most.
pub const CONTACTS_MAX: usize = 8;
/// Languages at most.
pub const LANGUAGES_MAX: usize = 16;
/// Public keys of the secret scanner at most: the one in use, and those before and after it.
pub const GITHUB_KEYS_MAX: usize = 16;

/// `[disclosure]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Disclosure {
    /// How to reach the operator about security, the best way first: `mailto:`,
    /// `tel:` or `https://`. Without one there is no `security.txt`.
    pub contact: Vec<String>,
    /// Until when that holds, `YYYY-MM-DD`.
    pub expires: Option<String>,
    /// Languages that are read there, as `en` or `zh-Hans`.
    pub languages: Vec<String>,
    /// Where the rules for finders stand.
    pub policy: Option<String>,
    /// Whether strangers may report by a form.
    pub intake: bool,
    /// What is done with a key that somebody found.
    pub found_keys: FoundKeys,
    /// Public keys that GitHub signs its reports of found keys with.
    pub github_key: Vec<GithubKey>,
}

impl Default for Disclosure {
    fn default() -> Self {
        Self {
            contact: Vec::new(),
            expires: None,
            languages: Vec::new(),
            policy: None,
            intake: true,
            found_keys: FoundKeys::Revoke,
            github_key: Vec::new(),
        }
    }
}

/// What is done with a key that somebody found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundKeys {
    /// It is revoked, and its owner and the operator are told.
    #[default]
    Revoke,
    /// They are told.
    Report,
}

/// `[[disclosure.github_key]]`: as GitHub lists them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GithubKey {
    /// Its `key_identifier`.
    pub id: String,
    /// The key itself, in PEM.
    pub pem: String,
}
