//! Identifiers: UUIDv7 inside (they sort by creation), random where shown.
//!
//! A UUIDv7 tells when a thing was made, so it never leaves the data directory;
//! what a stranger or an operator sees is a [`PublicId`] or a [`RequestId`].

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::random;

/// An internal identifier of one kind of thing: 16 bytes, ordered by creation.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id<K> {
    uuid: Uuid,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

/// Marker kinds for [`Id`].
pub mod kind {
    /// An account: a person or a service that signs in.
    #[derive(Debug)]
    pub enum Account {}
    /// A group of accounts with shared limits.
    #[derive(Debug)]
    pub enum Group {}
    /// An API key.
    #[derive(Debug)]
    pub enum Key {}
    /// A finding of the inbox.
    #[derive(Debug)]
    pub enum Finding {}
    /// Something that an account proves itself with.
    #[derive(Debug)]
    pub enum Factor {}
    /// A browser that is signed in.
    #[derive(Debug)]
    pub enum Session {}
    /// A rule that was made on the running door.
    #[derive(Debug)]
    pub enum Rule {}
}

/// The id of an account.
pub type AccountId = Id<kind::Account>;
/// The id of a group.
pub type GroupId = Id<kind::Group>;
/// The id of a key.
pub type KeyId = Id<kind::Key>;
/// The id of a finding.
pub type FindingId = Id<kind::Finding>;
/// The id of a password, passkey or the like.
pub type FactorId = Id<kind::Factor>;
/// The id of a session.
pub type SessionId = Id<kind::Session>;
/// The id of a stored rule.
pub type RuleId = Id<kind::Rule>;

impl<K> Id<K> {
    /// A new id for something made at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let millis = now.millis();
        let seconds = millis / 1000;
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        let stamp = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos);
        Self::from_u128(Uuid::new_v7(stamp).as_u128())
    }

    /// The id with these 128 bits, as stored.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self { uuid: Uuid::from_u128(bits), kind: PhantomData }
    }

    /// The 128 bits, for storage and for counters.
    #[must_use]
    pub fn as_u128(&self) -> u128 {
        self.uuid.as_u128()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}
impl<K> std::hash::Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.uuid)
    }
}

/// The number of one request: random, shown to the client as `x-request-id`,
/// sent to the upstream under the same name, and the key of its ledger records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    /// A new random request id.
    #[must_use]
    pub fn random() -> Self {
        Self(u128::from_be_bytes(random::bytes()))
    }

    /// The id with these bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "req_{:032x}", self.0)
    }
}
impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an id of this form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an id of this form")]
pub struct IdError;

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = text.strip_prefix("req_").filter(|hex| hex.len() == 32).ok_or(IdError)?;
        u128::from_str_radix(hex, 16).map(Self).map_err(|_| IdError)
    }
}
impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What people see of an account, group or key: a prefix and 96 random bits,
/// for example `user_7Qd0Yw3mXk1bVtR5a`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Debug)]
#[serde(transparent)]
pub struct PublicId(String);

impl PublicId {
    /// A new random public id with this prefix (`user`, `group`, `key`).
    #[must_use]
    pub fn random(prefix: &str) -> Self {
        Self(format!("{prefix}_{}", random::base62(17)))
    }

    /// The id as stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_survive_their_text() {
        let id = RequestId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("req_12".parse::<RequestId>(), Err(IdError));
        assert_eq!("req_zz000000000000000000000000000000".parse::<RequestId>(), Err(IdError));
    }

    #[test]
    fn internal_ids_sort_by_creation() {
        let early = AccountId::new(Timestamp::from_millis(1_000));
        let late = AccountId::new(Timestamp::from_millis(2_000));
        assert!(early < late);
    }
}
