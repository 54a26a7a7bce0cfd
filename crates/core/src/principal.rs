//! Who is asking, and how far the door trusts them now.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::clock::{DAY_S, Timestamp};
use crate::id::{AccountId, GroupId, KeyId, PublicId};
use crate::quota::LimitSpec;
use crate::role::Role;

pub use crate::class::{Class, ClassError, ClassReason};

/// The network an anonymous caller is counted by: an IPv4 /24 or an IPv6 /48.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpNet);

impl Network {
    /// The network of `address`. IPv4 mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let (address, bits) = match address.to_canonical() {
            v4 @ IpAddr::V4(_) => (v4, 24),
            v6 @ IpAddr::V6(_) => (v6, 48),
        };
        Self(IpNet::new(address, bits).map_or_else(|_| IpNet::from(address), |net| net.trunc()))
    }

    /// 128 bits that name this network among [`Subject`](crate::quota::Subject)s.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        match self.0.addr() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits(),
        }
    }

    /// The network that [`Network::as_u128`] named.
    #[must_use]
    pub fn from_u128(bits: u128) -> Self {
        Self::of(IpAddr::V6(Ipv6Addr::from_bits(bits)))
    }
}
impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let net = IpNet::deserialize(deserializer)?;
        Ok(Self::of(net.addr()))
    }
}

/// What a key may do. An empty list does not restrict.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scopes {
    /// Models by name; a trailing `*` matches any ending.
    pub models: Vec<String>,
    /// Route families: `chat`, `completions`, `embeddings`, `models`, `balance`.
    pub routes: Vec<String>,
    /// Networks that may present the key.
    pub networks: Vec<IpNet>,
}

impl Scopes {
    /// Whether `model` is within the scopes.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| matches_model(pattern, model))
    }

    /// Whether the route family `route` is within the scopes.
    #[must_use]
    pub fn allows_route(&self, route: &str) -> bool {
        self.routes.is_empty() || self.routes.iter().any(|known| known == route)
    }

    /// Whether a caller at `address` is within the scopes.
    #[must_use]
    pub fn allows_network(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.is_empty() || self.networks.iter().any(|net| net.contains(&address))
    }
}

/// Whether `model` fits `pattern`: equal, or the pattern ends in `*` and the
/// model begins with the rest.
#[must_use]
pub fn matches_model(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => model.starts_with(prefix),
        None => pattern == model,
    }
}

/// The end user that a delegating key named: a keyed hash, never the text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct DelegatedUser(pub u128);

impl fmt::Display for DelegatedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
impl Serialize for DelegatedUser {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for DelegatedUser {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        u128::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The limits of single delegated users, as an operator set them.
pub type UserLimits = BTreeMap<DelegatedUser, Vec<LimitSpec>>;

/// One key as the door knows it. Shared and immutable: a change makes a new one.
#[derive(Clone, Debug)]
pub struct KeyRecord {
    /// The key's id.
    pub id: KeyId,
    /// What the operator calls it.
    pub name: String,
    /// Whose key it is; `None` is the operator's.
    pub account: Option<Arc<AccountRecord>>,
    /// The group the key itself belongs to, for operator's keys.
    pub group: Option<Arc<GroupRecord>>,
    /// Whether the key may name its end user.
    pub delegates: bool,
    /// What it may do.
    pub scopes: Scopes,
    /// The key's own limits.
    pub limits: Vec<LimitSpec>,
    /// Limits of single end users of the key; `None` where nobody has any.
    pub users: Option<Arc<UserLimits>>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// One account as the door knows it.
#[derive(Clone, Debug)]
pub struct AccountRecord {
    /// The account's id.
    pub id: AccountId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// What it may do besides using the door.
    pub role: Role,
    /// Its class.
    pub class: Class,
    /// Why.
    pub class_why: ClassReason,
    /// Its group.
    pub group: Option<Arc<GroupRecord>>,
    /// Its own limits, over all of its keys.
    pub limits: Vec<LimitSpec>,
    /// Whether an operator suspended it.
    pub suspended: bool,
    /// Since when it is known: an import may bring an earlier date than its making,
    /// and with a suspension it begins anew.
    pub known_since: Timestamp,
}

impl AccountRecord {
    /// Whether it is known for less than `days` at `now`.
    #[must_use]
    pub fn is_young(&self, days: u32, now: Timestamp) -> bool {
        is_young(self.known_since, days, now)
    }
}

fn is_young(known_since: Timestamp, days: u32, now: Timestamp) -> bool {
    now.since(known_since) < Duration::from_secs(u64::from(days) * DAY_S)
}

/// One group as the door knows it.
#[derive(Clone, Debug)]
pub struct GroupRecord {
    /// The group's id.
    pub id: GroupId,
    /// What the operator calls it.
    pub name: String,
    /// Limits shared by all of its accounts.
    pub limits: Vec<LimitSpec>,
}

/// Who is asking. Made once by `identify`; every policy reads only this.
#[derive(Clone, Debug)]
pub struct Principal {
    /// How far the door trusts it.
    pub class: Class,
    /// The network it comes from.
    pub network: Network,
    /// The caller itself.
    pub caller: Caller,
    /// The end user that a delegating key named.
    pub delegated: Option<DelegatedUser>,
    /// Whether that end user is too young to have its key's class.
    pub young_user: bool,
}

/// The caller behind a principal.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A key of ours, or a foreign key that was imported.
    Key(Arc<KeyRecord>),
    /// An account that came by a token of a configured issuer.
    Account(Arc<AccountRecord>),
    /// Nobody: only the network counts.
    Anonymous,
}

impl KeyRecord {
    /// The class of its callers: its account's, or the operator's.
    #[must_use]
    pub fn class(&self) -> Class {
        self.account.as_ref().map_or(Class::Verified, |account| account.class)
    }

