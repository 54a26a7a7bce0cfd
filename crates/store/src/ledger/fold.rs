//! What the records add up to: totals, open reservations and quota counters.
//!
//! The writer applies every record that it wrote; recovery applies what it
//! reads. A segment's opening is made from it.

use std::collections::HashMap;

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Admitted, Outcome, Progress, Record, Reservation, Settled, Totals};
use surgewall_core::flow::Went;
use surgewall_core::id::RequestId;
use surgewall_core::quota::{Amounts, Charge, CounterState, Meter, Subject};
use surgewall_core::usage::{Source, Usage};

/// Slots of one counter in one [`CounterState`]; a longer counter takes several.
const SLOTS_PER_STATE_MAX: usize = 4_096;
/// The JSON of one opening record, in bytes: half of a record's limit.
const CHUNK_BYTES_MAX: usize = 512 << 10;

/// The sum of a ledger's records.
#[derive(Default)]
pub(super) struct Fold {
    totals: Totals,
    open: HashMap<RequestId, Reservation>,
    counters: HashMap<(Subject, u64), Counter>,
}

struct Counter {
    window_s: u64,
    /// Slot starts, ascending, and the amount in each.
    slots: Vec<(u64, u64)>,
}

impl Fold {
    /// Adds one record.
    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Opened(totals) => *self = Self { totals, ..Self::default() },
            Record::Counters { counters } => counters.iter().for_each(|c| self.restore(c)),
            Record::Reservations { reservations } => {
                let by_id = reservations.into_iter().map(|r| (r.admitted.request_id, r));
                self.open.extend(by_id);
            }
            Record::Admitted(admitted) => self.admit(*admitted),
            Record::Progress { requests, .. } => {
                requests.into_iter().for_each(|progress| self.progress(progress));
            }
            Record::Settled(settled) => self.settle(&settled),
            Record::Refused(_)
            | Record::Changed(_)
            | Record::Incident(_)
            | Record::Capacity(_)
            | Record::Erased(_)
            | Record::Finding(_)
            | Record::Stored(_)
            | Record::Removed(_) => {}
        }
    }

    /// Whether the request is open.
    pub(super) fn is_open(&self, id: RequestId) -> bool {
        self.open.contains_key(&id)
    }

    /// The admission of the request that `record` ends.
    pub(super) fn admission(&self, record: &Record) -> Option<&Admitted> {
        let Record::Settled(settled) = record else { return None };
        self.open.get(&settled.request_id).map(|open| &open.admitted)
    }

    /// The sums, stamped with `now`.
    pub(super) fn totals(&self, now: Timestamp) -> Totals {
        Totals { at: now, ..self.totals }
    }

    /// The open reservations, oldest first.
    pub(super) fn open(&self) -> Vec<Reservation> {
        let mut open: Vec<_> = self.open.values().cloned().collect();
        open.sort_by_key(|r| (r.admitted.at, r.admitted.request_id));
        open
    }

    /// The counters whose windows still hold something at `now`.
    pub(super) fn counters(&mut self, now: Timestamp) -> Vec<CounterState> {
        self.counters.retain(|_, counter| {
            counter.prune(now);
            !counter.slots.is_empty()
        });
        let mut states = Vec::with_capacity(self.counters.len());
        for ((subject, id), counter) in &self.counters {
            for slots in counter.slots.chunks(SLOTS_PER_STATE_MAX) {
                states.push(CounterState {
                    subject: *subject,
                    counter: *id,
                    window_s: counter.window_s,
                    slots: slots.to_vec(),
                });
            }
        }
        states.sort_by_key(|s| (s.subject, s.counter));
        states
    }

    /// The records that open a segment at `now`.
    pub(super) fn opening(&mut self, now: Timestamp) -> Vec<Record> {
        let mut records = vec![Record::Opened(self.totals(now))];
        // A counter's JSON: names and ids, then two numbers of up to 20 digits for each slot.
        let counter_bytes = |state: &CounterState| 256 + 44 * state.slots.len();
        for counters in chunks(self.counters(now), counter_bytes) {
            records.push(Record::Counters { counters });
        }
        let reservation_bytes =
            |open: &Reservation| serde_json::to_vec(open).map_or(CHUNK_BYTES_MAX, |v| v.len() + 1);
        for reservations in chunks(self.open(), reservation_bytes) {
            records.push(Record::Reservations { reservations });
        }
        records
    }

    /// The end of an open request that nobody else will settle: at its last
    /// checkpoint, the rest refunded.
    pub(super) fn settlement(
        &self,
        id: RequestId,
        now: Timestamp,
        outcome: Outcome,
    ) -> Option<Settled> {
        self.open.get(&id).map(|open| settle_at_checkpoint(open, now, outcome))
    }

    fn admit(&mut self, admitted: Admitted) {
        self.totals.admitted += 1;
        self.totals.reserved = self.totals.reserved.saturating_add(admitted.reserved.tokens());
        for charge in admitted.charges.iter().filter(|c| is_kept(c)) {
            let counter = self
                .counters
                .entry((charge.subject, charge.counter))
                .or_insert_with(|| Counter { window_s: charge.window_s, slots: Vec::new() });
            counter.prune(admitted.at);
            counter.add(charge.slot_ms, charge.amount);
        }
        self.open.insert(admitted.request_id, Reservation { admitted, progress: None });
    }

    fn progress(&mut self, progress: Progress) {
        let Some(open) = self.open.get_mut(&progress.request_id) else { return };
        let before = open.progress.map_or(0, |p| p.topped_up.tokens());
        self.totals.reserved = moved(self.totals.reserved, before, progress.topped_up.tokens());
        open.progress = Some(progress);
    }

    fn settle(&mut self, settled: &Settled) {
        let Some(open) = self.open.remove(&settled.request_id) else { return };
        let before = open.progress.map_or(0, |p| p.topped_up.tokens());
        let totals = &mut self.totals;
        totals.reserved = moved(totals.reserved, before, settled.topped_up.tokens());
        totals.settled = totals.settled.saturating_add(settled.settled.tokens());
        totals.refunded = totals.refunded.saturating_add(settled.refunded.tokens());
        for charge in open.admitted.charges.iter().filter(|c| is_kept(c)) {
            // A request that was admitted stays one request.
            if charge.meter == Meter::Requests {
                continue;
            }
            if let Some(counter) = self.counters.get_mut(&(charge.subject, charge.counter)) {
                let back = settled.refunded.on(charge.meter);
                let more = settled.topped_up.on(charge.meter);
                let amount = charge.amount.saturating_add(more).saturating_sub(back);
                counter.adjust(charge.slot_ms, charge.amount, amount);
            }
        }
    }

    fn restore(&mut self, state: &CounterState) {
        let counter = self
            .counters
            .entry((state.subject, state.counter))
            .or_insert_with(|| Counter { window_s: state.window_s, slots: Vec::new() });
        for (start, amount) in &state.slots {
            counter.add(*start, *amount);
        }
    }
}

