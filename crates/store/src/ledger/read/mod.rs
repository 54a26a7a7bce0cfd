//! Reading the ledger: without a lock, beside a running door, on a copy.
//!
//! Nothing here is shared with the writer but the form and the seal, so that
//! one mistake does not hide another.

mod dataflow;
mod export;
mod incidents;
pub(super) mod scan;
mod shown;
mod tally;
mod torn;
mod usage;
mod verify;
pub(super) mod walk;

use std::io;
use std::path::{Path, PathBuf};

pub use dataflow::{DATAFLOW_ROWS_MAX, DataFlow, Decision, Evidence, Flow, Source, dataflow};
pub use export::{export, export_watched};
pub use incidents::{
    INCIDENT_LINES_MAX, INCIDENTS_MAX, Incident, Standing, Story, incident, incidents,
};
pub use shown::{Names, shown};
pub use usage::{USAGE_ROWS_MAX, UsageBy, UsageReport, UsageRow, UsageSubject, usage};
pub use verify::{Verification, verify, verify_watched};
pub use walk::Reading;

/// Why nothing can be said about a ledger.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A later Surgewall wrote a segment.
    #[error("{path} was written by a newer Surgewall (format {version}); run the newer one")]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
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
