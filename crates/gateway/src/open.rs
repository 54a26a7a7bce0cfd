//! Requests whose reservation is open: how far they have come, and whether
//! their credential still holds.
//!
//! Once a second, and every 256 tokens of one stream, progress goes to the
//! ledger: after a crash a request settles at its last checkpoint. After every
//! change of people or keys, and once a second, requests whose credential was
//! withdrawn are ended. A gate ends others, for those who wait at it.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Outcome, Progress, Record, Who};
use surgewall_core::id::RequestId;
use surgewall_core::quota::Amounts;
use surgewall_core::refusal::{CredentialFault, Refusal};

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

/// Why a request is ended from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its credential was withdrawn.
    Withdrawn(CredentialFault),
    /// Its client reads more slowly than the model writes, and somebody waits for the place.
    SlowReader {
        /// How far behind the client is.
        behind: Duration,
    },
    /// The pool can do less than what runs there, and somebody more trusted waits.
    Shed {
        /// How much runs and who waits.
        why: String,
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

impl Ending {
    /// What its client is told.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Withdrawn(why) => Refusal::CredentialInvalid { why: *why },
            Self::SlowReader { behind } => Refusal::SlowReader { behind_s: behind.as_secs() },
            Self::Shed { why, retry_after } => {
                Refusal::Shed { why: why.clone(), retry_after: *retry_after }
            }
        }
    }

    /// How it is settled.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Withdrawn(_) => Outcome::Revoked,
            Self::SlowReader { .. } => Outcome::SlowReader,
            Self::Shed { .. } => Outcome::Shed,
        }
    }

    /// The numbers behind it, for the ledger, if it is why the request ended as `outcome`.
    #[must_use]
    pub fn why(&self, outcome: Outcome) -> Option<String> {
        match self {
            Self::SlowReader { behind } if outcome == Outcome::SlowReader => {
                Some(format!("its client was {} s behind", behind.as_secs()))
            }
            Self::Shed { why, .. } if outcome == Outcome::Shed => Some(why.clone()),
            _ => None,
        }
    }
}

/// A stream that runs for a request: a client that does not read asks it for
/// nothing, and it can be looked at and ended all the same.
pub trait Running: Send + Sync {
    /// Ends it; the client hears of it when it reads on.
    fn end(&self, ending: &Ending);
    /// How far its client is behind the model.
    fn behind(&self, now: Instant) -> Duration;
}

/// One open request: written by its stream, read by the checkpoint; ended from
/// outside when its credential is withdrawn, or for those who wait at its pool.
pub struct Cell {
    who: Who,
    moved: Mutex<Moved>,
    /// The state of people and keys that `who` was last judged by; 0 is none.
    judged: AtomicU64,
    ending: OnceLock<Ending>,
    /// Its answer, once that streams.
    stream: OnceLock<Weak<dyn Running>>,
    /// Whoever waits for the upstream on behalf of this request.
    waiting: AtomicWaker,
}

impl std::fmt::Debug for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cell").field("who", &self.who).field("ending", &self.ending).finish()
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Moved {
    used: Amounts,
    topped_up: Amounts,
    since_checkpoint: u64,
}

impl Cell {
    fn new(who: Who) -> Self {
        Self {
            who,
            moved: Mutex::default(),
            judged: AtomicU64::new(0),
            ending: OnceLock::new(),
            stream: OnceLock::new(),
            waiting: AtomicWaker::new(),
        }
    }

