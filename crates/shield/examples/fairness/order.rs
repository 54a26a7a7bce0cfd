//! The orders that are compared.

use std::collections::{BTreeMap, VecDeque};

use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::{FairQueue, Lineage, Shares};
use surgewall_shield::admission::work::Work;

use super::engine::Request;

/// Who goes next.
pub(crate) trait Order {
    fn push(&mut self, number: usize, request: &Request);
    fn pop(&mut self) -> Option<usize>;
    /// `charged` was expected for a request, and `used` has been.
    fn correct(&mut self, _request: &Request, _charged: u64, _used: u64) {}
}

/// The order under test.
pub(crate) struct Fair(FairQueue<usize>);

impl Default for Fair {
    fn default() -> Self {
        Self(FairQueue::new(Shares::default()))
    }
}

fn lineage(request: &Request) -> Lineage {
    Lineage::new(Class::Verified, request.young, &[request.account])
}

impl Order for Fair {
    fn push(&mut self, number: usize, request: &Request) {
        let _ = self.0.push(&lineage(request), Work(request.expected()), number);
    }
    fn pop(&mut self) -> Option<usize> {
        self.0.pop().map(|next| next.item)
    }
    fn correct(&mut self, request: &Request, charged: u64, used: u64) {
        if used > charged {
            self.0.top_up(&lineage(request), Work(used - charged));
        } else {
            self.0.refund(&lineage(request), Work(charged - used));
        }
    }
}

/// Each account in its turn, a request at a time.
#[derive(Default)]
pub(crate) struct Turns {
    waiting: BTreeMap<u64, VecDeque<usize>>,
    turns: VecDeque<u64>,
}
impl Order for Turns {
    fn push(&mut self, number: usize, request: &Request) {
        let queue = self.waiting.entry(request.account).or_default();
        if queue.is_empty() {
            self.turns.push_back(request.account);
        }
        queue.push_back(number);
    }
    fn pop(&mut self) -> Option<usize> {
        let account = self.turns.pop_front()?;
        let queue = self.waiting.get_mut(&account)?;
        let number = queue.pop_front();
        if !queue.is_empty() {
            self.turns.push_back(account);
        }
        number
    }
}

/// First come, first served.
#[derive(Default)]
pub(crate) struct Arrivals(VecDeque<usize>);
impl Order for Arrivals {
    fn push(&mut self, number: usize, _: &Request) {
        self.0.push_back(number);
    }
    fn pop(&mut self) -> Option<usize> {
        self.0.pop_front()
    }
}
