//! Decisions and findings as events of the Open Cybersecurity Schema Framework
//! (OCSF 1.3.0), for whoever collects events.
//!
//! `decisions.rs`, `changes.rs` and `findings.rs` say what each record becomes;
//! [`Export`] takes records as the ledger writes them and never waits;
//! `file.rs` holds the file to its bounds, `syslog.rs` speaks to a server.

mod changes;
mod decisions;
mod event;
mod export;
mod file;
mod findings;
mod names;
mod syslog;

use surgewall_core::decision::{Admitted, Record};

use crate::findings::FindingView;

pub use event::OCSF_VERSION;
pub use export::{EVENTS_WAITING_MAX, Export, Fates, Taker};
pub use file::{FILE_BYTES_MAX, FILES_MAX, FileError};
pub use names::{NAMES_MAX, Names, StoredNames};
pub use syslog::DATAGRAM_BYTES_MAX;

/// Something that becomes an event.
#[derive(Clone, Debug)]
pub enum Source {
    /// The ledger wrote a record.
    Record {
        /// Its sequence.
        sequence: u64,
        /// The record.
        record: Box<Record>,
        /// Of the end of a request, its admission.
        admitted: Option<Box<Admitted>>,
    },
    /// A finding of the inbox has another state, as it is now.
    Finding(Box<FindingView>),
    /// So many events were lost before this one.
    Lost {
        /// How many.
        events: u64,
        /// When it was noticed.
        at: surgewall_core::clock::Timestamp,
    },
}

/// The event that `source` is, as JSON; `None` for what is no event: checkpoints,
/// the opening of a segment, and the ledger's own word on a finding, which comes
/// whole from the inbox.
#[must_use]
pub fn event(source: &Source, names: &mut dyn Names) -> Option<serde_json::Value> {
    match source {
        Source::Record { sequence, record, admitted } => {
            of_record(*sequence, record, admitted.as_deref(), names)
        }
        Source::Finding(view) => Some(findings::finding(view)),
        Source::Lost { events, at } => Some(changes::lost(*events, *at)),
    }
}

fn of_record(
    sequence: u64,
    record: &Record,
    admitted: Option<&Admitted>,
    names: &mut dyn Names,
) -> Option<serde_json::Value> {
    Some(match record {
        Record::Admitted(record) => decisions::admitted(sequence, record, names),
        Record::Settled(record) => decisions::settled(sequence, record, admitted, names),
        Record::Refused(record) => decisions::refused(sequence, record, names),
        Record::Changed(record) => changes::changed(sequence, record),
        Record::Incident(record) => findings::incident(sequence, record),
        Record::Capacity(record) => changes::other(sequence, "capacity", record.at, record),
        Record::Erased(record) => changes::erased(sequence, record),
        Record::Opened(_)
        | Record::Counters { .. }
        | Record::Reservations { .. }
        | Record::Progress { .. }
        | Record::Stored(_)
        | Record::Removed(_)
        | Record::Finding(_) => return None,
    })
}