impl Counter {
    /// Drops slots that no window can reach: a slot may be as long as its
    /// window, so its end may lie two windows after its start.
    fn prune(&mut self, now: Timestamp) {
        let reach = self.window_s.saturating_mul(2_000);
        let gone =
            self.slots.iter().take_while(|(start, _)| start.saturating_add(reach) < now.millis());
        let gone = gone.count();
        self.slots.drain(..gone);
    }

    fn add(&mut self, start: u64, amount: u64) {
        match self.slots.binary_search_by_key(&start, |slot| slot.0) {
            Ok(at) => self.slots[at].1 = self.slots[at].1.saturating_add(amount),
            Err(at) => self.slots.insert(at, (start, amount)),
        }
    }

    fn adjust(&mut self, start: u64, from: u64, to: u64) {
        // A slot that was pruned is past every window: nothing to correct.
        if let Ok(at) = self.slots.binary_search_by_key(&start, |slot| slot.0) {
            self.slots[at].1 = moved(self.slots[at].1, from, to);
        }
    }
}

/// `sum` with one of its parts changed, never below zero.
const fn moved(sum: u64, from: u64, to: u64) -> u64 {
    sum.saturating_add(to).saturating_sub(from)
}

/// Requests in flight end with the process that holds them.
fn is_kept(charge: &Charge) -> bool {
    charge.meter != Meter::Concurrency
}

