//! From events to sealed blocks and back: the events of one subject in a batch
//! are compressed together and sealed under that subject's key, so that the
//! end of the key is their end, and nobody else's.
//!
//! ```text
//! sealed: Vault::seal_for(Content::Record, ...) of
//!         version u8 | plain length u32 | zstd frame of the events
//! ```

use std::io;

use surgewall_core::clock::Timestamp;
use surgewall_core::subject::Subject;
use zstd::bulk::{Compressor, Decompressor};

use super::event::{EVENT_AROUND_BYTES_MAX, EVENT_TEXT_BYTES_MAX, Event, Events, Redact, write};
use super::root::{Hash, entry, root};
use crate::vault::{Content, Epoch, Vault, VaultError};

/// The plain events of one block, in bytes: what does not fit begins the next one.
pub const BLOCK_BYTES_MAX: usize = 4 << 20;
/// The version of what is sealed.
const BLOCK_VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 4;
/// The level of compression: see docs/records.md.
const LEVEL: i32 = 1;

// One event always fits.
const _: () = assert!(2 * EVENT_TEXT_BYTES_MAX + EVENT_AROUND_BYTES_MAX <= BLOCK_BYTES_MAX);

/// One sealed block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Whose content it is.
    pub(super) subject: Subject,
    /// Where it may be.
    pub(super) region: String,
    /// When the first of its events arrived.
    pub(super) first_at: Timestamp,
    /// When the last of its events arrived.
    pub(super) last_at: Timestamp,
    /// Its events.
    pub(super) events: u32,
    /// What is written.
    pub(super) sealed: Vec<u8>,
}

/// The blocks that are written together.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// Counted from 1 on.
    pub(super) number: u64,
    /// When it was sealed: its keys are those of that time.
    pub(super) at: Timestamp,
    /// The blocks, in order.
    pub(super) blocks: Vec<Block>,
    /// Their events.
    pub(super) events: u64,
    /// Their sealed bytes.
    pub(super) bytes: u64,
    /// The root over them.
    pub(super) root: Hash,
}

/// Why a block gives no events.
#[derive(Debug, thiserror::Error)]
pub enum BlockFault {
    /// It does not open: it was changed, or its key was destroyed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// A later Surgewall wrote it.
    #[error("it was written by a newer Surgewall (format {found}); run the newer one")]
    Newer {
        /// Its version.
        found: u8,
    },
    /// What it holds is longer than a block may be.
    #[error("it holds more than {BLOCK_BYTES_MAX} bytes")]
    TooLarge,
    /// What was sealed is no block.
    #[error("it opens, and holds no events")]
    NoEvents,
}

/// Makes blocks; keeps its buffers.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    plain: Vec<u8>,
    packed: Vec<u8>,
}

impl Packer {
    /// A packer without anything in it.
    ///
    /// # Errors
    /// There is no memory for the compression.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { compressor: Compressor::new(LEVEL)?, plain: Vec::new(), packed: Vec::new() })
    }

    /// The batch of `events`: those of one subject and region side by side, in
    /// the order in which they came.
    ///
    /// # Errors
    /// The vault cannot make or read a key.
    pub(super) fn batch(
        &mut self,
        (number, at): (u64, Timestamp),
        events: &[&Event],
        redact: &dyn Redact,
        vault: &Vault,
    ) -> Result<Batch, VaultError> {
        let mut order: Vec<&Event> = events.to_vec();
        order.sort_by(|a, b| (a.subject, &a.region).cmp(&(b.subject, &b.region)));
        // The keys of subjects that are new are made with one sync.
        let of_subject = order.chunk_by(|a, b| a.subject == b.subject).filter_map(|of| of.first());
        let keys: Vec<_> =
            of_subject.map(|event| (Content::Record, event.subject, Epoch::of(at))).collect();
        vault.ready_keys(&keys)?;
        let mut batch =
            Batch { number, at, blocks: Vec::new(), events: 0, bytes: 0, root: [0; 32] };
        for group in order.chunk_by(|a, b| (a.subject, &a.region) == (b.subject, &b.region)) {
            let mut from = 0;
            self.plain.clear();
            for (nth, event) in group.iter().enumerate() {
                let start = self.plain.len();
                write(event, redact, &mut self.plain);
                if self.plain.len() > BLOCK_BYTES_MAX {
                    let next = self.plain.split_off(start);
                    self.seal(&group[from..nth], &mut batch, vault)?;
                    (from, self.plain) = (nth, next);
                }
            }
            self.seal(&group[from..], &mut batch, vault)?;
        }
        let entries: Vec<Hash> = batch.blocks.iter().map(|block| entry(&block.sealed)).collect();
        batch.root = root(&entries);
        Ok(batch)
    }

    /// Seals the plain bytes, which are those of `events`.
    fn seal(
        &mut self,
        events: &[&Event],
        batch: &mut Batch,
        vault: &Vault,
    ) -> Result<(), VaultError> {
        let Some(first) = events.first() else { return Ok(()) };
        let times = events.iter().map(|event| event.at);
        let mut block = Block {
            subject: first.subject,
            region: first.region.clone(),
            first_at: times.clone().min().unwrap_or_default(),
            last_at: times.max().unwrap_or_default(),
            events: u32::try_from(events.len()).unwrap_or(u32::MAX),
            sealed: Vec::new(),
        };
        let context = context(batch.number, batch.blocks.len(), &block);
        self.pack();
        block.sealed =
            vault.seal_for(Content::Record, block.subject, batch.at, &context, &self.packed)?;
        batch.events += u64::from(block.events);
        batch.bytes += block.sealed.len() as u64;
        batch.blocks.push(block);
        Ok(())
    }

    fn pack(&mut self) {
        let frame_bytes_max = zstd::zstd_safe::compress_bound(self.plain.len());
        self.packed.clear();
        self.packed.reserve(HEAD_BYTES + frame_bytes_max);
        self.packed.push(BLOCK_VERSION);
        let len = u32::try_from(self.plain.len()).unwrap_or(u32::MAX);
        self.packed.extend_from_slice(&len.to_le_bytes());
        self.packed.resize(HEAD_BYTES + frame_bytes_max, 0);
        let frame = self.compressor.compress_to_buffer(&self.plain, &mut self.packed[HEAD_BYTES..]);
        // It fails for a lack of room only, and there is as much as it can need.
        let Ok(frame) = frame else { std::process::abort() };
        self.packed.truncate(HEAD_BYTES + frame);
    }
}

