//! Inside a class: a tree of virtual token counters (Sheng et al., "Fairness in
//! Serving Large Language Models", OSDI'24).
//!
//! A node exists while something below it waits; the classes' roots and the common
//! parents of young accounts always do. Each node with children keeps those that
//! wait in the order of what they were served. A child that begins to wait is lifted
//! to the least of them, or else to the level's floor: the start of what was served
//! last. A node may have a line of its own beside children: it counts as one of them.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use surgewall_core::principal::Class;

use super::super::work::Work;
use super::idle::Idle;
use super::lineage::Lineage;
use super::order::{Key, Order};
use super::spread::{ROUND, Spread};
use super::waiting::{Line, NONE};

/// Nodes that always exist: a root and a parent of the young for each class.
const PERMANENT: u32 = 8;

/// What a child was served, and its place among its siblings.
#[derive(Clone, Copy, Default, Debug)]
struct Standing {
    /// Work charged to it, less refunds.
    served: u64,
    /// Where it was lifted to when it began to wait.
    lifted: u64,
    /// Its turn among equals.
    turn: u64,
}
impl Standing {
    fn key(&self, node: u32) -> Key {
        Key { served: self.served.max(self.lifted), turn: self.turn, node }
    }
}

#[derive(Debug)]
struct Node {
    id: u64,
    /// [`NONE`] for a class.
    parent: u32,
    /// Requests in it and below it.
    queued: u32,
    work: Work,
    standing: Standing,
    line: Line,
    children: Option<Box<Children>>,
}

#[derive(Debug)]
struct Children {
    order: Order,
    /// The start of what was served last: a child that was served no more is not ahead.
    floor: u64,
    spread: Spread,
    /// The node's own line, as one of its children.
    line: Standing,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Positions in `nodes`, by parent and id.
    index: HashTable<u32>,
    hasher: RandomState,
    idle: Idle,
    /// The most that any child was served. New levels begin here, so that what is
    /// still remembered of an old one counts for nothing.
    peak: u64,
    turns: u64,
}

const fn root_of(class: Class) -> u32 {
    class as u32
}

const fn young_of(class: Class) -> u32 {
    class as u32 + PERMANENT / 2
}

impl Tree {
    pub(super) fn new(idle_max: usize) -> Self {
        let mut nodes: Vec<Node> = Vec::new();
        for place in 0..PERMANENT {
            let parent = if place < PERMANENT / 2 { NONE } else { place - PERMANENT / 2 };
            let mut node = Node::new(u64::from(place), parent, 0);
            node.children = Some(Box::new(Children::from_floor(0)));
            nodes.push(node);
        }
        let (index, hasher) = (HashTable::new(), RandomState::new());
        let idle = Idle::new(idle_max);
        Self { nodes, free: Vec::new(), index, hasher, idle, peak: 0, turns: 0 }
    }

    pub(super) fn queued(&self, class: Class) -> u64 {
        u64::from(self.node(root_of(class)).queued)
    }

    pub(super) fn work(&self, class: Class) -> Work {
        self.node(root_of(class)).work
    }

    pub(super) fn idle_entries(&self) -> usize {
        self.idle.len()
    }

    pub(super) fn line(&self, node: u32) -> &Line {
        &self.node(node).line
    }

    pub(super) fn line_mut(&mut self, node: u32) -> &mut Line {
        &mut self.node_mut(node).line
    }

    /// The node of a lineage, which must be lengthened next.
    pub(super) fn join(&mut self, lineage: &Lineage) -> u32 {
        let class = lineage.class();
        let top = if lineage.is_young() { young_of(class) } else { root_of(class) };
        lineage.ids().iter().fold(top, |node, id| match self.find(node, *id) {
            Some(child) => child,
            None => self.add(node, *id),
        })
    }