/// How `open` ends at its last checkpoint.
fn settle_at_checkpoint(open: &Reservation, now: Timestamp, outcome: Outcome) -> Settled {
    let reserved = open.admitted.reserved;
    let (used, topped_up) = open.progress.map_or_else(Default::default, |p| (p.used, p.topped_up));
    // A checkpoint past its own bound is paid for by a top-up: sums must agree on each meter.
    let topped_up = topped_up.plus(&used.beyond(&reserved.plus(&topped_up)));
    let refunded: Amounts = reserved.plus(&topped_up).beyond(&used);
    Settled {
        request_id: open.admitted.request_id,
        at: now,
        outcome,
        why: None,
        usage: Usage { input: used.input, output: used.output, ..Usage::default() },
        source: Source::Estimated,
        cost: used.money,
        reserved,
        topped_up,
        settled: used,
        refunded,
        upstream: None,
        went: Went::default(),
        attempts: 0,
        status: 0,
        first_byte_ms: None,
        duration_ms: 0,
    }
}

/// `items` in runs whose sizes add up to at most [`CHUNK_BYTES_MAX`] (one item
/// alone may be larger).
fn chunks<T>(items: Vec<T>, bytes: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut runs: Vec<Vec<T>> = Vec::new();
    let mut used = CHUNK_BYTES_MAX;
    for item in items {
        let size = bytes(&item);
        match runs.last_mut() {
            Some(run) if used + size <= CHUNK_BYTES_MAX => {
                used += size;
                run.push(item);
            }
            _ => {
                used = size;
                runs.push(vec![item]);
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::KeyId;
    use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn state(key: u128, slots: u64) -> CounterState {
        // The longest numbers there are, so that sizes are the largest.
        let slots = (0..slots).map(|n| (u64::MAX - slots + n, u64::MAX - n)).collect();
        let subject = Subject::Key(KeyId::from_u128(key));
        CounterState { subject, counter: u64::MAX, window_s: u64::MAX, slots }
    }

    fn check(counters: &[CounterState]) {
        let mut fold = Fold::default();
        fold.apply(Record::Counters { counters: counters.to_vec() });
        let records = fold.opening(NOW);
        for record in &records {
            assert!(serde_json::to_vec(record).unwrap().len() < LEDGER_RECORD_BYTES_MAX);
        }
        let mut again = Fold::default();
        records.into_iter().for_each(|record| again.apply(record));
        let total: usize = again.counters(NOW).iter().map(|state| state.slots.len()).sum();
        assert_eq!(total, counters.iter().map(|state| state.slots.len()).sum::<usize>());
        assert_eq!(again.counters(NOW), fold.counters(NOW));
    }

    #[test]
    fn an_opening_carries_any_number_of_counters_in_records_within_their_limit() {
        check(&[]);
        for slots in [1, 4_096, 4_097, 30_000] {
            check(&[state(1, slots)]);
        }
        check(&(0..20_000).map(|key| state(key, 3)).collect::<Vec<_>>());
    }

    #[test]
    fn slots_are_forgotten_once_no_window_reaches_them() {
        let mut fold = Fold::default();
        let at = NOW.millis();
        let slots = vec![(at - 7_200_001, 1), (at - 7_200_000, 2), (at, 3)];
        let counters = vec![CounterState { slots, window_s: 3_600, ..state(1, 0) }];
        fold.apply(Record::Counters { counters });
        assert_eq!(fold.counters(NOW)[0].slots, [(at - 7_200_000, 2), (at, 3)]);
        let later = Timestamp::from_millis(at + 7_200_001);
        assert_eq!(fold.counters(later), []);
    }
}
