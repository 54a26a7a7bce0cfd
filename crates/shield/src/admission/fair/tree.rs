//! Inside a class: a tree of virtual token counters (Sheng et al., "Fairness in
//! Serving Large Language Models", OSDI'24).
//!
//! A node exists while something below it waits; the classes' roots and the common
//! parents of young accounts always do. Each node with children keeps those that
//! wait in the order of what they were served. A child that begins to wait is lifted
//! to the least of them, and no less than the level's floor. A node may have a line
//! of its own beside children: it counts as one of them.

use surgewall_core::principal::Class;

use super::super::work::Work;
use super::idle::Idle;
use super::level::{Level, Standing};
use super::lineage::Lineage;
use super::nodes::{Node, Nodes};
use super::seed::Seed;
use super::waiting::{Line, NONE};

/// Nodes that always exist: a root and a parent of the young for each class.
const PERMANENT: u32 = 8;

/// Levels kept for the next node with children, so that nothing is allocated then.
const SPARE_LEVELS_MAX: usize = 1_024;

/// The counters of all classes.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Nodes,
    idle: Idle,
    /// The most that any child was served. New levels begin here, so that what is
    /// still remembered of an old one counts for nothing.
    peak: u64,
    turns: u64,
    #[expect(clippy::vec_box, reason = "a level moves from node to node, its content does not")]
    spare: Vec<Box<Level>>,
}

/// A counter of a lineage.
enum Counter {
    /// Of a node, or of its own line where it is its own parent.
    Node(u32),
    /// Of one for which nobody waits, by its id.
    Idle(u64),
}

const fn root_of(class: Class) -> u32 {
    class as u32
}

const fn young_of(class: Class) -> u32 {
    class as u32 + PERMANENT / 2
}

impl Tree {
    pub(super) fn new(idle_max: usize) -> Self {
        let permanent = (0..PERMANENT).map(|place| {
            let parent = place.checked_sub(PERMANENT / 2).unwrap_or(NONE);
            Node { level: Some(Box::default()), ..Node::new(u64::from(place), parent, 0) }
        });
        let seed = Seed::random();
        let nodes = Nodes::new(seed, permanent.collect());
        Self { nodes, idle: Idle::new(seed, idle_max), peak: 0, turns: 0, spare: Vec::new() }
    }

    pub(super) fn queued(&self, class: Class) -> u64 {
        u64::from(self.nodes.at(root_of(class)).queued)
    }

    pub(super) fn work(&self, class: Class) -> Work {
        self.nodes.at(root_of(class)).work
    }

