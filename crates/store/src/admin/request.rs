//! What an operator can ask for, as data: the command line and the control
//! socket send the same.

use std::fmt;

use serde::{Deserialize, Serialize};
use surgewall_core::principal::{Class, Scopes};
use surgewall_core::role::Role;

use super::brought::{KeyImport, UserImport};
use super::ensure::AccountEnsure;

/// Rows in one listing: so many keys with the longest scopes and limits still
/// fit into one message of the control socket.
pub const LIST_ROWS_MAX: u32 = 250;

/// One operation. Users are named by public id or e-mail, groups and keys by
/// public id or name.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// Makes an account. Answers [`super::Reply::UserCreated`].
    UserCreate(UserCreate),
    /// Takes over many accounts of another system at once, all or none. Answers
    /// [`super::Reply::UsersImported`].
    UserImport(UserImport),
    /// Lists accounts. Answers [`super::Reply::Users`].
    UserList(List),
    /// Shows one account. Answers [`super::Reply::User`].
    UserShow(Named),
    /// Changes an account. Answers [`super::Reply::User`].
    UserSet(UserSet),
    /// Makes a link with which the owner is enrolled, or an account gets a new
    /// password. Answers [`super::Reply::Link`].
    UserRecover(UserRecover),
    /// Closes an account for good and destroys what was written in it. Answers
    /// [`super::Reply::Erased`].
    UserClose(Named),
    /// The account of a token's subject, made at its first use. Answers
    /// [`super::Reply::UserCreated`], also where it was there.
    AccountEnsure(AccountEnsure),
    /// Makes a group. Answers [`super::Reply::Group`].
    GroupCreate(GroupCreate),
    /// Lists groups. Answers [`super::Reply::Groups`].
    GroupList(List),
    /// Shows one group. Answers [`super::Reply::Group`].
    GroupShow(Named),
    /// Changes a group. Answers [`super::Reply::Group`].
    GroupSet(GroupSet),
    /// Makes a key. Answers [`super::Reply::KeyCreated`].
    KeyCreate(KeyCreate),
    /// Takes over many keys of another system at once, all or none. Answers
    /// [`super::Reply::Imported`].
    KeyImport(KeyImport),
    /// Lists keys. Answers [`super::Reply::Keys`].
    KeyList(KeyList),
    /// Lists the keys of one account, the newest first. Answers [`super::Reply::Keys`].
    KeysOf(KeysOf),
    /// Shows one key. Answers [`super::Reply::Key`].
    KeyShow(Named),
    /// Ends a key for good. Answers [`super::Reply::Key`].
    KeyRevoke(Named),
    /// Changes a key. Answers [`super::Reply::Key`].
    KeySet(KeySet),
    /// Shows or changes the limits of one end user of a delegating key. Answers
    /// [`super::Reply::Delegated`].
    UserLimit(UserLimit),
    /// Records that what is held about a person is about to be exported. Answers
    /// [`super::Reply::Exported`].
    UserExport(Whose),
    /// Tells how the vault is. Answers [`super::Reply::Vault`].
    VaultStatus,
    /// Destroys the keys of one subject's content. Answers [`super::Reply::Erased`].
    VaultErase(VaultErase),
    /// Makes a new master key. Answers [`super::Reply::Rotated`].
    VaultRotate,
}

impl Request {
    /// What it is called in the ledger.
    #[must_use]
    pub const fn action(&self) -> &'static str {
        match self {
            Self::UserCreate(_) => "user.create",
            Self::UserImport(_) => "user.import",
            Self::UserList(_) => "user.list",
            Self::UserShow(_) => "user.show",
            Self::UserSet(_) => "user.set",
            Self::UserRecover(_) => "user.recover",
            Self::UserClose(_) => "user.close",
            Self::AccountEnsure(_) => "account.ensure",
            Self::GroupCreate(_) => "group.create",
            Self::GroupList(_) => "group.list",
            Self::GroupShow(_) => "group.show",
            Self::GroupSet(_) => "group.set",
            Self::KeyCreate(_) => "key.create",
            Self::KeyImport(_) => "key.import",
            Self::KeyList(_) | Self::KeysOf(_) => "key.list",
            Self::KeyShow(_) => "key.show",
            Self::KeyRevoke(_) => "key.revoke",
            Self::KeySet(_) => "key.set",
            Self::UserLimit(_) => "user.limit",
            Self::UserExport(_) => "user.export",
            Self::VaultStatus => "vault.status",
            Self::VaultErase(_) => "vault.erase",
            Self::VaultRotate => "vault.rotate",
        }
    }
}

impl Request {
    /// Whether it may change something, and so waits for its turn.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::UserLimit(asked) => asked.limits.is_some(),
            Self::UserImport(asked) => !asked.dry_run,
            Self::KeyImport(asked) => !asked.dry_run,
            Self::UserList(_)
            | Self::UserShow(_)
            | Self::GroupList(_)
            | Self::GroupShow(_)
            | Self::KeyList(_)
            | Self::KeysOf(_)
            | Self::KeyShow(_)
            | Self::VaultStatus => false,
            _ => true,
        }
    }
}

impl fmt::Debug for Request {
    /// Only what it is called: its texts are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.action())
    }
}

