//! Who has room, and whose turn it is.

use surgewall_core::principal::Class;

use super::{Gate, TicketId};
use crate::admission::work::Work;

/// The part of a learnt token limit that one request is counted with at most, as a divisor.
const LARGEST_PART: u64 = 4;
/// How far `established` may get ahead of its turn in the headroom: the work that
/// the whole pool does in so many seconds.
const LEAD_MAX_S: f64 = 5.0;

impl<T, R> Gate<T, R> {
    /// Whose turn it is, if there is room for its next request.
    pub(super) fn next_class(&mut self) -> Option<Class> {
        let next = self.queue.peek()?;
        // Those who began to wait before the door only observed wait no longer either.
        if self.terms.observe || self.fits(next.class, self.tokens_of(next.item)) {
            return Some(next.class);
        }
        self.binding = true;
        // The headroom is for one class alone, whoever's turn it is otherwise; nothing else is.
        let limit = self.capacity.sequences();
        let only_headroom = self.load.sequences >= limit.saturating_sub(self.terms.headroom(limit));
        if !only_headroom || self.queue.lead_of(Class::Established) > self.lead_max() {
            return None;
        }
        let next = self.queue.peek_class(Class::Established)?;
        self.fits(next.class, self.tokens_of(next.item)).then_some(next.class)
    }

    /// Who fills the headroom again as soon as it is left has every place in the
    /// end: nobody else comes in while it is full. So there is a bound to it, for
    /// those who always have more to ask for than their share.
    fn lead_max(&self) -> Work {
        self.predictor.expected_in(self.capacity.sequences(), LEAD_MAX_S)
    }

    fn tokens_of(&self, id: TicketId) -> u64 {
        self.tickets.get(&id).map_or(0, |ticket| ticket.tokens)
    }

    /// Whether the pool has room for a request of `class` that holds `tokens`.
    pub(super) fn fits(&self, class: Class, tokens: u64) -> bool {
        let limit = self.capacity.sequences();
        let headroom = if class == Class::Established { 0 } else { self.terms.headroom(limit) };
        let sequences = self.load.sequences < limit.saturating_sub(headroom);
        let alone = self.load.sequences == 0;
        // A large request waits for a quarter of the pool at most: else it would wait for all
        // of it to empty, or for ever.
        let room = |limit: u64| {
            alone || self.load.tokens.saturating_add(tokens.min(limit / LARGEST_PART)) <= limit
        };
        sequences && self.capacity.tokens().is_none_or(room)
    }
}
