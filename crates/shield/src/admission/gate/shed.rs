//! Ending what runs, as a last resort.
//!
//! When the upstream suddenly can do far less than what runs there, and a class
//! waits that is more trusted than some of what runs, streams are ended: of the
//! least trusted class first and of that the newest, because least of them is
//! lost. Never one of `established`, never one of a class as trusted as the one
//! that waits, never below the limit, and only a few in a second: the limit may
//! recover.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use surgewall_core::principal::Class;

use super::ticket::{Phase, Ticket};
use super::{Gate, TicketId};

/// What may run above the limit without anything being ended, in thousandths of it.
pub const SURPLUS_PERMILLE: u32 = 200;
/// How long more than that has to run before anything is ended.
pub const SURPLUS_AFTER: Duration = Duration::from_secs(5);
/// The part of its class's longest wait that somebody has to have waited, as a divisor.
pub const WAITED_PART: u32 = 2;
/// Streams that are ended in a second at most.
pub const SHED_PER_S_MAX: usize = 4;

/// A stream that is to be ended.
#[derive(Clone, Debug)]
#[must_use]
pub struct Shed<R> {
    /// The stream.
    pub id: TicketId,
    /// Its class.
    pub class: Class,
    /// How it is reached.
    pub reach: R,
    /// How much runs and who waits.
    pub why: String,
    /// When a request like it is worth sending again.
    pub retry_after: Duration,
}

/// What is known of a surplus.
#[derive(Clone, Debug, Default)]
pub(super) struct Shedding {
    /// Since when too much runs.
    since: Option<Instant>,
    /// The limit before it: in observe mode what would run without the cut.
    limit_before: u32,
    /// When the last ones were ended.
    ended: VecDeque<Instant>,
    /// Observe mode: who would have waited too long, in this second and in the last.
    noted: [bool; 4],
    late: [bool; 4],
}

impl Shedding {
    /// Observe mode: one of `class` would have had to wait `part` of what is too long.
    pub(super) const fn note(&mut self, class: Class) {
        self.noted[class as usize] = true;
    }

    fn may_end_another(&self, now: Instant) -> bool {
        let oldest = self.ended.front().filter(|_| self.ended.len() >= SHED_PER_S_MAX);
        oldest.is_none_or(|then| now.saturating_duration_since(*then) >= Duration::from_secs(1))
    }

    fn end_another(&mut self, now: Instant) {
        if self.ended.len() >= SHED_PER_S_MAX {
            self.ended.pop_front();
        }
        self.ended.push_back(now);
    }
}

/// Somebody who has waited too long.
struct Late {
    class: Class,
    waited: Duration,
}

impl<T, R> Gate<T, R> {
    /// Once a second: does more run than the limit and the surplus that is left alone?
    pub(super) fn watch_surplus(&mut self, now: Instant) {
        let limit = self.capacity.sequences();
        self.shedding.late = std::mem::take(&mut self.shedding.noted);
        if self.is_past_surplus(limit) {
            self.shedding.since.get_or_insert(now);
        } else {
            (self.shedding.since, self.shedding.limit_before) = (None, limit);
        }
    }

    fn is_past_surplus(&self, limit: u32) -> bool {
        let surplus = u64::from(self.running_on(limit).saturating_sub(limit));
        surplus * 1_000 > u64::from(limit) * u64::from(SURPLUS_PERMILLE)
    }

    /// What runs and goes on running. In observe mode all of it runs: of that,
    /// what would run if the door had kept to the limit.
    fn running_on(&self, limit: u32) -> u32 {
        let running = self.load.sequences;
        if running <= limit {
            return running;
        }
        if self.terms.observe {
            return running.min(self.shedding.limit_before);
        }
        let ending = self.tickets.values().filter(|ticket| ticket.is_shed).count();
        running.saturating_sub(u32::try_from(ending).unwrap_or(u32::MAX))
    }

    /// The next stream that has to be ended, for somebody more trusted who
    /// waits. To be called until it gives none, after each tick. `spread` is
    /// random: clients are told times that differ. In observe mode none is
    /// ended, and the counts say how many would have been.
    pub fn shed(&mut self, now: Instant, spread: u64) -> Option<Shed<R>> {
        loop {
            let limit = self.capacity.sequences();
            let since = self.shedding.since?;
            let lasted = now.saturating_duration_since(since);
            let is_due = lasted > SURPLUS_AFTER && self.shedding.may_end_another(now);
            if !is_due || !self.is_past_surplus(limit) {
                return None;
            }
            let late = self.late(now)?;
            let id = self.least_trusted_newest(late.class)?;
            let running = self.running_on(limit);
            self.shedding.end_another(now);
            let ticket = self.tickets.get_mut(&id)?;
            ticket.is_shed = true;
            let (ask, reach) = (ticket.ask, ticket.reach.take());
            let class = ask.lineage.class();
            self.counts.of(class).shed += 1;
            if self.terms.observe {
                self.shedding.limit_before = running.saturating_sub(1);
                continue;
            }
            let retry_after = Self::spread(self.outlook(&ask), spread);
            let why = format!(
                "{running} run where {limit} may, for {} s; {} has waited {} s of {} s",
                lasted.as_secs(),
                late.class,
                late.waited.as_secs(),
                self.terms.longest_wait(late.class).as_secs(),
            );
            return Some(Shed { id, class, reach: reach?, why, retry_after });
        }
    }

    /// The most trusted class of which somebody has waited too long.
    fn late(&self, now: Instant) -> Option<Late> {
        if self.terms.observe {
            let late = |class: &Class| self.shedding.late[*class as usize];
            let class = Class::ALL.into_iter().find(late)?;
            return Some(Late { class, waited: self.terms.longest_wait(class) / WAITED_PART });
        }
        let waits = |ticket: &Ticket<T, R>| {
            let Phase::Queued { since, .. } = ticket.phase else { return None };
            let (class, waited) =
                (ticket.ask.lineage.class(), now.saturating_duration_since(since));
            let too_long = waited > self.terms.longest_wait(class) / WAITED_PART;
            too_long.then_some(Late { class, waited })
        };
        let late = self.tickets.values().filter_map(waits);
        late.min_by_key(|late| (late.class, std::cmp::Reverse(late.waited)))
    }

    /// Of the streams that are less trusted than `class`, the newest of the least trusted.
    fn least_trusted_newest(&self, class: Class) -> Option<TicketId> {
        let running = self.tickets.iter().filter(|(_, ticket)| {
            ticket.streams
                && !ticket.is_shed
                && ticket.reach.is_some()
                && ticket.ask.lineage.class() > class
        });
        let newest = running
            .max_by_key(|(id, ticket)| (ticket.ask.lineage.class(), ticket.dispatched, **id));
        newest.map(|(id, _)| *id)
    }
}
