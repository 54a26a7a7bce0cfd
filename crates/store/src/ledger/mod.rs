//! The ledger: what the door decided, append-only and tamper-evident.
//!
//! `format.rs` describes the files; [`Ledger`] writes, [`read`] verifies,
//! exports and adds up.
//!
//! One writes at a time: who adds a record to an idle ledger, or a thread. It
//! takes all that waits, encodes it into one buffer and writes it with one call;
//! an append is answered when its record is as durable as the configuration asks.

mod commit;
mod core;
mod encode;
mod file;
mod fold;
mod format;
mod log;
mod queue;
pub mod read;
mod recover;
mod salt;
mod seal;
mod segment;
mod sync;
#[cfg(test)]
mod tests;
pub(crate) mod tree;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use surgewall_core::clock::Clock;
use surgewall_core::config::schema::{self, Durability};
use surgewall_core::decision::{Admitted, Outcome, Record, Reservation, Totals};
use surgewall_core::id::RequestId;
use surgewall_core::limits::LEDGER_SEGMENT_BYTES_MAX;
use surgewall_core::quota::CounterState;
use tokio::sync::oneshot;

use self::core::Core;
use self::file::{Disk, Files};
use self::format::Kind;
use self::log::Signed;
use self::queue::{Job, Outcomes, Waiting};
use self::writer::{Thread, Writer};
use crate::datadir::DataDir;
use crate::vault::Vault;

/// Hears of every record that was written, in order, besides those that open a
/// segment. It is called between a write and its answer: it must not wait.
pub trait Tap: std::fmt::Debug + Send + Sync {
    /// `record` was written; with the end of a request comes its admission.
    fn written(&self, sequence: u64, record: &Record, admitted: Option<&Admitted>);
}

/// How the ledger is kept.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// When a record counts as written.
    pub durability: Durability,
    /// All segments and the log beside them, in bytes: the oldest segments go
    /// first. The log is kept whole; it grows by 66 bytes with each record.
    pub bytes_max: u64,
    /// Days that a segment is kept after its last record.
    pub retention_days: u32,
    /// One segment, in bytes: the next record opens a new one.
    pub segment_bytes_max: u64,
    /// What dates the records that the ledger itself writes.
    pub clock: Clock,
    /// Who else hears of what is written.
    pub tap: Option<Arc<dyn Tap>>,
}

impl LedgerOptions {
    /// What the `[ledger]` section says.
    #[must_use]
    pub fn new(config: &schema::Ledger, clock: Clock) -> Self {
        Self {
            durability: config.durability,
            bytes_max: config.bytes_max,
            retention_days: config.retention_days,
            segment_bytes_max: LEDGER_SEGMENT_BYTES_MAX,
            clock,
            tap: None,
        }
    }
}

/// Why the ledger does not open.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The last segment is damaged.
    #[error(
        "the ledger is damaged: {path}, record {sequence} at byte {offset}: {what}; see `surgewall check ledger`. To go on without its history, move the directory `ledger` away: a new ledger begins"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// The first bad record.
        sequence: u64,
        /// Where it begins, in bytes.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// Another Surgewall wrote it.
    #[error(transparent)]
    Version(#[from] OtherVersion),
    /// It cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A segment has another format than this Surgewall's.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OtherVersion {
    /// A later Surgewall wrote it.
    #[error("{path} was written by a newer Surgewall (format {version}); run the newer one")]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// A Surgewall from before the first release wrote it.
    #[error(
        "{path} was written by a Surgewall from before its first release (format {version}), which this one does not read; to go on without its history, move the directory `ledger` away: a new ledger begins"
    )]
    Older {
        /// The segment.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
}

/// Why a record was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// No space is left: nothing new is admitted until there is.
    #[error(
        "the disk of {directory} is full: no request is admitted until there is space; old segments go by ledger.bytes_max and ledger.retention_days"
    )]
    Full {
        /// The ledger's directory.
        directory: PathBuf,
    },
    /// The disk failed in another way.
    #[error("the ledger in {directory} cannot be written: {source}")]
    Io {
        /// The ledger's directory.
        directory: PathBuf,
        /// What the file system said.
        source: Arc<io::Error>,
    },
    /// The record is beyond its limit.
    #[error("the record is larger than a ledger record may be")]
    TooLarge,
    /// The request is open already.
    #[error("a request of this id is open already")]
    Duplicate,
    /// The request is not open: it was settled before, or never admitted.
    #[error("a request of this id is not open")]
    NotOpen,
    /// A segment's opening records are written by the ledger only.
    #[error("records of this kind are the ledger's own")]
    NotYours,
    /// The ledger was shut down.
    #[error("the ledger is shut down")]
    Closed,
}

/// What a start found. After it nothing is open.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Requests that were open when the door died, with their last checkpoints:
    /// they are settled there now.
    pub open: Vec<Reservation>,
    /// The quota counters, those settlements included.
    pub counters: Vec<CounterState>,
    /// The sums, those settlements included.
    pub totals: Totals,
}

/// How the ledger is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LedgerHealth {
    /// Whether the last write worked and nothing waits for space.
    pub writable: bool,
    /// The first sequence of the current segment; 0 while there is none.
    pub segment: u64,
    /// The last record's sequence.
    pub sequence: u64,
    /// All segments and the log beside them, in bytes.
    pub bytes: u64,
}

/// The ledger, open for writing. Cheap to clone; the last clone that goes ends
/// the writer.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    directory: PathBuf,
    writer: Arc<Writer>,
    thread: Mutex<Option<Thread>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.health().fmt(f)
    }
}