    /// A request of `work` was added to the line of `leaf`.
    pub(super) fn lengthen(&mut self, leaf: u32, work: Work) {
        let len = self.node(leaf).line.len();
        if self.node(leaf).children.is_some() {
            self.lengthened(leaf, leaf, len - 1);
        }
        let mut at = leaf;
        while at != NONE {
            let node = self.node_mut(at);
            let (before, parent) = (node.queued, node.parent);
            node.queued += 1;
            node.work = node.work.plus(work);
            if parent != NONE {
                self.lengthened(parent, at, before);
            }
            at = parent;
        }
    }

    /// A request of `work` left the line of `leaf` without being served.
    pub(super) fn shorten(&mut self, leaf: u32, work: Work) {
        self.shorten_by(leaf, work, None);
    }

    /// The first request of the line of `leaf`, of `work`, is served.
    pub(super) fn serve(&mut self, leaf: u32, work: Work) {
        self.shorten_by(leaf, work, Some(work));
    }

    /// The node whose line is next in `class`.
    pub(super) fn next(&self, class: Class) -> Option<u32> {
        let mut at = root_of(class);
        loop {
            let Some(children) = &self.node(at).children else {
                return Some(at);
            };
            let first = children.order.first()?.node;
            if first == at {
                return Some(at);
            }
            at = first;
        }
    }

    /// Charges `work` to each counter of a lineage that is there. `serves`: it is a
    /// request of its own, and not more work for one that was served.
    pub(super) fn charge(&mut self, lineage: &Lineage, work: Work, serves: bool) {
        self.each_counter(lineage, |tree, parent, child| match child {
            Child::Node(node) => tree.charge_node(parent, node, work, serves),
            Child::Idle(id) => tree.charge_idle(parent, id, work, serves),
        });
    }

    /// Takes back `work` from each counter of a lineage that is there.
    pub(super) fn refund(&mut self, lineage: &Lineage, work: Work) {
        self.each_counter(lineage, |tree, parent, child| match child {
            Child::Node(node) => tree.replace(parent, node, |standing, _| {
                standing.served = standing.served.saturating_sub(work.0);
            }),
            Child::Idle(id) => {
                let floor = tree.floor(parent);
                let Some(served) = tree.idle.served_mut(parent, id) else {
                    return;
                };
                *served = served.saturating_sub(work.0);
                if *served <= floor {
                    tree.idle.take(parent, id);
                }
            }
        });
    }

    /// Requests of the class before one that has `before` before it in the line of `leaf`.
    pub(super) fn ahead(&self, leaf: u32, before: u64) -> u64 {
        let mut ahead = before;
        let own = self.node(leaf);
        if let Some(children) = &own.children {
            ahead = children.ahead(children.line.key(leaf), ahead, own.each());
        }
        let mut at = leaf;
        while let Some(parent) = self.nodes.get(self.node(at).parent as usize) {
            let node = self.node(at);
            if let Some(children) = &parent.children {
                ahead = children.ahead(node.standing.key(at), ahead, parent.each());
            }
            at = node.parent;
        }
        ahead
    }

    fn each_counter(&mut self, lineage: &Lineage, mut visit: impl FnMut(&mut Self, u32, Child)) {
        let class = lineage.class();
        let mut at = root_of(class);
        if lineage.is_young() {
            visit(self, at, Child::Node(young_of(class)));
            at = young_of(class);
        }
        for id in lineage.ids() {
            if self.node(at).children.is_none() {
                return;
            }
            let Some(node) = self.find(at, *id) else {
                // Below it nobody waits: there is nothing to remember.
                visit(self, at, Child::Idle(*id));
                return;
            };
            visit(self, at, Child::Node(node));
            at = node;
        }
        if self.node(at).children.is_some() {
            visit(self, at, Child::Node(at));
        }
    }

    fn charge_node(&mut self, parent: u32, node: u32, work: Work, serves: bool) {
        let mut served = 0;
        self.replace(parent, node, |standing, floor| {
            let start = standing.served.max(standing.lifted).max(floor);
            standing.served = start.saturating_add(work.0);
            served = standing.served;
        });
        self.peak = self.peak.max(served);
        if serves {
            self.raise(parent, served.saturating_sub(work.0));
        }
    }

