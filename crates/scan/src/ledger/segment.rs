//! A segment file, read as docs/ledger.md describes it, record by record.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::path::Path;

use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;

use super::torn;
use super::tree::{Hash, Tree, sha256};

/// The version of segments that is read here.
const VERSION: u16 = 3;
/// The version of records that is read here.
pub(super) const RECORD_VERSION: u8 = 1;
/// Magic, version, ledger id, first sequence, opening records, length of the key.
const HEAD_BYTES: usize = 8 + 2 + 16 + 8 + 4 + 2;
/// The same in versions 1 and 2, with 32 bytes more.
const OLD_HEAD_BYTES: usize = HEAD_BYTES + 32;
/// A wrapped data key, in bytes.
const WRAPPED_BYTES_MAX: usize = 256;
/// Length and checksum of a record.
pub(super) const PREFIX_BYTES: usize = 8;
/// What stands between the prefix and the sealed body: version, kind, leaf, salt.
const FRONT_BYTES: usize = 1 + 1 + 32 + 16;
/// What a record's length may say: a body has at least its tag.
pub(super) const LENGTHS: RangeInclusive<usize> =
    FRONT_BYTES + 16..=LEDGER_RECORD_BYTES_MAX - PREFIX_BYTES;
/// Kinds 1 to 3 open a segment: sums, counters, open reservations.
const OPENED: u8 = 1;
const OPENING_KINDS: RangeInclusive<u8> = 1..=3;
/// How much is read at once, in bytes.
const READ_BYTES: usize = 1 << 20;

/// A segment's header.
#[derive(Clone, Debug)]
pub(super) struct Head {
    /// The ledger's id.
    pub(super) ledger: [u8; 16],
    /// The number of the first record.
    pub(super) first: u64,
    /// How many records open the segment.
    pub(super) opening: u32,
    /// The wrapped data key.
    pub(super) wrapped: Vec<u8>,
    /// The tree of all records before the first.
    pub(super) before: Tree,
}

/// Why a segment cannot be read from its header on.
#[derive(Debug)]
pub(super) enum HeadFault {
    /// It is of this later version.
    Newer(u16),
    /// It is of this version, from before the first release.
    Older(u16),
    /// It is damaged.
    Damaged(&'static str),
}

/// What is wrong with a record, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The rule that it breaks.
    pub(super) rule: &'static str,
    /// The record's number.
    pub(super) sequence: u64,
    /// Where it begins in its file, in bytes.
    pub(super) offset: u64,
    /// What is wrong.
    pub(super) what: String,
}

/// What comes next in a segment.
pub(super) enum Step<'a> {
    /// A record whose checksum and leaf hold.
    Record(Entry<'a>),
    /// Nothing.
    End,
    /// A part of a record, as a crash leaves it.
    Torn,
    /// Something that no crash leaves.
    Bad(Fault),
}

/// One record.
pub(super) struct Entry<'a> {
    /// Its number.
    pub(super) sequence: u64,
    /// Where it begins, in bytes.
    pub(super) offset: u64,
    /// Its kind.
    pub(super) kind: u8,
    /// Its leaf.
    pub(super) leaf: Hash,
    /// Its salt.
    pub(super) salt: [u8; 16],
    /// Its sealed body.
    pub(super) sealed: &'a mut [u8],
}

/// A segment, up to where it ended when it was opened: reading beside a running
/// door comes to an end.
pub(super) struct Segment {
    file: File,
    len: u64,
    head: Head,
    /// What was read and not used begins at `from`, which is `offset` in the file.
    buffer: Vec<u8>,
    from: usize,
    offset: u64,
    next: u64,
}

