//! Is a bad last record torn, as a crash leaves it, or was it changed?
//!
//! A write that was cut off leaves a prefix of what was to be written: one
//! record without its end, and nothing after it. A power loss may also leave
//! whole pages of zeros. All else is damage; in particular a changed length
//! must not make a file look as if it ended there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use surgewall_core::limits::LEDGER_RECORD_BYTES_MAX;

use super::scan::{LENGTH_MAX, LENGTH_MIN, check_leaf};
use crate::ledger::format::{Kind, PREFIX_BYTES, RECORD_VERSION, low_half};

/// What a file system writes at once, in bytes.
const PAGE_BYTES: u64 = 4_096;
/// Fewer zeros than this may be chance.
const ZEROS_MIN: u64 = 16;
/// How far the search moves at once, in bytes.
const STEP_BYTES: usize = 1 << 20;

/// Whether the bad record at `offset`, which should be number `sequence` and
/// says that `length` bytes follow its prefix, is only torn.
pub(super) fn is_torn(
    file: &File,
    offset: u64,
    sequence: u64,
    length: Option<usize>,
) -> io::Result<bool> {
    match judge(file, offset, sequence, length) {
        // The writer cut its file back while we looked: what was cut off was torn.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
        judged => judged,
    }
}

fn judge(file: &File, offset: u64, sequence: u64, length: Option<usize>) -> io::Result<bool> {
    let end = file.metadata()?.len();
    let claimed = length.map_or(0, |length| (PREFIX_BYTES + length) as u64);
    if ends_in_zeros(file, offset, end, claimed)? {
        return Ok(true);
    }
    if offset + claimed <= end {
        return Ok(false);
    }
    Ok(!is_whole_up_to_end(file, offset, end)? && !holds_a_record(file, offset + 1, end, sequence)?)
}

/// Whether pages that were never written follow: all from a page's start within
/// the record, or from the record's own start, is zero.
fn ends_in_zeros(file: &File, offset: u64, end: u64, claimed: u64) -> io::Result<bool> {
    let mut at = end;
    let mut chunk = [0; 4_096];
    'search: while at > offset {
        let from = at.saturating_sub(PAGE_BYTES).max(offset);
        let len = usize::try_from(at - from).unwrap_or(0);
        file.read_exact_at(&mut chunk[..len], from)?;
        for byte in chunk[..len].iter().rev() {
            if *byte != 0 {
                break 'search;
            }
            at -= 1;
        }
    }
    let page = at.next_multiple_of(PAGE_BYTES);
    let within = page < offset.saturating_add(claimed) && end.saturating_sub(page) >= ZEROS_MIN;
    Ok(at == offset || (page < end && within))
}

/// Whether the record is whole if it ends with the file: then its length lies.
fn is_whole_up_to_end(file: &File, offset: u64, end: u64) -> io::Result<bool> {
    let len = usize::try_from(end - offset).unwrap_or(usize::MAX);
    if len > LEDGER_RECORD_BYTES_MAX {
        return Ok(false);
    }
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.get(PREFIX_BYTES..).is_some_and(|record| check_leaf(record).is_some()))
}

/// Whether a valid record of this ledger, numbered `sequence` or later, begins
/// anywhere from `from` on.
fn holds_a_record(file: &File, from: u64, end: u64, sequence: u64) -> io::Result<bool> {
    let mut window = Vec::new();
    let mut at = from;
    while at < end {
        let len = (end - at).min((STEP_BYTES + LEDGER_RECORD_BYTES_MAX) as u64);
        window.resize(usize::try_from(len).unwrap_or(0), 0);
        file.read_exact_at(&mut window, at)?;
        let later_max = u32::try_from((end - from) / LENGTH_MIN as u64).unwrap_or(u32::MAX);
        let starts = window.len().min(STEP_BYTES);
        let found = (0..starts).any(|start| {
            record_number(&window[start..])
                .is_some_and(|number| number.wrapping_sub(low_half(sequence)) <= later_max)
        });
        if found {
            return Ok(true);
        }
        at += STEP_BYTES as u64;
    }
    Ok(false)
}

/// The low half of the sequence of the record that begins here, if there is one.
fn record_number(bytes: &[u8]) -> Option<u32> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (stored, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let plausible = (LENGTH_MIN..=LENGTH_MAX).contains(&len)
        && *rest.first()? == RECORD_VERSION
        && Kind::from_byte(*rest.get(1)?).is_some();
    if !plausible {
        return None;
    }
    let record = rest.get(..len)?;
    check_leaf(record)?;
    let crc = crc32c::crc32c_append(crc32c::crc32c(length), record);
    Some(crc ^ u32::from_le_bytes(*stored))
}
