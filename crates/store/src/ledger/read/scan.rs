//! One segment, record by record: the reader's half of the format.
//!
//! It shares no code with the writer but the form and the seal. Memory: one record.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;

use super::torn;
use crate::ledger::format::{
    HEADER_FIXED_BYTES, Hash, Kind, LedgerId, MAGIC, OLD_HEADER_FIXED_BYTES, PREFIX_BYTES,
    RECORD_HEAD_BYTES, RECORD_VERSION, SEGMENT_VERSION, TAG_BYTES, WRAPPED_BYTES_MAX, low_half,
};
use crate::ledger::tree::{Tree, peak_count};

/// The shortest record after its prefix, in bytes.
pub(super) const LENGTH_MIN: usize = RECORD_HEAD_BYTES - PREFIX_BYTES + TAG_BYTES;
/// The longest record after its prefix, in bytes.
pub(super) const LENGTH_MAX: usize = LEDGER_RECORD_BYTES_MAX - PREFIX_BYTES;
const BUFFER_BYTES: usize = 64 << 10;

/// A segment's header.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    /// The ledger.
    pub(crate) ledger: LedgerId,
    /// The first record's sequence.
    pub(crate) first: u64,
    /// The tree of all records before it.
    pub(crate) before: Tree,
    /// How many records open the segment.
    pub(crate) opening: u32,
    /// The data key, wrapped by the master key.
    pub(crate) wrapped: Vec<u8>,
}

/// Where a file is wrong, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Damage {
    /// The rule that found it.
    pub(crate) rule: &'static str,
    /// The sequence of the first bad record.
    pub(crate) sequence: u64,
    /// Where it begins in the file, in bytes.
    pub(crate) offset: u64,
    /// What is wrong with it.
    pub(crate) what: String,
}

/// How a segment ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// After a whole record.
    Clean,
    /// In the middle of its last record, as a crash leaves it.
    Torn,
    /// Wrong.
    Damaged(Damage),
}

/// One record whose checksum and leaf hold.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Its sequence.
    pub(crate) sequence: u64,
    /// Where it begins, in bytes.
    pub(crate) offset: u64,
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its leaf.
    pub(crate) leaf: Hash,
    /// What was hashed with the sealed body.
    pub(crate) salt: [u8; 16],
    /// The sealed body.
    pub(crate) sealed: Vec<u8>,
}

/// A segment being read: as long as it was when it was opened, so that reading
/// beside a writer comes to an end.
pub(crate) struct Scanner {
    reader: BufReader<File>,
    len: u64,
    offset: u64,
    header: Header,
    next: u64,
}

impl Scanner {
    /// Opens the segment at `path`. The inner error is damage of the header,
    /// or the version of a newer Surgewall.
    pub(crate) fn open(path: &Path, named: u64) -> io::Result<Result<Self, HeaderError>> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let header = match read_header(&mut reader, named)? {
            Ok(header) => header,
            Err(error) => return Ok(Err(error)),
        };
        let peaks = header.before.peaks().as_flattened().len();
        let offset = (HEADER_FIXED_BYTES + header.wrapped.len() + peaks + 4) as u64;
        let next = header.first;
        Ok(Ok(Self { reader, len, offset, header, next }))
    }

    /// The header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The next record's sequence.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The end of the last whole record, in bytes.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next record, or how the segment ends. `buffer` lends its memory.
    pub(crate) fn next(&mut self, mut buffer: Vec<u8>) -> io::Result<Result<Raw, Stop>> {
        let opening = self.next - self.header.first < u64::from(self.header.opening);
        let raw = match self.read_record(&mut buffer)? {
            Ok(raw) => raw,
            Err(Stop::Clean | Stop::Torn) if opening => {
                let what = "the segment's opening is cut off, which no crash does";
                return Ok(Err(self.damage("ledger.opening", what)));
            }
            Err(end) => return Ok(Err(end)),
        };
        let (kind, leaf) = raw;
        let first = self.next == self.header.first;
        if kind.is_opening() != opening || (kind == Kind::Opened) != first {
            return Ok(Err(
                self.damage("ledger.opening", "a record of this kind may not stand here")
            ));
        }
        let (sequence, offset) = (self.next, self.offset);
        self.offset += (PREFIX_BYTES + buffer.len()) as u64;
        self.next += 1;
        let salt = array_at(&buffer, RECORD_HEAD_BYTES - PREFIX_BYTES - 16);
        buffer.drain(..RECORD_HEAD_BYTES - PREFIX_BYTES);
        Ok(Ok(Raw { sequence, offset, kind, leaf, salt, sealed: buffer }))
    }

    /// Reads all after the prefix into `buffer` and checks it.
    fn read_record(&mut self, buffer: &mut Vec<u8>) -> io::Result<Result<(Kind, Hash), Stop>> {
        if self.offset >= self.len {
            return Ok(Err(Stop::Clean));
        }
        let mut prefix = [0; PREFIX_BYTES];
        if !self.fill(&mut prefix, 0)? {
            return Ok(Err(Stop::Torn));
        }
        let [a, b, c, d, stored @ ..] = prefix;
        let length = u32::from_le_bytes([a, b, c, d]);
        let len = usize::try_from(length).unwrap_or(usize::MAX);
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&len) {
            return self.bad(None, "its length cannot be").map(Err);
        }
        buffer.clear();
        buffer.resize(len, 0);
        if !self.fill(buffer, PREFIX_BYTES)? {
            return self.bad(Some(len), "it is longer than its file").map(Err);
        }
        let crc = crc32c::crc32c_append(crc32c::crc32c(&length.to_le_bytes()), buffer);
        let implied = crc ^ u32::from_le_bytes(stored);
        if implied != low_half(self.next) {
            return self.bad(Some(len), "its checksum does not fit its bytes and place").map(Err);
        }
        match check_leaf(buffer) {
            Some(found) => Ok(Ok(found)),
            None => self.bad(Some(len), "its leaf, version or kind is wrong").map(Err),
        }
    }

    /// Whether `into` could be filled from `skip` bytes into this record. A
    /// writer may just be writing it: then there is more than a moment ago.
    fn fill(&mut self, into: &mut [u8], skip: usize) -> io::Result<bool> {
        let start = self.offset + skip as u64;
        loop {
            match self.reader.read_exact(into) {
                Ok(()) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(error) => return Err(error),
            }
            if self.reader.get_ref().metadata()?.len() < start + into.len() as u64 {
                return Ok(false);
            }
            self.reader.seek(SeekFrom::Start(start))?;
        }
    }

    /// Tells a torn last record from damage.
    fn bad(&self, length: Option<usize>, what: &str) -> io::Result<Stop> {
        if torn::is_torn(self.reader.get_ref(), self.offset, self.next, length)? {
            Ok(Stop::Torn)
        } else {
            Ok(self.damage("ledger.record", what))
        }
    }

    fn damage(&self, rule: &'static str, what: &str) -> Stop {
        Stop::Damaged(Damage {
            rule,
            sequence: self.next,
            offset: self.offset,
            what: what.to_owned(),
        })
    }
}

