//! Requests whose reservation is open, and how far they have come.
//!
//! Once a second, and every 256 tokens of one stream, progress goes to the
//! ledger: after a crash a request settles at its last checkpoint.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Progress, Record};
use surgewall_core::id::RequestId;
use surgewall_core::quota::Amounts;

use crate::sync::lock;

/// Output tokens between two checkpoints of one stream.
pub const CHECKPOINT_TOKENS: u64 = 256;
/// Requests in one progress record: about 100 bytes each, so it stays far below
/// the ledger's record limit.
const PROGRESS_PER_RECORD: usize = 4_096;

/// Every open request.
#[derive(Debug, Default)]
pub struct OpenRequests {
    cells: Mutex<HashMap<RequestId, Arc<Cell>>>,
}

/// How far one request has come: written by its stream, read by the checkpoint.
#[derive(Debug, Default)]
pub struct Cell(Mutex<Moved>);

#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    used: Amounts,
    topped_up: Amounts,
    since_checkpoint: u64,
}

impl Cell {
    /// Notes that the request used `used` so far; whether a checkpoint is due.
    pub fn advance(&self, used: Amounts, topped_up: Amounts) -> bool {
        let mut moved = lock(&self.0);
        moved.since_checkpoint += used.tokens().saturating_sub(moved.used.tokens());
        (moved.used, moved.topped_up) = (used, topped_up);
        moved.since_checkpoint >= CHECKPOINT_TOKENS
    }

    /// What to write, if the request moved since the last checkpoint.
    fn checkpoint(&self, request_id: RequestId) -> Option<Progress> {
        let mut moved = lock(&self.0);
        if moved.since_checkpoint == 0 {
            return None;
        }
        moved.since_checkpoint = 0;
        Some(Progress { request_id, used: moved.used, topped_up: moved.topped_up })
    }
}

impl OpenRequests {
    /// Opens a request.
    pub fn open(&self, request_id: RequestId) -> Arc<Cell> {
        let cell = Arc::new(Cell::default());
        lock(&self.cells).insert(request_id, cell.clone());
        cell
    }

    /// Closes it.
    pub fn close(&self, request_id: RequestId) {
        lock(&self.cells).remove(&request_id);
    }

    /// How many are open.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.cells).len()
    }

    /// The records of one checkpoint over all requests that moved.
    #[must_use]
    pub fn checkpoint(&self, at: Timestamp) -> Vec<Record> {
        let cells: Vec<_> =
            lock(&self.cells).iter().map(|(id, cell)| (*id, cell.clone())).collect();
        let moved: Vec<_> = cells.iter().filter_map(|(id, cell)| cell.checkpoint(*id)).collect();
        moved
            .chunks(PROGRESS_PER_RECORD)
            .map(|requests| Record::Progress { at, requests: requests.to_vec() })
            .collect()
    }

    /// The record of one request's checkpoint.
    #[must_use]
    pub fn checkpoint_of(request_id: RequestId, cell: &Cell, at: Timestamp) -> Option<Record> {
        cell.checkpoint(request_id)
            .map(|progress| Record::Progress { at, requests: vec![progress] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(output: u64) -> Amounts {
        Amounts { output, ..Amounts::default() }
    }

    #[test]
    fn a_checkpoint_is_due_after_256_tokens_and_not_before() {
        let open = OpenRequests::default();
        let id = RequestId::from_u128(1);
        let cell = open.open(id);
        assert!(!cell.advance(used(255), Amounts::default()));
        assert!(cell.advance(used(256), Amounts::default()));
        let at = Timestamp::from_millis(1);
        assert!(OpenRequests::checkpoint_of(id, &cell, at).is_some());
        assert!(open.checkpoint(at).is_empty(), "nothing moved since");
        assert!(!cell.advance(used(300), Amounts::default()));
        assert_eq!(open.checkpoint(at).len(), 1);
        open.close(id);
        assert_eq!(open.count(), 0);
    }
}
