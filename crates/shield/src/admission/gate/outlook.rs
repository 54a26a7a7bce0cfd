//! What a request would find at the gate, and when its turn comes.

use std::time::Duration;

use surgewall_core::principal::Class;

use super::ticket::Phase;
use super::{Ask, Gate, Place, TicketId};
use crate::admission::fair::Handle;
use crate::admission::work::Work;

/// Requests at once that a server is hoped to take while nobody knows.
const SEEKING_SEQUENCES: u32 = 64;

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
        let (share, sequences) = (self.share_now(class), self.hoped_for());
        self.predictor.predict(class, waiting + 1, mean, share, sequences).eta
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

    pub(super) fn place_of(&self, class: Class, handle: Handle) -> Place {
        let ahead = self.queue.ahead(handle);
        let waiting = self.queue.len_of(class).max(1);
        let mean = Work(self.queue.work_of(class).0 / waiting);
        let share = self.share_now(class);
        let eta = self.predictor.predict(class, ahead.in_class + 1, mean, share, self.hoped_for());
        Place { position: ahead.total + 1, eta }
    }

    /// Requests at once that a wait is predicted by: while the limit still grows
    /// with every answer, nobody is sent away for how low it is.
    pub(super) fn hoped_for(&self) -> u32 {
        let limit = self.capacity.sequences();
        let seeking = self.capacity.is_seeking();
        let most = self.terms.sequences_most();
        match (seeking, self.end_was_found) {
            (true, false) => limit.max(SEEKING_SEQUENCES).min(most),
            (true, true) => limit.saturating_mul(2).min(most),
            (false, _) => limit,
        }
    }

    /// The part of the capacity that `class` has among those that wait.
    fn share_now(&self, class: Class) -> f64 {
        let of = |class| f64::from(self.terms.shares.of(class));
        let others = self.queue.backlogged().filter(|other| *other != class).map(of);
        of(class) / (of(class) + others.sum::<f64>())
    }
}
