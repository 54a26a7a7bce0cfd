//! The children of one node: their order, their floor, and how long they wait.

use super::super::work::Work;
use super::order::{Key, Order};
use super::spread::{ROUND, Spread};

/// What a child was served, and its place among its siblings.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Standing {
    /// Work charged to it, less refunds.
    pub(super) served: u64,
    /// Where it was lifted to when it began to wait; nothing while it does not.
    pub(super) lifted: u64,
    /// Its turn among equals.
    pub(super) turn: u64,
}

impl Standing {
    pub(super) fn key(&self, node: u32) -> Key {
        Key { served: self.served.max(self.lifted), turn: self.turn, node }
    }
}

/// The children of one node of which somebody waits.
#[derive(Default, Debug)]
pub(super) struct Level {
    pub(super) order: Order,
    /// Virtual time: a child that was served no more is not ahead.
    pub(super) floor: u64,
    /// Work that was served and has not moved the floor yet.
    owed: u64,
    spread: Spread,
    /// The node's own line, as one of its children.
    pub(super) line: Standing,
}

impl Level {
    /// Begins anew, at `floor`.
    pub(super) fn reset(&mut self, floor: u64) {
        self.order.clear();
        self.spread = Spread::default();
        (self.floor, self.owed, self.line) = (floor, 0, Standing::default());
    }

    /// A child begins to wait with `queued` requests.
    pub(super) fn enter(&mut self, standing: &mut Standing, node: u32, queued: u32, turn: u64) {
        let least = self.order.first().map_or(0, |key| key.served);
        standing.lifted = least.max(self.floor);
        standing.turn = turn;
        self.order.insert(standing.key(node));
        self.spread.change(0, queued);
    }

    /// A child waits that has had `before` requests, and has one more.
    pub(super) fn lengthen(&mut self, before: u32) {
        self.spread.change(before, before + 1);
    }

    /// One of the `before` requests of a child leaves.
    pub(super) fn shorten(&mut self, standing: &mut Standing, node: u32, before: u32) {
        self.spread.change(before, before - 1);
        if before == 1 {
            self.order.remove(&standing.key(node));
            standing.lifted = 0;
        }
    }

    /// One of the `before` requests of a child is served; the child's next turn is `turn`.
    pub(super) fn serve(
        &mut self,
        standing: &mut Standing,
        node: u32,
        before: u32,
        work: Work,
        turn: u64,
    ) {
        let (key, waiting) = (standing.key(node), self.order.len());
        self.spread.change(before, before - 1);
        self.order.remove(&key);
        standing.served = key.served.saturating_add(work.0);
        standing.turn = turn;
        if before > 1 {
            self.order.insert(standing.key(node));
        } else {
            standing.lifted = 0;
        }
        self.advance(key.served, work, waiting);
    }

    /// Work is served that started at `start` while `waiting` children waited.
    ///
    /// The floor is as high as if all of them were served at once, each a part: so
    /// newcomers, however many, do not come before those for ever who were served
    /// once. It is no less than what is served, and at most one request past the
    /// least that waits, which keeps the bound between any two.
    pub(super) fn advance(&mut self, start: u64, work: Work, waiting: usize) {
        let waiting = (waiting as u64).max(1);
        self.owed = self.owed.saturating_add(work.0);
        let fluid = self.floor.saturating_add(self.owed / waiting).max(start);
        self.owed %= waiting;
        let least = self.order.first().map_or(u64::MAX, |key| key.served.saturating_add(work.0));
        self.floor = self.floor.max(fluid.min(least));
    }

    /// Requests below this level before one of the child at `key`, which has `before`
    /// before it in that child. `each`: the work of a request on average.
    ///
    /// Until its turn comes, each sibling is served as often as the child, and once
    /// more if it is before the child in the order. Where the child is further from
    /// the others than one request, that distance counts instead of its rank.
    pub(super) fn ahead(&self, key: Key, before: u64, each: u64) -> u64 {
        let others = self.order.len().saturating_sub(1) as u64;
        if others == 0 {
            return before;
        }
        let mean = self.order.mean();
        let distance = key.served.abs_diff(mean).saturating_mul(ROUND) / each;
        let whole = before.saturating_mul(ROUND);
        let rounds = if distance <= ROUND {
            whole + self.order.before(&key) as u64 * ROUND / others
        } else if key.served > mean {
            whole.saturating_add(distance)
        } else {
            whole.saturating_sub(distance)
        };
        // All of them together, less the child's own.
        let own = rounds.min(whole.saturating_add(ROUND));
        let others = self.spread.served_in(rounds).saturating_sub(own);
        before + (others + ROUND / 2) / ROUND
    }
}
