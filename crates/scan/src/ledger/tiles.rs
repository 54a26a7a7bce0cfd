//! The log's tiles, compared with the tree: <https://c2sp.org/tlog-tiles>.

use std::io;
use std::path::{Path, PathBuf};

use surgewall_core::files::read_bounded;

use super::tree::Hash;

/// Items of a full tile.
pub(super) const WIDTH: u64 = 256;
/// A level of tiles is so many heights of the tree.
const HEIGHTS: u32 = 8;
/// An entry: its length in two bytes (big-endian), and 32 bytes of leaf.
const ENTRY_START: [u8; 2] = [0, 32];
const ENTRY_BYTES: usize = 34;

/// Which tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    Entries,
    Level(u32),
}

/// A tile is not what the tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TileFault {
    /// Its file.
    pub(super) path: PathBuf,
    /// The index of the first leaf under what differs.
    pub(super) leaf: u64,
    /// Whether the file is not there, or not of its size; else a hash differs.
    pub(super) is_missing: bool,
}

/// The tiles of a tree of so many leaves.
pub(super) struct Tiles {
    log: PathBuf,
    size: u64,
    /// The tile of each row that was read last; its items, if it was of use.
    entries: Option<Loaded>,
    levels: Vec<Option<Loaded>>,
}

struct Loaded {
    index: u64,
    path: PathBuf,
    items: Items,
}

enum Items {
    /// Read.
    Bytes(Vec<u8>),
    /// Not there, or not of its size.
    Missing,
    /// What is wrong with it was said.
    Told,
}

impl Tiles {
    /// The tiles in `log` of a tree of `size` leaves.
    pub(super) fn new(log: &Path, size: u64) -> Self {
        Self { log: log.to_owned(), size, entries: None, levels: Vec::new() }
    }

    /// How many leaves the tree has.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// The leaves of the bundle number `index`.
    pub(super) fn leaves(&self, index: u64) -> Result<Vec<Hash>, TileFault> {
        let loaded = self.load(Row::Entries, index);
        let fault = TileFault { path: loaded.path, leaf: index * WIDTH, is_missing: true };
        let Items::Bytes(entries) = loaded.items else { return Err(fault) };
        let leaf = |entry: &[u8]| entry.strip_prefix(&ENTRY_START)?.try_into().ok();
        entries.chunks(ENTRY_BYTES).map(leaf).collect::<Option<_>>().ok_or(fault)
    }

    /// Whether the entry of leaf number `index` is this one; a tile that is
    /// missing is told once.
    pub(super) fn entry(&mut self, index: u64, leaf: &Hash) -> Result<(), TileFault> {
        if index >= self.size {
            return Ok(());
        }
        if self.entries.as_ref().is_none_or(|loaded| loaded.index != index / WIDTH) {
            self.entries = Some(self.load(Row::Entries, index / WIDTH));
        }
        let Some(loaded) = &mut self.entries else { return Ok(()) };
        let mut entry = [0; ENTRY_BYTES];
        entry[..2].copy_from_slice(&ENTRY_START);
        entry[2..].copy_from_slice(leaf);
        compare(loaded, index % WIDTH, &entry, index)
    }

    /// The same for the root of the subtree number `index` of this height.
    pub(super) fn node(&mut self, height: u32, index: u64, hash: &Hash) -> Result<(), TileFault> {
        let leaves_before = |index: u64| index.checked_shl(height).filter(|_| height < 64);
        let is_inside = leaves_before(index + 1).is_some_and(|end| end <= self.size);
        if !height.is_multiple_of(HEIGHTS) || !is_inside {
            return Ok(());
        }
        let level = height / HEIGHTS;
        let at = level as usize;
        if self.levels.len() <= at {
            self.levels.resize_with(at + 1, || None);
        }
        if self.levels[at].as_ref().is_none_or(|loaded| loaded.index != index / WIDTH) {
            self.levels[at] = Some(self.load(Row::Level(level), index / WIDTH));
        }
        let Some(loaded) = &mut self.levels[at] else { return Ok(()) };
        compare(loaded, index % WIDTH, hash, leaves_before(index).unwrap_or(0))
    }

    /// Reads a tile: the partial one that this size needs, or the full one that
    /// took its place since.
    fn load(&self, row: Row, index: u64) -> Loaded {
        let (item, all) = match row {
            Row::Entries => (ENTRY_BYTES as u64, self.size),
            Row::Level(level) => (32, self.size.checked_shr(HEIGHTS * level).unwrap_or(0)),
        };
        let needed = all.saturating_sub(index * WIDTH).min(WIDTH);
        let mut width = needed;
        let mut file = self.log.join(path(row, index, width));
        let mut read = read_bounded(&file, width * item);
        if needed < WIDTH
            && read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            width = WIDTH;
            file = self.log.join(path(row, index, width));
            read = read_bounded(&file, width * item);
        }
        let items = match read {
            Ok(mut bytes) if bytes.len() as u64 == width * item => {
                bytes.truncate(usize::try_from(needed * item).unwrap_or(0));
                Items::Bytes(bytes)
            }
            _ => Items::Missing,
        };
        Loaded { index, path: file, items }
    }
}

/// Whether the item at `at` of a tile is `expected`; `leaf` is the first under it.
fn compare(loaded: &mut Loaded, at: u64, expected: &[u8], leaf: u64) -> Result<(), TileFault> {
    let start = usize::try_from(at).unwrap_or(0) * expected.len();
    let is_missing = match &loaded.items {
        Items::Told => return Ok(()),
        Items::Missing => true,
        Items::Bytes(bytes) if bytes.get(start..start + expected.len()) == Some(expected) => {
            return Ok(());
        }
        Items::Bytes(_) => false,
    };
    loaded.items = Items::Told;
    Err(TileFault { path: loaded.path.clone(), leaf, is_missing })
}

/// Where a tile lies in the log: `x001/x234/067`, and `.p/W` if it is not full.
fn path(row: Row, index: u64, width: u64) -> PathBuf {
    let mut name = format!("{:03}", index % 1_000);
    let mut above = index / 1_000;
    while above > 0 {
        name = format!("x{:03}/{name}", above % 1_000);
        above /= 1_000;
    }
    if width < WIDTH {
        name = format!("{name}.p/{width}");
    }
    match row {
        Row::Entries => PathBuf::from(format!("tile/entries/{name}")),
        Row::Level(level) => PathBuf::from(format!("tile/{level}/{name}")),
    }
}
