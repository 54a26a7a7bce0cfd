//! `report dataflow`: who was given which data, by which decisions.
//!
//! The ledger is read once, record by record: what is kept in memory are the
//! open requests and the rows.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::data::DataClass;
use surgewall_core::decision::{Admitted, Outcome, Record, Refused, Settled, Who};
use surgewall_core::finding::Finding;
use surgewall_core::flow::{Carried, Destination};
use surgewall_core::id::RequestId;

use super::ReadError;
use super::walk::{Event, Reading, walk_watched};
use crate::vault::Vault;

/// Rows of one kind in a report; what comes after is only counted.
pub const DATAFLOW_ROWS_MAX: usize = 10_000;
/// The code of refusals by a residency rule.
const RESIDENCY: &str = "residency";

/// The decisions that one line of a report stands on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Evidence {
    /// How many requests.
    pub requests: u64,
    /// The first, by its place in the ledger.
    pub first: Decision,
    /// The last.
    pub last: Decision,
}

/// One decision, as it can be found again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Decision {
    /// The record's number.
    pub sequence: u64,
    /// The request; `None` where the record stands for many.
    pub request_id: Option<RequestId>,
    /// When it was made.
    pub at: Timestamp,
}

/// Who a request came from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An account, by a session, a key or a token.
    Account,
    /// An end user whom a key names.
    EndUser,
    /// A key of the operator's.
    OperatorKey,
    /// Nobody said who it was.
    Stranger,
}

impl From<&Who> for Source {
    fn from(who: &Who) -> Self {
        match (who.user, who.account, who.key) {
            (Some(_), ..) => Self::EndUser,
            (None, Some(_), _) => Self::Account,
            (None, None, Some(_)) => Self::OperatorKey,
            (None, None, None) => Self::Stranger,
        }
    }
}

/// Requests of one configuration that one upstream was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flow {
    /// The configuration's hash.
    pub config: String,
    /// Who was given them.
    pub to: Destination,
    /// The requests.
    pub evidence: Evidence,
    /// In how many of them each class was found and not taken out before.
    pub classes: BTreeMap<DataClass, u64>,
    /// In how many of them were images, audio or documents.
    pub media: u64,
}

/// What the ledger tells of where data went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DataFlow {
    /// The numbers of the first and the last record that were read.
    pub records: Option<(u64, u64)>,
    /// Requests that ended in the period.
    pub requests: Option<Evidence>,
    /// Who was given them, under which configuration.
    pub flows: Vec<Flow>,
    /// The classes that were found in them.
    pub classes: BTreeMap<DataClass, Evidence>,
    /// The classes that were taken out before an upstream was given them.
    pub redacted: BTreeMap<DataClass, Evidence>,
    /// Those with images, audio or documents.
    pub media: Option<Evidence>,
    /// By model, as the ledger names it.
    pub models: BTreeMap<String, Evidence>,
    /// By source.
    pub sources: BTreeMap<Source, Evidence>,
    /// By route family.
    pub routes: BTreeMap<String, Evidence>,
    /// By configuration.
    pub configs: BTreeMap<String, Evidence>,
    /// Those that were admitted and given to nobody.
    pub unsent: Option<Evidence>,
    /// Those that were open when the door died: the ledger does not tell where they were.
    pub lost: Option<Evidence>,
    /// Those that had not ended where the ledger ends.
    pub open: Option<Evidence>,
    /// Refused by residency rules; without a name where a record counts many.
    pub refused: BTreeMap<Option<String>, Evidence>,
    /// Those that rules in shadow would have kept from an upstream.
    pub shadow: BTreeMap<String, Evidence>,
    /// Entries beyond [`DATAFLOW_ROWS_MAX`] rows of one kind.
    pub left_out: u64,
    /// What the reading met that is no damage.
    pub notes: Vec<String>,
    /// Damage: what came after it in its segment is not counted.
    pub findings: Vec<Finding>,
}

/// Reads what became of the data of requests that ended from `since` on and
/// before `until`, as far back as the ledger in `directory` is kept; `watch`
/// hears how far it is.
///
/// # Errors
/// A file cannot be read, or another Surgewall wrote it.
pub fn dataflow(
    directory: &Path,
    vault: &Vault,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    watch: &mut dyn FnMut(Reading),
) -> Result<DataFlow, ReadError> {
    let mut reader = Reader {
        since,
        until,
        open: HashMap::new(),
        flows: BTreeMap::new(),
        told: DataFlow::default(),
    };
    let mut visit = |event: Event| match event {
        Event::Segment { fresh: true } => reader.open.clear(),
        Event::Segment { fresh: false } => {}
        Event::Record { sequence, record } => reader.record(sequence, record),
    };
    let walked = walk_watched(directory, vault, &mut visit, watch)?;
    let mut told = reader.told;
    told.flows = reader.flows.into_values().collect();
    let still_open = reader.open.into_values().map(|open| open.decision);
    still_open
        .filter(|decision| until.is_none_or(|until| decision.at < until))
        .for_each(|decision| note(&mut told.open, decision, 1));
    (told.notes, told.findings) = (walked.notes, walked.findings);
    Ok(told)
}

/// An open request.
struct Open {
    decision: Decision,
    model: String,
    route: String,
    config: String,
    source: Source,
    carried: Carried,
}

struct Reader {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    open: HashMap<RequestId, Open>,
    flows: BTreeMap<(String, Destination), Flow>,
    told: DataFlow,
}

