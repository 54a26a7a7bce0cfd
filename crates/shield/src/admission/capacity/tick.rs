//! Once a second: what was seen is judged, and the limits move.

use std::time::{Duration, Instant};

use super::{Capacity, Change, Why};

/// The shortest time that is judged.
pub const WINDOW_MIN: Duration = Duration::from_secs(1);
/// Late ticks in a row from which on it is judged by what lateness cannot fake.
pub const LATE_TICKS: u32 = 5;

impl Capacity {
    /// Once a second: judges what was seen and moves the limits. `binding`
    /// tells whether a limit held somebody back since the last call.
    pub fn tick(&mut self, now: Instant, binding: bool) -> Option<Change> {
        self.health.faults = std::mem::take(&mut self.faults);
        self.late_ticks = 0;
        self.relearn();
        if !self.begin(now, binding) {
            return None;
        }
        let lasted = now.saturating_duration_since(self.window_at);
        let why = (lasted >= WINDOW_MIN).then(|| self.judge(now, lasted)).flatten();
        self.report(now, why)
    }

    /// As [`Self::tick`], for a second in which whoever measures was late
    /// itself: times say nothing of the server then. Such seconds are passed
    /// over, unless they go on: then the server's refusals and its own gauges
    /// are judged, and without either the limits stay.
    pub fn tick_late(&mut self, now: Instant, binding: bool) -> Option<Change> {
        self.late_ticks = self.late_ticks.saturating_add(1);
        if self.late_ticks < LATE_TICKS {
            self.disregard(now);
            return None;
        }
        let why = self.begin(now, binding).then(|| self.judge_untimed(now)).flatten();
        self.disregard(now);
        self.report(now, why)
    }

    /// Whether there is something to judge: not before what is in flight has
    /// come down to the last decrease.
    fn begin(&mut self, now: Instant, binding: bool) -> bool {
        self.window.was_bound |= binding;
        if self.settling && !self.has_settled() {
            return false;
        }
        if std::mem::take(&mut self.settling) {
            self.waiting_read = [None; 2];
            self.open(now);
        }
        true
    }

    /// The move since the last report, if there was one.
    fn report(&mut self, now: Instant, why: Option<Why>) -> Option<Change> {
        let from = std::mem::replace(&mut self.reported, self.limits);
        if from == self.limits {
            return None;
        }
        (self.changed_at, self.came_round) = (now, false);
        let samples = u32::try_from(self.window.answers()).unwrap_or(u32::MAX);
        let why = why.unwrap_or(Why::Seeking { samples });
        Some(Change { at: now, from, to: self.limits, why })
    }

    /// What was seen until now says nothing: a window begins, and only requests
    /// that are dispatched from now on are judged.
    fn disregard(&mut self, now: Instant) {
        // A call that failed did fail, and once: whoever looks again must not count it again.
        self.health.faults = std::mem::take(&mut self.faults);
        self.cut_at = now;
        self.open(now);
    }
}
