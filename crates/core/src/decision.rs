//! What the ledger records: decisions and what became of them.
//!
//! No content, no secret, no client's string: configured names, ids, networks,
//! keyed hashes and numbers only (DESIGN invariant 3).

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::finding::FindingChanged;
use crate::flow::{Carried, Went};
use crate::id::{AccountId, GroupId, KeyId, RequestId};
use crate::incident::{CapacityChanged, IncidentEvent};
use crate::principal::{Class, DelegatedUser, Network, Principal};
use crate::quota::{Amounts, Charge, CounterState};
use crate::usage::{Source, Usage};

/// One record of the ledger.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    /// A segment begins: sums of all that came before it.
    Opened(Totals),
    /// Counters as they stood when the segment began.
    Counters {
        /// The counters; a long list is split over several records.
        counters: Vec<CounterState>,
    },
    /// Reservations that were open when the segment began.
    Reservations {
        /// The reservations; a long list is split over several records.
        reservations: Vec<Reservation>,
    },
    /// A request was admitted; the upstream has not seen it yet.
    Admitted(Box<Admitted>),
    /// How far open requests have come.
    Progress {
        /// When.
        at: Timestamp,
        /// The requests that moved since the last such record.
        requests: Vec<Progress>,
    },
    /// A request ended.
    Settled(Box<Settled>),
    /// One or more requests were refused.
    Refused(Box<Refused>),
    /// Something was changed by an operator or by the door itself.
    Changed(Changed),
    /// An incident began, changed, went on or ended.
    Incident(Box<IncidentEvent>),
    /// The learnt capacity of a pool moved.
    Capacity(CapacityChanged),
    /// The keys of one subject's content were destroyed: a signed receipt.
    Erased(Erased),
    /// A finding of the inbox changed its state.
    Finding(FindingChanged),
    /// A batch of the operator's records is safe on disk, sealed.
    Stored(Stored),
    /// Batches of the operator's records are removed now, as retention asks.
    Removed(Removed),
}

/// A batch of the operator's records: what proves that its blocks are the ones
/// that were written. After a crash it may stand twice, with the same numbers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stored {
    /// When.
    pub at: Timestamp,
    /// The batch: they are counted from 1 on.
    pub batch: u64,
    /// Its sealed blocks.
    pub blocks: u64,
    /// The events in them.
    pub events: u64,
    /// What is sealed, in bytes.
    pub bytes: u64,
    /// The root of the Merkle tree (RFC 9162, 2.1.1) over the SHA-256 of each
    /// sealed block, in hex.
    pub root: String,
}

/// Batches of the operator's records whose time is over: written before they are
/// removed, so that what is missing without such a record was taken by somebody.
/// After a crash it may stand twice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Removed {
    /// When.
    pub at: Timestamp,
    /// The first batch.
    pub first: u64,
    /// The last batch: all between them go.
    pub last: u64,
    /// What was sealed in them, in bytes.
    pub bytes: u64,
    /// Why.
    pub why: RemovedFor,
}

/// Why records are removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemovedFor {
    /// They are older than `vault.record_retention_days`.
    Age,
    /// All together are more than `vault.record_bytes_max`.
    Size,
}

/// Sums in tokens since the ledger began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// When this was written.
    pub at: Timestamp,
    /// Requests admitted.
    pub admitted: u64,
    /// Tokens reserved, top-ups included.
    pub reserved: u64,
    /// Tokens settled.
    pub settled: u64,
    /// Tokens refunded.
    pub refunded: u64,
}

/// Who asked, by id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Who {
    /// The class at that moment.
    pub class: Class,
    /// The key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyId>,
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// The group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The end user that the key named, as a keyed hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<DelegatedUser>,
    /// The network.
    pub network: Network,
}

impl From<&Principal> for Who {
    fn from(principal: &Principal) -> Self {
        Self {
            class: principal.class,
            key: principal.key().map(|key| key.id),
            account: principal.account().map(|account| account.id),
            group: principal.group().map(|group| group.id),
            user: principal.delegated,
            network: principal.network,
        }
    }
}

/// A request was admitted and its upper bound reserved.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Admitted {
    /// The request, as `x-request-id` names it.
    pub request_id: RequestId,
    /// When.
    pub at: Timestamp,
    /// Who asked.
    pub who: Who,
    /// The route family: `chat`, `completions`, `embeddings`.
    pub route: String,
    /// The dialect that the client speaks.
    pub dialect: String,
    /// The model, as configured.
    pub model: String,
    /// What was reserved.
    pub reserved: Amounts,
    /// The counters that were charged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// What it carried.
    #[serde(default, skip_serializing_if = "Carried::is_nothing")]
    pub carried: Carried,
    /// The configuration it ran under (the first 16 hex digits of its SHA-256).
    pub config: String,
}

