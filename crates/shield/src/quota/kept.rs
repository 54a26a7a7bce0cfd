//! Counters across a restart: what a ledger keeps of them, and how they come back.

use surgewall_core::clock::Timestamp;
use surgewall_core::quota::{Charge, CounterState, Meter, Subject};

use super::QuotaTable;

impl QuotaTable {
    /// All windows that hold something, for the opening of a ledger segment.
    /// Requests in flight are not among them: a restart ends them all.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> Vec<CounterState> {
        let windows = self.counters.iter().filter(|counter| counter.window.window_s() > 0);
        let states = windows.map(|counter| {
            let mut window = counter.window.clone();
            window.advance(now);
            CounterState {
                subject: counter.subject.subject(),
                counter: counter.id,
                window_s: window.window_s(),
                slots: window.held(),
            }
        });
        states.filter(|state| !state.slots.is_empty()).collect()
    }

    /// Puts counters back as a ledger segment's opening recorded them.
    pub fn restore(&mut self, counters: &[CounterState]) {
        for state in counters.iter().filter(|state| state.window_s > 0) {
            for (slot_ms, amount) in &state.slots {
                self.put_back(&state.subject, state.counter, state.window_s, *slot_ms, *amount);
            }
        }
    }

    /// Puts back the charges of an admission that a ledger recorded after its
    /// segment's opening.
    pub fn replay(&mut self, charges: &[Charge]) {
        for charge in charges.iter().filter(|charge| charge.meter != Meter::Concurrency) {
            let Charge { subject, counter, window_s, slot_ms, amount, .. } = charge;
            self.put_back(subject, *counter, *window_s, *slot_ms, *amount);
        }
    }

    fn put_back(&mut self, subject: &Subject, id: u64, window_s: u64, slot_ms: u64, amount: u64) {
        let at = Timestamp::from_millis(slot_ms);
        let place = match self.counters.find(subject, id) {
            Some(place) => place,
            None if !self.counters.has_room(1) => return,
            None => self.counters.insert(at, subject, id, window_s),
        };
        if let Some(counter) = self.counters.at_mut(place) {
            // Records may come out of order by a slot: only a later one moves the window.
            counter.window.advance_to(at);
            counter.window.add_at(slot_ms, amount);
        }
    }
}
