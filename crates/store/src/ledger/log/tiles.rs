//! Tiles: 256 hashes of one level of the tree in one file, and the entries under
//! them, laid out as <https://c2sp.org/tlog-tiles> says.
//!
//! ```text
//! tile/LEVEL/x001/234        256 hashes of 32 bytes; level 0 has the leaves' hashes
//! tile/LEVEL/x001/234.p/W    the first W of them, until there are 256
//! tile/entries/x001/234      256 entries: 2 bytes of length (big-endian), 32 bytes of leaf
//! ```
//! A hash of level L + 1 is the root over a full tile of level L.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use surgewall_core::files::read_bounded;

use crate::datadir::sync_dir;
use crate::ledger::format::Hash;

/// Hashes of a full tile.
pub(crate) const TILE_WIDTH: u64 = 256;
/// What a tile's width is in bits: a level is so many heights of the tree.
pub(crate) const LEVEL_HEIGHTS: u32 = 8;
/// One hash, in bytes.
const HASH_BYTES: usize = 32;
/// One entry with its length, in bytes.
const ENTRY_BYTES: usize = 2 + HASH_BYTES;

/// What a tile is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Row {
    /// Entries: the ledger's leaves.
    Entries,
    /// Hashes of this level.
    Hashes(u32),
}

impl Row {
    /// One of its items, in bytes.
    pub(crate) const fn item_bytes(self) -> usize {
        match self {
            Self::Entries => ENTRY_BYTES,
            Self::Hashes(_) => HASH_BYTES,
        }
    }
}

/// A tile, full or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) row: Row,
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
}

impl Tile {
    pub(super) fn width(&self) -> u64 {
        (self.bytes.len() / self.row.item_bytes()) as u64
    }

    pub(super) fn is_full(&self) -> bool {
        self.width() == TILE_WIDTH
    }

    /// Adds a hash, or a leaf to a row of entries.
    pub(super) fn push(&mut self, hash: &Hash) {
        if self.row == Row::Entries {
            self.bytes.extend_from_slice(&[0, 32]);
        }
        self.bytes.extend_from_slice(hash);
    }

    fn path(&self) -> PathBuf {
        path(self.row, self.index, self.width())
    }
}

/// Where a tile of this width lies, from the log's directory.
pub(crate) fn path(row: Row, index: u64, width: u64) -> PathBuf {
    let mut path = match row {
        Row::Entries => PathBuf::from("tile/entries"),
        Row::Hashes(level) => PathBuf::from(format!("tile/{level}")),
    };
    let mut groups = vec![format!("{:03}", index % 1_000)];
    let mut rest = index / 1_000;
    while rest > 0 {
        groups.push(format!("x{:03}", rest % 1_000));
        rest /= 1_000;
    }
    path.extend(groups.iter().rev());
    if width == TILE_WIDTH {
        return path;
    }
    path.set_extension("p");
    path.join(width.to_string())
}

/// The first `width` items of a tile: from the partial tile, or from the full
/// one that took its place.
pub(crate) fn read(log: &Path, row: Row, index: u64, width: u64) -> io::Result<Vec<u8>> {
    let bytes_of = |width: u64| usize::try_from(width).unwrap_or(0) * row.item_bytes();
    let wanted = bytes_of(width);
    let read = |width| {
        let bytes = read_bounded(&log.join(path(row, index, width)), bytes_of(width) as u64)?;
        let whole = bytes.len() == bytes_of(width);
        whole.then_some(bytes).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    };
    let mut bytes = match read(width) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => read(TILE_WIDTH)?,
        other => other?,
    };
    bytes.truncate(wanted);
    Ok(bytes)
}

