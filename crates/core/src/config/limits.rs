//! `[limits]`: bounds that an operator may change, each with its unit in its name.

use serde::{Deserialize, Serialize};

use crate::principal::Class;

/// The `[limits]` section.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// A request body, in bytes.
    pub body_bytes_max: u64,
    /// Request bodies of all requests together that are held in memory, in bytes:
    /// further ones wait for room.
    pub bodies_bytes_max: u64,
    /// All request headers together, in bytes.
    pub header_bytes_max: u32,
    /// Seconds for a request head to arrive, counted from the connection's opening
    /// or from the previous answer: so also how long an idle connection is kept.
    pub header_read_s: u64,
    /// Seconds for the request body to arrive.
    pub body_read_s: u64,
    /// Seconds that a client may take none of an answer before it is cut.
    pub client_stall_s: u64,
    /// Nesting of JSON.
    pub json_depth_max: u32,
    /// Messages in one request.
    pub messages_max: u32,
    /// Tools in one request.
    pub tools_max: u32,
    /// Connections of one network on which no credential was accepted yet.
    pub network_connections_max: u32,
    /// Anonymous requests of one network in flight.
    pub network_requests_max: u32,
    /// Delegated users of one key that are counted alone; further ones share counters.
    pub delegated_users_per_key_max: u32,
    /// Connections in all; 0 derives it from the descriptor limit.
    pub connections_max: u32,
    /// HTTP/2 streams of one connection at once.
    pub http2_streams_max: u32,
    /// Seconds that running streams get when the door stops.
    pub drain_s: u64,
    /// Output tokens reserved where neither the request nor the model says a bound.
    pub output_tokens_default: u64,
    /// Quotas: what the operator grants, per class, group, account, key, user, network and model.
    pub quota: Vec<QuotaRule>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 8 << 20,
            bodies_bytes_max: 1 << 30,
            header_bytes_max: 64 << 10,
            header_read_s: 20,
            body_read_s: 30,
            client_stall_s: 60,
            json_depth_max: 64,
            messages_max: 4_096,
            tools_max: 256,
            network_connections_max: 512,
            network_requests_max: 64,
            delegated_users_per_key_max: 100_000,
            connections_max: 0,
            http2_streams_max: 128,
            drain_s: 30,
            output_tokens_default: 4_096,
            quota: Vec::new(),
        }
    }
}

/// Whose counter a quota rule fills: one for each subject of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// One counter for all principals of a class together.
    Class,
    /// One for each group.
    Group,
    /// One for each account.
    Account,
    /// One for each key.
    Key,
    /// One for each delegated user.
    User,
    /// One for each anonymous network.
    Network,
}

/// `[[limits.quota]]`: one limit for many subjects.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaRule {
    /// Whose counter.
    pub per: Per,
    /// Only for principals of this class.
    #[serde(default)]
    pub class: Option<Class>,
    /// Only for this group, by name.
    #[serde(default)]
    pub group: Option<String>,
    /// `METER=AMOUNT/WINDOW[:MODEL]`, for example `total_tokens=100000/1d`.
    pub limit: String,
    /// `on` enforces, `shadow` only counts what it would have refused, `off` does nothing.
    #[serde(default)]
    pub state: RuleState,
}

impl QuotaRule {
    /// What it asks, in one sentence of configured words.
    #[must_use]
    pub fn says(&self) -> String {
        let Self { per, class, group, limit, .. } = self;
        let each = match per {
            Per::Class => "all of a class together",
            Per::Group => "each group",
            Per::Account => "each account",
            Per::Key => "each key",
            Per::User => "each end user",
            Per::Network => "each network",
        };
        let class = class.map_or_else(String::new, |class| format!(", of class {class}"));
        let group = group.as_ref().map_or_else(String::new, |group| format!(", of {group}"));
        format!("{limit} for {each}{class}{group}")
    }
}

/// A rule's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleState {
    /// Does nothing.
    Off,
    /// Counts, changes nothing.
    Shadow,
    /// Enforces.
    #[default]
    On,
}

impl RuleState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Shadow, Self::On];

    /// The word in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::On => "on",
        }
    }
}

/// The text is no state of a rule.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("one of off, shadow, on")]
pub struct RuleStateError;

impl std::str::FromStr for RuleState {
    type Err = RuleStateError;

    fn from_str(text: &str) -> Result<Self, RuleStateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(RuleStateError)
    }
}
