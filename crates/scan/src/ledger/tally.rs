//! The sums of a ledger, counted by the verifier itself: that every request was
//! reserved, settled and refunded exactly once.

use std::collections::HashMap;

use surgewall_core::decision::{Admitted, Progress, Record, Settled, Totals};
use surgewall_core::id::RequestId;

/// Sums in tokens, continued from the first kept segment.
#[derive(Default)]
pub(super) struct Tally {
    /// Requests admitted.
    pub(super) admitted: u64,
    /// Tokens reserved, top-ups included.
    pub(super) reserved: u64,
    /// Tokens settled.
    pub(super) settled: u64,
    /// Tokens refunded.
    pub(super) refunded: u64,
    open: HashMap<RequestId, Held>,
    /// Whether the state at the segment's beginning is taken over.
    fresh: bool,
}

/// What an open request holds, in tokens.
struct Held {
    reserved: u64,
    topped_up: u64,
}

impl Tally {
    /// A segment begins.
    pub(super) fn segment(&mut self, fresh: bool) {
        if fresh {
            *self = Self { fresh, ..Self::default() };
        }
        self.fresh = fresh;
    }

    /// Requests that are open.
    pub(super) fn open_requests(&self) -> u64 {
        self.open.len() as u64
    }

    /// Tokens that are reserved and neither settled nor refunded.
    pub(super) fn open_tokens(&self) -> u64 {
        let held = self.open.values().flat_map(|held| [held.reserved, held.topped_up]);
        held.fold(0, u64::saturating_add)
    }

    /// Counts one record; `Err` says which law it breaks.
    pub(super) fn record(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Opened(totals) => self.opened(totals),
            Record::Reservations { reservations } => {
                for reservation in reservations.iter().filter(|_| self.fresh) {
                    let topped_up = reservation.progress.map_or(0, |p| p.topped_up.tokens());
                    let reserved = reservation.admitted.reserved.tokens();
                    let id = reservation.admitted.request_id;
                    self.open.insert(id, Held { reserved, topped_up });
                }
                Ok(())
            }
            Record::Admitted(admitted) => self.admitted(admitted),
            Record::Progress { requests, .. } => {
                requests.iter().for_each(|progress| self.progress(progress));
                Ok(())
            }
            Record::Settled(settled) => self.settled(settled),
            Record::Counters { .. }
            | Record::Refused(_)
            | Record::Changed(_)
            | Record::Incident(_)
            | Record::Capacity(_)
            | Record::Erased(_)
            | Record::Finding(_)
            | Record::Stored(_)
            | Record::Removed(_) => Ok(()),
        }
    }

    fn opened(&mut self, totals: &Totals) -> Result<(), String> {
        if self.fresh {
            self.admitted = totals.admitted;
            self.reserved = totals.reserved;
            self.settled = totals.settled;
            self.refunded = totals.refunded;
            return Ok(());
        }
        let ours = (self.admitted, self.reserved, self.settled, self.refunded);
        let theirs = (totals.admitted, totals.reserved, totals.settled, totals.refunded);
        if ours == theirs {
            Ok(())
        } else {
            Err("its totals are not the sums of the records before it".to_owned())
        }
    }

    fn admitted(&mut self, admitted: &Admitted) -> Result<(), String> {
        let reserved = admitted.reserved.tokens();
        let held = Held { reserved, topped_up: 0 };
        if self.open.insert(admitted.request_id, held).is_some() {
            return Err(format!("{} was admitted twice", admitted.request_id));
        }
        self.admitted += 1;
        self.reserved = self.reserved.saturating_add(reserved);
        Ok(())
    }

    fn progress(&mut self, progress: &Progress) {
        if let Some(held) = self.open.get_mut(&progress.request_id) {
            let topped_up = progress.topped_up.tokens();
            self.reserved = self.reserved.saturating_add(topped_up).saturating_sub(held.topped_up);
            held.topped_up = topped_up;
        }
    }

    fn settled(&mut self, settled: &Settled) -> Result<(), String> {
        let id = settled.request_id;
        let Some(held) = self.open.remove(&id) else {
            return Err(format!("{id} was settled without being open"));
        };
        let topped_up = settled.topped_up.tokens();
        self.reserved = self.reserved.saturating_add(topped_up).saturating_sub(held.topped_up);
        self.settled = self.settled.saturating_add(settled.settled.tokens());
        self.refunded = self.refunded.saturating_add(settled.refunded.tokens());
        let taken = settled.reserved.plus(&settled.topped_up);
        let given = settled.settled.plus(&settled.refunded);
        if taken != given || settled.reserved.tokens() != held.reserved {
            return Err(format!("{id}: what was reserved is not what was settled and refunded"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_tokens_are_held_at_the_largest_number() {
        let mut tally = Tally::default();
        for id in 0..2 {
            let held = Held { reserved: u64::MAX, topped_up: 1 };
            tally.open.insert(RequestId::from_u128(id), held);
        }
        assert_eq!(tally.open_tokens(), u64::MAX);
    }
}
