//! What an operator is answered.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Erased;
use surgewall_core::id::PublicId;
use surgewall_core::principal::{Class, ClassReason, DelegatedUser, Scopes};
use surgewall_core::role::Role;
use surgewall_core::secret::SecretString;

/// The answer to a [`super::Request`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// An account's public id.
    UserCreated {
        /// The id.
        id: PublicId,
    },
    /// One account.
    User(UserView),
    /// Accounts.
    Users(Page<UserView>),
    /// One group.
    Group(GroupView),
    /// Groups.
    Groups(Page<GroupView>),
    /// A key was made.
    KeyCreated {
        /// Its public id.
        id: PublicId,
        /// The key itself, said only this once; `None` for another system's key.
        key: Option<NewKey>,
    },
    /// The token of a set-up link, said only this once.
    Link {
        /// The token.
        token: NewKey,
    },
    /// Accounts were taken over.
    UsersImported {
        /// How many were made.
        made: usize,
        /// How many were there already: they have what they brought.
        known: usize,
    },
    /// Keys were taken over.
    Imported {
        /// How many.
        keys: usize,
    },
    /// One key.
    Key(KeyView),
    /// Keys.
    Keys(Page<KeyView>),
    /// One end user of a delegating key.
    Delegated(DelegatedView),
    /// An export was recorded and may be read.
    Exported {
        /// Who it is about: a public id, or the keyed hash of an end user.
        subject: String,
    },
    /// How the vault is.
    Vault(VaultView),
    /// The receipt of an erasure.
    Erased(ErasureView),
    /// The master key was replaced.
    Rotated(RotationView),
}

impl fmt::Debug for Reply {
    /// Only what it is: its texts are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserCreated { .. } => "UserCreated",
            Self::User(_) => "User",
            Self::Users(_) => "Users",
            Self::Group(_) => "Group",
            Self::Groups(_) => "Groups",
            Self::KeyCreated { .. } => "KeyCreated",
            Self::Link { .. } => "Link",
            Self::UsersImported { .. } => "UsersImported",
            Self::Imported { .. } => "Imported",
            Self::Key(_) => "Key",
            Self::Keys(_) => "Keys",
            Self::Delegated(_) => "Delegated",
            Self::Exported { .. } => "Exported",
            Self::Vault(_) => "Vault",
            Self::Erased(_) => "Erased",
            Self::Rotated(_) => "Rotated",
        })
    }
}

/// A new key on its way to the operator who asked for it. It is written to the
/// control socket and to stdout, nowhere else.
#[derive(Clone, Debug)]
pub struct NewKey(pub SecretString);

impl Serialize for NewKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}
impl<'de> Deserialize<'de> for NewKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(SecretString::new).map(Self)
    }
}

/// Some rows of a listing.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows, oldest first.
    pub rows: Vec<T>,
    /// What to ask for `after`, where there may be more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<PublicId>,
}

/// One account, as an operator sees it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct UserView {
    /// Public id.
    pub id: PublicId,
    /// E-mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Issuer and subject, of an account that came by a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Class.
    pub class: Class,
    /// Since when.
    pub class_since: Timestamp,
    /// Why.
    pub class_why: ClassReason,
    /// Since when its days count for its class.
    pub known_since: Timestamp,
    /// Days on which it used the door well since then.
    pub active_days: u64,
    /// Group's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it is suspended.
    pub suspended: bool,
    /// What it may do besides using the door.
    #[serde(default)]
    pub role: Role,
    /// Limits.
    pub limits: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An end user of a key, and its own limits.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitedUser {
    /// The keyed hash of its name.
    pub user: DelegatedUser,
    /// The limits.
    pub limits: Vec<String>,
}

/// One end user of a delegating key, as an operator sees it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct DelegatedView {
    /// The keyed hash of its name, as the ledger shows it.
    pub user: DelegatedUser,
    /// The key's public id.
    pub key: PublicId,
    /// The key's name.
    pub key_name: String,
    /// The user's class: its key's, or `new` while it is young.
    pub class: Class,
    /// The user's own limits.
    pub limits: Vec<String>,
    /// When the key first named it; `None` where it never did, or it was forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seen_at: Option<Timestamp>,
    /// When the key last named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

/// Whose token an account came by.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct External {
    /// The issuer.
    pub issuer: String,
    /// The subject.
    pub subject: String,
}

/// One group, as an operator sees it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupView {
    /// Public id.
    pub id: PublicId,
    /// Name.
    pub name: String,
    /// Limits.
    pub limits: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Whether a key works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It works.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// Its account is suspended.
    Suspended,
}

/// One key, as an operator sees it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct KeyView {
    /// Public id.
    pub id: PublicId,
    /// Name.
    pub name: String,
    /// Its last four characters, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_four: Option<String>,
    /// `own`, `sha256` or `bcrypt`.
    pub kind: String,
    /// Whether it works.
    pub state: KeyState,
    /// Whose key it is: e-mail, or public id; `None` is the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Group's name, of the key or of its account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The class of its callers: its account's, or the operator's.
    pub class: Class,
    /// Since when.
    pub class_since: Timestamp,
    /// Why.
    pub class_why: ClassReason,
    /// Whether it may name its end user.
    pub delegates: bool,
    /// How many of its end users have limits of their own.
    #[serde(default)]
    pub users_limited: usize,
    /// Those end users, where one key is shown; empty in listings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<LimitedUser>,
    /// What it may do.
    pub scopes: Scopes,
    /// Limits.
    pub limits: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
    /// When it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// How the vault is, as an operator sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultView {
    /// The master key's file.
    pub key_file: String,
    /// The file of the subjects' keys.
    pub accounts_file: String,
    /// Data keys.
    pub keys: usize,
    /// Whose data keys.
    pub subjects: usize,
    /// Subjects that were erased.
    pub erased: usize,
    /// Slots of the accounts file that are torn or damaged.
    pub unreadable: usize,
    /// When the master key was last replaced; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Timestamp>,
    /// Whether a rotation was cut off and is to be gone on with.
    pub rotating: bool,
    /// The public half of the store's signing key, in hex.
    pub verifying_key: String,
}

/// The receipt of an erasure, and what is needed to verify it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureView {
    /// The id of the store.
    pub store: String,
    /// The receipt, as it stands in the ledger.
    #[serde(flatten)]
    pub receipt: Erased,
    /// The public half of the store's signing key, in hex.
    pub verifying_key: String,
}

/// What a rotation did.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotationView {
    /// The master key's file.
    pub key_file: String,
    /// Data keys that the new master key wraps.
    pub keys: u32,
    /// Slots that could not be read any more, and are gone with the old key.
    pub lost: u32,
    /// Whether a command prints the master key: its keeper ends the rotation.
    #[serde(default)]
    pub command: bool,
}
