//! The signed copy of the page: a directory that any other host can serve.
//!
//! Every document is a file under its own name; `view.json` is the page as data,
//! from which `surgewall status serve` makes it anew and says how old it is.
//! `manifest` is one line with an Ed25519 signature in hex, and then JSON that
//! names every file with its SHA-256. Each file is replaced by a rename, and the
//! manifest last: a reader takes all of one copy or none of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::digest::{hex, sha256};
use surgewall_core::files::read_bounded;
use surgewall_store::vault::is_signed;

use super::document::Snapshot;
use super::table;
use super::view::View;

/// What the signature is for.
pub const PURPOSE: &str = "surgewall.status.copy";
/// The version of the directory's form.
pub const COPY_VERSION: u16 = 1;
/// The manifest, in bytes.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// One file of a copy, in bytes.
pub const COPY_FILE_BYTES_MAX: u64 = 16 << 20;
/// Files of a copy: the documents, and a day's minutes for each day that is kept.
pub const COPY_FILES_MAX: usize = 512;
/// All files of a copy, in bytes.
pub const COPY_BYTES_MAX: u64 = 512 << 20;

const MANIFEST: &str = "manifest";
const VIEW: &str = "view.json";

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    version: u16,
    /// One more than that of the copy before.
    sequence: u64,
    made_at: Timestamp,
    /// The key that signs it, in hex.
    key: String,
    files: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    sha256: String,
    bytes: u64,
}

/// Writes copies into one directory.
#[derive(Debug)]
pub struct Writer {
    dir: PathBuf,
    sequence: u64,
    /// What lies there, by name.
    files: BTreeMap<String, Entry>,
    /// Days whose minutes can change no more.
    finished: BTreeMap<u32, Entry>,
}

impl Writer {
    /// A writer into `dir`, which goes on after the copy that is there.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let before = read_manifest(dir).ok().map(|(_, manifest)| manifest.sequence);
        Ok(Self {
            dir: dir.to_owned(),
            sequence: before.unwrap_or(0),
            files: BTreeMap::new(),
            finished: BTreeMap::new(),
        })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a copy of `snapshot`, made at `now`; `sign` signs a message for a purpose.
    ///
    /// # Errors
    /// The disk takes nothing: the copy that was there stays, whole or for a reader
    /// to refuse.
    pub fn write(
        &mut self,
        snapshot: &Snapshot,
        now: Timestamp,
        sign: impl Fn(&str, &[u8]) -> [u8; 64],
    ) -> io::Result<()> {
        let mut files = BTreeMap::new();
        for (document, body) in snapshot.documents() {
            files.insert(document.file().to_owned(), self.put(document.file(), body)?);
        }
        let view = serde_json::to_vec(snapshot.view())?;
        files.insert(VIEW.to_owned(), self.put(VIEW, &view)?);
        let days = &snapshot.view().recorded_days;
        self.finished.retain(|day, _| days.contains(day));
        for day in days {
            let name = minutes_of(*day);
            let entry = match self.finished.get(day) {
                Some(entry) => entry.clone(),
                None => {
                    let entry = self.put(&name, &snapshot.minutes(*day).unwrap_or_default())?;
                    if days.last() != Some(day) {
                        self.finished.insert(*day, entry.clone());
                    }
                    entry
                }
            };
            files.insert(name, entry);
        }
        let manifest = Manifest {
            version: COPY_VERSION,
            sequence: self.sequence + 1,
            made_at: now,
            key: snapshot.view().key.clone(),
            files,
        };
        let text = serde_json::to_vec(&manifest)?;
        let signed = [hex(&sign(PURPOSE, &text)).as_bytes(), b"\n", &text].concat();
        replace(&self.dir.join(MANIFEST), &signed)?;
        self.sequence = manifest.sequence;
        let gone = self.files.keys().filter(|name| !manifest.files.contains_key(*name));
        for name in gone {
            // One that stays is in no manifest: nobody serves it.
            let _ = fs::remove_file(self.dir.join(name));
        }
        self.files = manifest.files;
        Ok(())
    }

    /// Puts `body` under `name`, unless it lies there already.
    fn put(&self, name: &str, body: &[u8]) -> io::Result<Entry> {
        let entry = Entry { sha256: hex(&sha256(body)), bytes: body.len() as u64 };
        if self.files.get(name) != Some(&entry) {
            let path = self.dir.join(name);
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            replace(&path, body)?;
        }
        Ok(entry)
    }
}

/// The file of a day's minutes.
fn minutes_of(day: u32) -> String {
    format!("probes/{}.csv", table::date(day))
}