    pub(super) fn idle_entries(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn line(&self, node: u32) -> &Line {
        &self.nodes.at(node).line
    }

    pub(super) fn line_mut(&mut self, node: u32) -> &mut Line {
        &mut self.nodes.at_mut(node).line
    }

    /// The node of a lineage, which must be lengthened next.
    pub(super) fn join(&mut self, lineage: &Lineage) -> u32 {
        let class = lineage.class();
        let top = if lineage.is_young() { young_of(class) } else { root_of(class) };
        let ids = lineage.ids().iter();
        ids.fold(top, |at, id| self.nodes.find(at, *id).unwrap_or_else(|| self.add(at, *id)))
    }

    /// A request of `work` was added to the line of `leaf`.
    pub(super) fn lengthen(&mut self, leaf: u32, work: Work) {
        let own = self.nodes.at(leaf);
        if own.level.is_some() {
            self.lengthened(leaf, leaf, own.line.len() - 1);
        }
        let mut at = leaf;
        while at != NONE {
            let node = self.nodes.at_mut(at);
            let (before, parent) = (node.queued, node.parent);
            node.queued += 1;
            node.work = node.work.plus(work);
            if parent != NONE {
                self.lengthened(parent, at, before);
            }
            at = parent;
        }
    }

    /// A request of `work` was taken out of the line of `leaf`. `served`: it was the
    /// first, and so much is charged for it.
    pub(super) fn shorten(&mut self, leaf: u32, work: Work, served: Option<Work>) {
        let own = self.nodes.at(leaf);
        if own.level.is_some() {
            self.shortened(leaf, leaf, own.line.len() + 1, served);
        }
        let mut at = leaf;
        while at != NONE {
            let node = self.nodes.at_mut(at);
            let (before, parent) = (node.queued, node.parent);
            node.queued -= 1;
            node.work = node.work.minus(work);
            if parent != NONE {
                self.shortened(parent, at, before, served);
            }
            if before == 1 && at >= PERMANENT {
                self.forget(at);
            }
            at = parent;
        }
    }

    /// The node whose line is next in `class`.
    pub(super) fn next(&self, class: Class) -> Option<u32> {
        let mut at = root_of(class);
        while let Some(level) = &self.nodes.at(at).level {
            let first = level.order.first()?.node;
            if first == at {
                break;
            }
            at = first;
        }
        Some(at)
    }

    /// Charges `work` to each counter of a lineage that is there. `serves`: it is a
    /// request of its own, and not more work for one that was served.
    pub(super) fn charge(&mut self, lineage: &Lineage, work: Work, serves: bool) {
        self.each_counter(lineage, |tree, parent, counter| {
            let start = match counter {
                Counter::Node(node) => tree.charge_node(parent, node, work),
                Counter::Idle(id) => tree.charge_idle(parent, id, work),
            };
            tree.peak = tree.peak.max(start.saturating_add(work.0));
            if serves && let Some(level) = &mut tree.nodes.at_mut(parent).level {
                level.advance(start, work, level.order.len());
            }
        });
    }

    /// Takes back `work` from each counter of a lineage that is there.
    pub(super) fn refund(&mut self, lineage: &Lineage, work: Work) {
        self.each_counter(lineage, |tree, parent, counter| match counter {
            Counter::Node(node) => tree.change(parent, node, |standing, _| {
                standing.served = standing.served.saturating_sub(work.0);
            }),
            Counter::Idle(id) => {
                let floor = tree.nodes.floor(parent);
                if let Some(served) = tree.idle.served_mut(parent, id) {
                    *served = served.saturating_sub(work.0);
                    if *served <= floor {
                        tree.idle.take(parent, id);
                    }
                }
            }
        });
    }

    /// Requests of the class before one that has `before` before it in the line of `leaf`.
    pub(super) fn ahead(&self, leaf: u32, before: u64) -> u64 {
        let mut ahead = before;
        let own = self.nodes.at(leaf);
        if let Some(level) = &own.level {
            ahead = level.ahead(level.line.key(leaf), ahead, own.each());
        }
        let mut at = leaf;
        while let Some(parent) = self.nodes.above(at) {
            let node = self.nodes.at(at);
            if let Some(level) = &parent.level {
                ahead = level.ahead(node.standing.key(at), ahead, parent.each());
            }
            at = node.parent;
        }
        ahead
    }

    /// The counters of a lineage with their parents, as far as somebody waits: below
    /// that there is nothing to remember.
    fn each_counter(&mut self, lineage: &Lineage, mut visit: impl FnMut(&mut Self, u32, Counter)) {
        let class = lineage.class();
        let mut at = root_of(class);
        if lineage.is_young() {
            visit(self, at, Counter::Node(young_of(class)));
            at = young_of(class);
        }
        for id in lineage.ids() {
            if self.nodes.at(at).level.is_none() {
                return;
            }
            let Some(node) = self.nodes.find(at, *id) else {
                visit(self, at, Counter::Idle(*id));
                return;
            };
            visit(self, at, Counter::Node(node));
            at = node;
        }
        if self.nodes.at(at).level.is_some() {
            visit(self, at, Counter::Node(at));
        }
    }

    /// Charges a child, and says where that started.
    fn charge_node(&mut self, parent: u32, node: u32, work: Work) -> u64 {
        let mut start = 0;
        self.change(parent, node, |standing, floor| {
            start = standing.served.max(standing.lifted).max(floor);
            standing.served = start.saturating_add(work.0);
        });
        start
    }

    fn charge_idle(&mut self, parent: u32, id: u64, work: Work) -> u64 {
        let floor = self.nodes.floor(parent);
        if let Some(served) = self.idle.served_mut(parent, id) {
            let start = floor.max(*served);
            *served = start.saturating_add(work.0);
            return start;
        }
        self.remember(parent, id, floor.saturating_add(work.0));
        floor
    }

    /// Changes a child's standing, and its place in the order if it waits. `change`
    /// gets the least that it starts from: nothing for one that waits.
    fn change(&mut self, parent: u32, node: u32, change: impl FnOnce(&mut Standing, u64)) {
        let (mut standing, queued) = self.standing(parent, node);
        let Some(level) = &mut self.nodes.at_mut(parent).level else {
            return;
        };
        if queued == 0 {
            change(&mut standing, level.floor);
        } else {
            level.order.remove(&standing.key(node));
            change(&mut standing, 0);
            level.order.insert(standing.key(node));
        }
        self.set_standing(parent, node, standing);
    }

    /// A child's queue went from `before` to one more.
    fn lengthened(&mut self, parent: u32, child: u32, before: u32) {
        if before > 0 {
            if let Some(level) = &mut self.nodes.at_mut(parent).level {
                level.lengthen(before);
            }
            return;
        }
        let (mut standing, turn) = (self.standing(parent, child).0, self.turn());
        if let Some(level) = &mut self.nodes.at_mut(parent).level {
            level.enter(&mut standing, child, 1, turn);
            self.set_standing(parent, child, standing);
        }
    }

    /// A child's queue went from `before` to one less; `served` says by how much work,
    /// if it was served.
    fn shortened(&mut self, parent: u32, child: u32, before: u32, served: Option<Work>) {
        let mut standing = self.standing(parent, child).0;
        let turn = self.turn();
        let Some(level) = &mut self.nodes.at_mut(parent).level else {
            return;
        };
        match served {
            Some(work) => level.serve(&mut standing, child, before, work, turn),
            None => level.shorten(&mut standing, child, before),
        }
        self.peak = self.peak.max(standing.served);
        self.set_standing(parent, child, standing);
    }

    fn add(&mut self, parent: u32, id: u64) -> u32 {
        if self.nodes.at(parent).level.is_none() {
            let mut level = self.spare.pop().unwrap_or_default();
            level.reset(self.peak);
            let (len, turn) = (self.nodes.at(parent).line.len(), self.turn());
            if len > 0 {
                let mut line = Standing::default();
                level.enter(&mut line, parent, len, turn);
                level.line = line;
            }
            self.nodes.at_mut(parent).level = Some(level);
        }
        let served = self.idle.take(parent, id).unwrap_or(0);
        self.nodes.add(Node::new(id, parent, served))
    }

    /// Nothing waits in a node or below it any more.
    fn forget(&mut self, place: u32) {
        let node = self.nodes.at(place);
        let (parent, id, served) = (node.parent, node.id, node.standing.served);
        self.nodes.remove(place);
        self.drop_level(place);
        let above = self.nodes.at(parent);
        if parent >= PERMANENT && above.queued - 1 == above.line.len() {
            // No child of it waits any more: there is nobody to be fair between.
            self.drop_level(parent);
        } else {
            self.remember(parent, id, served);
        }
    }

    fn drop_level(&mut self, place: u32) {
        let level = self.nodes.at_mut(place).level.take();
        if self.spare.len() < SPARE_LEVELS_MAX {
            self.spare.extend(level);
        }
    }

    fn remember(&mut self, parent: u32, id: u64, served: u64) {
        let nodes = &self.nodes;
        self.idle.remember(parent, id, served, |parent| nodes.floor(parent));
    }

    /// The standing of a child, or of the parent's own line, and its requests.
    fn standing(&self, parent: u32, child: u32) -> (Standing, u32) {
        let node = self.nodes.at(child);
        match &node.level {
            Some(level) if parent == child => (level.line, node.line.len()),
            _ => (node.standing, node.queued),
        }
    }

    fn set_standing(&mut self, parent: u32, child: u32, standing: Standing) {
        let node = self.nodes.at_mut(child);
        match &mut node.level {
            Some(level) if parent == child => level.line = standing,
            _ => node.standing = standing,
        }
    }

    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}