    /// Whether an end user whom the key names since `known_since` is `new` for it
    /// is known for less than `days`. Who is vouched for vouches for its end users.
    #[must_use]
    pub fn is_young_user(&self, known_since: Timestamp, days: u32, now: Timestamp) -> bool {
        let vouched = |why| matches!(why, ClassReason::Operator | ClassReason::Claim);
        self.account.as_ref().is_some_and(|account| !vouched(account.class_why))
            && is_young(known_since, days, now)
    }

    /// The limits of this one end user of the key.
    #[must_use]
    pub fn limits_of(&self, user: DelegatedUser) -> &[LimitSpec] {
        self.users.as_ref().and_then(|users| users.get(&user)).map_or(&[], Vec::as_slice)
    }
}

impl Principal {
    /// The key, if one was presented.
    #[must_use]
    pub fn key(&self) -> Option<&KeyRecord> {
        match &self.caller {
            Caller::Key(key) => Some(key),
            Caller::Account(_) | Caller::Anonymous => None,
        }
    }

    /// The account, directly or through its key.
    #[must_use]
    pub fn account(&self) -> Option<&AccountRecord> {
        match &self.caller {
            Caller::Key(key) => key.account.as_deref(),
            Caller::Account(account) => Some(account),
            Caller::Anonymous => None,
        }
    }

    /// The group, of the account or of an operator's key.
    #[must_use]
    pub fn group(&self) -> Option<&GroupRecord> {
        self.account()
            .and_then(|account| account.group.as_deref())
            .or_else(|| self.key().and_then(|key| key.group.as_deref()))
    }

    /// Whether nobody said who it is.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.caller, Caller::Anonymous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_counted_by_24_and_48_bits() {
        let cases = [
            ("203.0.113.77", "203.0.113.0/24"),
            ("::ffff:203.0.113.77", "203.0.113.0/24"),
            ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ];
        for (address, expected) in cases {
            let network = Network::of(address.parse().unwrap());
            assert_eq!(network.to_string(), expected);
            assert_eq!(Network::from_u128(network.as_u128()), network);
        }
    }

    #[test]
    fn scopes_restrict_only_where_they_say_something() {
        let open = Scopes::default();
        assert!(open.allows_model("any") && open.allows_route("chat"));
        let narrow = Scopes {
            models: vec!["llama-*".into(), "tiny".into()],
            routes: vec!["chat".into()],
            networks: vec!["10.0.0.0/8".parse().unwrap()],
        };
        assert!(narrow.allows_model("llama-3") && narrow.allows_model("tiny"));
        assert!(!narrow.allows_model("tiny-2") && !narrow.allows_route("embeddings"));
        assert!(narrow.allows_network("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!narrow.allows_network("192.0.2.1".parse().unwrap()));
    }
}
