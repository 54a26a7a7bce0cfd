//! Quotas: how much each subject used in its windows, and whether more fits.
//!
//! A request reserves its upper bound on every limit that holds for it, all or
//! nothing; at its end each counter is corrected to what was used. One table
//! stands behind its owner's lock; a decision touches only the counters that
//! the request's limits name.

mod counters;
mod kept;
mod key;
mod window;

use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::KeyId;
use surgewall_core::principal::matches_model;
use surgewall_core::quota::{Amounts, Charge, LimitSpec, Meter, Subject};
use surgewall_core::refusal::Refusal;

use counters::Counters;
use key::OTHER_USERS;
pub use window::SLOTS;
use window::Window;

/// Counters in a table, unless its owner sets another bound (about 250 MB).
pub const COUNTERS_MAX: usize = 2_000_000;
/// Delegated users of one key that are counted alone, unless the table's owner
/// sets another bound: one key that invents names cannot fill the table.
pub const USERS_PER_KEY_MAX: usize = 100_000;
/// Counters looked at for idleness on each reservation.
const PRUNED_PER_RESERVATION: usize = 2;
/// Counters looked at for idleness when the table is full.
const PRUNED_WHEN_FULL: usize = 256;
/// How long a request waits that found the table full of busy counters.
const FULL_RETRY: Duration = Duration::from_secs(1);

/// Whether a limit refuses or only counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// Refuses what does not fit.
    On,
    /// Counts and reports what it would have refused.
    Shadow,
}

/// One limit that may hold for a request.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// Whose counter.
    pub subject: Subject,
    /// What is limited.
    pub spec: &'a LimitSpec,
    /// Whether it refuses.
    pub enforcement: Enforcement,
}

/// A reservation that was made.
#[must_use]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// The counters charged: to be kept, recorded and settled.
    pub charges: Vec<Charge>,
    /// The shadow limits that would have refused.
    pub shadow: Vec<Exceeded>,
    /// The key whose delegated users are more than are counted alone, where a
    /// counter that the further ones share begins with this reservation.
    pub crowded: Option<KeyId>,
}

/// A limit that a request does not fit under.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit.
    pub subject: Subject,
    /// What is counted.
    pub meter: Meter,
    /// The limit.
    pub max: u64,
    /// The window in seconds; 0 for concurrency.
    pub window_s: u64,
    /// When the request would fit; `None` if it asks for more than the limit alone.
    pub retry_after: Option<Duration>,
}

impl From<Exceeded> for Refusal {
    fn from(exceeded: Exceeded) -> Self {
        let Exceeded { subject, meter, max, window_s, retry_after } = exceeded;
        Self::QuotaExceeded { scope: subject.scope(), meter, max, window_s, retry_after }
    }
}

/// What is left of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// The limit.
    pub limit: u64,
    /// What is used or reserved.
    pub used: u64,
    /// What is left.
    pub remaining: u64,
    /// When nothing of it will be used any more, if nothing is added.
    pub reset_after: Duration,
}

/// All counters.
pub struct QuotaTable {
    counters: Counters,
    users_per_key_max: usize,
    /// What the check found for each limit that applies, for the charge that follows it.
    found: Vec<Option<Found>>,
}

/// A limit's counter and its position, if it has one yet.
#[derive(Clone, Copy)]
struct Found {
    /// Whose counter it is.
    subject: Subject,
    counter: u64,
    place: Option<u32>,
}

impl Found {
    fn begins_to_share(&self) -> Option<KeyId> {
        match self.subject {
            Subject::User(key, OTHER_USERS) if self.place.is_none() => Some(key),
            _ => None,
        }
    }
}

impl Default for QuotaTable {
    fn default() -> Self {
        Self::new(COUNTERS_MAX)
    }
}

impl QuotaTable {
    /// An empty table of at most `counters_max` counters.
    #[must_use]
    pub fn new(counters_max: usize) -> Self {
        let counters = Counters::new(counters_max);
        Self { counters, users_per_key_max: USERS_PER_KEY_MAX, found: Vec::new() }
    }

    /// Counts at most `users_max` delegated users of one key alone from now on.
    /// Those that have counters keep them.
    pub fn set_users_per_key_max(&mut self, users_max: usize) {
        self.users_per_key_max = users_max;
    }

