//! The writer's state and steps, without its thread: encode a batch, write it
//! with one call, apply what was written, answer who waits.
//!
//! A write that fails ends the segment: the file is cut back to its last whole
//! record and the next attempt opens a new segment under a new data key, so
//! that no nonce is used twice, whatever the torn bytes were.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Progress, Record, Refused};
use surgewall_core::id::RequestId;

use super::commit::{Entry, Waits};
use super::encode::End;
use super::file::Files;
use super::fold::Fold;
use super::log::Log;
use super::queue::{Job, Waiting, count_dropped, is_spare};
use super::segment::Segment;
use super::sync::Syncer;
use super::writer::Gauges;
use super::{AppendError, LedgerOptions};
use crate::vault::Vault;

/// What one write may carry, in bytes.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// A buffer beyond this is given back after use, in bytes.
const BUFFER_KEPT_BYTES_MAX: usize = 4 << 20;
/// What a few records take at most, in bytes, without large ones.
const ROOM_BYTES: u64 = 64 << 10;
/// Checkpoints in one record: about 200 bytes each.
const PROGRESS_PER_RECORD_MAX: usize = 2_048;

/// The writer's state.
pub(super) struct Core {
    pub(super) directory: PathBuf,
    pub(super) vault: Vault,
    pub(super) options: LedgerOptions,
    pub(super) files: Arc<dyn Files>,
    pub(super) fold: Fold,
    pub(super) end: End,
    /// What becomes of the records' leaves.
    pub(super) log: Arc<Log>,
    /// The current segment; none after a failure, until one can be opened.
    pub(super) segment: Option<Segment>,
    /// Bytes of the other segments.
    pub(super) other_bytes: u64,
    pub(super) syncer: Option<Arc<Syncer>>,
    pub(super) gauges: Arc<Gauges>,
    /// What the disk said last, if it refused.
    refusal: Option<AppendError>,
    /// What could not be written, in order.
    pub(super) kept: Vec<Job>,
    pub(super) progress: HashMap<RequestId, Progress>,
    pub(super) dropped: BTreeMap<String, u64>,
    /// The batch, encoded.
    pub(super) buffer: Vec<u8>,
    pub(super) batch: Vec<Entry>,
    /// The requests of the batch.
    pub(super) touched: HashSet<RequestId>,
}

impl Core {
    pub(super) fn new(
        directory: PathBuf,
        vault: Vault,
        options: LedgerOptions,
        files: Arc<dyn Files>,
        (fold, end, log): (Fold, End, Log),
    ) -> Self {
        Self {
            directory,
            vault,
            options,
            files,
            fold,
            end,
            log: Arc::new(log),
            segment: None,
            other_bytes: 0,
            syncer: None,
            gauges: Arc::default(),
            refusal: None,
            kept: Vec::new(),
            progress: HashMap::new(),
            dropped: BTreeMap::new(),
            buffer: Vec::new(),
            batch: Vec::new(),
            touched: HashSet::new(),
        }
    }

    /// Whether the disk took what it was given last.
    pub(super) fn is_writable(&self) -> bool {
        self.refusal.is_none() && self.segment.is_some()
    }

    /// Whether there is nothing to do until somebody asks.
    pub(super) fn is_idle(&self) -> bool {
        self.is_writable() && !self.has_kept()
    }

    /// Whether a few records can be written without anything that takes long:
    /// the last write worked, and there is room in the segment.
    pub(super) fn is_at_ease(&self) -> bool {
        let failed = self.syncer.as_ref().is_some_and(|syncer| syncer.has_failed());
        let room = self.segment.as_ref().is_some_and(|segment| self.has_room(segment, ROOM_BYTES));
        self.is_idle() && room && !failed
    }

    /// Whether something waits that could not be written.
    pub(super) fn has_kept(&self) -> bool {
        !(self.kept.is_empty() && self.progress.is_empty() && self.dropped.is_empty())
    }

    /// What is kept and shares the bound of refusals.
    pub(super) fn kept_refusals(&self) -> usize {
        self.kept.iter().filter(|job| is_spare(job)).count()
    }

    /// Writes what waits and what was kept.
    pub(super) fn run(&mut self, waiting: Waiting) {
        if self.syncer.as_ref().is_some_and(|syncer| syncer.take_failed()) {
            self.abandon_segment();
        }
        self.progress.extend(waiting.progress);
        for (code, count) in waiting.dropped {
            count_dropped(&mut self.dropped, &code, count);
        }
        let mut jobs = std::mem::take(&mut self.kept);
        // Checkpoints go first: a settlement in the same batch is the later word.
        self.push_progress(&mut jobs);
        jobs.extend(waiting.jobs);
        self.push_dropped(&mut jobs);
        let before = self.refusal.take();
        // While this holds, the disk was tried in this round and said no.
        let mut refused = None;
        if before.is_some() || self.segment.is_none() {
            refused = self.ready_segment().err();
        }
        for job in jobs {
            match &refused {
                Some(error) => self.put_back(job, error),
                None => refused = self.step(job).err(),
            }
        }
        // What it fails with stays in `refusal`, and what it could not write is kept.
        self.flush().ok();
        match (before.is_some(), &self.refusal) {
            (false, Some(error)) => tracing::error!(%error, "the ledger cannot be written"),
            (true, None) => tracing::info!("the ledger can be written again"),
            _ => {}
        }
        if self.buffer.capacity() > BUFFER_KEPT_BYTES_MAX {
            self.buffer = Vec::new();
        }
    }

