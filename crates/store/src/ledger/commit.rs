//! The writer's commit: one write for a batch, then what it changes and who hears.

use std::io;

use surgewall_core::config::schema::Durability;
use surgewall_core::decision::{Outcome, Record};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::AppendError;
use super::core::Core;
use super::file::write_all;
use super::format::Hash;
use super::queue::{Job, Outcomes, count_dropped};

/// One encoded record that is not written yet.
pub(super) struct Entry {
    /// The record.
    pub(super) record: Record,
    /// Who waits for it.
    pub(super) waits: Option<Waits>,
    /// Its end in the buffer.
    pub(super) end: usize,
    /// Its sequence.
    pub(super) sequence: u64,
    /// Its leaf in the tree.
    pub(super) leaf: Hash,
}

impl Entry {
    /// Whether somebody acts on the record's being there: a model server is called,
    /// a change is made. What a request came to has 50 ms, whatever the durability:
    /// lost with the power, it settles at its last checkpoint.
    const fn is_urgent(&self) -> bool {
        !matches!(
            self.record,
            Record::Settled(_) | Record::Progress { .. } | Record::Refused(_) | Record::Capacity(_)
        )
    }
}

/// Who waits for a record; the permit frees the place in the queue.
pub(super) struct Waits {
    /// Where it is answered.
    pub(super) ack: oneshot::Sender<Outcomes>,
    /// Its place in the queue.
    pub(super) _permit: Option<OwnedSemaphorePermit>,
}

impl Core {
    /// Writes the batch, applies what was written, and answers who waits.
    pub(super) fn flush(&mut self) -> Result<(), AppendError> {
        let batch = std::mem::take(&mut self.batch);
        self.touched.clear();
        let Some(segment) = self.segment.as_mut().filter(|_| !batch.is_empty()) else {
            return Ok(());
        };
        let written = write_all(&*segment.file, &self.buffer);
        let done = written.as_ref().map_or_else(|(done, _)| *done, |()| self.buffer.len());
        let whole = batch.iter().map(|entry| entry.end).take_while(|end| *end <= done).last();
        segment.bytes += whole.unwrap_or(0) as u64;
        self.buffer.clear();
        if let Err((_, error)) = written {
            return Err(self.fail(batch, done, error));
        }
        self.log.written(batch.iter().map(|entry| entry.leaf));
        let size = self.end.next - 1;
        let now =
            self.options.durability == Durability::Power && batch.iter().any(Entry::is_urgent);
        let synced = match &self.syncer {
            _ if now => segment.file.sync().inspect(|()| {
                self.log.safe(size);
                self.syncer.iter().for_each(|syncer| syncer.made_safe(size));
            }),
            Some(syncer) => {
                syncer.dirty(&segment.file, size);
                Ok(())
            }
            None => Ok(()),
        };
        let answer = synced.map_err(|error| self.refuse(error));
        self.settle_batch(batch, answer)
    }

    /// The write failed after `done` bytes: what is whole stays, the rest is undone.
    fn fail(&mut self, mut batch: Vec<Entry>, done: usize, error: io::Error) -> AppendError {
        let error = self.refuse(error);
        let whole = batch.iter().take_while(|entry| entry.end <= done).count();
        let unwritten = batch.split_off(whole);
        if let Some(first) = unwritten.first() {
            self.end.next = first.sequence;
        }
        self.log.written(batch.iter().map(|entry| entry.leaf));
        let answer = match self.options.durability {
            Durability::Process => Ok(()),
            Durability::Power => self.sync().map_err(|error| self.refuse(error)),
        };
        if self.settle_batch(batch, answer).is_err() {
            tracing::warn!("what was written last may not survive a power loss");
        }
        self.abandon_segment();
        for entry in unwritten {
            self.put_back_record(entry.record, entry.waits, &error);
        }
        error
    }

    /// Applies written records and answers who waits for them.
    fn settle_batch(
        &mut self,
        batch: Vec<Entry>,
        answer: Result<(), AppendError>,
    ) -> Result<(), AppendError> {
        for Entry { record, waits, sequence, .. } in batch {
            let id = match &record {
                Record::Admitted(admitted) => Some(admitted.request_id),
                _ => None,
            };
            if let Some(tap) = &self.options.tap {
                tap.written(sequence, &record, self.fold.admission(&record));
            }
            self.fold.apply(record);
            let Some(Waits { ack, .. }) = waits else { continue };
            let heard = ack.send(answer.clone().map(|()| sequence)).is_ok();
            // It is in the ledger, and nobody will run it: it must not stay open.
            match (id, heard, answer.is_ok()) {
                (Some(id), _, false) => self.kept.push(Job::Abandon(id, Outcome::Failed)),
                (Some(id), false, true) => self.kept.push(Job::Abandon(id, Outcome::ClientGone)),
                _ => {}
            }
        }
        // After a failed sync nobody knows what the disk holds: go on in a new segment.
        if answer.is_err() {
            self.abandon_segment();
        }
        answer
    }

    pub(super) fn put_back(&mut self, job: Job, error: &AppendError) {
        match job {
            Job::Append { record, ack, permit } => {
                let waits = Waits { ack, _permit: permit };
                self.put_back_record(record, Some(waits), error);
            }
            Job::Detached(record) => self.put_back_record(record, None, error),
            Job::Abandon(..) => self.kept.push(job),
        }
    }

    /// A record that was not written: who waits is told; what nobody waits
    /// for, and every settlement, is kept.
    pub(super) fn put_back_record(
        &mut self,
        record: Record,
        waits: Option<Waits>,
        error: &AppendError,
    ) {
        let waited = waits.map(|waits| waits.ack.send(Err(error.clone()))).is_some();
        match (waited, record) {
            (_, record @ Record::Settled(_)) => self.kept.push(Job::Detached(record)),
            (true, _) => {}
            (false, Record::Progress { requests, .. }) => {
                for progress in requests {
                    self.progress.entry(progress.request_id).or_insert(progress);
                }
            }
            (false, Record::Refused(refused))
                if refused.request_id.is_none() && refused.network.is_none() =>
            {
                count_dropped(&mut self.dropped, &refused.code, refused.count);
            }
            (false, record) => self.kept.push(Job::Detached(record)),
        }
    }
}