/// How far one open request has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// The request.
    #[serde(rename = "r")]
    pub request_id: RequestId,
    /// What it used so far: input, output, money.
    #[serde(rename = "u")]
    pub used: Amounts,
    /// What was reserved beyond the first reservation so far.
    #[serde(rename = "t", default)]
    pub topped_up: Amounts,
}

/// One open reservation, as a segment's opening carries it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reservation {
    /// The admission.
    pub admitted: Admitted,
    /// The last checkpoint, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// Why a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream finished and the client has it all.
    Completed,
    /// The client went away.
    ClientGone,
    /// The upstream refused or failed before the first byte.
    UpstreamFailed,
    /// The upstream died, stalled or sent garbage in mid-stream.
    UpstreamBroke,
    /// The door was stopped and the stream's time to drain was over.
    Drained,
    /// The caller's key was revoked, or its account suspended, while it ran.
    Revoked,
    /// The client read more slowly than the model made it, and somebody waited for the place.
    SlowReader,
    /// The pool could do less than what ran there, and somebody more trusted waited.
    Shed,
    /// The door itself failed on this request.
    Failed,
    /// The door died with the request open.
    Crash,
}

impl Outcome {
    /// The word in the ledger, in metrics and in traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::ClientGone => "client_gone",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamBroke => "upstream_broke",
            Self::Drained => "drained",
            Self::Revoked => "revoked",
            Self::SlowReader => "slow_reader",
            Self::Shed => "shed",
            Self::Failed => "failed",
            Self::Crash => "crash",
        }
    }
}

/// A request ended: reserved + topped up = settled + refunded, on each meter.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settled {
    /// The request.
    pub request_id: RequestId,
    /// When.
    pub at: Timestamp,
    /// Why it ended.
    pub outcome: Outcome,
    /// The numbers that made the door end it for others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What it used.
    pub usage: Usage,
    /// Where the counts come from.
    pub source: Source,
    /// What it cost, in nano-units.
    pub cost: u64,
    /// What was reserved at admission.
    pub reserved: Amounts,
    /// What was reserved since, because the upstream went past the bound.
    #[serde(default)]
    pub topped_up: Amounts,
    /// What it is charged: usage on the quota's meters.
    pub settled: Amounts,
    /// What went back.
    pub refunded: Amounts,
    /// The upstream that answered, as configured; the last one tried otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Who was given it, and where that is.
    #[serde(default, skip_serializing_if = "Went::is_nothing")]
    pub went: Went,
    /// Calls made to upstreams for it.
    pub attempts: u32,
    /// The HTTP status sent to the client.
    pub status: u16,
    /// From arrival to the first byte to the client, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// From arrival to the end, in milliseconds.
    pub duration_ms: u64,
}

/// One or more requests were refused for one reason.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Refused {
    /// The request, where the record stands for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// When; for a counted record, the end of its second.
    pub at: Timestamp,
    /// Who asked, where it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<Who>,
    /// The network; `None` where many share the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The refusal's stable code.
    pub code: String,
    /// The configured rule that refused it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// How many requests this record stands for.
    pub count: u64,
}

/// A change of configuration, people or keys.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Changed {
    /// When.
    pub at: Timestamp,
    /// What was done, for example `key.create`, `config.reload`, `door.start`.
    pub action: String,
    /// To what: a public id or a hash; never a name that a stranger chose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// More, in configured words only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// A receipt: the keys of all content of one subject were destroyed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Erased {
    /// When.
    pub at: Timestamp,
    /// Whose: a public id, the keyed hash of an end user, or `strangers`.
    pub subject: String,
    /// Keys destroyed; 0 where none was left.
    pub keys: u32,
    /// The store's Ed25519 signature over [`Erased::signed_text`], in hex.
    pub signature: String,
}

impl Erased {
    /// The first line of what is signed.
    pub const PURPOSE: &'static str = "surgewall erasure 1";

    /// What is signed after the line [`Erased::PURPOSE`], for the store named `store`.
    #[must_use]
    pub fn signed_text(&self, store: &str) -> String {
        let Self { at, subject, keys, signature: _ } = self;
        format!("store {store}\nat {at}\nsubject {subject}\nkeys {keys}\n")
    }
}

impl Amounts {
    /// Each meter's difference `self - other`, or `None` where one is negative.
    #[must_use]
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        Some(Self {
            input: self.input.checked_sub(other.input)?,
            output: self.output.checked_sub(other.output)?,
            money: self.money.checked_sub(other.money)?,
        })
    }

    /// Each meter's sum, held at the largest number.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            money: self.money.saturating_add(other.money),
        }
    }

    /// How far `self` goes past `bound` on each meter: the top-up it needs.
    #[must_use]
    pub fn beyond(&self, bound: &Self) -> Self {
        Self {
            input: self.input.saturating_sub(bound.input),
            output: self.output.saturating_sub(bound.output),
            money: self.money.saturating_sub(bound.money),
        }
    }
}
