//! The accounts file on disk: a header and slots, read and written in place.
//!
//! ```text
//! header: magic "SWACCTS\0" | version u16 | store id 16 | file id 16 | zeros to 124 | CRC-32C u32
//! slots:  128 bytes each (slot.rs)
//! ```
//! The process that writes holds an flock on the file; others read it beside.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::VaultError;
use super::index::Index;
use super::slot::{SLOT_BYTES, Slot};
use crate::datadir::{sync_dir, write_atomic};

/// Slots in one accounts file: keys, and words of what was destroyed (512 MB).
pub(super) const SLOTS_MAX: u32 = 4_000_000;
const MAGIC: &[u8; 8] = b"SWACCTS\0";
const VERSION: u16 = 1;
const CRC_AT: usize = SLOT_BYTES - 4;
/// What one read of a scan takes, in bytes: a whole number of slots.
const SCAN_BYTES: usize = 1 << 20;
/// What one write of many slots or of zeros takes, in bytes.
const WRITE_BYTES: usize = 64 << 10;

/// Whose file it is, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// The store.
    pub(super) store: [u8; 16],
    /// The file, as the file `keys` names it.
    pub(super) id: [u8; 16],
}

/// An open accounts file.
pub(super) struct SlotFile {
    file: File,
    path: PathBuf,
    writable: bool,
    seen: Seen,
}

/// Tells whether a file was changed since.
type Seen = (u64, u64, i64, i64);

fn seen(metadata: &Metadata) -> Seen {
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// Makes the file of a new store.
pub(super) fn create(path: &Path, header: &Header) -> Result<(), VaultError> {
    let failed = |source| VaultError::Io { path: path.to_owned(), source };
    let parent = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    write_atomic(path, &encode(header)).map_err(failed)
}

/// The header of the file at `path`; `None` where there is no file.
pub(super) fn header(path: &Path) -> Result<Option<Header>, VaultError> {
    match File::open(path) {
        Ok(file) => read_header(&file, path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(VaultError::Io { path: path.to_owned(), source }),
    }
}

impl SlotFile {
    /// Opens the file for reading.
    pub(super) fn open(path: &Path, expected: &Header) -> Result<Self, VaultError> {
        Self::of(OpenOptions::new().read(true).open(path), path, expected, false)
    }

    /// Opens the file for writing and takes its lock.
    pub(super) fn open_locked(path: &Path, expected: &Header) -> Result<Self, VaultError> {
        loop {
            let file = OpenOptions::new().read(true).write(true).open(path);
            let file = Self::of(file, path, expected, true)?;
            file.lock()?;
            // A rotation may have put another file in its place before we had the lock.
            let now = fs::metadata(path).map_err(|source| file.failed(source))?;
            if now.ino() == file.seen.0 {
                return Ok(file);
            }
        }
    }

    /// Makes a file beside `path`, locked, to take its place.
    pub(super) fn create_beside(path: &Path, expected: &Header) -> Result<Self, VaultError> {
        let path = beside(path);
        let failed = |source| VaultError::Io { path: path.clone(), source };
        discard(&path).map_err(failed)?;
        let new =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = new.map_err(failed)?;
        file.write_all_at(&encode(expected), 0).map_err(failed)?;
        let file = Self::of(Ok(file), &path, expected, true)?;
        file.lock()?;
        Ok(file)
    }

    fn of(
        file: io::Result<File>,
        path: &Path,
        expected: &Header,
        writable: bool,
    ) -> Result<Self, VaultError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => VaultError::AccountsMissing { path: path.to_owned() },
            _ => VaultError::Io { path: path.to_owned(), source },
        };
        let file = file.map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if read_header(&file, path)? != *expected {
            return Err(VaultError::AccountsForeign { path: path.to_owned() });
        }
        Ok(Self { file, path: path.to_owned(), writable, seen: seen(&metadata) })
    }

    fn lock(&self) -> Result<(), VaultError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                Err(VaultError::AccountsBusy { path: self.path.clone() })
            }
            Err(TryLockError::Error(source)) => Err(self.failed(source)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the lock is held.
    pub(super) const fn is_writable(&self) -> bool {
        self.writable
    }

    /// Whether another process has changed or replaced the file since it was opened.
    pub(super) fn is_stale(&self) -> bool {
        !self.writable && fs::metadata(&self.path).is_ok_and(|now| seen(&now) != self.seen)
    }

    /// What its slots hold. A part of a slot at the end was never acknowledged.
    pub(super) fn scan(&self, slots_max: u32) -> Result<Index, VaultError> {
        let mut index = Index::default();
        self.each(slots_max, |slot| {
            index.push(slot.as_ref());
            Ok(())
        })?;
        index.settle();
        Ok(index)
    }

    /// Every slot in its order; `None` is one that is torn or damaged.
    pub(super) fn each(
        &self,
        slots_max: u32,
        mut take: impl FnMut(Option<Slot>) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let len = self.file.metadata().map_err(|source| self.failed(source))?.len();
        let slots = len.saturating_sub(SLOT_BYTES as u64) / SLOT_BYTES as u64;
        if slots > u64::from(slots_max) {
            return Err(VaultError::AccountsDamaged { path: self.path.clone() });
        }
        let mut rest = usize::try_from(slots).unwrap_or(usize::MAX).saturating_mul(SLOT_BYTES);
        let mut at = SLOT_BYTES as u64;
        let mut buffer = vec![0; rest.min(SCAN_BYTES)];
        while rest > 0 {
            let part = &mut buffer[..rest.min(SCAN_BYTES)];
            self.file.read_exact_at(part, at).map_err(|source| self.failed(source))?;
            let (found, _) = part.as_chunks::<SLOT_BYTES>();
            found.iter().try_for_each(|bytes| take(Slot::decode(bytes)))?;
            rest -= part.len();
            at += part.len() as u64;
        }
        Ok(())
    }

    /// One slot; `None` where it is torn or damaged.
    pub(super) fn read(&self, number: u32) -> Result<Option<Slot>, VaultError> {
        let mut bytes = [0; SLOT_BYTES];
        let read = self.file.read_exact_at(&mut bytes, offset(number));
        read.map_err(|source| self.failed(source))?;
        Ok(Slot::decode(&bytes))
    }

    /// Overwrites one slot; not safe on disk before [`SlotFile::sync`].
    pub(super) fn write(&self, number: u32, slot: &Slot) -> Result<(), VaultError> {
        let written = self.file.write_all_at(&slot.encode(), offset(number));
        written.map_err(|source| self.failed(source))
    }

    /// Makes what was written safe on disk.
    pub(super) fn sync(&self) -> Result<(), VaultError> {
        self.file.sync_data().map_err(|source| self.failed(source))
    }

    /// Takes the place of `old`, whose content is overwritten then.
    pub(super) fn replace(mut self, old: &Self) -> Result<Self, VaultError> {
        fs::rename(&self.path, &old.path).map_err(|source| self.failed(source))?;
        self.path.clone_from(&old.path);
        let parent = self.path.parent().unwrap_or(Path::new("."));
        sync_dir(parent).map_err(|source| self.failed(source))?;
        overwrite(&old.file).map_err(|source| self.failed(source))?;
        Ok(self)
    }

    fn failed(&self, source: io::Error) -> VaultError {
        VaultError::Io { path: self.path.clone(), source }
    }
}

