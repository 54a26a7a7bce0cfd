//! What happened at a gate since the last look: for the verdict, the metrics
//! and the live view.

use std::time::Duration;

use surgewall_core::principal::Class;

use crate::admission::work::Work;
use crate::verdict::{Flow, Served};

/// One class's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// Requests that arrived, and their expected work.
    pub offered: Flow,
    /// Of these, requests that were sent before.
    pub repeated: Flow,
    /// Requests that went on.
    pub admitted: Flow,
    /// Requests that had to wait, or in observe mode would have had to.
    pub queued: u64,
    /// Requests whose client left while they waited.
    pub left: u64,
    /// Requests that were refused at arrival, or in observe mode would have been.
    pub refused: u64,
    /// Requests that ran and were ended because their client did not keep up with the model.
    pub slow: u64,
    /// Streams that were ended for somebody more trusted, or in observe mode would have been.
    pub shed: u64,
    /// The longest wait, ended or not, in milliseconds.
    pub longest_wait_ms: u64,
}

/// Every class's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// In the order of [`Class::ALL`].
    pub classes: [ClassCounts; 4],
    /// Of what class `new` offered for the first time: from accounts past the young age.
    pub grown: Flow,
    /// Calls that ended, and their work as it was expected when they arrived.
    pub served: Served,
}

fn one(flow: &mut Flow, work: Work) {
    flow.requests += 1;
    flow.work = flow.work.saturating_add(work.0);
}

impl PoolCounts {
    pub(super) const fn of(&mut self, class: Class) -> &mut ClassCounts {
        &mut self.classes[class as usize]
    }

    pub(super) fn offered(&mut self, class: Class, young: bool, work: Work, repeated: bool) {
        let counts = self.of(class);
        one(&mut counts.offered, work);
        if repeated {
            one(&mut counts.repeated, work);
        } else if class == Class::New && !young {
            one(&mut self.grown, work);
        }
    }

    pub(super) fn admitted(&mut self, class: Class, work: Work) {
        one(&mut self.of(class).admitted, work);
    }

    pub(super) fn waited(&mut self, class: Class, waited: Duration) {
        let millis = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        let counts = self.of(class);
        counts.longest_wait_ms = counts.longest_wait_ms.max(millis);
    }

    pub(super) fn ended(&mut self, expected: Work, used: Work, took: Duration) {
        one(&mut self.served.done, expected);
        self.served.used = self.served.used.saturating_add(used.0);
        self.served.busy_ms += u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    }
}
