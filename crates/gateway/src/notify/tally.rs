//! What became of messages, counted where it happens.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of messages since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Messages that were taken.
    pub delivered: u64,
    /// Attempts beyond a message's first one.
    pub retried: u64,
    /// Messages that found a full queue.
    pub queue_full: u64,
    /// Messages that nobody took, in the end.
    pub undelivered: u64,
}

/// The counters: they outlive the addresses of a configuration.
#[derive(Debug, Default)]
pub(super) struct Tally {
    delivered: AtomicU64,
    retried: AtomicU64,
    queue_full: AtomicU64,
    undelivered: AtomicU64,
}

impl Tally {
    pub(super) fn delivered(&self) {
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retried(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn queue_full(&self) {
        self.queue_full.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn undelivered(&self) {
        self.undelivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fates(&self) -> Fates {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Fates {
            delivered: read(&self.delivered),
            retried: read(&self.retried),
            queue_full: read(&self.queue_full),
            undelivered: read(&self.undelivered),
        }
    }
}