/// Whole or not at all. A copy that a power loss takes is written anew in seconds,
/// so nothing waits for the disk here.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// Why a copy is not served.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A file cannot be read, or is larger than any that is written.
    #[error("{name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// The manifest has no signature, or makes no sense.
    #[error("the manifest is not that of a signed copy")]
    Foreign,
    /// Another Surgewall wrote it.
    #[error("the copy has version {found}, and this is {COPY_VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// It is signed by somebody else, or was changed.
    #[error("the signature does not hold: the copy was changed, or another key signed it")]
    Signature,
    /// A file is not the one that was signed.
    #[error("{name} is not the file that was signed: it was changed, or is being replaced")]
    Changed {
        /// The file.
        name: String,
    },
    /// It is older than one that was seen.
    #[error("the copy is number {found}, and number {seen} was seen before")]
    Older {
        /// Its number.
        found: u64,
        /// The one that was seen.
        seen: u64,
    },
}

/// A copy that verified.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Its number.
    pub sequence: u64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The key that signed it.
    pub key: [u8; 32],
    /// The page.
    pub view: View,
    /// Every file by its name, with its hash.
    files: BTreeMap<String, (String, Bytes)>,
}

impl Copy {
    /// The minutes of `day`, if the copy has them.
    #[must_use]
    pub fn minutes(&self, day: u32) -> Option<Bytes> {
        self.files.get(&minutes_of(day)).map(|(_, bytes)| bytes.clone())
    }

    /// Reads and verifies the copy in `dir`. Without a `key`, the one that it names
    /// is taken: it then proves only that the copy is whole. What `before` holds
    /// and the manifest still names is not read again.
    ///
    /// # Errors
    /// It does not verify, or is older than `before`.
    pub fn read(
        dir: &Path,
        key: Option<[u8; 32]>,
        before: Option<&Self>,
    ) -> Result<Self, CopyError> {
        let (signed, manifest) = read_manifest(dir)?;
        if manifest.version != COPY_VERSION {
            return Err(CopyError::Version { found: manifest.version });
        }
        let named = unhex::<32>(&manifest.key).ok_or(CopyError::Foreign)?;
        let key = key.unwrap_or(named);
        if !is_signed(&key, PURPOSE, &signed.text, &signed.signature) {
            return Err(CopyError::Signature);
        }
        if let Some(seen) = before.map(|one| one.sequence)
            && manifest.sequence < seen
        {
            return Err(CopyError::Older { found: manifest.sequence, seen });
        }
        let total: u64 = manifest.files.values().map(|entry| entry.bytes).sum();
        if manifest.files.len() > COPY_FILES_MAX || total > COPY_BYTES_MAX {
            return Err(CopyError::Foreign);
        }
        let mut files = BTreeMap::new();
        for (name, entry) in &manifest.files {
            let kept = before.and_then(|one| one.files.get(name));
            let kept =
                kept.filter(|(hash, _)| *hash == entry.sha256).map(|(_, bytes)| bytes.clone());
            let bytes = kept.map_or_else(|| read_file(dir, name, entry), Ok)?;
            files.insert(name.clone(), (entry.sha256.clone(), bytes));
        }
        let view = files.get(VIEW).and_then(|(_, bytes)| serde_json::from_slice(bytes).ok());
        let view: View = view.ok_or(CopyError::Foreign)?;
        let Manifest { sequence, made_at, .. } = manifest;
        Ok(Self { sequence, made_at, key, view, files })
    }
}

/// A manifest's bytes.
struct Signed {
    signature: [u8; 64],
    text: Vec<u8>,
}

fn read_manifest(dir: &Path) -> Result<(Signed, Manifest), CopyError> {
    let failed = |source| CopyError::Io { name: MANIFEST.to_owned(), source };
    let bytes = read_bounded(&dir.join(MANIFEST), MANIFEST_BYTES_MAX).map_err(failed)?;
    let line = bytes.iter().position(|byte| *byte == b'\n').ok_or(CopyError::Foreign)?;
    let signature = std::str::from_utf8(&bytes[..line]).ok().and_then(unhex::<64>);
    let signature = signature.ok_or(CopyError::Foreign)?;
    let text = bytes[line + 1..].to_vec();
    let manifest = serde_json::from_slice(&text).map_err(|_| CopyError::Foreign)?;
    Ok((Signed { signature, text }, manifest))
}

fn read_file(dir: &Path, name: &str, entry: &Entry) -> Result<Bytes, CopyError> {
    let changed = || CopyError::Changed { name: name.to_owned() };
    // The manifest is signed, and its writer makes no such names.
    if entry.bytes > COPY_FILE_BYTES_MAX || name.split('/').any(|part| part == "..") {
        return Err(changed());
    }
    let read = read_bounded(&dir.join(name), entry.bytes);
    let bytes = match read {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(changed()),
        Err(source) => return Err(CopyError::Io { name: name.to_owned(), source }),
    };
    if hex(&sha256(&bytes)) != entry.sha256 {
        return Err(changed());
    }
    Ok(bytes.into())
}

/// The bytes that `text` writes in hex, if it is so many.
#[must_use]
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut out = [0; N];
    for (byte, at) in out.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
