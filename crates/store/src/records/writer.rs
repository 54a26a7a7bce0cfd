//! The thread that writes records: gathers a batch, seals it, writes it, notes
//! it in the ledger, and tells who waits. What the disk refuses is kept and
//! tried again: an event that was let in is never given up while the door runs.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::decision::{Record, Removed, RemovedFor, Stored};
use surgewall_core::digest::hex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout_at};

use super::block::{Batch, Packer};
use super::engine::{BLOCKS_PER_BATCH_MAX, Engine, Held};
use super::event::{Event, Redact};
use super::{Gauges, RecordsError, RecordsOptions, Room};
use crate::ledger::Ledger;
use crate::vault::{Content, Vault};

/// The events of a batch, in bytes: with the one that reaches it the batch is full.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long a batch gathers from its first event on.
const GATHER: Duration = Duration::from_millis(20);
/// How often a disk that refused is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// How often an ending writer tries a disk that refuses.
const LAST_ATTEMPTS_MAX: u32 = 5;
/// After so long a record of the ledger is safe on disk, whatever its durability.
const LEDGER_SAFE_AFTER: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 1_000 });
/// How often the writer looks for what is too old.
const RETENTION: Duration = Duration::from_secs(60);
/// Batches whose removal is noted in the ledger at once.
const LEAVING_BATCHES_MAX: u32 = 4_096;
/// Batches that one step of retention removes: other writes come between steps.
const SLICE_BATCHES: usize = 16;

// Every event may be a block of its own.
const _: () = assert!(BATCH_BYTES_MAX <= BLOCKS_PER_BATCH_MAX);

/// An event on its way.
pub(super) struct Waiting {
    pub(super) event: Event,
    /// Who waits for it.
    pub(super) ack: Option<oneshot::Sender<u64>>,
    pub(super) room: Room,
}

/// What the writer is told.
pub(super) enum Message {
    Event(Box<Waiting>),
    /// Write what waits, and end.
    Close,
}

/// What a writer needs.
pub(super) struct Parts {
    pub(super) vault: Vault,
    pub(super) ledger: Ledger,
    pub(super) redact: Arc<dyn Redact>,
    pub(super) options: RecordsOptions,
}

/// The writer's state.
pub(super) struct Writer {
    parts: Parts,
    gauges: Arc<Gauges>,
    messages: mpsc::UnboundedReceiver<Message>,
    engine: Engine,
    packer: Packer,
    /// The next batch.
    next: u64,
    /// Batches that the ledger has and the file does not know it yet, and since when.
    noted: VecDeque<(Instant, u64)>,
    /// How often the disk refused in a row.
    refusals: u32,
    retention_due: Instant,
    /// Batches whose removal the ledger has: they go, slice by slice.
    leaving: VecDeque<Held>,
    /// Whether batches were removed whose keys may still be there.
    expires: bool,
}

impl Writer {
    pub(super) async fn open(
        path: &Path,
        parts: Parts,
        gauges: Arc<Gauges>,
        messages: mpsc::UnboundedReceiver<Message>,
    ) -> Result<Self, RecordsError> {
        let mut engine = Engine::open(path).await?;
        let state = engine.state().await?;
        let mut noted = Vec::new();
        for stored in engine.unnoted().await? {
            noted.push(stored.batch);
            parts.ledger.append(Record::Stored(stored)).await?;
        }
        engine.note(&noted).await?;
        gauges.bytes.store(state.bytes, Ordering::Relaxed);
        gauges.writable.store(true, Ordering::Relaxed);
        let packer = Packer::new().map_err(RecordsError::Thread)?;
        Ok(Self {
            parts,
            gauges,
            messages,
            engine,
            packer,
            next: state.next,
            noted: VecDeque::new(),
            refusals: 0,
            retention_due: Instant::now(),
            leaving: VecDeque::new(),
            expires: true,
        })
    }

