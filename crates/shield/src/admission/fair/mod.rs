//! Who goes next: a fair queue of two parts.
//!
//! **Between the classes**: start-time fair queueing (Goyal, Vin and
//! Cheng, SIGCOMM'96). Each class has a guaranteed share; what it does not use is
//! lent to the others. Nobody has strict priority, so nobody starves.
//!
//! **Inside a class**: a tree of virtual token counters (Sheng et al.,
//! OSDI'24) by group, account, key and delegated user, or by network. At each level
//! the least served child is next. Who comes back after a pause is lifted to where
//! the waiting ones are: a sleeper hoards nothing. All young accounts of a class
//! have one parent in common: a thousand of them gain one share.
//!
//! Requests of one lineage go first in, first out. Whoever leaves before its turn
//! leaves no trace in any counter.
//!
//! A level at which nobody waits forgets who was served, as the paper's counters
//! do, but for the classes' own two levels: there an idle child is remembered for
//! as long as it is ahead of the others.

mod classes;
mod idle;
mod level;
mod lineage;
mod nodes;
mod order;
mod seed;
mod spread;
mod tree;
mod waiting;

use surgewall_core::principal::Class;

use super::work::Work;
use classes::Classes;
pub use classes::{SHARE_MIN, Shares};
pub use idle::{IDLE_ENTRIES_MAX, IDLE_ENTRY_BYTES};
pub use lineage::{LEVELS_MAX, Lineage};
use tree::Tree;
pub use waiting::Handle;
use waiting::Waiting;

/// What is next, or was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Next<T> {
    /// What was queued.
    pub item: T,
    /// Its work, as it was pushed.
    pub work: Work,
    /// Its class.
    pub class: Class,
}

/// How many requests are before one that waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ahead {
    /// In its class: those before it in its own line, and those of others that
    /// fairness puts first. An estimate, since work differs between requests.
    pub in_class: u64,
    /// In all classes.
    pub total: u64,
}

/// A queue in fair order. `T` is what waits: a ticket's number, not the request.
#[derive(Debug)]
pub struct FairQueue<T> {
    classes: Classes,
    tree: Tree,
    waiting: Waiting<T>,
}

