//! The tree on disk: tiles, entries and a signed checkpoint in `ledger/log/`,
//! for whoever wants to check the ledger or a part of it without us.
//!
//! Laid out as <https://c2sp.org/tlog-tiles> says; the entries are the ledger's
//! leaves, 32 bytes each. All of it is made from the segments. A thread writes it,
//! at most once in [`PUBLISH_EVERY`], and a checkpoint only covers what is on
//! disk already: the segments are synced, then the tiles, then the checkpoint
//! takes the place of the one before.

mod edge;
pub(super) mod note;
pub(super) mod paths;
mod tiles;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use surgewall_core::files::read_text;

pub(super) use self::edge::{Edge, fold};
use self::note::{CHECKPOINT_BYTES_MAX, Checkpoint};
use super::format::Hash;
use super::tree::Tree;
use crate::datadir::{DataDir, write_atomic};
use crate::vault::Vault;

/// How often a checkpoint is signed at most: each takes four files to the disk,
/// as much work as several requests.
const PUBLISH_EVERY: Duration = Duration::from_secs(5);

/// The log's directory in a ledger's.
pub(super) fn directory(ledger: &Path) -> PathBuf {
    ledger.join("log")
}

/// The checkpoint's file in a log's directory.
pub(super) fn checkpoint_file(log: &Path) -> PathBuf {
    log.join("checkpoint")
}

/// What checkpoints of this store's ledger name.
pub(super) fn origin(data: &DataDir) -> String {
    format!("surgewall/{}", data.store_id())
}

/// Where the log of a ledger lies, and who signs it.
#[derive(Clone)]
pub(super) struct Signed {
    directory: PathBuf,
    origin: String,
    vault: Vault,
}

impl Signed {
    /// The log of the ledger in `data`.
    pub(super) fn new(data: &DataDir, vault: &Vault) -> Self {
        let directory = directory(&data.ledger());
        Self { directory, origin: origin(data), vault: vault.clone() }
    }

    /// What was published last: the tree up to the checkpoint. Where there is
    /// none, or it is of no use, an empty tree: it is made anew from the segments.
    pub(super) fn read(&self) -> io::Result<Edge> {
        let note = match read_text(&checkpoint_file(&self.directory), CHECKPOINT_BYTES_MAX) {
            Ok(note) => note,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Edge::new()),
            Err(error) => match error.kind() {
                io::ErrorKind::InvalidData | io::ErrorKind::FileTooLarge => String::new(),
                _ => return Err(error),
            },
        };
        let checkpoint = Checkpoint::open(&note, &self.origin, &self.vault.verifying_key());
        let edge = checkpoint.and_then(|checkpoint| Edge::read(&self.directory, &checkpoint));
        Ok(edge.unwrap_or_else(|| {
            tracing::warn!("the ledger's checkpoint or its tiles are damaged: they are written anew from the segments");
            Edge::new()
        }))
    }

    /// Writes the full tiles of a tree that is made anew, before they are too many.
    pub(super) fn spill(&self, edge: &mut Edge) -> io::Result<()> {
        tiles::write(&self.directory, &edge.take_full()).map(drop)
    }
}

/// The log, being written.
pub(super) struct Log {
    signed: Signed,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Held while leaves are hashed, and not while files are written.
    edge: Mutex<Edge>,
    /// Held while files are written: the size that the last checkpoint covers.
    published: Mutex<u64>,
    bytes: AtomicU64,
}

/// Leaves on their way into the tree.
#[derive(Default)]
struct Queue {
    /// In order.
    leaves: Vec<Hash>,
    /// The tree's size with all of them.
    end: u64,
    /// Up to here the segments are safe on disk.
    safe: u64,
    /// The thread looks only when it is woken.
    asleep: bool,
    closing: bool,
}

impl Log {
    /// The log at `signed`, which goes on from `edge`; its leaves are safe in the
    /// segments, and a checkpoint covers `published` of them.
    pub(super) fn new(signed: Signed, edge: Edge, published: u64) -> Self {
        let size = edge.tree().size();
        let log = &signed.directory;
        let places = edge.places().into_iter();
        let partial: u64 = places.map(|(row, index)| tiles::partial_bytes(log, row, index)).sum();
        let bytes = AtomicU64::new(tiles::full_bytes(size) + partial);
        let queue = Queue { end: size, safe: size, ..Queue::default() };
        Self {
            signed,
            queue: Mutex::new(queue),
            wake: Condvar::new(),
            edge: Mutex::new(edge),
            published: Mutex::new(published),
            bytes,
        }
    }