    /// Runs the writer in a thread of its own, with a runtime of its own: sealing
    /// a batch takes milliseconds, which no request may wait for.
    pub(super) fn start(self) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        thread::Builder::new()
            .name("records".to_owned())
            .spawn(move || runtime.block_on(self.run()))
    }

    async fn run(mut self) {
        // Also when a step panics: nobody may take room for what nobody writes.
        let _unwritable = UnwritableOnExit(Arc::clone(&self.gauges));
        let mut gathered = Vec::new();
        while self.gather(&mut gathered).await {
            if !gathered.is_empty() && self.store(&gathered).await.is_err() {
                break;
            }
            let number = self.next - 1;
            for Waiting { ack, room, .. } in gathered.drain(..) {
                drop(room);
                if let Some(ack) = ack {
                    // Who asked may be gone.
                    ack.send(number).ok();
                }
            }
            if Instant::now() >= self.retention_due {
                self.retain().await;
            }
        }
        if let Err(error) = self.end(gathered.len()).await {
            tracing::error!(%error, "the records could not be closed cleanly");
        }
    }

    /// The next events: of 20 ms, or of 1 MiB. Without any, the time for other
    /// work has come; `false` at the end.
    async fn gather(&mut self, events: &mut Vec<Waiting>) -> bool {
        let (mut bytes, mut by) = (0, self.retention_due);
        while bytes < BATCH_BYTES_MAX {
            let message = match self.messages.try_recv() {
                Ok(message) => Some(message),
                Err(_) => match timeout_at(by, self.messages.recv()).await {
                    Ok(message) => message,
                    Err(_) => return true,
                },
            };
            match message {
                Some(Message::Event(waiting)) => {
                    if events.is_empty() {
                        by = Instant::now() + GATHER;
                    }
                    bytes += waiting.event.request.text.len() + waiting.event.answer.text.len() + 1;
                    events.push(*waiting);
                }
                Some(Message::Close) => self.messages.close(),
                None => return !events.is_empty(),
            }
        }
        true
    }

    /// Seals, writes and notes one batch. `Err` only at the end, where the disk
    /// goes on refusing.
    async fn store(&mut self, gathered: &[Waiting]) -> Result<(), RecordsError> {
        let batch = loop {
            match self.seal(gathered) {
                Ok(batch) => break batch,
                Err(error) => self.refused(error).await?,
            }
        };
        let now = Instant::now();
        let safe = self.noted.iter().take_while(|(at, _)| now - *at > LEDGER_SAFE_AFTER);
        let safe: Vec<u64> = safe.map(|(_, number)| *number).collect();
        while let Err(error) = self.write(&batch, &safe).await {
            self.refused(error).await?;
        }
        self.next += 1;
        self.noted.drain(..safe.len());
        let stored = stored(&batch);
        while let Err(error) = self.parts.ledger.append(Record::Stored(stored.clone())).await {
            self.refused(error.into()).await?;
        }
        self.noted.push_back((Instant::now(), batch.number));
        self.written(&batch);
        Ok(())
    }

    fn seal(&mut self, gathered: &[Waiting]) -> Result<Batch, RecordsError> {
        let events: Vec<&Event> = gathered.iter().map(|waiting| &waiting.event).collect();
        let Parts { vault, redact, options, .. } = &self.parts;
        let place = (self.next, options.clock.now());
        Ok(self.packer.batch(place, &events, &**redact, vault)?)
    }

    async fn write(&mut self, batch: &Batch, noted: &[u64]) -> Result<(), RecordsError> {
        #[cfg(test)]
        self.engine.may_grow(!self.gauges.full.load(Ordering::Relaxed)).await;
        self.engine.write(batch, noted).await
    }

    fn written(&mut self, batch: &Batch) {
        if std::mem::take(&mut self.refusals) > 0 {
            tracing::info!("records can be written again");
        }
        self.gauges.events.fetch_add(batch.events, Ordering::Relaxed);
        self.gauges.bytes.fetch_add(batch.bytes, Ordering::Relaxed);
        self.gauges.writable.store(true, Ordering::Relaxed);
    }

    /// The disk said no: nothing new is let in until it takes what is here. Waits
    /// a little; `Err` where the end does not wait longer.
    async fn refused(&mut self, error: RecordsError) -> Result<(), RecordsError> {
        self.gauges.writable.store(false, Ordering::Relaxed);
        if self.refusals == 0 {
            tracing::error!(%error, "records cannot be written");
        }
        self.refusals += 1;
        if self.gauges.closing.load(Ordering::Relaxed) && self.refusals >= LAST_ATTEMPTS_MAX {
            return Err(error);
        }
        sleep(RETRY).await;
        Ok(())
    }

    /// One step of retention: the ledger hears of what is too old or too much
    /// first; when that is safe on disk it goes, one slice a step. Then the keys.
    async fn retain(&mut self) {
        let step =
            if self.leaving.is_empty() { self.announce().await } else { self.remove().await };
        self.retention_due = step.unwrap_or_else(|error| {
            tracing::warn!(%error, "old records could not be removed");
            Instant::now() + RETENTION
        });
    }

    /// Notes in the ledger which batches go; when to go on.
    async fn announce(&mut self) -> Result<Instant, RecordsError> {
        let RecordsOptions { retention_days, bytes_max, clock, .. } = &self.parts.options;
        let now = clock.now();
        let kept_s = u64::from(*retention_days).saturating_mul(DAY_S);
        let before = now.millis().saturating_sub(kept_s.saturating_mul(1_000));
        let before = Timestamp::from_millis(before);
        let excess = self.gauges.bytes.load(Ordering::Relaxed).saturating_sub(*bytes_max);
        let leaving = self.engine.removable(before, excess, LEAVING_BATCHES_MAX).await?;
        if leaving.is_empty() {
            // Only once nothing is left that they would open.
            if self.expires {
                self.parts.vault.expire(Content::Record, before)?;
                self.expires = false;
            }
            return Ok(Instant::now() + RETENTION);
        }
        let why = if excess > 0 { RemovedFor::Size } else { RemovedFor::Age };
        for run in leaving.chunk_by(|a, b| a.batch + 1 == b.batch) {
            self.parts.ledger.append(Record::Removed(removed(run, now, why))).await?;
        }
        self.leaving = leaving.into();
        Ok(Instant::now() + LEDGER_SAFE_AFTER)
    }

    /// Removes the next batches of those that the ledger has given up; when to go on.
    async fn remove(&mut self) -> Result<Instant, RecordsError> {
        let slice = SLICE_BATCHES.min(self.leaving.len());
        let slice: Vec<Held> = self.leaving.drain(..slice).collect();
        // Where this fails the rest is noted again, later.
        let rest = std::mem::take(&mut self.leaving);
        self.engine.remove(&slice).await?;
        self.leaving = rest;
        let bytes = slice.iter().map(|held| held.bytes).sum();
        self.gauges.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.expires = true;
        Ok(Instant::now())
    }

    async fn end(mut self, lost: usize) -> Result<(), RecordsError> {
        if lost > 0 {
            tracing::error!(events = lost, "events could not be recorded before the end");
        }
        let noted: Vec<u64> = self.noted.iter().map(|(_, number)| *number).collect();
        let noted = self.engine.note(&noted).await;
        self.engine.close().await;
        noted
    }
}

fn stored(batch: &Batch) -> Stored {
    Stored {
        at: batch.at,
        batch: batch.number,
        blocks: batch.blocks.len() as u64,
        events: batch.events,
        bytes: batch.bytes,
        root: hex(&batch.root),
    }
}

/// What the ledger says of batches in a row.
fn removed(run: &[Held], at: Timestamp, why: RemovedFor) -> Removed {
    Removed {
        at,
        first: run.first().map_or(0, |held| held.batch),
        last: run.last().map_or(0, |held| held.batch),
        bytes: run.iter().map(|held| held.bytes).sum(),
        why,
    }
}

struct UnwritableOnExit(Arc<Gauges>);

impl Drop for UnwritableOnExit {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.writable.store(false, Ordering::Relaxed);
        }
    }
}