impl<T: Copy> FairQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new(shares: Shares) -> Self {
        Self::with_idle_max(shares, IDLE_ENTRIES_MAX)
    }

    /// An empty queue that remembers at most `idle_max` idle entries.
    #[must_use]
    pub fn with_idle_max(shares: Shares, idle_max: usize) -> Self {
        let (classes, tree) = (Classes::new(shares), Tree::new(idle_max));
        Self { classes, tree, waiting: Waiting::default() }
    }

    /// Changes the shares from the next request on.
    pub fn set_shares(&mut self, shares: Shares) {
        self.classes.set_shares(shares);
    }

    /// Queues `item`, which will cost `work`, behind what its lineage has queued.
    pub fn push(&mut self, lineage: &Lineage, work: Work, item: T) -> Handle {
        let class = lineage.class();
        let leaf = self.tree.join(lineage);
        let (line, counted) = (self.tree.line_mut(leaf), lineage.counted(work));
        let handle = self.waiting.append(line, leaf, class, (work, counted), item);
        self.tree.lengthen(leaf, work);
        if self.tree.queued(class) == 1 {
            self.classes.enter(class);
        }
        handle
    }

    /// Takes a request out whose client left. `None` if it is no longer queued.
    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        let (leaf, class, work) = self.waiting.at(handle).map(|at| (at.leaf, at.class, at.work))?;
        let item = self.waiting.unlink(self.tree.line_mut(leaf), handle)?;
        self.tree.shorten(leaf, work, None);
        if self.tree.queued(class) == 0 {
            self.classes.leave(class);
        }
        Some(item)
    }

    /// What [`Self::pop`] would take.
    #[must_use]
    pub fn peek(&self) -> Option<Next<T>> {
        self.peek_class(self.classes.least()?)
    }

    /// What [`Self::pop_class`] would take.
    #[must_use]
    pub fn peek_class(&self, class: Class) -> Option<Next<T>> {
        self.first(class).and_then(|handle| self.next_of(handle))
    }

    /// How far the next request of `class` is from being the next of all: the work of
    /// its class that is ahead of what its share comes to.
    #[must_use]
    pub fn lead_of(&self, class: Class) -> Work {
        self.classes.lead_of(class)
    }

    /// Takes the next request, and charges its work to its class and its lineage.
    #[must_use = "it has been charged for"]
    pub fn pop(&mut self) -> Option<Next<T>> {
        self.pop_class(self.classes.least()?)
    }

    /// Takes the next request of `class`, whatever the others' shares are.
    #[must_use = "it has been charged for"]
    pub fn pop_class(&mut self, class: Class) -> Option<Next<T>> {
        let handle = self.first(class)?;
        let next = self.next_of(handle)?;
        let (leaf, counted) = self.waiting.at(handle).map(|at| (at.leaf, at.counted))?;
        self.waiting.unlink(self.tree.line_mut(leaf), handle)?;
        self.tree.shorten(leaf, next.work, Some(counted));
        self.classes.serve(class, next.work);
        if self.tree.queued(class) == 0 {
            self.classes.leave(class);
        }
        Some(next)
    }

    /// Charges a request that was dispatched without waiting.
    pub fn charge(&mut self, lineage: &Lineage, work: Work) {
        self.tree.charge(lineage, lineage.counted(work), true);
        self.classes.serve(lineage.class(), work);
    }

    /// Charges more for a request that runs already.
    pub fn top_up(&mut self, lineage: &Lineage, work: Work) {
        self.tree.charge(lineage, lineage.counted(work), false);
        self.classes.top_up(lineage.class(), work);
    }

    /// Gives back what was charged too much, but never so much that a lineage gets
    /// before where it was lifted to when it began to wait.
    pub fn refund(&mut self, lineage: &Lineage, work: Work) {
        self.tree.refund(lineage, lineage.counted(work));
        self.classes.refund(lineage.class(), work);
    }

    /// How many requests are before this one; nothing for one that is not queued.
    #[must_use]
    pub fn ahead(&self, handle: Handle) -> Ahead {
        let Some(at) = self.waiting.at(handle) else {
            return Ahead::default();
        };
        let before = self.waiting.before(self.tree.line(at.leaf), handle);
        let in_class = self.tree.ahead(at.leaf, before);
        let others = self
            .classes
            .ahead(at.class, in_class, |class| (self.tree.queued(class), self.tree.work(class)));
        Ahead { in_class, total: in_class + others }
    }

    /// Requests that wait.
    #[must_use]
    pub fn len(&self) -> u64 {
        Class::ALL.into_iter().map(|class| self.len_of(class)).sum()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.least().is_none()
    }

    /// Requests of `class` that wait.
    #[must_use]
    pub fn len_of(&self, class: Class) -> u64 {
        self.tree.queued(class)
    }

    /// The work of the requests of `class` that wait.
    #[must_use]
    pub fn work_of(&self, class: Class) -> Work {
        self.tree.work(class)
    }

    /// What was charged to `class`, less what was refunded.
    #[must_use]
    pub fn charged_to(&self, class: Class) -> Work {
        self.classes.charged_to(class)
    }

    /// The classes of which somebody waits, most trusted first.
    pub fn backlogged(&self) -> impl Iterator<Item = Class> + '_ {
        Class::ALL.into_iter().filter(|class| self.len_of(*class) > 0)
    }

    /// Principals that wait for nothing and are remembered.
    #[must_use]
    pub fn idle_entries(&self) -> usize {
        self.tree.idle_entries()
    }

    fn first(&self, class: Class) -> Option<Handle> {
        let leaf = self.tree.next(class)?;
        self.waiting.first(self.tree.line(leaf))
    }

    fn next_of(&self, handle: Handle) -> Option<Next<T>> {
        let at = self.waiting.at(handle)?;
        Some(Next { item: at.item, work: at.work, class: at.class })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASS: Class = Class::Verified;

    fn of(ids: &[u64]) -> Lineage {
        Lineage::new(CLASS, false, ids)
    }

    fn queue() -> FairQueue<u32> {
        FairQueue::new(Shares::default())
    }

    fn popped(queue: &mut FairQueue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).map(|next| next.item).collect()
    }

    #[test]
    fn a_line_is_first_in_first_out_and_two_lines_take_turns() {
        let mut queue = queue();
        for item in 0..3 {
            let _ = queue.push(&of(&[1]), Work(100), item);
        }
        let _ = queue.push(&of(&[2]), Work(100), 10);
        let _ = queue.push(&of(&[2]), Work(100), 11);
        assert_eq!(queue.len(), 5);
        assert_eq!(queue.work_of(CLASS), Work(500));
        assert_eq!(popped(&mut queue), [0, 10, 1, 11, 2]);
        assert!(queue.is_empty() && queue.peek().is_none());
    }

    #[test]
    fn classes_get_their_shares_and_ties_go_to_the_more_trusted() {
        let mut queue = FairQueue::new(Shares::new([500, 250, 125, 125]));
        for item in 0..400 {
            for (class, name) in Class::ALL.into_iter().zip([0, 1, 2, 3]) {
                let _ = queue.push(&Lineage::new(class, false, &[item]), Work(10), name);
            }
        }
        assert_eq!(queue.peek().map(|next| next.class), Some(Class::Established));
        let served: Vec<u32> = (0..80).filter_map(|_| queue.pop()).map(|next| next.item).collect();
        let count = |class| served.iter().filter(|name| **name == class).count();
        assert_eq!([count(0), count(1), count(2), count(3)], [40, 20, 10, 10]);
    }

    #[test]
    fn who_counts_in_parts_comes_more_often_and_starves_nobody() {
        let mut queue = queue();
        for _ in 0..40 {
            let _ = queue.push(&of(&[1]), Work(100), 1);
            let _ = queue.push(&of(&[2]).in_parts(4), Work(100), 2);
        }
        let served: Vec<u32> = (0..40).filter_map(|_| queue.pop()).map(|next| next.item).collect();
        let count = served.iter().filter(|one| **one == 2).count();
        assert!((31..=33).contains(&count), "four of five: {count}");
        assert_eq!(queue.charged_to(CLASS), Work(4_000), "the class pays all of it");
    }

    #[test]
    fn a_handle_is_of_no_use_twice() {
        let mut queue = queue();
        let first = queue.push(&of(&[1]), Work(1), 1);
        let second = queue.push(&of(&[1]), Work(1), 2);
        assert_eq!(queue.ahead(second).in_class, 1);
        assert_eq!((queue.remove(first), queue.remove(first)), (Some(1), None));
        assert_eq!(queue.ahead(second), Ahead::default());
        assert_eq!(queue.pop().map(|next| next.item), Some(2));
        let third = queue.push(&of(&[1]), Work(1), 3);
        assert_eq!((queue.remove(second), queue.remove(third)), (None, Some(3)));
        assert_eq!(queue.ahead(third), Ahead::default());
    }

    #[test]
    fn a_node_may_have_a_line_and_children() {
        let mut queue = queue();
        let _ = queue.push(&of(&[1]), Work(10), 1);
        let _ = queue.push(&of(&[1]), Work(10), 2);
        let _ = queue.push(&of(&[1, 5]), Work(10), 3);
        let _ = queue.push(&of(&[1, 5]), Work(10), 4);
        assert_eq!(popped(&mut queue), [1, 3, 2, 4]);
    }

    #[test]
    fn the_young_of_a_class_share_one_counter() {
        let mut queue = queue();
        for account in 0..1_000 {
            let _ = queue.push(&Lineage::new(CLASS, true, &[account]), Work(10), 0);
        }
        for item in 0..50 {
            let _ = queue.push(&of(&[7]), Work(10), 100 + item);
        }
        let served: Vec<u32> = (0..60).filter_map(|_| queue.pop()).map(|next| next.item).collect();
        assert_eq!(served.iter().filter(|item| **item == 0).count(), 30);
    }
}
