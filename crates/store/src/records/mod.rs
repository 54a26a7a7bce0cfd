//! The operator's records: what was asked and answered, redacted, sealed for
//! whose content it is, and provable by the ledger.
//!
//! ```text
//! event -> batch (1 MiB or 20 ms) -> redacted -> grouped by subject -> compressed
//!       -> sealed -> one transaction with an fdatasync -> `Stored` in the ledger -> acknowledged
//! ```
//! A thread of its own does all that. Who wants to record takes room for it
//! before the model is called: while the disk is full there is none, so that
//! nothing is answered that should be recorded and cannot be.

mod block;
mod engine;
mod event;
mod file;
mod read;
mod root;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::config::schema;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

pub use self::block::{BLOCK_BYTES_MAX, BlockFault};
pub use self::event::{EVENT_TEXT_BYTES_MAX, Event, Redact, Said};
pub use self::file::RECORDS_SCHEMA_VERSION;
pub use self::read::{Cursor, Found, RecordsReader};
pub use self::root::Hash;
use self::writer::{Message, Waiting, Writer};
use crate::datadir::DataDir;
use crate::ledger::{AppendError, Ledger};
use crate::vault::{Vault, VaultError};

/// How long an event waits for room before its request is refused.
const ROOM_WAIT: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 5_000 });

/// How records are kept.
#[derive(Clone, Debug)]
pub struct RecordsOptions {
    /// Days that a record is kept.
    pub retention_days: u32,
    /// Sealed bytes of all records together: the oldest go first.
    pub bytes_max: u64,
    /// Bytes of events that are under way or wait to be written.
    pub waiting_bytes_max: u64,
    /// What dates batches, and says what is too old.
    pub clock: Clock,
}

impl RecordsOptions {
    /// What the `[vault]` section says.
    #[must_use]
    pub const fn new(config: &schema::Vault, clock: Clock) -> Self {
        Self {
            retention_days: config.record_retention_days,
            bytes_max: config.record_bytes_max,
            waiting_bytes_max: config.record_waiting_bytes_max,
            clock,
        }
    }
}

/// What can go wrong with records.
#[derive(Debug, thiserror::Error)]
pub enum RecordsError {
    /// No space is left.
    #[error(
        "the disk of {path} is full: no request is admitted that has to be recorded until there is space; records go by vault.record_retention_days and vault.record_bytes_max"
    )]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// SQLite failed in another way.
    #[error("the records in {path} failed while {doing}: {source}")]
    Engine {
        /// The file.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is something else.
    #[error("{path} is no file of Surgewall's records")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// A later Surgewall wrote the file.
    #[error(
        "{path} was written by a newer Surgewall (schema {found}, this one knows up to {RECORDS_SCHEMA_VERSION}); run the newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// The vault has no key for what is to be sealed.
    #[error("records cannot be sealed: {0}")]
    Vault(#[from] VaultError),
    /// The ledger does not take the batch.
    #[error(transparent)]
    Ledger(#[from] AppendError),
    /// A block gives no events.
    #[error("block {position} of batch {batch} of the records: {fault}")]
    Block {
        /// The batch.
        batch: u64,
        /// Its place in the batch.
        position: usize,
        /// What is wrong with it.
        fault: BlockFault,
    },
    /// As much waits to be recorded as may.
    #[error("more than vault.record_waiting_bytes_max waits to be recorded")]
    Busy,
    /// The writer could not be started.
    #[error("the thread that writes records could not be started: {0}")]
    Thread(std::io::Error),
    /// The store was shut down, or its writer is gone.
    #[error("the records are shut down")]
    Closed,
}

/// How the records are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RecordsHealth {
    /// Whether the last batch could be written.
    pub writable: bool,
    /// Events acknowledged since the start.
    pub events: u64,
    /// Sealed bytes of all batches that are kept.
    pub bytes: u64,
    /// Bytes of events that are under way or wait to be written.
    pub waiting_bytes: u64,
    /// Requests for room that were refused since the start.
    pub refused: u64,
}

/// What the writer tells of itself.
#[derive(Default)]
struct Gauges {
    writable: AtomicBool,
    closing: AtomicBool,
    events: AtomicU64,
    bytes: AtomicU64,
    refused: AtomicU64,
    /// Whether the file may not grow.
    #[cfg(test)]
    full: AtomicBool,
}

/// Room for one event, given back when it is written or dropped.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
}

/// The store of records, open for writing. Cheap to clone; the last clone that
/// goes ends the writer.
#[derive(Clone)]
pub struct Records {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    queue: mpsc::UnboundedSender<Message>,
    room: Arc<Semaphore>,
    room_kib: u32,
    gauges: Arc<Gauges>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.health().fmt(f)
    }
}