impl Segment {
    /// Opens the segment that is named after the record number `named`.
    pub(super) fn open(path: &Path, named: u64) -> io::Result<Result<Self, HeadFault>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut buffer = Vec::new();
        (&mut file).take(READ_BYTES as u64).read_to_end(&mut buffer)?;
        Ok(parse_head(&buffer, named).map(|(head, from)| {
            let next = head.first;
            Self { file, len, head, buffer, from, offset: from as u64, next }
        }))
    }

    /// Its header.
    pub(super) const fn head(&self) -> &Head {
        &self.head
    }

    /// The number of the record that comes next.
    pub(super) const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Where it begins, in bytes.
    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads on.
    pub(super) fn step(&mut self) -> io::Result<Step<'_>> {
        let in_opening = self.next - self.head.first < u64::from(self.head.opening);
        let (kind, len) = match self.measure()? {
            Ok(found) => found,
            Err(Step::End | Step::Torn) if in_opening => {
                let what = "the segment's opening is cut off, which no crash does";
                return Ok(Step::Bad(self.fault("ledger.opening", what)));
            }
            Err(stop) => return Ok(stop),
        };
        let is_first = self.next == self.head.first;
        if OPENING_KINDS.contains(&kind) != in_opening || (kind == OPENED) != is_first {
            let what = "a record of this kind may not stand here";
            return Ok(Step::Bad(self.fault("ledger.opening", what)));
        }
        let (sequence, offset, start) = (self.next, self.offset, self.from + PREFIX_BYTES);
        self.next += 1;
        self.from = start + len;
        self.offset += (PREFIX_BYTES + len) as u64;
        let (front, sealed) = self.buffer[start..start + len].split_at_mut(FRONT_BYTES);
        let mut leaf = [0; 32];
        leaf.copy_from_slice(&front[2..34]);
        let mut salt = [0; 16];
        salt.copy_from_slice(&front[34..]);
        Ok(Step::Record(Entry { sequence, offset, kind, leaf, salt, sealed }))
    }

    /// Kind and length of the record that comes next, if it is whole.
    fn measure(&mut self) -> io::Result<Result<(u8, usize), Step<'static>>> {
        if self.offset >= self.len {
            return Ok(Err(Step::End));
        }
        if !self.fill(PREFIX_BYTES)? {
            return Ok(Err(Step::Torn));
        }
        let length = number(&self.buffer[self.from..]);
        let len = usize::try_from(length).unwrap_or(usize::MAX);
        if !LENGTHS.contains(&len) {
            return self.stop(None, "its length cannot be").map(Err);
        }
        if !self.fill(PREFIX_BYTES + len)? {
            return self.stop(Some(len), "it is longer than its file").map(Err);
        }
        let record = &self.buffer[self.from..self.from + PREFIX_BYTES + len];
        if numbered(record) != low_half(self.next) {
            let what = "its checksum does not fit its bytes and place";
            return self.stop(Some(len), what).map(Err);
        }
        let record = &record[PREFIX_BYTES..];
        if !has_leaf(record) {
            return self.stop(Some(len), "its leaf, version or kind is wrong").map(Err);
        }
        Ok(Ok((record[1], len)))
    }

    /// Whether there are `need` bytes from the next record's beginning on, which
    /// are in the buffer then. A door may just be writing them.
    fn fill(&mut self, need: usize) -> io::Result<bool> {
        while self.buffer.len() - self.from < need {
            self.buffer.drain(..self.from);
            self.from = 0;
            let wanted = need.max(READ_BYTES) as u64;
            if (&mut self.file).take(wanted).read_to_end(&mut self.buffer)? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn stop(&self, length: Option<usize>, what: &str) -> io::Result<Step<'static>> {
        let is_torn = torn::is_torn(&self.file, self.offset, self.next, length)?;
        let bad = || Step::Bad(self.fault("ledger.record", what));
        Ok(if is_torn { Step::Torn } else { bad() })
    }

    fn fault(&self, rule: &'static str, what: &str) -> Fault {
        Fault { rule, sequence: self.next, offset: self.offset, what: what.to_owned() }
    }
}

/// The header at the beginning of `bytes`, and its length.
fn parse_head(bytes: &[u8], named: u64) -> Result<(Head, usize), HeadFault> {
    let damaged = HeadFault::Damaged;
    let (magic, rest) = bytes.split_at_checked(8).ok_or(damaged("the header is cut off"))?;
    if magic != b"SWLEDGER" {
        return Err(damaged("the file is no ledger segment"));
    }
    let cut = || damaged("the header is cut off");
    let version = u16::from_le_bytes(*rest.first_chunk().ok_or_else(cut)?);
    let is_old = version < VERSION;
    let fixed = if is_old { OLD_HEAD_BYTES } else { HEAD_BYTES };
    let front = bytes.get(..fixed).ok_or_else(cut)?;
    let key_len = front.last_chunk().map_or(0, |len| usize::from(u16::from_le_bytes(*len)));
    let before = named.wrapping_sub(1);
    let subtrees = if is_old { 0 } else { before.count_ones() as usize };
    let len = fixed + key_len + 32 * subtrees;
    let crc = bytes.get(len..len + 4).map(number);
    if key_len > WRAPPED_BYTES_MAX || crc != Some(crc32c::crc32c(&bytes[..len.min(bytes.len())])) {
        return Err(damaged("the header's checksum does not fit"));
    }
    if is_old {
        return Err(HeadFault::Older(version));
    }
    if version > VERSION {
        return Err(HeadFault::Newer(version));
    }
    let (mut ledger, mut first) = ([0; 16], [0; 8]);
    ledger.copy_from_slice(&front[10..26]);
    first.copy_from_slice(&front[26..34]);
    let first = u64::from_le_bytes(first);
    if first != named || first == 0 {
        return Err(damaged("the file's name is not the header's first sequence"));
    }
    let (wrapped, subtrees) = bytes[fixed..len].split_at(key_len);
    let before = Tree::from_subtrees(before, subtrees.as_chunks::<32>().0);
    let before = before.ok_or(damaged("the header's tree does not fit"))?;
    let opening = number(&front[34..]);
    Ok((Head { ledger, first, opening, wrapped: wrapped.to_vec(), before }, len + 4))
}

/// The number that a record's checksum says it has, its low half.
pub(super) fn numbered(record: &[u8]) -> u32 {
    let (prefix, rest) = record.split_at(PREFIX_BYTES);
    crc32c::crc32c_append(crc32c::crc32c(&prefix[..4]), rest) ^ number(&prefix[4..])
}

/// Whether a record, after its prefix, has the leaf that belongs to its bytes.
pub(super) fn has_leaf(record: &[u8]) -> bool {
    let [RECORD_VERSION, kind, ..] = *record else { return false };
    record.len() >= *LENGTHS.start()
        && kind != 0
        && sha256(&[&record[..2], &record[34..]]) == record[2..34]
}

/// The low half of a record's number.
pub(super) fn low_half(sequence: u64) -> u32 {
    number(&sequence.to_le_bytes())
}

/// The little-endian number in the first four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