    fn push_progress(&mut self, jobs: &mut Vec<Job>) {
        let now = self.now();
        let moved = std::mem::take(&mut self.progress);
        let open: Vec<_> =
            moved.into_values().filter(|p| self.fold.is_open(p.request_id)).collect();
        for requests in open.chunks(PROGRESS_PER_RECORD_MAX) {
            let requests = requests.to_vec();
            jobs.push(Job::Detached(Record::Progress { at: now, requests }));
        }
    }

    fn push_dropped(&mut self, jobs: &mut Vec<Job>) {
        let at = self.now();
        for (code, count) in std::mem::take(&mut self.dropped) {
            let refused =
                Refused { request_id: None, at, who: None, network: None, code, rule: None, count };
            jobs.push(Job::Detached(Record::Refused(Box::new(refused))));
        }
    }

    /// Encodes one job into the batch. `Err`: the disk said no.
    fn step(&mut self, job: Job) -> Result<(), AppendError> {
        if let Some(id) = request_of(&job) {
            // Each record is checked against what was written: two of one request
            // do not share a batch.
            if self.touched.contains(&id)
                && let Err(error) = self.flush()
            {
                self.put_back(job, &error);
                return Err(error);
            }
        }
        let Some((record, waits)) = self.admissible(job) else { return Ok(()) };
        if let Err(error) = self.ready_segment() {
            self.put_back_record(record, waits, &error);
            return Err(error);
        }
        self.encode(record, waits);
        if self.buffer.len() >= BATCH_BYTES_MAX { self.flush() } else { Ok(()) }
    }

    /// The record that a job is to write, if it may be written.
    fn admissible(&mut self, job: Job) -> Option<(Record, Option<Waits>)> {
        match job {
            Job::Append { record, ack, permit } => {
                let refused = match &record {
                    // Nobody waits any more: it was not written, so nothing has to be undone.
                    Record::Admitted(_) if ack.is_closed() => Some(AppendError::Closed),
                    record => self.contradiction(record),
                };
                match refused {
                    None => Some((record, Some(Waits { ack, _permit: permit }))),
                    Some(error) => {
                        drop(ack.send(Err(error)));
                        None
                    }
                }
            }
            Job::Detached(record) => match self.contradiction(&record) {
                None => Some((record, None)),
                Some(error) => {
                    tracing::debug!(%error, "a record was not written");
                    None
                }
            },
            Job::Abandon(id, outcome) => {
                let settled = self.fold.settlement(id, self.now(), outcome)?;
                Some((Record::Settled(Box::new(settled)), None))
            }
        }
    }

    /// Why the record cannot be true: a request opens once and ends once.
    fn contradiction(&self, record: &Record) -> Option<AppendError> {
        match record {
            Record::Admitted(admitted) => {
                self.fold.is_open(admitted.request_id).then_some(AppendError::Duplicate)
            }
            Record::Settled(settled) => {
                (!self.fold.is_open(settled.request_id)).then_some(AppendError::NotOpen)
            }
            _ => None,
        }
    }

    fn encode(&mut self, record: Record, waits: Option<Waits>) {
        let Some(segment) = &mut self.segment else { return };
        match segment.encoder.record(&record, &mut self.end, &mut self.buffer) {
            Ok(leaf) => {
                self.touched.extend(request_of_record(&record));
                self.batch.push(Entry {
                    record,
                    waits,
                    end: self.buffer.len(),
                    sequence: self.end.next - 1,
                    leaf,
                });
            }
            Err(_) => match waits {
                Some(waits) => drop(waits.ack.send(Err(AppendError::TooLarge))),
                None => tracing::error!("a ledger record is too large and was not written"),
            },
        }
    }

    /// Makes what was written survive a power loss.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let Some(segment) = &self.segment else { return Ok(()) };
        segment.file.sync()?;
        // What is encoded and not written is not a part of the tree yet.
        self.log.safe(self.end.next - 1 - self.batch.len() as u64);
        Ok(())
    }

    /// Encoded and not written, in bytes.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.buffer.len() as u64
    }

    pub(super) fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Notes that the disk failed; what an append is told about it.
    pub(super) fn refuse(&mut self, error: io::Error) -> AppendError {
        let directory = self.directory.clone();
        let refusal = match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge
            | io::ErrorKind::WriteZero => AppendError::Full { directory },
            _ => AppendError::Io { directory, source: Arc::new(error) },
        };
        // Before anybody hears of it, so that nobody reads that all is well.
        self.gauges.writable.store(false, Ordering::Relaxed);
        self.refusal = Some(refusal.clone());
        refusal
    }
}

fn request_of(job: &Job) -> Option<RequestId> {
    match job {
        Job::Append { record, .. } | Job::Detached(record) => request_of_record(record),
        Job::Abandon(id, _) => Some(*id),
    }
}

/// The request whose state a record changes.
fn request_of_record(record: &Record) -> Option<RequestId> {
    match record {
        Record::Admitted(admitted) => Some(admitted.request_id),
        Record::Settled(settled) => Some(settled.request_id),
        _ => None,
    }
}