/// Why a header cannot be used.
#[derive(Debug)]
pub(crate) enum HeaderError {
    /// A newer Surgewall wrote the segment.
    Newer(u16),
    /// A Surgewall from before the first release did.
    Older(u16),
    /// It is damaged.
    Damaged(Damage),
}

fn read_header(reader: &mut impl Read, named: u64) -> io::Result<Result<Header, HeaderError>> {
    let damaged = |what: &str| {
        HeaderError::Damaged(Damage {
            rule: "ledger.header",
            sequence: named,
            offset: 0,
            what: what.to_owned(),
        })
    };
    let mut bytes = Vec::new();
    reader.by_ref().take(HEADER_FIXED_BYTES as u64).read_to_end(&mut bytes)?;
    let Some((magic, version)) = parse_start(&bytes) else {
        return Ok(Err(damaged("the header is cut off")));
    };
    if magic != MAGIC {
        return Ok(Err(damaged("the file is no ledger segment")));
    }
    if is_older(version) {
        let more = (OLD_HEADER_FIXED_BYTES - HEADER_FIXED_BYTES) as u64;
        reader.by_ref().take(more).read_to_end(&mut bytes)?;
    }
    let fixed = bytes.len();
    let wrapped = usize::from(u16_at(&bytes, fixed - 2));
    let before = named.wrapping_sub(1);
    let peaks = if is_older(version) { 0 } else { peak_count(before) };
    if wrapped <= WRAPPED_BYTES_MAX {
        let rest = wrapped + peaks * 32 + 4;
        reader.by_ref().take(rest as u64).read_to_end(&mut bytes)?;
    }
    let sound = bytes.split_last_chunk::<4>().is_some_and(|(rest, crc)| {
        rest.len() == fixed + wrapped + peaks * 32 && crc32c::crc32c(rest).to_le_bytes() == *crc
    });
    if !sound {
        return Ok(Err(damaged("the header's checksum does not fit")));
    }
    match version {
        SEGMENT_VERSION => {}
        older if is_older(older) => return Ok(Err(HeaderError::Older(older))),
        newer => return Ok(Err(HeaderError::Newer(newer))),
    }
    let (wrapped, peaks) = bytes[fixed..bytes.len() - 4].split_at(wrapped);
    let peaks = peaks.as_chunks::<32>().0.to_vec();
    let (Some(tree), first) = (Tree::of(before, peaks), u64_at(&bytes, 26)) else {
        return Ok(Err(damaged("the header's tree does not fit")));
    };
    if first != named || first == 0 {
        return Ok(Err(damaged("the file's name is not the header's first sequence")));
    }
    let opening = u32_at(&bytes, 34);
    let ledger = array_at(&bytes, 10);
    Ok(Ok(Header { ledger, first, before: tree, opening, wrapped: wrapped.to_vec() }))
}

/// Whether a segment of this version has a hash chain and no tree.
const fn is_older(version: u16) -> bool {
    version < SEGMENT_VERSION
}

fn parse_start(bytes: &[u8]) -> Option<(&[u8; 8], u16)> {
    if bytes.len() < HEADER_FIXED_BYTES {
        return None;
    }
    Some((bytes.first_chunk::<8>()?, u16_at(bytes, 8)))
}

/// The `N` bytes at `at`; the callers checked the length.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The kind and leaf of a record (all after its prefix), if the leaf holds.
pub(super) fn check_leaf(record: &[u8]) -> Option<(Kind, Hash)> {
    let (start, rest) = record.split_first_chunk::<2>()?;
    let (leaf, rest) = rest.split_first_chunk::<32>()?;
    if start[0] != RECORD_VERSION || rest.len() < 16 + TAG_BYTES {
        return None;
    }
    // `rest` is salt and sealed body, as they lie in the file.
    let holds = sha256(&[start, rest]) == *leaf;
    Kind::from_byte(start[1]).filter(|_| holds).map(|kind| (kind, *leaf))
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
