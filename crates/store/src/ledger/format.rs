//! The form of a segment file, as writer and reader both know it.
//!
//! All numbers are little-endian.
//! ```text
//! header: magic "SWLEDGER" 8 | version u16 | ledger id 16 | first sequence u64
//!         | opening records u32 | wrapped data key length u16 | wrapped data key
//!         | the tree before it: 32 for each bit that is set in (first sequence - 1)
//!         | CRC-32C u32
//! record: length u32 (of all after the CRC) | CRC-32C u32
//!         | version u8 | kind u8 | leaf 32 | salt 16 | sealed body
//!
//! leaf = SHA-256(version | kind | salt | sealed body)
//! CRC  = CRC-32C(length | all after the CRC) xor the low half of the sequence
//! body = AES-256-GCM(JSON of the record), nonce = 0 u32 | sequence u64 (big-endian),
//!        additional data = ledger id | sequence u64 | version | kind
//! ```
//! A salt is random, but where it says what can be checked without a key: `salt.rs`.
//! The leaves are those of a Merkle tree (`tree.rs`): record N has index N - 1. A
//! header has the roots of the whole subtrees before its first record, the
//! largest first, so that each segment continues the one before.
//!
//! A sequence is not stored: the header has the first, and each record is one
//! more. It is in the checksum, so that a record that was moved or lost shows
//! without a key, and in the seal, so that it shows against anybody.
//!
//! The opening records (totals, counters, open reservations) are put in place
//! with the header by one rename: a segment never lacks a part of them.

use surgewall_core::decision::Record;

/// A segment's first bytes.
pub(crate) const MAGIC: &[u8; 8] = b"SWLEDGER";
/// The version of the header: it grows with each new kind of record, so that an
/// older Surgewall says that a newer one wrote the segment, and not that it is damaged.
/// Versions 1 and 2 (a hash chain) were never released.
pub(crate) const SEGMENT_VERSION: u16 = 3;
/// The version of a record.
pub(crate) const RECORD_VERSION: u8 = 1;
/// The header up to the wrapped data key, in bytes.
pub(crate) const HEADER_FIXED_BYTES: usize = 8 + 2 + 16 + 8 + 4 + 2;
/// The same in versions 1 and 2, which had 32 bytes more before the last six.
pub(crate) const OLD_HEADER_FIXED_BYTES: usize = 72;
/// The wrapped data key, in bytes.
pub(crate) const WRAPPED_BYTES_MAX: usize = 256;
/// Length and CRC, in bytes.
pub(crate) const PREFIX_BYTES: usize = 8;
/// A record up to its sealed body, in bytes.
pub(crate) const RECORD_HEAD_BYTES: usize = PREFIX_BYTES + 1 + 1 + 32 + 16;
/// The tag at the end of a sealed body, in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// The ending of a segment's file name.
pub(crate) const SUFFIX: &str = ".seg";

/// The id of a ledger.
pub(crate) type LedgerId = [u8; 16];
/// A leaf or a hash of the tree.
pub(crate) type Hash = [u8; 32];

/// What a record is, in one byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Totals.
    Opened = 1,
    /// Counters.
    Counters = 2,
    /// Open reservations.
    Reservations = 3,
    /// An admission.
    Admitted = 4,
    /// Checkpoints.
    Progress = 5,
    /// The end of a request.
    Settled = 6,
    /// Refusals.
    Refused = 7,
    /// A change.
    Changed = 8,
    /// An incident's event; since version 2.
    Incident = 9,
    /// A move of a learnt capacity; since version 2.
    Capacity = 10,
    /// A batch of records; since version 3.
    Stored = 11,
    /// A receipt of an erasure; since version 3.
    Erased = 12,
    /// A finding's new state; since version 3.
    Finding = 13,
    /// Batches of records that go; since version 3.
    Removed = 14,
}

impl Kind {
    /// The kind of `record`.
    pub(crate) const fn of(record: &Record) -> Self {
        match record {
            Record::Opened(_) => Self::Opened,
            Record::Counters { .. } => Self::Counters,
            Record::Reservations { .. } => Self::Reservations,
            Record::Admitted(_) => Self::Admitted,
            Record::Progress { .. } => Self::Progress,
            Record::Settled(_) => Self::Settled,
            Record::Refused(_) => Self::Refused,
            Record::Changed(_) => Self::Changed,
            Record::Incident(_) => Self::Incident,
            Record::Capacity(_) => Self::Capacity,
            Record::Stored(_) => Self::Stored,
            Record::Erased(_) => Self::Erased,
            Record::Finding(_) => Self::Finding,
            Record::Removed(_) => Self::Removed,
        }
    }

    /// The byte on disk.
    pub(crate) const fn byte(self) -> u8 {
        self as u8
    }

    /// The kind that a byte names.
    pub(crate) const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Opened,
            2 => Self::Counters,
            3 => Self::Reservations,
            4 => Self::Admitted,
            5 => Self::Progress,
            6 => Self::Settled,
            7 => Self::Refused,
            8 => Self::Changed,
            9 => Self::Incident,
            10 => Self::Capacity,
            11 => Self::Stored,
            12 => Self::Erased,
            13 => Self::Finding,
            14 => Self::Removed,
            _ => return None,
        })
    }

    /// Whether such records stand at a segment's beginning, and only there.
    pub(crate) const fn is_opening(self) -> bool {
        matches!(self, Self::Opened | Self::Counters | Self::Reservations)
    }
}

/// The file name of the segment that begins with `first`.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The first sequence of the segment named `name`.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

/// The low half of a sequence, as it goes into the checksum.
pub(crate) fn low_half(sequence: u64) -> u32 {
    let [a, b, c, d, ..] = sequence.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
