//! What a place costs whoever has it, used or not.

use std::time::{Duration, Instant};

use super::ticket::{Phase, Ticket};
use super::{End, Gate, TicketId, Work};

/// The time after its turn in which a request has to be on its way to the upstream.
pub(super) const CLAIM_MAX: Duration = Duration::from_secs(5);

impl<T, R> Gate<T, R> {
    /// What was charged becomes what it cost.
    pub(super) fn account(&mut self, ticket: &Ticket<T, R>, cost: Work) {
        let lineage = &ticket.ask.lineage;
        if cost < ticket.work {
            self.queue.refund(lineage, ticket.work.minus(cost));
        } else if cost > ticket.work {
            self.queue.top_up(lineage, cost.minus(ticket.work));
        }
    }

    /// What a client that left has to bear for its place at least: the work that
    /// others would have got done in it. Else whoever takes places and lets
    /// their time pass would be next again and again, and in the end hold all.
    pub(super) fn held(&self, ticket: &Ticket<T, R>, end: End, took: Duration) -> Work {
        if end != End::Cancelled {
            return Work::ZERO;
        }
        self.predictor.work_in(took).unwrap_or_default().min(ticket.work)
    }

    /// The server that it goes to probably has `cached` tokens of its input: where
    /// that is not what was thought at its arrival, it is charged the difference.
    pub fn expects(&mut self, id: TicketId, cached: u64) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let before = Work::of(self.weights, ticket.ask.uncached(), 0);
        ticket.ask.cached = cached.min(ticket.ask.input);
        let after = Work::of(self.weights, ticket.ask.uncached(), 0);
        ticket.work = ticket.work.plus(after).minus(before);
        if after > before {
            self.queue.top_up(&ticket.ask.lineage, after.minus(before));
        } else {
            self.queue.refund(&ticket.ask.lineage, before.minus(after));
        }
    }

    /// Looks at everybody's time: how long who waits has waited, and takes back
    /// places that nobody came for. A client that does not read what it is told
    /// must not keep the upstream idle. Should it come yet, it is let in.
    pub(super) fn look_round(&mut self, now: Instant) {
        for ticket in self.tickets.values_mut() {
            let since = match &mut ticket.phase {
                Phase::Running { since } => *since,
                Phase::Queued { since, is_late, .. } => {
                    let waited = now.saturating_duration_since(*since);
                    let class = ticket.ask.lineage.class();
                    self.counts.waited(class, waited);
                    let longest = self.terms.longest_wait(class);
                    if waited > longest && !std::mem::replace(is_late, true) {
                        self.punctual.observed(class, waited, longest);
                    }
                    continue;
                }
            };
            let late = now.saturating_duration_since(since) > CLAIM_MAX;
            if late && ticket.dispatched.is_none() && !ticket.taken_back {
                ticket.taken_back = true;
                self.load.sequences = self.load.sequences.saturating_sub(1);
                self.load.tokens = self.load.tokens.saturating_sub(ticket.tokens);
            }
        }
    }
}
