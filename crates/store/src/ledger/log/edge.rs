//! The tree with the tiles at its right edge: what the next publication writes.

use std::path::Path;

use super::note::Checkpoint;
use super::tiles::{self, LEVEL_HEIGHTS, Row, TILE_WIDTH, Tile};
use crate::ledger::format::Hash;
use crate::ledger::tree::{Tree, node_hash};

/// Full tiles that wait to be written at most, about 8 KiB each. Beyond it (the
/// log could not be written for long) they are left to the next start.
const TILES_WAITING_MAX: usize = 2_048;

/// The tree, and what is not on disk of its tiles.
pub(in crate::ledger) struct Edge {
    tree: Tree,
    /// None: what the tiles would hold is not known here, so none are written.
    rows: Option<Rows>,
}

struct Rows {
    entries: Growing,
    /// By level.
    hashes: Vec<Growing>,
    /// Full tiles that are not on disk yet, in order.
    full: Vec<Tile>,
}

/// The tile at the edge of one row.
struct Growing {
    tile: Tile,
    /// Its width on disk.
    written: u64,
}

/// What a publication writes.
pub(super) struct Due {
    pub(super) size: u64,
    pub(super) root: Hash,
    pub(super) full: Vec<Tile>,
    pub(super) partial: Vec<Tile>,
}

impl Edge {
    /// The edge of an empty tree.
    pub(in crate::ledger) fn new() -> Self {
        let rows =
            Rows { entries: Growing::new(Row::Entries, 0), hashes: Vec::new(), full: Vec::new() };
        Self { tree: Tree::default(), rows: Some(rows) }
    }

    /// A tree whose tiles are not known.
    pub(in crate::ledger) fn without_tiles(tree: Tree) -> Self {
        Self { tree, rows: None }
    }

    /// What the tiles in `log` hold up to `checkpoint`; `None` where they do not
    /// have its root.
    pub(super) fn read(log: &Path, checkpoint: &Checkpoint) -> Option<Self> {
        let size = checkpoint.size;
        let read = |row, items: u64| {
            let (index, width) = (items / TILE_WIDTH, items % TILE_WIDTH);
            let bytes =
                if width == 0 { Vec::new() } else { tiles::read(log, row, index, width).ok()? };
            Some(Growing { tile: Tile { row, index, bytes }, written: width })
        };
        let entries = read(Row::Entries, size)?;
        let (mut hashes, mut items) = (Vec::new(), size);
        while items > 0 {
            let level = u32::try_from(hashes.len()).ok()?;
            hashes.push(read(Row::Hashes(level), items)?);
            items /= TILE_WIDTH;
        }
        let tree = Tree::of(size, hashes.iter().rev().flat_map(peaks).collect())?;
        let rows = Rows { entries, hashes, full: Vec::new() };
        (tree.root() == checkpoint.root).then_some(Self { tree, rows: Some(rows) })
    }

    /// The tree so far.
    pub(in crate::ledger) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether tiles are written for it.
    pub(in crate::ledger) fn has_tiles(&self) -> bool {
        self.rows.is_some()
    }

    /// Adds a leaf.
    pub(in crate::ledger) fn push(&mut self, leaf: &Hash) {
        let Self { tree, rows } = self;
        tree.push(leaf, |height, hash| {
            if let Some(rows) = rows
                && height % LEVEL_HEIGHTS == 0
            {
                rows.hash(height / LEVEL_HEIGHTS, hash);
            }
        });
        if let Some(rows) = rows {
            rows.full.extend(rows.entries.push(leaf));
        }
        if rows.as_ref().is_some_and(|rows| rows.full.len() > TILES_WAITING_MAX) {
            tracing::error!(
                "the ledger's tiles could not be written for long: they are written anew at the next start"
            );
            *rows = None;
        }
    }

    /// What is to be written now, if tiles are.
    pub(super) fn due(&mut self) -> Option<Due> {
        let full = self.take_full();
        let rows = self.rows.as_ref()?;
        let growing = rows.hashes.iter().chain([&rows.entries]);
        let partial =
            growing.filter(|row| row.tile.width() != row.written).map(|row| row.tile.clone());
        let partial = partial.collect();
        Some(Due { size: self.tree.size(), root: self.tree.root(), full, partial })
    }

    /// The full tiles that are not on disk, to be written now.
    pub(super) fn take_full(&mut self) -> Vec<Tile> {
        self.rows.as_mut().map_or_else(Vec::new, |rows| std::mem::take(&mut rows.full))
    }

    /// Whether many full tiles wait to be written.
    pub(in crate::ledger) fn is_full(&self) -> bool {
        self.rows.as_ref().is_some_and(|rows| rows.full.len() > TILES_WAITING_MAX / 2)
    }

    /// `due` is on disk.
    pub(super) fn written(&mut self, due: &Due) {
        let Some(rows) = &mut self.rows else { return };
        for tile in &due.partial {
            let mut growing = rows.hashes.iter_mut().chain([&mut rows.entries]);
            let same = growing.find(|row| row.tile.row == tile.row && row.tile.index == tile.index);
            if let Some(row) = same {
                row.written = tile.width();
            }
        }
    }

    /// `due` could not be written: it waits for the next attempt.
    pub(super) fn put_back(&mut self, due: Due) {
        if let Some(rows) = &mut self.rows {
            rows.full.splice(0..0, due.full);
        }
    }