/// Fills a new file with slots, many with one write.
pub(super) struct Filler {
    file: SlotFile,
    end: u64,
    buffer: Vec<u8>,
}

impl Filler {
    /// Fills `file`, which has no slots yet.
    pub(super) const fn new(file: SlotFile) -> Self {
        Self { file, end: SLOT_BYTES as u64, buffer: Vec::new() }
    }

    /// Adds a slot.
    pub(super) fn push(&mut self, slot: &Slot) -> Result<(), VaultError> {
        self.buffer.extend_from_slice(&slot.encode());
        if self.buffer.len() < WRITE_BYTES { Ok(()) } else { self.flush() }
    }

    /// The file, safe on disk.
    pub(super) fn finish(mut self) -> Result<SlotFile, VaultError> {
        self.flush()?;
        self.file.file.sync_all().map_err(|source| self.file.failed(source))?;
        Ok(self.file)
    }

    fn flush(&mut self) -> Result<(), VaultError> {
        let written = self.file.file.write_all_at(&self.buffer, self.end);
        written.map_err(|source| self.file.failed(source))?;
        self.end += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

fn offset(number: u32) -> u64 {
    (u64::from(number) + 1) * SLOT_BYTES as u64
}

/// The file that is to take the place of `path`.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    path.with_file_name(name)
}

/// Removes a file that never came in place, its content overwritten.
pub(super) fn discard(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).open(path) {
        Ok(file) => overwrite(&file).and_then(|()| fs::remove_file(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts zeros over all of a file's content, as far as its file system does so
/// in place.
pub(super) fn overwrite(file: &File) -> io::Result<()> {
    let zeros = [0; WRITE_BYTES];
    let (mut at, len) = (0, file.metadata()?.len());
    while at < len {
        let part = usize::try_from(len - at).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
        file.write_all_at(&zeros[..part], at)?;
        at += part as u64;
    }
    file.sync_data()
}

fn encode(header: &Header) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[10..26].copy_from_slice(&header.store);
    bytes[26..42].copy_from_slice(&header.id);
    let crc = crc32c::crc32c(&bytes[..CRC_AT]);
    bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn read_header(file: &File, path: &Path) -> Result<Header, VaultError> {
    let damaged = || VaultError::AccountsDamaged { path: path.to_owned() };
    let mut bytes = [0; SLOT_BYTES];
    file.read_exact_at(&mut bytes, 0).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(),
        _ => VaultError::Io { path: path.to_owned(), source: error },
    })?;
    let (body, crc) = bytes.split_at(CRC_AT);
    if body[..8] != *MAGIC || crc32c::crc32c(body).to_le_bytes() != *crc {
        return Err(damaged());
    }
    let found = u16::from_le_bytes([body[8], body[9]]);
    if found != VERSION {
        return Err(VaultError::Newer { path: path.to_owned(), found });
    }
    let (mut store, mut id) = ([0; 16], [0; 16]);
    store.copy_from_slice(&body[10..26]);
    id.copy_from_slice(&body[26..42]);
    Ok(Header { store, id })
}
