//! The file of probes: what was measured in each minute, appended once a minute
//! and read once at start.
//!
//! `status/probes` is magic, version, and records of a fixed size, each with its
//! CRC-32C, so that a torn end and a damaged record cost themselves only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use surgewall_core::files::read_bounded;

use crate::datadir::{DataDir, write_atomic};

const MAGIC: &[u8; 8] = b"SWPROBE\0";
/// The version of the file.
pub const PROBES_VERSION: u16 = 1;
const HEAD_BYTES: usize = 10;
/// One record, in bytes.
pub const PROBE_BYTES: usize = 36;
/// Records that are kept: the oldest go first. 90 days of 15 components fit.
pub const PROBES_KEPT_MAX: usize = 2_000_000;
/// The file, in bytes: what is kept, and an eighth that waits to be dropped.
pub const PROBES_BYTES_MAX: u64 =
    (HEAD_BYTES + PROBE_BYTES * (PROBES_KEPT_MAX + PROBES_KEPT_MAX / 8)) as u64;

/// What was measured of one component in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// The minute: whole minutes since the Unix epoch, UTC.
    pub minute: u32,
    /// The component: the beginning of a hash of its public name.
    pub component: [u8; 6],
    /// How it was, as its owner numbers states.
    pub state: u8,
    /// Requests that were served in time.
    pub ok: u32,
    /// Requests that were not served.
    pub failed: u32,
    /// Requests that were served late.
    pub slow: u32,
    /// Milliseconds to the first byte, within which half of them were answered.
    pub first_p50_ms: u32,
    /// The same of nineteen in twenty.
    pub first_p95_ms: u32,
}

impl Probe {
    fn encode(&self) -> [u8; PROBE_BYTES] {
        let mut out = [0; PROBE_BYTES];
        out[..4].copy_from_slice(&self.minute.to_le_bytes());
        out[4..10].copy_from_slice(&self.component);
        out[10] = self.state;
        let numbers = [self.ok, self.failed, self.slow, self.first_p50_ms, self.first_p95_ms];
        for (place, number) in out[12..32].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out[..32]);
        out[32..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_last_chunk::<4>()?;
        if crc32c::crc32c(body).to_le_bytes() != *crc {
            return None;
        }
        let number = |at: usize| body.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        Some(Self {
            minute: number(0)?,
            component: body.get(4..10)?.try_into().ok()?,
            state: *body.get(10)?,
            ok: number(12)?,
            failed: number(16)?,
            slow: number(20)?,
            first_p50_ms: number(24)?,
            first_p95_ms: number(28)?,
        })
    }
}

/// What a file held when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The records that are kept, in the file's order.
    pub probes: Vec<Probe>,
    /// Bytes of a last record that a death in mid-write left torn.
    pub torn_bytes: usize,
    /// Records whose checksum is wrong: left out.
    pub damaged: usize,
    /// Where a file that could not be read was put aside.
    pub aside: Option<PathBuf>,
}

/// The file, open for appending.
#[derive(Debug)]
pub struct ProbeFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole records, with the head.
    bytes: u64,
}

impl ProbeFile {
    /// Opens or makes the file in `directory`, and reads it: records of before
    /// `from_minute` are dropped, and of the rest the newest [`PROBES_KEPT_MAX`] kept.
    /// A file of another kind or version is put aside, and a new one begun.
    ///
    /// # Errors
    /// The file system said no.
    pub fn open(directory: &DataDir, from_minute: u32) -> io::Result<(Self, Found)> {
        let folder = directory.status();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let path = folder.join("probes");
        let (mut found, is_ours) = read(&path)?;
        let all = found.probes.len();
        found.probes.retain(|probe| probe.minute >= from_minute);
        let past = found.probes.len().saturating_sub(PROBES_KEPT_MAX);
        found.probes.drain(..past);
        // What would be appended behind a torn end could not be told apart from it.
        let is_clean = found.torn_bytes == 0 && is_ours;
        if !is_clean || found.probes.len() < all - all / 8 {
            rewrite(&path, found.probes.iter())?;
        }
        Ok((Self::append_to(path)?, found))
    }

    fn append_to(path: PathBuf) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).mode(0o600).open(&path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { path, file, bytes })
    }

    /// Appends `probes` and waits until they are safe on disk: whole or not at all.
    ///
    /// # Errors
    /// The disk takes nothing, or the file is full ([`io::ErrorKind::FileTooLarge`]):
    /// it wants [`ProbeFile::replace`].
    pub fn append(&mut self, probes: &[Probe]) -> io::Result<()> {
        let bytes: Vec<u8> = probes.iter().flat_map(Probe::encode).collect();
        if self.bytes + bytes.len() as u64 > PROBES_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        match self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // No torn record stays, where that can be helped.
                self.file.set_len(self.bytes)?;
                Err(error)
            }
        }
    }

    /// Holds `probes` from now on, and nothing else.
    ///
    /// # Errors
    /// The disk takes nothing: the file is as it was.
    pub fn replace<'a>(&mut self, probes: impl Iterator<Item = &'a Probe>) -> io::Result<()> {
        rewrite(&self.path, probes)?;
        *self = Self::append_to(self.path.clone())?;
        Ok(())
    }
}

