//! Ways through the tree, read from the tiles (RFC 9162, sections 2.1.3.1 and 2.1.4.1).

use std::io;
use std::path::Path;

use super::fold;
use super::tiles::{LEVEL_HEIGHTS, Row, TILE_WIDTH, read};
use crate::ledger::format::Hash;
use crate::ledger::tree::node_hash;

/// The tree of `size` leaves whose tiles are in `log`.
pub(crate) struct Paths<'a> {
    /// The log's directory.
    pub(crate) log: &'a Path,
    /// The tree's size: a checkpoint's.
    pub(crate) size: u64,
}

impl Paths<'_> {
    /// From the leaf number `index` to the root: the hashes beside the way.
    pub(crate) fn inclusion(&self, index: u64) -> io::Result<Vec<Hash>> {
        let (mut path, mut low, mut high) = (Vec::new(), 0, self.size);
        while high - low > 1 {
            let middle = low + half(high - low);
            if index < middle {
                path.push(self.range(middle, high)?);
                high = middle;
            } else {
                path.push(self.range(low, middle)?);
                low = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// That the tree of the first `size` leaves is the beginning of this one.
    pub(crate) fn consistency(&self, size: u64) -> io::Result<Vec<Hash>> {
        let (mut path, mut low, mut high) = (Vec::new(), 0, self.size);
        while high > size {
            let middle = low + half(high - low);
            if size <= middle {
                path.push(self.range(middle, high)?);
                high = middle;
            } else {
                path.push(self.range(low, middle)?);
                low = middle;
            }
        }
        // The older tree's own root is known to whoever asks.
        if low > 0 {
            path.push(self.range(low, high)?);
        }
        path.reverse();
        Ok(path)
    }

    /// The root over the leaves from `low` on and before `high`.
    fn range(&self, low: u64, high: u64) -> io::Result<Hash> {
        let count = high - low;
        if count.is_power_of_two() {
            return self.subtree(count.trailing_zeros(), low / count);
        }
        let middle = low + half(count);
        Ok(node_hash(&self.range(low, middle)?, &self.range(middle, high)?))
    }

    /// The root of the whole subtree number `index` of this height.
    fn subtree(&self, height: u32, index: u64) -> io::Result<Hash> {
        let (level, above) = (height / LEVEL_HEIGHTS, height % LEVEL_HEIGHTS);
        let first = index << above;
        let tile = first / TILE_WIDTH;
        let items = self.size >> (LEVEL_HEIGHTS * level);
        let width = items.saturating_sub(tile * TILE_WIDTH).min(TILE_WIDTH);
        let bytes = read(self.log, Row::Hashes(level), tile, width)?;
        let (hashes, _) = bytes.as_chunks::<32>();
        let start = usize::try_from(first % TILE_WIDTH).unwrap_or(0);
        let missing = || io::Error::from(io::ErrorKind::InvalidData);
        hashes.get(start..start + (1 << above)).map(fold).ok_or_else(missing)
    }
}

/// The largest power of two below `count`, which is at least 2.
const fn half(count: u64) -> u64 {
    1 << (63 - (count - 1).leading_zeros())
}