/// Puts `tiles` in place, each whole, all safe on disk when this returns.
pub(super) fn write(log: &Path, tiles: &[Tile]) -> io::Result<u64> {
    let mut touched = BTreeSet::new();
    let mut written = 0;
    for tile in tiles {
        let path = log.join(tile.path());
        let folder = path.parent().unwrap_or(log).to_owned();
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            let above = folder.ancestors().skip(1).take_while(|above| above.starts_with(log));
            touched.extend(above.map(Path::to_owned));
        }
        let unfinished = path.with_extension("new");
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(&tile.bytes)?;
        file.sync_data()?;
        fs::rename(&unfinished, &path)?;
        touched.insert(folder);
        written += tile.bytes.len() as u64;
    }
    touched.iter().try_for_each(|folder| sync_dir(folder))?;
    Ok(written)
}

/// Removes the partial tiles that a full one takes the place of; says how many
/// bytes they had.
pub(super) fn remove_partial(log: &Path, tile: &Tile) -> u64 {
    let mut folder = log.join(tile.path());
    folder.set_extension("p");
    let bytes = folder_bytes(&folder);
    // What stays behind is only more than is needed.
    fs::remove_dir_all(&folder).ok();
    bytes
}

/// The bytes of the files in the folder of the partial tiles beside `tile`.
pub(super) fn partial_bytes(log: &Path, row: Row, index: u64) -> u64 {
    let mut folder = log.join(path(row, index, TILE_WIDTH));
    folder.set_extension("p");
    folder_bytes(&folder)
}

fn folder_bytes(folder: &Path) -> u64 {
    let Ok(listed) = fs::read_dir(folder) else { return 0 };
    listed.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

/// The bytes of all full tiles of a tree of `size` leaves.
pub(super) fn full_bytes(size: u64) -> u64 {
    let entries = (size / TILE_WIDTH) * TILE_WIDTH * ENTRY_BYTES as u64;
    let mut tiles = 0;
    let mut rest = size / TILE_WIDTH;
    while rest > 0 {
        tiles += rest;
        rest /= TILE_WIDTH;
    }
    entries + tiles * TILE_WIDTH * HASH_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_specification() {
        let check = |row, index, width, expected: &str| {
            assert_eq!(path(row, index, width), Path::new(expected));
        };
        check(Row::Hashes(0), 1_234_067, 256, "tile/0/x001/x234/067");
        check(Row::Hashes(2), 0, 1, "tile/2/000.p/1");
        check(Row::Entries, 999, 255, "tile/entries/999.p/255");
        check(Row::Entries, 1_000, 256, "tile/entries/x001/000");
    }

    #[test]
    fn what_is_written_is_read_also_after_the_full_tile_took_its_place() {
        let log = tempfile::tempdir().unwrap();
        let mut tile = Tile { row: Row::Entries, index: 1_000, bytes: Vec::new() };
        for n in 0..=255_u8 {
            tile.push(&[n; 32]);
            if n == 9 {
                assert_eq!(write(log.path(), std::slice::from_ref(&tile)).unwrap(), 340);
            }
        }
        let partial = read(log.path(), Row::Entries, 1_000, 10).unwrap();
        assert_eq!(partial, tile.bytes[..340]);
        assert_eq!(
            read(log.path(), Row::Entries, 1_000, 9).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        write(log.path(), std::slice::from_ref(&tile)).unwrap();
        assert_eq!(remove_partial(log.path(), &tile), 340);
        assert_eq!(remove_partial(log.path(), &tile), 0);
        assert_eq!(read(log.path(), Row::Entries, 1_000, 10).unwrap(), partial);
        assert_eq!(read(log.path(), Row::Entries, 1_000, 256).unwrap(), tile.bytes);
        fs::write(log.path().join("tile/entries/x001/000"), "short").unwrap();
        let damaged = read(log.path(), Row::Entries, 1_000, 256).unwrap_err();
        assert_eq!(damaged.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn full_tiles_take_sixty_six_bytes_a_record() {
        assert_eq!(full_bytes(255), 0);
        assert_eq!(full_bytes(256), 256 * 66);
        // 273 tiles of level 0 and one of level 1.
        assert_eq!(full_bytes(70_000), 273 * 256 * 66 + 8_192);
    }
}