    /// These leaves were written to the segment.
    pub(super) fn written(&self, leaves: impl ExactSizeIterator<Item = Hash>) {
        let mut queue = lock(&self.queue);
        queue.end += leaves.len() as u64;
        queue.leaves.extend(leaves);
    }

    /// The first `size` leaves are safe on disk.
    pub(super) fn safe(&self, size: u64) {
        let mut queue = lock(&self.queue);
        queue.safe = queue.safe.max(size);
        if std::mem::take(&mut queue.asleep) {
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// The tree with all leaves that were written, safe or not.
    pub(super) fn tree(&self) -> Tree {
        let mut edge = lock(&self.edge);
        self.take_in(&mut edge, u64::MAX);
        edge.tree().clone()
    }

    /// Its files, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether the tiles hold the first `size` leaves, or never will: the segments
    /// they came from are needed no more.
    pub(super) fn holds(&self, size: u64) -> bool {
        if *lock(&self.published) < size
            && let Err(error) = self.publish()
        {
            tracing::warn!(%error, "the ledger's tiles and checkpoint could not be written");
        }
        *lock(&self.published) >= size || !self.has_tiles()
    }

    fn has_tiles(&self) -> bool {
        lock(&self.edge).has_tiles()
    }

    /// Ends the thread, after it published what is safe.
    pub(super) fn close(&self) {
        lock(&self.queue).closing = true;
        self.wake.notify_one();
    }

    /// The thread.
    pub(super) fn run(&self) {
        let mut fails = false;
        while self.has_tiles() {
            let published = *lock(&self.published);
            let mut queue = lock(&self.queue);
            let is_done = |queue: &Queue| queue.safe.min(queue.end) <= published;
            while !fails && is_done(&queue) && !queue.closing {
                queue.asleep = true;
                queue = self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.asleep = false;
            let closing = queue.closing;
            drop(queue);
            let outcome = self.publish();
            match (&outcome, fails) {
                (Err(error), false) => {
                    tracing::warn!(%error, "the ledger's tiles and checkpoint could not be written; it is tried again every five seconds");
                }
                (Ok(()), true) => tracing::info!("the ledger's checkpoint can be written again"),
                _ => {}
            }
            fails = outcome.is_err();
            if closing {
                return;
            }
            let queue = lock(&self.queue);
            let waited = self.wake.wait_timeout_while(queue, PUBLISH_EVERY, |queue| !queue.closing);
            drop(waited);
        }
    }

    /// Writes the tiles and the checkpoint of all that is safe.
    fn publish(&self) -> io::Result<()> {
        let mut published = lock(&self.published);
        let safe = lock(&self.queue).safe;
        let due = {
            let mut edge = lock(&self.edge);
            self.take_in(&mut edge, safe);
            // Somebody took in what is not safe: later.
            let size = edge.tree().size();
            if *published < size && size <= safe { edge.due() } else { None }
        };
        let Some(due) = due else { return Ok(()) };
        let log = &self.signed.directory;
        let tiles = tiles::write(log, &due.full)
            .and_then(|full| Ok(full + tiles::write(log, &due.partial)?));
        let placed = tiles.and_then(|bytes| {
            let Signed { origin, vault, .. } = &self.signed;
            let checkpoint = Checkpoint { origin: origin.clone(), size: due.size, root: due.root };
            write_atomic(&checkpoint_file(log), checkpoint.sign(vault).as_bytes())?;
            Ok(bytes)
        });
        match placed {
            Ok(bytes) => {
                *published = due.size;
                let freed: u64 = due.full.iter().map(|tile| tiles::remove_partial(log, tile)).sum();
                let bytes = (self.bytes() + bytes).saturating_sub(freed);
                self.bytes.store(bytes, Ordering::Relaxed);
                lock(&self.edge).written(&due);
                Ok(())
            }
            Err(error) => {
                lock(&self.edge).put_back(due);
                Err(error)
            }
        }
    }

    /// Takes leaves from the queue into the tree, up to this size.
    fn take_in(&self, edge: &mut Edge, size: u64) {
        let leaves = {
            let mut queue = lock(&self.queue);
            let kept = usize::try_from(queue.end.saturating_sub(size)).unwrap_or(usize::MAX);
            let taken = queue.leaves.len().saturating_sub(kept);
            let rest = queue.leaves.split_off(taken);
            std::mem::replace(&mut queue.leaves, rest)
        };
        leaves.iter().for_each(|leaf| edge.push(leaf));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
