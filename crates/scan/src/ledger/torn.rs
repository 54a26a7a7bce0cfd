//! Whether a bad record is the torn end that a crash leaves.
//!
//! docs/ledger.md has the rule: a crash leaves the beginning of one record, or of
//! a record whose last pages were never written and read as zeros. A record that
//! is whole, or that a whole one follows, was changed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;

use super::segment::{LENGTHS, PREFIX_BYTES, RECORD_VERSION, has_leaf, low_half, numbered};

/// A page, in bytes.
const PAGE_BYTES: u64 = 4_096;
/// As few zeros may be a part of a record.
const ZEROS_MIN: u64 = 16;
/// Where whole records are looked for at once, in bytes.
const SEARCH_BYTES: u64 = 1 << 20;

/// Whether the record at `offset`, whose number should be `sequence` and which
/// says that it has `length` bytes after its prefix, is torn.
pub(super) fn is_torn(
    file: &File,
    offset: u64,
    sequence: u64,
    length: Option<usize>,
) -> io::Result<bool> {
    let tail = Tail { file, offset, end: file.metadata()?.len() };
    match tail.is_torn(sequence, length) {
        // The door cut its file back meanwhile, as it does with torn ends.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        other => other,
    }
}

/// A file from a bad record on.
struct Tail<'a> {
    file: &'a File,
    offset: u64,
    end: u64,
}

impl Tail<'_> {
    fn is_torn(&self, sequence: u64, length: Option<usize>) -> io::Result<bool> {
        let claimed_end =
            length.map_or(self.offset, |len| self.offset + (PREFIX_BYTES + len) as u64);
        let zeros = self.zeros()?;
        let page = zeros.next_multiple_of(PAGE_BYTES);
        let unwritten = page < claimed_end && page + ZEROS_MIN <= self.end;
        if zeros == self.offset || unwritten {
            return Ok(true);
        }
        if claimed_end <= self.end || self.is_whole()? {
            return Ok(false);
        }
        Ok(!self.holds_later(sequence)?)
    }

    /// Where the zeros begin with which the file ends.
    fn zeros(&self) -> io::Result<u64> {
        let mut at = self.end;
        while at > self.offset {
            let start = at.saturating_sub(PAGE_BYTES).max(self.offset);
            let bytes = self.read(start, at)?;
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                return Ok(start + last as u64 + 1);
            }
            at = start;
        }
        Ok(at)
    }

    /// Whether the rest of the file is one whole record: then its length lies.
    fn is_whole(&self) -> io::Result<bool> {
        if self.end - self.offset > LEDGER_RECORD_BYTES_MAX as u64 {
            return Ok(false);
        }
        let rest = self.read(self.offset, self.end)?;
        Ok(rest.get(PREFIX_BYTES..).is_some_and(has_leaf))
    }

    /// Whether a whole record with this number or a later one begins anywhere in
    /// the rest of the file.
    fn holds_later(&self, sequence: u64) -> io::Result<bool> {
        let shortest = (PREFIX_BYTES + *LENGTHS.start()) as u64;
        let later = u32::try_from((self.end - self.offset) / shortest).unwrap_or(u32::MAX);
        let mut from = self.offset + 1;
        while from < self.end {
            let to = (from + SEARCH_BYTES + LEDGER_RECORD_BYTES_MAX as u64).min(self.end);
            let bytes = self.read(from, to)?;
            let starts = usize::try_from(SEARCH_BYTES).unwrap_or(0).min(bytes.len());
            let found = (0..starts).filter_map(|start| whole(&bytes[start..]));
            if found.map(numbered).any(|low| low.wrapping_sub(low_half(sequence)) <= later) {
                return Ok(true);
            }
            from += SEARCH_BYTES;
        }
        Ok(false)
    }

    fn read(&self, from: u64, to: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(0)];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }
}

/// The record that `bytes` begin with, if it is whole.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.first_chunk().map(|length| u32::from_le_bytes(*length))?;
    let len = usize::try_from(length).ok().filter(|len| LENGTHS.contains(len))?;
    // What is cheap comes first: this is asked for each byte.
    if bytes.get(PREFIX_BYTES) != Some(&RECORD_VERSION) {
        return None;
    }
    let record = bytes.get(..PREFIX_BYTES + len)?;
    has_leaf(&record[PREFIX_BYTES..]).then_some(record)
}