impl Reader {
    fn record(&mut self, sequence: u64, record: Record) {
        let first = self.told.records.map_or(sequence, |(first, _)| first);
        self.told.records = Some((first, sequence));
        match record {
            Record::Admitted(admitted) => self.admitted(sequence, *admitted),
            // Of a segment that continues another these are known already.
            Record::Reservations { reservations } => {
                reservations.into_iter().for_each(|open| self.admitted(sequence, open.admitted));
            }
            Record::Settled(settled) => self.settled(&settled),
            Record::Refused(refused) if refused.code == RESIDENCY => {
                self.refused(sequence, *refused);
            }
            _ => {}
        }
    }

    fn admitted(&mut self, sequence: u64, admitted: Admitted) {
        let Admitted { request_id, at, who, route, model, carried, config, .. } = admitted;
        let decision = Decision { sequence, request_id: Some(request_id), at };
        let source = Source::from(&who);
        let open = Open { decision, model, route, config, source, carried };
        self.open.entry(request_id).or_insert(open);
    }

    fn is_inside(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| at >= since) && self.until.is_none_or(|until| at < until)
    }

    fn settled(&mut self, settled: &Settled) {
        let inside = self.is_inside(settled.at);
        let Some(open) = self.open.remove(&settled.request_id).filter(|_| inside) else { return };
        let decision = &open.decision;
        let told = &mut self.told;
        note(&mut told.requests, decision.clone(), 1);
        count(&mut told.models, open.model.clone(), decision, &mut told.left_out);
        count(&mut told.sources, open.source, decision, &mut told.left_out);
        count(&mut told.routes, open.route.clone(), decision, &mut told.left_out);
        count(&mut told.configs, open.config.clone(), decision, &mut told.left_out);
        for class in open.carried.classes.iter() {
            count(&mut told.classes, class, decision, &mut told.left_out);
        }
        for class in open.carried.redacted.iter() {
            count(&mut told.redacted, class, decision, &mut told.left_out);
        }
        for rule in &open.carried.shadow {
            count(&mut told.shadow, rule.clone(), decision, &mut told.left_out);
        }
        if open.carried.media > 0 {
            note(&mut told.media, decision.clone(), 1);
        }
        self.went(&open, settled);
    }

    fn went(&mut self, open: &Open, settled: &Settled) {
        let mut given = false;
        for to in settled.went.destinations(settled.upstream.as_deref()) {
            given = true;
            self.flow(open, to);
        }
        let told = &mut self.told;
        match (given, settled.outcome) {
            (true, _) => {}
            (false, Outcome::Crash) => note(&mut told.lost, open.decision.clone(), 1),
            (false, _) => note(&mut told.unsent, open.decision.clone(), 1),
        }
    }

    fn flow(&mut self, open: &Open, to: Destination) {
        let key = (open.config.clone(), to);
        if self.flows.len() >= DATAFLOW_ROWS_MAX && !self.flows.contains_key(&key) {
            self.told.left_out += 1;
            return;
        }
        let decision = &open.decision;
        let flow = self.flows.entry(key).or_insert_with_key(|(config, to)| Flow {
            config: config.clone(),
            to: to.clone(),
            evidence: Evidence::of(decision.clone(), 0),
            classes: BTreeMap::new(),
            media: 0,
        });
        flow.evidence.add(decision.clone(), 1);
        flow.media += u64::from(open.carried.media > 0);
        let Carried { classes, redacted, .. } = open.carried;
        for class in classes.iter().filter(|class| !redacted.contains(*class)) {
            *flow.classes.entry(class).or_default() += 1;
        }
    }

    fn refused(&mut self, sequence: u64, refused: Refused) {
        let Refused { request_id, at, rule, count: requests, .. } = refused;
        if !self.is_inside(at) {
            return;
        }
        let decision = Decision { sequence, request_id, at };
        let told = &mut self.told;
        if told.refused.len() >= DATAFLOW_ROWS_MAX && !told.refused.contains_key(&rule) {
            told.left_out += requests;
            return;
        }
        told.refused
            .entry(rule)
            .and_modify(|evidence| evidence.add(decision.clone(), requests))
            .or_insert_with(|| Evidence::of(decision.clone(), requests));
    }
}

impl Evidence {
    fn of(decision: Decision, requests: u64) -> Self {
        Self { requests, first: decision.clone(), last: decision }
    }

    fn add(&mut self, decision: Decision, requests: u64) {
        self.requests = self.requests.saturating_add(requests);
        if decision.sequence < self.first.sequence {
            self.first = decision;
        } else if decision.sequence > self.last.sequence {
            self.last = decision;
        }
    }

    /// Takes in what `other` stands on.
    pub fn join(&mut self, other: &Self) {
        self.add(other.first.clone(), other.requests);
        self.add(other.last.clone(), 0);
    }
}

fn note(evidence: &mut Option<Evidence>, decision: Decision, requests: u64) {
    match evidence {
        Some(evidence) => evidence.add(decision, requests),
        None => *evidence = Some(Evidence::of(decision, requests)),
    }
}

fn count<K: Ord>(
    rows: &mut BTreeMap<K, Evidence>,
    key: K,
    decision: &Decision,
    left_out: &mut u64,
) {
    let is_full = rows.len() >= DATAFLOW_ROWS_MAX;
    match rows.get_mut(&key) {
        Some(evidence) => evidence.add(decision.clone(), 1),
        None if is_full => *left_out += 1,
        None => drop(rows.insert(key, Evidence::of(decision.clone(), 1))),
    }
}
