//! Reading the ledger: without a lock, beside a running door, on a copy.
//!
//! Whether the ledger is what was written is not said here: that is for the
//! verifier of `surgewall check ledger`, which shares no code with the writer.

mod dataflow;
mod export;
mod incidents;
mod prove;
pub(super) mod scan;
mod shown;
mod torn;
mod usage;
pub(super) mod walk;
pub mod witness;

use std::io;
use std::path::{Path, PathBuf};

pub use dataflow::{DATAFLOW_ROWS_MAX, DataFlow, Decision, Evidence, Flow, Source, dataflow};
pub use export::{export, export_watched};
pub use incidents::{
    INCIDENT_LINES_MAX, INCIDENTS_MAX, Incident, Standing, Story, incident, incidents,
};
pub(crate) use prove::prove_records;
pub use prove::{
    CONSISTENCY_FORMAT, Consistency, INCLUSION_FORMAT, Inclusion, PROVEN_RECORDS_MAX, ProofError,
    Proven, Which, consistency, prove,
};
pub use shown::{Names, names, shown};
pub use usage::{USAGE_ROWS_MAX, UsageBy, UsageReport, UsageRow, UsageSubject, usage};
pub use walk::Reading;

use super::OtherVersion;

/// Why nothing can be said about a ledger.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Another Surgewall wrote a segment.
    #[error(transparent)]
    Version(#[from] OtherVersion),
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl ReadError {
    fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