/// The records at `path`, and whether there was a file of ours.
fn read(path: &Path) -> io::Result<(Found, bool)> {
    let bytes = match read_bounded(path, PROBES_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((Found::default(), false));
        }
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Vec::new(),
        Err(error) => return Err(error),
    };
    let head = [MAGIC.as_slice(), &PROBES_VERSION.to_le_bytes()].concat();
    let Some(records) = bytes.strip_prefix(head.as_slice()) else {
        // Of a file whose very head is torn nothing is lost.
        let aside =
            (!head.starts_with(&bytes) || bytes.is_empty()).then(|| path.with_extension("old"));
        if let Some(aside) = &aside {
            fs::rename(path, aside)?;
        }
        return Ok((Found { aside, ..Found::default() }, false));
    };
    let chunks = records.chunks_exact(PROBE_BYTES);
    let torn_bytes = chunks.remainder().len();
    let all = chunks.len();
    let probes: Vec<_> = chunks.filter_map(Probe::decode).collect();
    let damaged = all - probes.len();
    Ok((Found { probes, torn_bytes, damaged, aside: None }, true))
}

fn rewrite<'a>(path: &Path, probes: impl Iterator<Item = &'a Probe>) -> io::Result<()> {
    let mut bytes = [MAGIC.as_slice(), &PROBES_VERSION.to_le_bytes()].concat();
    bytes.extend(probes.flat_map(Probe::encode));
    write_atomic(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(minute: u32) -> Probe {
        Probe {
            minute,
            component: *b"abcdef",
            state: 1,
            ok: 7,
            failed: u32::MAX,
            ..Probe::default()
        }
    }

    struct Place {
        _base: tempfile::TempDir,
        directory: DataDir,
    }

    impl Place {
        fn new() -> Self {
            let base = tempfile::tempdir().unwrap();
            let directory = DataDir::open_or_create(&base.path().join("data")).unwrap();
            Self { _base: base, directory }
        }

        fn open(&self, from_minute: u32) -> (ProbeFile, Found) {
            ProbeFile::open(&self.directory, from_minute).unwrap()
        }

        fn path(&self) -> PathBuf {
            self.directory.status().join("probes")
        }

        fn raw(&self) -> Vec<u8> {
            read_bounded(&self.path(), PROBES_BYTES_MAX).unwrap()
        }
    }

    #[test]
    fn what_is_appended_is_read_again() {
        let place = Place::new();
        let (mut file, found) = place.open(0);
        assert_eq!(found, Found::default());
        file.append(&[probe(1), probe(2)]).unwrap();
        file.append(&[probe(3)]).unwrap();
        assert_eq!(place.open(0).1.probes, [probe(1), probe(2), probe(3)]);
        assert_eq!(place.open(3).1.probes, [probe(3)]);
        assert_eq!(place.raw().len(), HEAD_BYTES + PROBE_BYTES, "what is past goes for good");
    }

    #[test]
    fn a_torn_end_costs_itself_wherever_it_is_torn() {
        let place = Place::new();
        place.open(0).0.append(&[probe(1), probe(2)]).unwrap();
        let whole = place.raw();
        for cut in 1..PROBE_BYTES {
            fs::write(place.path(), &whole[..whole.len() - cut]).unwrap();
            let (mut file, found) = place.open(0);
            assert_eq!((found.probes, found.torn_bytes), (vec![probe(1)], PROBE_BYTES - cut));
            file.append(&[probe(3)]).unwrap();
            assert_eq!(place.open(0).1.probes, [probe(1), probe(3)], "{cut}");
        }
        for cut in 1..HEAD_BYTES {
            fs::write(place.path(), &whole[..cut]).unwrap();
            assert_eq!(place.open(0).1, Found::default(), "a head torn at {cut}");
        }
    }

    #[test]
    fn a_damaged_record_is_left_out_and_the_others_stay() {
        let place = Place::new();
        place.open(0).0.append(&[probe(1), probe(2), probe(3)]).unwrap();
        let whole = place.raw();
        for at in HEAD_BYTES + PROBE_BYTES..HEAD_BYTES + 2 * PROBE_BYTES {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(place.path(), &bytes).unwrap();
            let found = place.open(0).1;
            assert_eq!((found.probes, found.damaged), (vec![probe(1), probe(3)], 1), "byte {at}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_put_aside() {
        let place = Place::new();
        let newer = [MAGIC.as_slice(), &2_u16.to_le_bytes(), &[0; 36]].concat();
        for foreign in [newer.as_slice(), b"garbage that is no file of probes"] {
            place.open(0);
            fs::write(place.path(), foreign).unwrap();
            let (mut file, found) = place.open(0);
            let aside = found.aside.unwrap();
            assert_eq!(read_bounded(&aside, 1 << 10).unwrap(), foreign);
            file.append(&[probe(1)]).unwrap();
            assert_eq!(place.open(0).1.probes, [probe(1)]);
        }
    }

    #[test]
    fn a_disk_that_takes_nothing_leaves_no_torn_record() {
        let place = Place::new();
        let (mut file, _) = place.open(0);
        file.append(&[probe(1)]).unwrap();
        // A descriptor for reading stands for a disk that takes nothing.
        let broken = File::open(place.path()).unwrap();
        let good = std::mem::replace(&mut file.file, broken);
        assert!(file.append(&[probe(2)]).is_err());
        file.file = good;
        file.append(&[probe(3)]).unwrap();
        assert_eq!(place.open(0).1.probes, [probe(1), probe(3)]);
    }

    #[test]
    fn a_full_file_says_so_and_can_be_replaced() {
        let place = Place::new();
        let (mut file, _) = place.open(0);
        file.bytes = PROBES_BYTES_MAX - PROBE_BYTES as u64;
        file.append(&[probe(1)]).unwrap();
        let full = file.append(&[probe(2)]).unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::FileTooLarge, "one past the limit");
        file.replace([probe(2)].iter()).unwrap();
        file.append(&[probe(3)]).unwrap();
        assert_eq!(place.open(0).1.probes, [probe(2), probe(3)]);
    }
}
