//! What happened at a gate since the last look: for the verdict, the metrics
//! and the live view.

use std::time::Duration;

use surgewall_core::principal::Class;

use crate::admission::work::Work;

/// One class's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Requests that arrived.
    pub offered: u64,
    /// Their expected work.
    pub offered_work: u64,
    /// Of these, requests that were sent before.
    pub repeated: u64,
    /// The expected work of the repeated ones.
    pub repeated_work: u64,
    /// Requests that went on.
    pub admitted: u64,
    /// Their expected work.
    pub admitted_work: u64,
    /// Requests that had to wait.
    pub queued: u64,
    /// Requests whose client left while they waited.
    pub left: u64,
    /// Requests that were refused at arrival.
    pub refused: u64,
    /// Work of requests that ended.
    pub served_work: u64,
    /// The longest wait that ended, in milliseconds.
    pub longest_wait_ms: u64,
    /// In observe mode: requests that would have waited.
    pub would_queue: u64,
    /// In observe mode: requests that would have been refused.
    pub would_refuse: u64,
}

impl ClassCounts {
    pub(super) fn waited(&mut self, waited: Duration) {
        let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        self.longest_wait_ms = self.longest_wait_ms.max(millis);
    }
}

/// Every class's counts, in the order of [`Class::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts(pub [ClassCounts; 4]);

impl PoolCounts {
    pub(super) const fn of(&mut self, class: Class) -> &mut ClassCounts {
        &mut self.0[class as usize]
    }

    pub(super) fn offered(&mut self, class: Class, work: Work, repeated: bool) {
        let counts = self.of(class);
        counts.offered += 1;
        counts.offered_work += work.0;
        if repeated {
            counts.repeated += 1;
            counts.repeated_work += work.0;
        }
    }

    pub(super) fn admitted(&mut self, class: Class, work: Work) {
        let counts = self.of(class);
        counts.admitted += 1;
        counts.admitted_work += work.0;
    }

    pub(super) fn served(&mut self, class: Class, work: Work) {
        self.of(class).served_work += work.0;
    }

    /// The mean expected work of what arrived.
    #[must_use]
    pub fn mean_work(&self) -> Work {
        let requests: u64 = self.0.iter().map(|counts| counts.offered).sum();
        let work: u64 = self.0.iter().map(|counts| counts.offered_work).sum();
        Work(work / requests.max(1))
    }
}