    /// Counters held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether there is no counter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counters.len() == 0
    }

    /// Reserves `amounts` on every limit that holds for `model`, or on none.
    ///
    /// # Errors
    /// The limit that keeps the request out longest.
    pub fn reserve(
        &mut self,
        now: Timestamp,
        limits: &[Limit<'_>],
        model: &str,
        amounts: &Amounts,
    ) -> Result<Grant, Exceeded> {
        if limits.is_empty() {
            return Ok(Grant::default());
        }
        self.counters.prune(now, PRUNED_PER_RESERVATION);
        let shadow = self.check(now, limits, model, amounts)?;
        let crowded = self.found.iter().flatten().find_map(Found::begins_to_share);
        let charges = self.charge(now, limits, amounts);
        Ok(Grant { charges, shadow, crowded })
    }

    /// Whether everything fits; leaves the positions in `found`.
    fn check(
        &mut self,
        now: Timestamp,
        limits: &[Limit<'_>],
        model: &str,
        amounts: &Amounts,
    ) -> Result<Vec<Exceeded>, Exceeded> {
        self.found.clear();
        let (mut shadow, mut worst, mut missing) = (Vec::new(), None, 0);
        for limit in limits {
            let applies = applies(limit.spec, model);
            let found = applies.then(|| self.found(limit));
            let place = found.and_then(|found| found.place);
            self.found.push(found);
            missing += usize::from(applies && place.is_none());
            if !applies {
                continue;
            }
            let Some(exceeded) = self.exceeded(now, limit, place, amounts) else {
                continue;
            };
            match limit.enforcement {
                Enforcement::Shadow => shadow.push(exceeded),
                Enforcement::On => worst = Some(worse(worst, exceeded)),
            }
        }
        if worst.is_none() && !self.counters.has_room(missing) {
            worst = self.make_room(now, limits, model, missing);
        }
        worst.map_or(Ok(shadow), Err)
    }

    fn found(&self, limit: &Limit<'_>) -> Found {
        let counter = limit.spec.counter();
        let place = self.counters.find(&limit.subject, counter);
        let subject = if place.is_some() { limit.subject } else { self.counted_as(limit.subject) };
        let place = place.or_else(|| self.counters.find(&subject, counter));
        Found { subject, counter, place }
    }

    /// Whose counters a subject without this counter fills: its own, unless it
    /// is a further delegated user of a key that has as many as are counted alone.
    fn counted_as(&self, subject: Subject) -> Subject {
        match subject {
            Subject::User(key, _)
                if self.counters.users_of(key.as_u128()) >= self.users_per_key_max
                    && !self.counters.knows_user(&subject) =>
            {
                Subject::User(key, OTHER_USERS)
            }
            alone => alone,
        }
    }

    fn exceeded(
        &mut self,
        now: Timestamp,
        limit: &Limit<'_>,
        place: Option<u32>,
        amounts: &Amounts,
    ) -> Option<Exceeded> {
        let LimitSpec { meter, max, .. } = *limit.spec;
        let amount = amounts.on(meter);
        let wait = match place.and_then(|place| self.counters.at_mut(place)) {
            _ if amount == 0 => return None,
            None => (amount <= max).then_some(Duration::ZERO),
            Some(counter) => {
                counter.window.advance(now);
                counter.window.fits_after(now, amount, max)
            }
        };
        let retry_after = match wait {
            Some(Duration::ZERO) => return None,
            wait => wait,
        };
        let window_s = window_s(limit.spec);
        Some(Exceeded { subject: limit.subject, meter, max, window_s, retry_after })
    }

    /// Charges every limit that the check found to apply, once for each counter.
    fn charge(&mut self, now: Timestamp, limits: &[Limit<'_>], amounts: &Amounts) -> Vec<Charge> {
        let mut charges: Vec<Charge> = Vec::with_capacity(limits.len());
        for (limit, found) in limits.iter().zip(&self.found) {
            let Some(Found { subject, counter, place }) = *found else { continue };
            // Two limits of the same kind share a counter: it is charged once.
            let is_charged = |c: &Charge| c.counter == counter && c.subject == subject;
            if charges.iter().any(is_charged) {
                continue;
            }
            let window_s = window_s(limit.spec);
            let place =
                place.unwrap_or_else(|| self.counters.insert(now, &subject, counter, window_s));
            let amount = amounts.on(limit.spec.meter);
            let slot_ms = self.counters.at_mut(place).map_or(0, |counter| {
                counter.window.advance(now);
                counter.window.add(amount)
            });
            let meter = limit.spec.meter;
            charges.push(Charge { subject, counter, meter, window_s, slot_ms, amount });
        }
        charges
    }

    /// Reserves more for a request that went past its bound. It is never
    /// refused: the tokens were already made.
    pub fn top_up(&mut self, charges: &mut [Charge], extra: &Amounts) {
        for charge in charges {
            let more = if counts_use(charge.meter) { extra.on(charge.meter) } else { 0 };
            if let Some(window) = self.window(charge) {
                window.add_at(charge.slot_ms, more);
            }
            charge.amount = charge.amount.saturating_add(more);
        }
    }

    /// Corrects each counter from what was reserved to what was used, and
    /// gives the places in flight back. To be called once for a reservation.
    pub fn settle(&mut self, charges: &[Charge], used: &Amounts) {
        self.correct(charges, |meter| if meter == Meter::Concurrency { 0 } else { used.on(meter) });
    }

    /// Takes a reservation back as if it had never been made, its request
    /// included. To be called instead of [`QuotaTable::settle`].
    pub fn undo(&mut self, charges: &[Charge]) {
        self.correct(charges, |_| 0);
    }

    fn correct(&mut self, charges: &[Charge], after: impl Fn(Meter) -> u64) {
        for charge in charges {
            if let Some(window) = self.window(charge) {
                window.replace_at(charge.slot_ms, charge.amount, after(charge.meter));
            }
        }
    }

    fn window(&mut self, charge: &Charge) -> Option<&mut Window> {
        let place = self.counters.find(&charge.subject, charge.counter)?;
        self.counters.at_mut(place).map(|counter| &mut counter.window)
    }

    /// What is left of `spec` for `subject`.
    #[must_use]
    pub fn remaining(&self, now: Timestamp, subject: &Subject, spec: &LimitSpec) -> Remaining {
        let find = |subject: &Subject| self.counters.find(subject, spec.counter());
        let place = find(subject).or_else(|| find(&self.counted_as(*subject)));
        let counter = place.and_then(|place| self.counters.at(place));
        let (used, reset_after) = counter.map_or((0, Duration::ZERO), |counter| {
            let mut window = counter.window.clone();
            window.advance(now);
            (window.sum(), window.empty_after(now))
        });
        Remaining { limit: spec.max, used, remaining: spec.max.saturating_sub(used), reset_after }
    }

    /// Makes room in a full table; else the last limit that has no counter yet.
    fn make_room(
        &mut self,
        now: Timestamp,
        limits: &[Limit<'_>],
        model: &str,
        missing: usize,
    ) -> Option<Exceeded> {
        self.counters.prune(now, PRUNED_WHEN_FULL);
        // Positions may have moved.
        self.found.clear();
        let mut without = None;
        for limit in limits {
            let found = applies(limit.spec, model).then(|| self.found(limit));
            if found.is_some_and(|found| found.place.is_none()) {
                without = Some(limit);
            }
            self.found.push(found);
        }
        if self.counters.has_room(missing) {
            return None;
        }
        without.map(|limit| Exceeded {
            subject: limit.subject,
            meter: limit.spec.meter,
            max: limit.spec.max,
            window_s: window_s(limit.spec),
            retry_after: Some(FULL_RETRY),
        })
    }
}

/// The window that a limit's counter has; one without a length is a mistake
/// that must not divide by zero.
fn window_s(spec: &LimitSpec) -> u64 {
    if spec.meter == Meter::Concurrency { 0 } else { spec.window_s.max(1) }
}

fn applies(spec: &LimitSpec, model: &str) -> bool {
    spec.model.as_deref().is_none_or(|pattern| matches_model(pattern, model))
}

/// Whether the meter grows with what a request uses.
fn counts_use(meter: Meter) -> bool {
    !matches!(meter, Meter::Requests | Meter::Concurrency)
}

/// The one that keeps the request out longer; never is longest.
fn worse(known: Option<Exceeded>, new: Exceeded) -> Exceeded {
    match known {
        Some(known) if known.retry_after.is_none() => known,
        Some(known) if new.retry_after.is_some_and(|new| Some(new) <= known.retry_after) => known,
        _ => new,
    }
}
