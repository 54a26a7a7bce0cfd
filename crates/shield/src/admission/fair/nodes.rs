//! The nodes of the tree, side by side, found by their parent and id.

use hashbrown::HashTable;

use super::super::work::Work;
use super::level::{Level, Standing};
use super::seed::Seed;
use super::waiting::{Line, NONE};

/// One counter's node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) id: u64,
    /// [`NONE`] for a class.
    pub(super) parent: u32,
    /// Requests in it and below it.
    pub(super) queued: u32,
    /// Their work.
    pub(super) work: Work,
    pub(super) standing: Standing,
    /// Its own requests.
    pub(super) line: Line,
    pub(super) level: Option<Box<Level>>,
}

impl Node {
    pub(super) fn new(id: u64, parent: u32, served: u64) -> Self {
        let standing = Standing { served, ..Standing::default() };
        let (line, level) = (Line::default(), None);
        Self { id, parent, queued: 0, work: Work::ZERO, standing, line, level }
    }

    /// The work of one of its requests on average, at least one.
    pub(super) fn each(&self) -> u64 {
        (self.work.0 / u64::from(self.queued.max(1))).max(1)
    }
}

/// All nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Places of those that were added, by parent and id.
    index: HashTable<u32>,
    seed: Seed,
}

impl Nodes {
    /// The given nodes, which stay for ever and are not found by name.
    pub(super) fn new(seed: Seed, nodes: Vec<Node>) -> Self {
        Self { nodes, free: Vec::new(), index: HashTable::new(), seed }
    }

    pub(super) fn find(&self, parent: u32, id: u64) -> Option<u32> {
        let is_it = |place: &u32| {
            let node = self.at(*place);
            node.id == id && node.parent == parent
        };
        self.index.find(self.seed.hash(parent, id), is_it).copied()
    }

    pub(super) fn add(&mut self, node: Node) -> u32 {
        let hash = self.seed.hash(node.parent, node.id);
        let place = match self.free.pop() {
            Some(place) => {
                *self.at_mut(place) = node;
                place
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
            }
        };
        let (nodes, seed) = (&self.nodes, self.seed);
        self.index.insert_unique(hash, place, |place| {
            let node = &nodes[*place as usize];
            seed.hash(node.parent, node.id)
        });
        place
    }

    pub(super) fn remove(&mut self, place: u32) {
        let node = self.at(place);
        let hash = self.seed.hash(node.parent, node.id);
        if let Ok(entry) = self.index.find_entry(hash, |known| *known == place) {
            entry.remove();
        }
        self.free.push(place);
    }

    /// The parent of a node, unless that is a class.
    pub(super) fn above(&self, place: u32) -> Option<&Node> {
        self.nodes.get(self.at(place).parent as usize)
    }

    /// From where the children of a node are ahead: nobody is of one that is gone.
    pub(super) fn floor(&self, place: u32) -> u64 {
        let level = self.nodes.get(place as usize).and_then(|node| node.level.as_ref());
        level.map_or(u64::MAX, |level| level.floor)
    }

    pub(super) fn at(&self, place: u32) -> &Node {
        &self.nodes[place as usize]
    }

    pub(super) fn at_mut(&mut self, place: u32) -> &mut Node {
        &mut self.nodes[place as usize]
    }
}