impl Ledger {
    /// Opens the ledger in a new segment. What was open is settled at its last
    /// checkpoint (outcome `crash`), and safe on disk before this returns. The
    /// caller holds the data directory's lock.
    ///
    /// # Errors
    /// The last segment is damaged or newer, or the disk cannot be written.
    pub fn open(
        directory: &DataDir,
        vault: &Vault,
        options: LedgerOptions,
    ) -> Result<(Self, Recovered), LedgerError> {
        Self::open_on(directory, vault, options, Arc::new(Disk))
    }

    fn open_on(
        directory: &DataDir,
        vault: &Vault,
        options: LedgerOptions,
        files: Arc<dyn Files>,
    ) -> Result<(Self, Recovered), LedgerError> {
        let path = &directory.ledger();
        let io_error = |source| LedgerError::Io { path: path.to_owned(), source };
        segment::prepare(path).map_err(io_error)?;
        let state = recover::recover(path, vault, Signed::new(directory, vault))?;
        let mut core = Core::new(path.to_owned(), vault.clone(), options, files, state);
        core.ready_segment()?;
        let open = core.fold.open();
        let crashed = |r: &Reservation| Job::Abandon(r.admitted.request_id, Outcome::Crash);
        let jobs = open.iter().map(crashed).collect();
        core.run(Waiting::of(jobs));
        if core.has_kept() || !core.is_writable() {
            return Err(AppendError::Full { directory: path.to_owned() }.into());
        }
        core.sync().map_err(io_error)?;
        let now = core.now();
        let (counters, totals) = (core.fold.counters(now), core.fold.totals(now));
        let (writer, thread) = Writer::start(core).map_err(io_error)?;
        let directory = path.to_owned();
        let shared = Shared { directory, writer, thread: Mutex::new(Some(thread)) };
        Ok((Self { shared: Arc::new(shared) }, Recovered { open, counters, totals }))
    }

    /// Writes an admission, a change or a settlement and waits until it is as
    /// durable as configured; returns its sequence. Dropping this future before
    /// it resolves takes an admission back: it is not written, or it is settled
    /// with all refunded. A settlement is never lost: after its first poll it is
    /// written whatever becomes of this future, also where it failed for now.
    ///
    /// # Errors
    /// The record is not in the ledger, or not safely: do not call the upstream.
    pub async fn append(&self, record: Record) -> Result<u64, AppendError> {
        if Kind::of(&record).is_opening() {
            return Err(AppendError::NotYours);
        }
        let admitted = match &record {
            Record::Admitted(admitted) => Some(admitted.request_id),
            _ => None,
        };
        let writer = &*self.shared.writer;
        // As many settlements wait as requests are open: that is their bound.
        let permit = match &record {
            Record::Settled(_) => None,
            _ => Some(writer.queue.permit().await?),
        };
        let (ack, answer) = oneshot::channel();
        if !writer.queue.push(Job::Append { record, ack, permit }) {
            return Err(AppendError::Closed);
        }
        writer.write();
        Pending { writer, answer: Some(answer), admitted }.wait().await
    }

    /// Writes a settlement, checkpoints or a refusal without waiting, in the
    /// order given. While the disk is full they wait in memory: every
    /// settlement, the last checkpoint of each request, and refusals up to a
    /// limit, beyond which they are counted into one record for each code.
    pub fn append_detached(&self, record: Record) {
        let writer = &*self.shared.writer;
        match record {
            Record::Progress { requests, .. } => writer.queue.progress(requests),
            record if Kind::of(&record).is_opening() => {
                tracing::error!("a segment's opening records are written by the ledger only");
            }
            record => drop(writer.queue.push(Job::Detached(record))),
        }
        writer.write();
    }

    /// Where its segments are, for readers.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// How the ledger is now.
    #[must_use]
    pub fn health(&self) -> LedgerHealth {
        let gauges = &self.shared.writer.gauges;
        LedgerHealth {
            writable: gauges.writable.load(Ordering::Relaxed),
            segment: gauges.segment.load(Ordering::Relaxed),
            sequence: gauges.sequence.load(Ordering::Relaxed),
            bytes: gauges.bytes.load(Ordering::Relaxed),
        }
    }

    /// Writes what waits, makes it safe on disk, and ends the writer.
    ///
    /// # Errors
    /// Something could not be written; requests whose settlement is missing
    /// settle at their last checkpoint at the next start.
    pub async fn shutdown(self) -> Result<(), AppendError> {
        self.shared.writer.queue.close();
        let Some(thread) = self.shared.take_thread() else { return Err(AppendError::Closed) };
        let joined = tokio::task::spawn_blocking(move || thread.join()).await;
        match joined {
            Ok(Ok(result)) => result,
            _ => Err(AppendError::Closed),
        }
    }
}

impl Shared {
    fn take_thread(&self) -> Option<Thread> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.writer.queue.close();
        if let Some(thread) = self.take_thread()
            && thread.join().is_err()
        {
            tracing::error!("the ledger's writer panicked");
        }
    }
}

/// An append whose answer somebody waits for.
struct Pending<'a> {
    writer: &'a Writer,
    answer: Option<oneshot::Receiver<Outcomes>>,
    admitted: Option<RequestId>,
}

impl Pending<'_> {
    async fn wait(mut self) -> Outcomes {
        let Some(answer) = &mut self.answer else { return Err(AppendError::Closed) };
        let outcome = answer.await;
        self.answer = None;
        outcome.unwrap_or(Err(AppendError::Closed))
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let Some(mut answer) = self.answer.take() else { return };
        // From here on the writer hears that nobody waits. Did it answer before?
        answer.close();
        if let (Ok(Ok(_)), Some(id)) = (answer.try_recv(), self.admitted) {
            self.writer.queue.push(Job::Abandon(id, Outcome::ClientGone));
            self.writer.write();
        }
    }
}