impl Records {
    /// Opens the records of `directory`, and notes in the ledger what a crash
    /// kept from it. The caller holds the data directory's lock. Everything that
    /// is written goes through `redact`.
    ///
    /// # Errors
    /// The file is newer or something else, or the disk cannot be written.
    pub async fn open(
        directory: &DataDir,
        vault: &Vault,
        ledger: Ledger,
        redact: Arc<dyn Redact>,
        options: RecordsOptions,
    ) -> Result<Self, RecordsError> {
        let path = directory.records();
        let kib = options.waiting_bytes_max.div_ceil(1 << 10).max(1);
        let room_kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let most = usize::try_from(room_kib).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let room = Arc::new(Semaphore::new(most));
        let gauges = Arc::new(Gauges::default());
        let parts = writer::Parts { vault: vault.clone(), ledger, redact, options };
        let (queue, messages) = mpsc::unbounded_channel();
        let writer = Writer::open(&path, parts, Arc::clone(&gauges), messages).await?;
        let thread = writer.start().map_err(RecordsError::Thread)?;
        let thread = Mutex::new(Some(thread));
        let shared = Shared { path, queue, room, room_kib, gauges, thread };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Room for an event of `bytes`; where others have it all, waits for it. Take
    /// it before the model is called.
    ///
    /// # Errors
    /// The disk is full or broken, too much waits, or the store is shut down: do
    /// not call the model.
    pub async fn room(&self, bytes: usize) -> Result<Room, RecordsError> {
        let Shared { path, room, room_kib, gauges, .. } = &*self.shared;
        let refused = |error| {
            gauges.refused.fetch_add(1, Ordering::Relaxed);
            Err(error)
        };
        if !gauges.writable.load(Ordering::Relaxed) {
            return refused(RecordsError::Full { path: path.clone() });
        }
        // What is larger than all the room has all of it.
        let kib = u32::try_from(bytes.div_ceil(1 << 10).max(1)).unwrap_or(u32::MAX).min(*room_kib);
        match tokio::time::timeout(ROOM_WAIT, Arc::clone(room).acquire_many_owned(kib)).await {
            Ok(Ok(permit)) => Ok(Room { _permit: permit }),
            Ok(Err(_)) => refused(RecordsError::Closed),
            Err(_) => refused(RecordsError::Busy),
        }
    }

    /// Records `event`, and waits until its batch is safe on disk and in the
    /// ledger; the batch's number. After the first poll it is recorded whatever
    /// becomes of this future.
    ///
    /// # Errors
    /// The store was shut down before.
    pub async fn append(&self, room: Room, event: Event) -> Result<u64, RecordsError> {
        let (ack, answer) = oneshot::channel();
        self.push(room, event, Some(ack));
        answer.await.map_err(|_| RecordsError::Closed)
    }

    /// Records `event` without waiting.
    pub fn append_detached(&self, room: Room, event: Event) {
        self.push(room, event, None);
    }

    fn push(&self, room: Room, event: Event, ack: Option<oneshot::Sender<u64>>) {
        let waiting = Waiting { event, ack, room };
        if self.shared.queue.send(Message::Event(Box::new(waiting))).is_err() {
            tracing::error!("an event came after the records were shut down: it is not recorded");
        }
    }

    /// How the records are now.
    #[must_use]
    pub fn health(&self) -> RecordsHealth {
        let Shared { room, room_kib, gauges, .. } = &*self.shared;
        let taken = (*room_kib as usize).saturating_sub(room.available_permits());
        RecordsHealth {
            writable: gauges.writable.load(Ordering::Relaxed),
            events: gauges.events.load(Ordering::Relaxed),
            bytes: gauges.bytes.load(Ordering::Relaxed),
            waiting_bytes: (taken as u64) << 10,
            refused: gauges.refused.load(Ordering::Relaxed),
        }
    }

    /// Where they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Writes what waits and ends the writer. The ledger must be open until then.
    ///
    /// # Errors
    /// Something could not be written.
    pub async fn shutdown(self) -> Result<(), RecordsError> {
        self.shared.close();
        let Some(thread) = self.shared.take_thread() else { return Err(RecordsError::Closed) };
        match tokio::task::spawn_blocking(move || thread.join()).await {
            Ok(Ok(())) if self.shared.gauges.writable.load(Ordering::Relaxed) => Ok(()),
            Ok(Ok(())) => Err(RecordsError::Full { path: self.shared.path.clone() }),
            _ => Err(RecordsError::Closed),
        }
    }
}

impl Shared {
    fn close(&self) {
        self.gauges.closing.store(true, Ordering::Relaxed);
        self.room.close();
        self.queue.send(Message::Close).ok();
    }

    fn take_thread(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
        if let Some(thread) = self.take_thread()
            && thread.join().is_err()
        {
            tracing::error!("the writer of records panicked");
        }
    }
}