    fn charge_idle(&mut self, parent: u32, id: u64, work: Work, serves: bool) {
        let floor = self.floor(parent);
        let start = self.idle.served_mut(parent, id).map_or(floor, |served| floor.max(*served));
        let served = start.saturating_add(work.0);
        self.peak = self.peak.max(served);
        if serves {
            self.raise(parent, start);
        }
        match self.idle.served_mut(parent, id) {
            Some(known) => *known = served,
            None => self.remember(parent, id, served),
        }
    }

    /// Changes a child's standing, and its place in the order if it waits. `change`
    /// gets the least that it starts from: nothing for one that waits.
    fn replace(&mut self, parent: u32, node: u32, change: impl FnOnce(&mut Standing, u64)) {
        let (mut standing, queued) = self.standing(parent, node);
        let Some(children) = self.node_mut(parent).children.as_mut() else {
            return;
        };
        if queued == 0 {
            change(&mut standing, children.floor);
        } else {
            children.order.remove(&standing.key(node));
            change(&mut standing, 0);
            children.order.insert(standing.key(node));
        }
        self.set_standing(parent, node, standing);
    }

    /// The floor follows what is served, but never passes anybody who waits.
    fn raise(&mut self, parent: u32, start: u64) {
        if let Some(children) = self.node_mut(parent).children.as_mut() {
            let least = children.order.first().map_or(start, |key| key.served.min(start));
            children.floor = children.floor.max(least);
        }
    }

    /// A child's queue went from `before` to one more.
    fn lengthened(&mut self, parent: u32, child: u32, before: u32) {
        let mut standing = self.standing(parent, child).0;
        self.turns += 1;
        let turn = self.turns;
        let Some(children) = self.node_mut(parent).children.as_mut() else {
            return;
        };
        children.spread.change(before, before + 1);
        if before > 0 {
            return;
        }
        let least = children.order.first().map_or(0, |key| key.served);
        standing.lifted = least.max(children.floor);
        standing.turn = turn;
        children.order.insert(standing.key(child));
        self.set_standing(parent, child, standing);
    }

    /// A child's queue went from `before` to one less; `served` says by how much work,
    /// if it was served.
    fn shortened(&mut self, parent: u32, child: u32, before: u32, served: Option<Work>) {
        let mut standing = self.standing(parent, child).0;
        self.turns += 1;
        let turn = self.turns;
        let Some(children) = self.node_mut(parent).children.as_mut() else {
            return;
        };
        children.spread.change(before, before - 1);
        let key = standing.key(child);
        if served.is_some() || before == 1 {
            children.order.remove(&key);
        }
        if let Some(work) = served {
            standing.served = key.served.saturating_add(work.0);
            standing.turn = turn;
            children.floor = children.floor.max(key.served);
            if before > 1 {
                children.order.insert(standing.key(child));
            }
        }
        if before == 1 {
            standing.lifted = 0;
        }
        self.peak = self.peak.max(standing.served);
        self.set_standing(parent, child, standing);
    }

