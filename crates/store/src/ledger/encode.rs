//! Records and segment headers to bytes: the writer's half of the format.

use aws_lc_rs::digest::{Context, SHA256};
use surgewall_core::decision::Record;
use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;
use surgewall_core::random;

use super::format::{
    HEADER_FIXED_BYTES, Hash, Kind, LedgerId, MAGIC, PREFIX_BYTES, RECORD_HEAD_BYTES,
    RECORD_VERSION, SEGMENT_VERSION, TAG_BYTES, low_half,
};
use super::salt;
use super::seal::{BodyKey, Place};
use super::tree::Tree;

/// What an admission grows by when a segment's opening carries it, in bytes.
const CARRIED_BYTES: usize = 4 << 10;

/// Where the ledger stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The ledger.
    pub(super) ledger: LedgerId,
    /// The next record's sequence.
    pub(super) next: u64,
}

/// The record does not fit its limit.
#[derive(Debug)]
pub(super) struct TooLarge;

/// Encodes records of one segment.
pub(super) struct Encoder {
    key: BodyKey,
    salts: Salts,
}

impl Encoder {
    /// An encoder under this data key.
    pub(super) fn new(key: BodyKey) -> Self {
        Self { key, salts: Salts { bytes: [0; SALTS_BYTES], used: SALTS_BYTES } }
    }

    /// Appends `record` to `out` and moves `end` past it; its leaf. `out` is as it
    /// was where the record is too large.
    pub(super) fn record(
        &mut self,
        record: &Record,
        end: &mut End,
        out: &mut Vec<u8>,
    ) -> Result<Hash, TooLarge> {
        let start = out.len();
        let body = start + RECORD_HEAD_BYTES;
        out.resize(body, 0);
        let written = serde_json::to_writer(&mut *out, record);
        let len = out.len() - start + TAG_BYTES;
        let length = u32::try_from(len - PREFIX_BYTES).map_err(|_| TooLarge);
        let kind = Kind::of(record);
        let room = if kind.is_opening() { 0 } else { CARRIED_BYTES };
        let fits = len + room <= LEDGER_RECORD_BYTES_MAX;
        let (Ok(()), Ok(length), true) = (written, length, fits) else {
            out.truncate(start);
            return Err(TooLarge);
        };
        let place = Place { ledger: end.ledger, sequence: end.next, kind };
        let tag = self.key.seal(&place, &mut out[body..]);
        out.extend_from_slice(&tag);
        let salt = salt::open(record).unwrap_or_else(|| self.salts.next());
        let leaf = leaf(&[RECORD_VERSION, kind.byte()], &salt, &out[body..]);
        let head = &mut out[start..body];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[8] = RECORD_VERSION;
        head[9] = kind.byte();
        head[10..42].copy_from_slice(&leaf);
        head[42..58].copy_from_slice(&salt);
        let crc = crc32c::crc32c_append(
            crc32c::crc32c(&length.to_le_bytes()),
            &out[start + PREFIX_BYTES..],
        );
        let crc = crc ^ low_half(end.next);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        end.next += 1;
        Ok(leaf)
    }
}

/// The header of the segment that begins at `end`, after the records of `tree`,
/// with `opening` opening records.
pub(super) fn header(end: &End, tree: &Tree, opening: u32, wrapped: &[u8]) -> Vec<u8> {
    let peaks = tree.peaks().as_flattened();
    let mut out = Vec::with_capacity(HEADER_FIXED_BYTES + wrapped.len() + peaks.len() + 4);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&SEGMENT_VERSION.to_le_bytes());
    out.extend_from_slice(&end.ledger);
    out.extend_from_slice(&end.next.to_le_bytes());
    out.extend_from_slice(&opening.to_le_bytes());
    // A wrapped key is 61 bytes.
    out.extend_from_slice(&u16::try_from(wrapped.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(wrapped);
    out.extend_from_slice(peaks);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn leaf(start: &[u8; 2], salt: &[u8; 16], sealed: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(start);
    context.update(salt);
    context.update(sealed);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

const SALTS_BYTES: usize = 1024;

/// Random salts, fetched 64 at a time.
struct Salts {
    bytes: [u8; SALTS_BYTES],
    used: usize,
}

impl Salts {
    fn next(&mut self) -> [u8; 16] {
        if self.used == SALTS_BYTES {
            self.bytes = random::bytes();
            self.used = 0;
        }
        let mut salt = [0; 16];
        salt.copy_from_slice(&self.bytes[self.used..self.used + 16]);
        self.used += 16;
        salt
    }
}
