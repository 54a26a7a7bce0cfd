//! `report usage`: who used what, and what it cost.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Admitted, Record, Settled};
use surgewall_core::id::{AccountId, GroupId, KeyId, RequestId};
use surgewall_core::principal::DelegatedUser;
use surgewall_core::usage::{Source, Usage};

use super::ReadError;
use super::walk::{Event, walk};
use crate::vault::Vault;

/// Rows of one report; what comes after shares [`UsageSubject::Others`].
pub const USAGE_ROWS_MAX: usize = 1_000_000;

/// By what usage is added up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageBy {
    /// By account.
    Account,
    /// By group.
    Group,
    /// By key.
    Key,
    /// By model.
    Model,
    /// By delegated user, under its key.
    User,
}

/// Whose usage a row is. Ids are internal: show the public ones.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSubject {
    /// An account.
    Account(AccountId),
    /// A group.
    Group(GroupId),
    /// A key.
    Key(KeyId),
    /// A model.
    Model(String),
    /// A delegated user of a key.
    User(KeyId, DelegatedUser),
    /// Requests that had no such thing: anonymous ones, or an operator's key.
    None,
    /// All that came after [`USAGE_ROWS_MAX`] rows.
    Others,
}

/// One row of the report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UsageRow {
    /// Whose usage.
    pub subject: UsageSubject,
    /// Requests that ended in the period.
    pub requests: u64,
    /// Their tokens.
    pub usage: Usage,
    /// Their cost, in nano-units.
    pub cost: u64,
    /// How many of them were counted by the door's own estimate.
    pub estimated_requests: u64,
}

/// What a report says, and whether the ledger was whole.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct UsageReport {
    /// The rows, by subject.
    pub rows: Vec<UsageRow>,
    /// Damage: what came after it in its segment is not counted.
    pub findings: Vec<surgewall_core::finding::Finding>,
}

/// Adds up the requests that ended from `since` on and before `until`, as far
/// back as the ledger is kept.
///
/// # Errors
/// A file cannot be read, or another Surgewall wrote it.
pub fn usage(
    directory: &Path,
    vault: &Vault,
    by: UsageBy,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<UsageReport, ReadError> {
    let mut report = Report { by, since, until, open: HashMap::new(), rows: BTreeMap::new() };
    let mut visit = |event: Event| match event {
        Event::Segment { fresh: true } => report.open.clear(),
        Event::Segment { fresh: false } => {}
        Event::Record { record, .. } => report.record(record),
    };
    let findings = walk(directory, vault, &mut visit)?;
    Ok(UsageReport { rows: report.rows.into_values().collect(), findings })
}

struct Report {
    by: UsageBy,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Whose the open requests are.
    open: HashMap<RequestId, UsageSubject>,
    rows: BTreeMap<UsageSubject, UsageRow>,
}

impl Report {
    fn record(&mut self, record: Record) {
        match record {
            Record::Admitted(admitted) => self.admitted(&admitted),
            // Of a segment that continues another these are known already.
            Record::Reservations { reservations } => {
                reservations.iter().for_each(|open| self.admitted(&open.admitted));
            }
            Record::Settled(settled) => self.settled(&settled),
            _ => {}
        }
    }

    fn admitted(&mut self, admitted: &Admitted) {
        self.open.insert(admitted.request_id, self.subject(admitted));
    }

    fn subject(&self, admitted: &Admitted) -> UsageSubject {
        let who = &admitted.who;
        let subject = match self.by {
            UsageBy::Account => who.account.map(UsageSubject::Account),
            UsageBy::Group => who.group.map(UsageSubject::Group),
            UsageBy::Key => who.key.map(UsageSubject::Key),
            UsageBy::Model => Some(UsageSubject::Model(admitted.model.clone())),
            UsageBy::User => who.key.zip(who.user).map(|(key, user)| UsageSubject::User(key, user)),
        };
        subject.unwrap_or(UsageSubject::None)
    }

    fn settled(&mut self, settled: &Settled) {
        let subject = self.open.remove(&settled.request_id);
        let inside = self.since.is_none_or(|since| settled.at >= since)
            && self.until.is_none_or(|until| settled.at < until);
        let Some(subject) = subject.filter(|_| inside) else { return };
        let full = self.rows.len() >= USAGE_ROWS_MAX && !self.rows.contains_key(&subject);
        let subject = if full { UsageSubject::Others } else { subject };
        let row = self.rows.entry(subject.clone()).or_insert_with(|| UsageRow {
            subject,
            requests: 0,
            usage: Usage::default(),
            cost: 0,
            estimated_requests: 0,
        });
        let (sum, more) = (&mut row.usage, &settled.usage);
        row.requests += 1;
        row.estimated_requests += u64::from(settled.source == Source::Estimated);
        row.cost = row.cost.saturating_add(settled.cost);
        sum.input = sum.input.saturating_add(more.input);
        sum.cached = sum.cached.saturating_add(more.cached);
        sum.cache_write = sum.cache_write.saturating_add(more.cache_write);
        sum.output = sum.output.saturating_add(more.output);
        sum.reasoning = sum.reasoning.saturating_add(more.reasoning);
    }
}