    /// Why the request has to end, once it was ended from outside.
    #[must_use]
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.get()
    }

    /// As [`Cell::ending`]; wakes the last task that asked when that changes.
    pub fn poll_ended(&self, cx: &Context<'_>) -> Poll<&Ending> {
        self.waiting.register(cx.waker());
        self.ending().map_or(Poll::Pending, Poll::Ready)
    }

    /// Resolves when the request is ended from outside.
    pub async fn until_ended(&self) -> &Ending {
        poll_fn(|cx| self.poll_ended(cx)).await
    }

    /// Its answer streams from now on.
    pub fn streams(&self, stream: Weak<dyn Running>) {
        // One request has one answer.
        let _ = self.stream.set(stream);
    }

    /// How far its client is behind the model.
    #[must_use]
    pub fn behind(&self, now: Instant) -> Duration {
        self.stream().map_or(Duration::ZERO, |stream| stream.behind(now))
    }

    /// Ends it from outside; the first reason stands. No lock may be held that
    /// settling takes.
    pub fn end(&self, ending: Ending) {
        if self.ending.set(ending).is_err() {
            return;
        }
        if let (Some(stream), Some(ending)) = (self.stream(), self.ending()) {
            stream.end(ending);
        }
        self.waiting.wake();
    }

    fn stream(&self) -> Option<Arc<dyn Running>> {
        self.stream.get()?.upgrade()
    }

    /// Notes that the request used `used` so far; whether a checkpoint is due.
    pub fn advance(&self, used: Amounts, topped_up: Amounts) -> bool {
        let mut moved = lock(&self.moved);
        // The input is known from the start: only what was made since is at risk.
        moved.since_checkpoint += used.output.saturating_sub(moved.used.output);
        (moved.used, moved.topped_up) = (used, topped_up);
        moved.since_checkpoint >= CHECKPOINT_TOKENS
    }

    /// What to write, if the request moved since the last checkpoint.
    fn checkpoint(&self, request_id: RequestId) -> Option<Progress> {
        let mut moved = lock(&self.moved);
        if moved.since_checkpoint == 0 {
            return None;
        }
        moved.since_checkpoint = 0;
        Some(Progress { request_id, used: moved.used, topped_up: moved.topped_up })
    }
}

impl OpenRequests {
    /// Opens a request of `who`.
    pub fn open(&self, request_id: RequestId, who: Who) -> Arc<Cell> {
        let cell = Arc::new(Cell::new(who));
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

    /// Ends every request that `fault` finds a reason against. `state` numbers
    /// the state of people and keys that it judges by: no request is judged
    /// twice by the same one.
    pub fn end_withdrawn(&self, state: u64, fault: impl Fn(&Who) -> Option<CredentialFault>) {
        let unjudged = |cell: &&Arc<Cell>| cell.judged.load(Ordering::Relaxed) != state;
        let cells: Vec<_> = lock(&self.cells).values().filter(unjudged).cloned().collect();
        for cell in cells {
            if let Some(why) = fault(&cell.who) {
                cell.end(Ending::Withdrawn(why));
            }
            cell.judged.store(state, Ordering::Relaxed);
        }
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
    use std::cell::Cell as Count;

    use futures_util::FutureExt as _;
    use surgewall_core::id::KeyId;
    use surgewall_core::principal::{Class, Network};

    use super::*;

    fn who(key: u128) -> Who {
        Who {
            class: Class::Verified,
            key: Some(KeyId::from_u128(key)),
            account: None,
            group: None,
            user: None,
            network: Network::of([127, 0, 0, 1].into()),
        }
    }

    fn used(output: u64) -> Amounts {
        Amounts { output, ..Amounts::default() }
    }

    #[test]
    fn a_checkpoint_is_due_after_256_tokens_and_not_before() {
        let open = OpenRequests::default();
        let id = RequestId::from_u128(1);
        let cell = open.open(id, who(1));
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

    #[test]
    fn a_withdrawn_credential_ends_its_requests_and_no_others() {
        let open = OpenRequests::default();
        let cells: Vec<_> =
            (1..=3).map(|n| open.open(RequestId::from_u128(n), who(n % 2))).collect();
        let judged = Count::new(0);
        let odd = |who: &Who| {
            judged.set(judged.get() + 1);
            (who.key == Some(KeyId::from_u128(1))).then_some(CredentialFault::Revoked)
        };
        open.end_withdrawn(1, |_| None);
        assert!(cells.iter().all(|cell| cell.until_ended().now_or_never().is_none()));
        open.end_withdrawn(1, odd);
        assert_eq!(judged.get(), 0, "nothing changed since");
        open.end_withdrawn(2, odd);
        let ended: Vec<_> = cells.iter().map(|cell| cell.ending()).collect();
        let revoked = Ending::Withdrawn(CredentialFault::Revoked);
        assert_eq!((ended, judged.get()), (vec![Some(&revoked), None, Some(&revoked)], 3));
        assert_eq!(cells[0].until_ended().now_or_never(), Some(&revoked));
    }
}