/// What [`Request::UserCreate`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserCreate {
    /// The e-mail address.
    pub email: String,
    /// The class; `new` if absent.
    #[serde(default)]
    pub class: Option<Class>,
    /// The group.
    #[serde(default)]
    pub group: Option<String>,
    /// Limits, each as [`surgewall_core::quota::LimitSpec`] reads it.
    #[serde(default)]
    pub limits: Vec<String>,
}

/// What [`Request::UserSet`] asks for; what is absent stays.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSet {
    /// Which account.
    pub user: String,
    /// Its class, granted.
    #[serde(default)]
    pub class: Option<Class>,
    /// Its class is no longer granted: it is earned by rule again.
    #[serde(default)]
    pub by_rule: bool,
    /// Its group.
    #[serde(default)]
    pub group: Option<Assign>,
    /// Whether it is suspended.
    #[serde(default)]
    pub suspended: Option<bool>,
    /// Its role.
    #[serde(default)]
    pub role: Option<Role>,
    /// All of its limits.
    #[serde(default)]
    pub limits: Option<Vec<String>>,
}

/// What [`Request::UserRecover`] asks for.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserRecover {
    /// Which account; absent, the owner is enrolled.
    #[serde(default)]
    pub user: Option<String>,
}

/// A group to be put into, or none.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assign {
    /// Into this one.
    To(String),
    /// Into none.
    Nothing,
}

/// What [`Request::GroupCreate`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupCreate {
    /// The name.
    pub name: String,
    /// Limits.
    #[serde(default)]
    pub limits: Vec<String>,
}

/// What [`Request::GroupSet`] asks for; what is absent stays.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSet {
    /// Which group.
    pub group: String,
    /// A new name.
    #[serde(default)]
    pub name: Option<String>,
    /// All of its limits.
    #[serde(default)]
    pub limits: Option<Vec<String>>,
}

/// What [`Request::KeyCreate`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCreate {
    /// The name.
    pub name: String,
    /// Whose key it is, by e-mail or public id; absent, it is the operator's.
    #[serde(default)]
    pub account: Option<String>,
    /// The group of an operator's key.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether the account asks for it by itself, and is held to what one may have.
    #[serde(default)]
    pub own: bool,
    /// What it may do.
    #[serde(default)]
    pub scopes: Scopes,
    /// Whether it may name its end user.
    #[serde(default)]
    pub delegates: bool,
    /// How long it works, for example `90d`; absent, for ever.
    #[serde(default)]
    pub expires_in: Option<String>,
    /// Limits.
    #[serde(default)]
    pub limits: Vec<String>,
    /// Another system's key, by its hash; absent, a new key is made.
    #[serde(default)]
    pub foreign: Option<Foreign>,
}

/// Another system's key, known by its hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Foreign {
    /// SHA-256 of the key in hex.
    Sha256(String),
    /// The bcrypt hash of the key.
    Bcrypt {
        /// `$2b$...`, 60 characters.
        hash: String,
        /// The key's first characters (8 to 32): they are no secret, and tell
        /// which hashes a credential is compared with.
        prefix: String,
    },
}

/// What [`Request::KeySet`] asks for; what is absent stays.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeySet {
    /// Which key.
    pub key: String,
    /// What it may do.
    #[serde(default)]
    pub scopes: Option<Scopes>,
    /// Whether it may name its end user.
    #[serde(default)]
    pub delegates: Option<bool>,
    /// All of its limits.
    #[serde(default)]
    pub limits: Option<Vec<String>>,
}

/// What [`Request::UserLimit`] asks for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserLimit {
    /// The key, which may name its end user.
    pub key: String,
    /// Which of its end users.
    pub user: EndUser,
    /// All of the user's limits; absent, they are shown.
    #[serde(default)]
    pub limits: Option<Vec<String>>,
}

/// An end user of a delegating key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndUser {
    /// As the key's requests name it. Only a keyed hash of it is kept.
    Name(String),
    /// By that hash, as the ledger shows it: 32 hex digits.
    Hash(String),
}

/// What [`Request::VaultErase`] asks for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VaultErase {
    /// Whose content.
    pub whose: Whose,
}

/// Whose content is meant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// This account's.
    Account(String),
    /// That of a key of the operator's.
    Key(String),
    /// That of an end user of a delegating key.
    User {
        /// The key.
        key: String,
        /// Which of its end users.
        user: EndUser,
    },
    /// That of all callers without a credential.
    Strangers,
}

/// A page of a listing.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The public id before the first row; absent begins.
    #[serde(default)]
    pub after: Option<String>,
    /// Rows, at most [`LIST_ROWS_MAX`]; 0 is that.
    #[serde(default)]
    pub rows_max: u32,
}

/// What [`Request::KeyList`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    /// Only this account's.
    #[serde(default)]
    pub account: Option<String>,
    /// The public id before the first row; absent begins.
    #[serde(default)]
    pub after: Option<String>,
    /// Rows, at most [`LIST_ROWS_MAX`]; 0 is that.
    #[serde(default)]
    pub rows_max: u32,
}

/// What [`Request::KeysOf`] asks for.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeysOf {
    /// Which account.
    pub account: String,
    /// Those that do not work any more, in place of those that work.
    #[serde(default)]
    pub over: bool,
}

/// One account, group or key.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Public id, e-mail or name.
    pub name: String,
}