    fn shorten_by(&mut self, leaf: u32, work: Work, served: Option<Work>) {
        let len = self.node(leaf).line.len();
        if self.node(leaf).children.is_some() {
            self.shortened(leaf, leaf, len + 1, served);
        }
        let mut at = leaf;
        while at != NONE {
            let node = self.node_mut(at);
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

    fn add(&mut self, parent: u32, id: u64) -> u32 {
        let peak = self.peak;
        self.turns += 1;
        let turn = self.turns;
        let above = self.node_mut(parent);
        if above.children.is_none() {
            let mut children = Children::from_floor(peak);
            if above.line.len() > 0 {
                children.line = Standing { served: 0, lifted: peak, turn };
                children.order.insert(children.line.key(parent));
                children.spread.change(0, above.line.len());
            }
            above.children = Some(Box::new(children));
        }
        let served = self.idle.take(parent, id).unwrap_or(0);
        let node = Node::new(id, parent, served);
        let place = match self.free.pop() {
            Some(place) => {
                *self.node_mut(place) = node;
                place
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
            }
        };
        let (nodes, hasher) = (&self.nodes, &self.hasher);
        let hash = hasher.hash_one((parent, id));
        self.index.insert_unique(hash, place, |place| {
            let node = &nodes[*place as usize];
            hasher.hash_one((node.parent, node.id))
        });
        place
    }

    /// Nothing waits in a node or below it any more.
    fn forget(&mut self, place: u32) {
        let node = self.node_mut(place);
        let (parent, id, served) = (node.parent, node.id, node.standing.served);
        node.children = None;
        let hash = self.hasher.hash_one((parent, id));
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == place) {
            entry.remove();
        }
        self.free.push(place);
        // Its parent goes too, where this was the last.
        if parent < PERMANENT || self.node(parent).queued > 1 {
            self.remember(parent, id, served);
        }
    }

    fn remember(&mut self, parent: u32, id: u64, served: u64) {
        let nodes = &self.nodes;
        self.idle.remember(parent, id, served, |parent| floor_of(nodes, parent));
    }

    fn floor(&self, parent: u32) -> u64 {
        floor_of(&self.nodes, parent)
    }

    fn find(&self, parent: u32, id: u64) -> Option<u32> {
        let is_it = |place: &u32| {
            let node = self.node(*place);
            node.id == id && node.parent == parent
        };
        self.index.find(self.hasher.hash_one((parent, id)), is_it).copied()
    }

    /// The standing of a child, or of the parent's own line, and its requests.
    fn standing(&self, parent: u32, child: u32) -> (Standing, u32) {
        let node = self.node(child);
        match &node.children {
            Some(children) if parent == child => (children.line, node.line.len()),
            _ => (node.standing, node.queued),
        }
    }

    fn set_standing(&mut self, parent: u32, child: u32, standing: Standing) {
        let node = self.node_mut(child);
        match &mut node.children {
            Some(children) if parent == child => children.line = standing,
            _ => node.standing = standing,
        }
    }

    fn node(&self, place: u32) -> &Node {
        &self.nodes[place as usize]
    }

    fn node_mut(&mut self, place: u32) -> &mut Node {
        &mut self.nodes[place as usize]
    }
}

/// A counter of a lineage.
enum Child {
    /// Of a node, or of its own line where it is its own parent.
    Node(u32),
    /// Of one for which nobody waits, by its id.
    Idle(u64),
}

impl Node {
    fn new(id: u64, parent: u32, served: u64) -> Self {
        let standing = Standing { served, ..Standing::default() };
        Self {
            id,
            parent,
            queued: 0,
            work: Work::ZERO,
            standing,
            line: Line::default(),
            children: None,
        }
    }

    /// The work of one of its requests on average, at least one.
    fn each(&self) -> u64 {
        (self.work.0 / u64::from(self.queued.max(1))).max(1)
    }
}

impl Children {
    fn from_floor(floor: u64) -> Self {
        Self {
            order: Order::default(),
            floor,
            spread: Spread::default(),
            line: Standing::default(),
        }
    }

    /// Requests below this level before one of the child at `key`, which has `before`
    /// before it in that child. `each`: the work of a request on average.
    ///
    /// Until its turn comes, each sibling is served as often as the child, and once
    /// more if it is before the child in the order. Where the child is further from
    /// the others than one request, that distance counts instead of its rank.
    fn ahead(&self, key: Key, before: u64, each: u64) -> u64 {
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
        before
            + self.spread.served_in(rounds).saturating_sub(rounds.div_ceil(ROUND).min(before + 1))
    }
}

fn floor_of(nodes: &[Node], place: u32) -> u64 {
    let children = nodes.get(place as usize).and_then(|node| node.children.as_ref());
    // Of a node that is gone, nobody is ahead.
    children.map_or(u64::MAX, |children| children.floor)
}
