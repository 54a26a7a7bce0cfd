//! Records and segment headers to bytes: the writer's half of the format.

use aws_lc_rs::digest::{Context, SHA256};
use surgewall_core::decision::Record;
use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;
use surgewall_core::random;

use super::format::{
    HEADER_FIXED_BYTES, Hash, Kind, LedgerId, MAGIC, PREFIX_BYTES, RECORD_HEAD_BYTES,
    RECORD_VERSION, SEGMENT_VERSION, TAG_BYTES, low_half,
};
use super::seal::{BodyKey, Place};

/// What an admission grows by when a segment's opening carries it, in bytes.
const CARRIED_BYTES: usize = 4 << 10;

/// Where the ledger stands: what the next record continues.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// The ledger.
    pub(super) ledger: LedgerId,
    /// The next record's sequence.
    pub(super) next: u64,
    /// The chain's value before it.
    pub(super) head: Hash,
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

    /// Appends `record` to `out` and moves `chain` past it. `out` is as it was
    /// where the record is too large.
    pub(super) fn record(
        &mut self,
        record: &Record,
        chain: &mut Chain,
        out: &mut Vec<u8>,
    ) -> Result<(), TooLarge> {
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
        let place = Place { ledger: chain.ledger, sequence: chain.next, kind, before: chain.head };
        let tag = self.key.seal(&place, &mut out[body..]);
        out.extend_from_slice(&tag);
        let salt = self.salts.next();
        let leaf = sha256(&[&[RECORD_VERSION, kind.byte()], &salt, &out[body..]]);
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
        let crc = crc ^ low_half(chain.next);
        out[start + 4..start + 8].copy_from_slice(&crc.to_le_bytes());
        chain.head = sha256(&[&chain.head, &leaf]);
        chain.next += 1;
        Ok(())
    }
}

/// The header of the segment that begins at `chain`, with `opening` opening records.
pub(super) fn header(chain: &Chain, opening: u32, wrapped: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_FIXED_BYTES + wrapped.len() + 4);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&SEGMENT_VERSION.to_le_bytes());
    out.extend_from_slice(&chain.ledger);
    out.extend_from_slice(&chain.next.to_le_bytes());
    out.extend_from_slice(&chain.head);
    out.extend_from_slice(&opening.to_le_bytes());
    // A wrapped key is 61 bytes.
    out.extend_from_slice(&u16::try_from(wrapped.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(wrapped);
    let crc = crc32c::crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out
}

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
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
