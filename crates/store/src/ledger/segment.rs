//! The current segment, how one is opened, and which old ones are kept.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use surgewall_core::clock::Timestamp;

use super::AppendError;
use super::core::Core;
use super::encode::{Encoder, End, header};
use super::file::{SegmentFile, write_all};
use super::format::{Hash, SUFFIX, segment_name};
use super::read::walk::segments;
use super::seal::{BodyKey, key_purpose};
use crate::datadir::sync_dir;
use crate::vault::random_key;

/// What one write of an opening may carry, in bytes.
const WRITE_BYTES_MAX: usize = 1 << 20;
/// While a segment fills, the log grows by less than this part of it: by 66 bytes
/// for each record of hundreds, and by partial tiles of a few MiB that go again.
const LOG_SHARE: u64 = 4;
/// The ending of a segment that is not in place yet.
const UNFINISHED: &str = ".seg.new";

/// The segment that is written to.
pub(super) struct Segment {
    /// Its file.
    pub(super) file: Arc<dyn SegmentFile>,
    /// Encodes under its data key.
    pub(super) encoder: Encoder,
    /// Its first sequence.
    pub(super) first: u64,
    /// Its length up to the last whole record, in bytes.
    pub(super) bytes: u64,
    /// Its header and opening records, in bytes.
    opening_bytes: u64,
}

impl Core {
    /// Makes sure that there is a segment with room.
    pub(super) fn ready_segment(&mut self) -> Result<(), AppendError> {
        let pending = self.pending_bytes();
        if self.segment.as_ref().is_some_and(|segment| self.has_room(segment, pending)) {
            return Ok(());
        }
        self.flush()?;
        if let Err(error) = self.sync() {
            self.abandon_segment();
            return Err(self.refuse(error));
        }
        self.open_segment().map_err(|error| self.refuse(error))
    }

    /// Whether `segment` takes a record after `bytes` more.
    pub(super) fn has_room(&self, segment: &Segment, bytes: u64) -> bool {
        // A large opening must leave room, or each record would open a segment.
        let limit = self.options.segment_bytes_max.max(2 * segment.opening_bytes);
        segment.bytes + bytes < limit
    }

    /// Opens a segment where the ledger stands. On failure nothing is changed.
    pub(super) fn open_segment(&mut self) -> io::Result<()> {
        let path = self.directory.join(segment_name(self.end.next));
        let unfinished = path.with_extension(&UNFINISHED[1..]);
        let placed = self.write_opening(&unfinished).and_then(|segment| {
            fs::rename(&unfinished, &path)?;
            sync_dir(&self.directory)?;
            Ok(segment)
        });
        let (segment, end, leaves) = match placed {
            Ok(opened) => opened,
            Err(error) => {
                // It holds nothing that the next attempt would not write again.
                for file in [&unfinished, &path] {
                    fs::remove_file(file).ok();
                }
                return Err(error);
            }
        };
        self.end = end;
        self.log.written(leaves.into_iter());
        // All before it was synced when it was left, or is as safe as it gets.
        self.log.safe(end.next - 1);
        self.segment = Some(segment);
        self.retain();
        Ok(())
    }

    /// Writes header and opening records to `path`, safe on disk; where the ledger
    /// stands then, and the leaves of what it wrote.
    fn write_opening(&mut self, path: &Path) -> io::Result<(Segment, End, Vec<Hash>)> {
        let mut end = self.end;
        let first = end.next;
        let key = random_key();
        let wrapped = self.vault.wrap_key(&key_purpose(&end.ledger, first), key.expose());
        let mut encoder = Encoder::new(BodyKey::new(key.expose()));
        let records = self.fold.opening(self.now());
        let count = u32::try_from(records.len()).map_err(io::Error::other)?;
        let mut buffer = header(&end, &self.log.tree(), count, &wrapped);
        let file = self.files.create(path)?;
        let (mut bytes, mut leaves) = (0, Vec::with_capacity(records.len()));
        for (at, record) in records.iter().enumerate() {
            let too_large = |_| io::Error::other("an opening record is too large");
            leaves.push(encoder.record(record, &mut end, &mut buffer).map_err(too_large)?);
            if buffer.len() >= WRITE_BYTES_MAX || at + 1 == records.len() {
                write_all(&*file, &buffer).map_err(|(_, error)| error)?;
                bytes += buffer.len() as u64;
                buffer.clear();
            }
        }
        file.sync()?;
        Ok((Segment { file, encoder, first, bytes, opening_bytes: bytes }, end, leaves))
    }

    /// Ends the current segment after a failure, cut back to its last whole record.
    pub(super) fn abandon_segment(&mut self) {
        let Some(segment) = self.segment.take() else { return };
        let cut = segment.file.truncate(segment.bytes).and_then(|()| segment.file.sync());
        if let Err(error) = cut {
            tracing::warn!(%error, "a ledger segment could not be cut back; its torn end is a note to check ledger");
        }
        self.other_bytes += segment.bytes;
    }

    /// Removes segments that are older than they are to be kept, or too many:
    /// the oldest first, never the current one.
    fn retain(&mut self) {
        let current = self.segment.as_ref().map_or(0, |segment| segment.first);
        let Ok(mut kept) = segments(&self.directory) else { return };
        kept.retain(|(first, _)| *first < current);
        let sizes: Vec<_> =
            kept.iter().map(|(_, path)| fs::metadata(path).map_or(0, |m| m.len())).collect();
        let mut bytes: u64 = sizes.iter().sum();
        // What the current one and the log may grow to counts too: the limit holds at all times.
        let grows = self.options.segment_bytes_max + self.options.segment_bytes_max / LOG_SHARE;
        let room = self.options.bytes_max.saturating_sub(grows.saturating_add(self.log.bytes()));
        let now = self.now();
        let after = kept.iter().skip(1).map(|(first, _)| *first).chain([current]);
        for (((_, path), next), size) in kept.iter().zip(after).zip(sizes) {
            if bytes <= room && !self.is_past_retention(path, now) {
                break;
            }
            // The tree is made from it, and there is no other copy of its leaves.
            if !self.log.holds(next - 1) {
                break;
            }
            if let Err(error) = fs::remove_file(path) {
                tracing::warn!(%error, "an old ledger segment could not be removed");
                break;
            }
            bytes -= size;
        }
        self.other_bytes = bytes;
    }

    /// Whether the newest record of the segment, as its file is dated, is too old.
    fn is_past_retention(&self, path: &Path, now: Timestamp) -> bool {
        let days = u64::from(self.options.retention_days);
        let written = fs::metadata(path).and_then(|metadata| metadata.modified());
        written.is_ok_and(|at| {
            now.since(timestamp(at)) > Duration::from_secs(days.saturating_mul(86_400))
        })
    }
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Makes the ledger's directory, and removes segments that never came in place.
pub(super) fn prepare(directory: &Path) -> io::Result<()> {
    if !directory.exists() {
        fs::create_dir(directory)?;
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
        sync_dir(directory.parent().unwrap_or(Path::new(".")))?;
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(UNFINISHED) {
            fs::remove_file(&path)?;
        }
    }
    debug_assert!(UNFINISHED.starts_with(SUFFIX));
    Ok(())
}
