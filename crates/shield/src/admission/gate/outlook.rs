//! What a request would find at the gate, and when its turn comes.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use surgewall_core::principal::Class;

use super::ticket::{Phase, Promise};
use super::{Ask, Gate, Place, TicketId};
use crate::admission::eta::Eta;
use crate::admission::fair::Handle;
use crate::admission::work::Work;

/// Requests at once that a server is hoped to take while nobody knows.
const SEEKING_SEQUENCES: u32 = 64;
/// Once it has taken a part of those, it is hoped to take half as much again as it
/// has: who is let in for more than that waits too long where it does not.
const PROVEN_PART: u32 = 4;

impl<T, R> Gate<T, R> {
    /// Whether a request like `ask` would go on at once.
    #[must_use]
    pub fn has_room(&self, ask: &Ask) -> bool {
        let (_, tokens) = self.cost(ask);
        self.terms.observe || (self.queue.is_empty() && self.fits(ask.lineage.class(), tokens))
    }

    /// How long a request like `ask` would wait behind those of its class, about.
    #[must_use]
    pub fn outlook(&self, ask: &Ask) -> Duration {
        if self.has_room(ask) {
            return Duration::ZERO;
        }
        let class = ask.lineage.class();
        let waiting = self.queue.len_of(class);
        let own = Work::of(self.weights, ask.uncached(), ask.output_max);
        let mean = self.predictor.mean_work().unwrap_or(own);
        self.eta(class, waiting + 1, mean).eta
    }

    /// Where a waiting request stands now; `None` once it waits no more.
    #[must_use]
    pub fn place(&self, id: TicketId) -> Option<Place> {
        let ticket = self.tickets.get(&id)?;
        match ticket.phase {
            Phase::Queued { handle, .. } => Some(self.place_of(ticket.ask.lineage.class(), handle)),
            Phase::Running { .. } => None,
        }
    }

    /// The same, and its client is told: by the first range that it hears, the
    /// predictions are measured. That one has failed is known before its turn comes.
    pub fn tell(&mut self, now: Instant, id: TicketId) -> Option<Place> {
        let place = self.place(id)?;
        let ticket = self.tickets.get_mut(&id)?;
        let Phase::Queued { promised, .. } = &mut ticket.phase else { return None };
        let waited = now.saturating_duration_since(promised.at);
        if !promised.is_told {
            *promised = Promise { at: now, eta: place.eta, is_told: true, is_overdue: false };
        } else if !promised.is_overdue && waited > promised.eta.high {
            promised.is_overdue = true;
            self.predictor.overdue(ticket.ask.lineage.class(), &promised.eta, waited);
        }
        Some(place)
    }

    pub(super) fn place_of(&self, class: Class, handle: Handle) -> Place {
        let ahead = self.queue.ahead(handle);
        let waiting = self.queue.len_of(class).max(1);
        let mean = Work(self.queue.work_of(class).0 / waiting);
        let eta = self.eta(class, ahead.in_class + 1, mean);
        Place { position: ahead.total + 1, eta }
    }

    /// Requests at once that a wait is predicted by, at least and at most: while the
    /// limit still grows with every answer, nobody is sent away for how low it is.
    pub(super) fn sequences(&self) -> RangeInclusive<u32> {
        let limit = self.capacity.sequences();
        let seeking = self.capacity.is_seeking();
        let most = self.terms.sequences_most();
        let is_proven = self.end_was_found || limit >= SEEKING_SEQUENCES / PROVEN_PART;
        let hoped = match (seeking, is_proven) {
            (true, false) => SEEKING_SEQUENCES.min(most),
            (true, true) => limit.saturating_add(limit / 2).min(most),
            (false, _) => limit,
        };
        // Where tokens are what is scarce, fewer go at once.
        let held = self.load.tokens / u64::from(self.load.sequences.max(1));
        let room = self.capacity.tokens().map(|tokens| tokens / held.max(1));
        let room = room.and_then(|room| u32::try_from(room).ok()).unwrap_or(most).max(1);
        limit.min(room)..=hoped.min(room)
    }

    /// When the turn of a request of `class` comes that has `ahead` requests of
    /// `mean` work before it, itself included.
    fn eta(&self, class: Class, ahead: u64, mean: Work) -> Eta {
        let sequences = self.sequences();
        let capacity = self.predictor.expected_per_s(*sequences.end());
        let work = Work(ahead.saturating_mul(mean.0));
        let waiting = |class| self.queue.work_of(class);
        let share = self.claims.part_of(class, self.terms.shares, capacity, work, waiting);
        self.predictor.predict(class, ahead, mean, share, sequences)
    }
}