/// The place of a block, and what stands beside it in clear: both are bound in.
fn context(batch: u64, position: usize, block: &Block) -> String {
    let Block { region, first_at, last_at, events, .. } = block;
    let (first, last) = (first_at.millis(), last_at.millis());
    format!("records {batch} {position} {first} {last} {events} {region}")
}

/// The events of the block at `position` of `batch`.
///
/// # Errors
/// It was changed or moved, its key is gone, or it is no block.
pub(super) fn open(
    vault: &Vault,
    batch: u64,
    position: usize,
    block: &Block,
) -> Result<Vec<Event>, BlockFault> {
    let context = context(batch, position, block);
    let packed = vault.open_for(Content::Record, block.subject, &context, &block.sealed)?;
    let plain = unpack(&packed)?;
    let events = Events::new(&plain, block.subject, &block.region);
    let events: Vec<Event> = events.collect::<Result<_, _>>().map_err(|_| BlockFault::NoEvents)?;
    if events.len() as u64 == u64::from(block.events) {
        Ok(events)
    } else {
        Err(BlockFault::NoEvents)
    }
}

/// What was packed, if it is no longer than it says and a block may be.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, BlockFault> {
    let (version, rest) = packed.split_first().ok_or(BlockFault::NoEvents)?;
    if *version > BLOCK_VERSION {
        return Err(BlockFault::Newer { found: *version });
    }
    let (len, frame) = rest.split_first_chunk::<4>().ok_or(BlockFault::NoEvents)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
    if len > BLOCK_BYTES_MAX {
        return Err(BlockFault::TooLarge);
    }
    let mut plain = vec![0; len];
    let unpacked =
        Decompressor::new().and_then(|mut zstd| zstd.decompress_to_buffer(frame, &mut plain[..]));
    // A frame that holds more than its head says has no room.
    if unpacked.is_ok_and(|unpacked| unpacked == len) {
        Ok(plain)
    } else {
        Err(BlockFault::NoEvents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(plain: &[u8]) -> Vec<u8> {
        let mut packer = Packer::new().unwrap();
        packer.plain = plain.to_vec();
        packer.pack();
        packer.packed
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        for plain in [&b""[..], b"x", &[7; 100_000], &vec![0; BLOCK_BYTES_MAX]] {
            assert_eq!(unpack(&packed(plain)).unwrap(), plain);
        }
    }

    #[test]
    fn what_would_grow_past_its_limit_is_not_unpacked() {
        let check = |bytes: &[u8], expected: &str| {
            let fault = format!("{:?}", unpack(bytes).unwrap_err());
            assert!(fault.starts_with(expected), "{fault}");
        };
        let bomb = packed(&vec![0; BLOCK_BYTES_MAX + 1]);
        check(&bomb, "TooLarge");
        for (claimed, expected) in [(0, "NoEvents"), (100, "NoEvents"), (u32::MAX, "TooLarge")] {
            let mut lying = bomb.clone();
            lying[1..5].copy_from_slice(&claimed.to_le_bytes());
            check(&lying, expected);
        }
        let good = packed(b"events");
        for end in 0..good.len() {
            check(&good[..end], "NoEvents");
        }
        let newer = [&[BLOCK_VERSION + 1], &good[1..]].concat();
        check(&newer, "Newer");
    }
}