    /// The rows and the index of their tiles at the edge.
    pub(super) fn places(&self) -> Vec<(Row, u64)> {
        let rows = self.rows.iter().flat_map(|rows| rows.hashes.iter().chain([&rows.entries]));
        rows.map(|row| (row.tile.row, row.tile.index)).collect()
    }
}

impl Rows {
    fn hash(&mut self, level: u32, hash: &Hash) {
        let at = level as usize;
        if self.hashes.len() == at {
            self.hashes.push(Growing::new(Row::Hashes(level), 0));
        }
        let Some(row) = self.hashes.get_mut(at) else { return };
        self.full.extend(row.push(hash));
    }
}

impl Growing {
    fn new(row: Row, index: u64) -> Self {
        Self { tile: Tile { row, index, bytes: Vec::new() }, written: 0 }
    }

    /// Adds an item; the tile if it is full now.
    fn push(&mut self, hash: &Hash) -> Option<Tile> {
        self.tile.push(hash);
        if !self.tile.is_full() {
            return None;
        }
        let Tile { row, index, .. } = self.tile;
        Some(std::mem::replace(self, Self::new(row, index + 1)).tile)
    }
}

/// The roots of the whole subtrees within the tile at a level's edge, the largest first.
fn peaks(row: &Growing) -> Vec<Hash> {
    let mut hashes: Vec<Hash> = Vec::new();
    for bytes in row.tile.bytes.chunks_exact(32) {
        let mut hash = [0; 32];
        hash.copy_from_slice(bytes);
        hashes.push(hash);
    }
    let (mut peaks, mut rest) = (Vec::new(), hashes.as_slice());
    for height in (0..LEVEL_HEIGHTS).rev() {
        let width = 1 << height;
        if let Some((whole, after)) =
            rest.split_at_checked(width).filter(|_| rest.len() & width != 0)
        {
            peaks.push(fold(whole));
            rest = after;
        }
    }
    peaks
}

/// The root over as many hashes as a power of two.
pub(crate) fn fold(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => [0; 32],
        [hash] => *hash,
        _ => {
            let (left, right) = hashes.split_at(hashes.len() / 2);
            node_hash(&fold(left), &fold(right))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(n: u32) -> Hash {
        let mut leaf = [7; 32];
        leaf[..4].copy_from_slice(&n.to_le_bytes());
        leaf
    }

    fn publish(log: &Path, edge: &mut Edge) -> Checkpoint {
        let due = edge.due().unwrap();
        tiles::write(log, &due.full).unwrap();
        tiles::write(log, &due.partial).unwrap();
        edge.written(&due);
        Checkpoint { origin: "surgewall/test".into(), size: due.size, root: due.root }
    }

    #[test]
    fn a_tree_goes_on_from_its_tiles_wherever_it_stopped() {
        let log = tempfile::tempdir().unwrap();
        let mut edge = Edge::new();
        let (mut whole, mut published) = (Tree::default(), 0);
        // Around each border of a tile, of two levels.
        for size in [0, 1, 2, 3, 255, 256, 257, 300, 511, 512, 65_535, 65_536, 65_537, 66_000] {
            for n in published..size {
                edge.push(&leaf(n));
                whole.push(&leaf(n), |_, _| {});
            }
            published = size;
            let checkpoint = publish(log.path(), &mut edge);
            assert_eq!(checkpoint.root, whole.root());
            edge = Edge::read(log.path(), &checkpoint).unwrap();
            assert_eq!(*edge.tree(), whole, "{size}");
            let other = Checkpoint { root: [1; 32], ..checkpoint };
            assert!(Edge::read(log.path(), &other).is_none());
        }
    }

    #[test]
    fn only_what_is_new_is_due() {
        let mut edge = Edge::new();
        for n in 0..300 {
            edge.push(&leaf(n));
        }
        let due = edge.due().unwrap();
        let places =
            |tiles: &[Tile]| tiles.iter().map(|t| (t.row, t.index, t.width())).collect::<Vec<_>>();
        assert_eq!(places(&due.full), [(Row::Hashes(0), 0, 256), (Row::Entries, 0, 256)]);
        let partial = [(Row::Hashes(0), 1, 44), (Row::Hashes(1), 0, 1), (Row::Entries, 1, 44)];
        assert_eq!(places(&due.partial), partial);
        edge.put_back(due);
        let due = edge.due().unwrap();
        assert_eq!((due.full.len(), due.partial.len()), (2, 3));
        edge.written(&due);
        edge.push(&leaf(300));
        let due = edge.due().unwrap();
        assert_eq!((places(&due.full).len(), due.partial.len()), (0, 2), "level 1 is as it was");
    }

    #[test]
    fn what_waits_for_a_log_that_cannot_be_written_is_bounded() {
        let (mut edge, mut n) = (Edge::new(), 0);
        // With 256 leaves come a tile of hashes and one of entries; with each 256 of those one more.
        while edge.rows.as_ref().unwrap().full.len() + 3 <= TILES_WAITING_MAX {
            for _ in 0..256 {
                edge.push(&leaf(n));
                n += 1;
            }
            assert!(edge.has_tiles(), "{n}");
        }
        for _ in 0..512 {
            edge.push(&leaf(n));
            n += 1;
        }
        assert!(!edge.has_tiles() && edge.due().is_none());
        assert_eq!(edge.tree().size(), u64::from(n), "the tree goes on");
    }
}
