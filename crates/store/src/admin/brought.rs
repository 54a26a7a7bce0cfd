//! What an import asks for: another system's keys and accounts.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Class;

use super::request::KeyCreate;

/// Keys in one [`super::Request::KeyImport`].
pub const IMPORT_KEYS_MAX: usize = 10_000;
/// Accounts in one [`super::Request::UserImport`].
pub const IMPORT_USERS_MAX: usize = 10_000;
/// What [`super::Request::KeyImport`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyImport {
    /// The keys, each with its `foreign` hash; at most [`IMPORT_KEYS_MAX`].
    pub keys: Vec<KeyCreate>,
    /// What is known of the keys' accounts from before; at most [`IMPORT_KEYS_MAX`].
    #[serde(default)]
    pub history: Vec<Brought>,
    /// Where each key stands in the file, for what is said of it; as they come if empty.
    #[serde(default)]
    pub lines: Vec<u64>,
    /// Whether nothing is to be written, and only said whether it could be.
    #[serde(default)]
    pub dry_run: bool,
}

/// What [`super::Request::UserImport`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserImport {
    /// The accounts; at most [`IMPORT_USERS_MAX`].
    pub users: Vec<BroughtUser>,
    /// Whether nothing is to be written, and only said whether it could be.
    #[serde(default)]
    pub dry_run: bool,
}

/// One account of another system.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BroughtUser {
    /// Where it stands in the file, for what is said of it.
    pub line: u64,
    /// The e-mail address.
    pub email: String,
    /// The class; `new` if absent. An account that is there keeps its own.
    #[serde(default)]
    pub class: Option<Class>,
    /// The group. An account that is there keeps its own.
    #[serde(default)]
    pub group: Option<String>,
    /// Since when it is known.
    #[serde(default)]
    pub first_seen: Option<Timestamp>,
    /// Days on which it was used well since then.
    #[serde(default)]
    pub active_days: u32,
    /// Whether its keys are refused.
    #[serde(default)]
    pub suspended: bool,
}

/// What an account did before it came here: it counts for its class.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brought {
    /// Which account, by e-mail or public id.
    pub account: String,
    /// Since when it is known.
    pub first_seen: Timestamp,
    /// Days on which it was used well since then.
    pub active_days: u32,
}
