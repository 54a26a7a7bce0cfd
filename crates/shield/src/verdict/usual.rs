//! How a pool usually is: learnt while nobody waits, and not from the seconds
//! just before somebody does.

use std::collections::VecDeque;

use surgewall_core::incident::{Numbers, Rate, Usual};

/// Calm seconds after which something is learnt from them: what leads up to an
/// overload is not usual.
const QUARANTINE_TICKS: usize = 10;
/// Calm seconds that must have been learnt before they are called usual.
const LEARNT_TICKS_MIN: u64 = 20;
/// Seconds over which the usual is a mean.
const MEAN_TICKS: u64 = 600;

/// What was learnt.
#[derive(Debug, Default)]
pub(super) struct Learnt {
    quarantine: VecDeque<Calm>,
    calm: Mean,
    known: [Mean; 2],
    unknown: [Mean; 2],
    /// What was done in a second, as it was expected and as it was.
    done: [Mean; 2],
    /// The capacity that was measured, and what was done in a second, while every
    /// sequence was in use.
    full: [Mean; 2],
}

#[derive(Clone, Copy, Debug)]
struct Calm {
    known: Rate,
    unknown: Rate,
    done: [u64; 2],
}

impl Learnt {
    /// A second in which nobody waited and no incident was open.
    pub(super) fn calm(&mut self, numbers: &Numbers, done: (u64, u64)) {
        let (known, unknown, done) = (numbers.known, numbers.unknown, done.into());
        self.quarantine.push_back(Calm { known, unknown, done });
        if self.quarantine.len() <= QUARANTINE_TICKS {
            return;
        }
        let Some(Calm { known, unknown, done }) = self.quarantine.pop_front() else { return };
        self.calm.add(0);
        self.known[0].add(known.requests_milli);
        self.known[1].add(known.work);
        self.unknown[0].add(unknown.requests_milli);
        self.unknown[1].add(unknown.work);
        for (mean, done) in self.done.iter_mut().zip(done) {
            mean.add(done);
        }
    }

    /// Somebody waits: what just was is not usual.
    pub(super) fn disturbed(&mut self) {
        self.quarantine.clear();
    }

    /// The pool was full, and nothing said that it was slow.
    pub(super) fn full(&mut self, capacity: u64, done: u64) {
        for (mean, value) in self.full.iter_mut().zip([capacity, done]) {
            mean.add(value);
        }
    }

    /// Whether the pool was seen full for long enough. If not, what is usual is only
    /// what was asked of it.
    pub(super) const fn was_full(&self) -> bool {
        self.full[1].count >= LEARNT_TICKS_MIN
    }

    /// The work that is usually done in a second, as it was and not as it was expected.
    pub(super) fn power(&self) -> Option<u64> {
        let done = (self.calm.count >= LEARNT_TICKS_MIN).then(|| self.done[1].value());
        let full = self.was_full().then(|| self.full[1].value());
        done.max(full).filter(|work| *work > 0)
    }

    /// What is usual, as far as enough was learnt.
    pub(super) fn usual(&self) -> Usual {
        let is_learnt = self.calm.count >= LEARNT_TICKS_MIN;
        let rate = |[requests, work]: &[Mean; 2]| {
            is_learnt.then(|| Rate { requests_milli: requests.value(), work: work.value() })
        };
        let done = is_learnt.then(|| self.done[0].value());
        let [full, _] = &self.full;
        let full = (full.count >= LEARNT_TICKS_MIN).then(|| full.value());
        Usual {
            known: rate(&self.known),
            unknown: rate(&self.unknown),
            capacity: done.max(full).filter(|work| *work > 0),
        }
    }
}

/// A mean that is plain at first and moves by a part of the difference later.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    count: u64,
    /// In thousandths.
    milli: u128,
}

impl Mean {
    fn add(&mut self, value: u64) {
        self.count = (self.count + 1).min(MEAN_TICKS);
        let (weight, value) = (u128::from(self.count), u128::from(value) * 1_000);
        self.milli = (self.milli * (weight - 1) + value) / weight;
    }

    fn value(&self) -> u64 {
        u64::try_from(self.milli / 1_000).unwrap_or(u64::MAX)
    }
}
