//! Who waits longer than it was told goes before it is too late.
//!
//! The fair order lets those go first who had least. So whoever comes later may
//! stand before whoever waits, and a prediction cannot know who will come. One that
//! was let in because its wait would be short enough, and is past that prediction
//! and near the longest wait of its class, is taken next: what a server does after
//! that wait helps nobody. It is charged as all are, so that its lineage's next
//! request stands further back, and only one whose prediction failed goes before
//! others: whoever has a long queue of its own was told so.

use std::collections::VecDeque;
use std::time::Instant;

use surgewall_core::principal::Class;

use super::ticket::{Phase, Ticket};
use super::{Gate, TicketId};
use crate::admission::fair::{Handle, Next};

/// Parts of the longest wait, in quarters, after which somebody may go before others.
const QUARTERS: u32 = 3;
/// Those who left are forgotten when there are so many more entries than who wait.
const LEFT_MAX: usize = 64;

/// Who waits, by class, in the order in which they came: that of their deadlines.
#[derive(Debug, Default)]
pub(super) struct Arrivals([VecDeque<TicketId>; 4]);

impl<T, R> Gate<T, R> {
    /// Notes that `id` of `class` waits from now on.
    pub(super) fn arrived(&mut self, class: Class, id: TicketId) {
        let line = &mut self.arrivals.0[class as usize];
        line.push_back(id);
        let waiting = usize::try_from(self.queue.len_of(class)).unwrap_or(usize::MAX);
        if line.len() > waiting.saturating_mul(2).saturating_add(LEFT_MAX) {
            let tickets = &self.tickets;
            line.retain(|id| tickets.get(id).is_some_and(Ticket::waits));
        }
    }

    #[cfg(test)]
    pub(super) fn lines_len(&self) -> usize {
        self.arrivals.0.iter().map(VecDeque::len).sum()
    }

    /// Takes the next of `class`: whoever came first if it is overdue, else by the fair order.
    pub(super) fn take_next(&mut self, class: Class, now: Instant) -> Option<Next<TicketId>> {
        match self.overdue(class, now) {
            Some(handle) => self.queue.take(handle),
            None => self.queue.pop_class(class),
        }
    }

    /// The one of `class` that waits longest, if it has to go now.
    fn overdue(&mut self, class: Class, now: Instant) -> Option<Handle> {
        let line = &mut self.arrivals.0[class as usize];
        while let Some(id) = line.front() {
            let Some(Ticket { phase: Phase::Queued { handle, since, promised, .. }, .. }) =
                self.tickets.get(id)
            else {
                line.pop_front();
                continue;
            };
            let waited = now.saturating_duration_since(*since);
            let promised_at = now.saturating_duration_since(promised.at);
            let is_near = waited > self.terms.longest_wait(class) / 4 * QUARTERS;
            return (is_near && promised_at > promised.eta.eta).then_some(*handle);
        }
        None
    }
}
