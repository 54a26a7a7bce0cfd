//! The data directory: its identity, its lock, and where things lie in it.
//!
//! `store` {magic, version, store id, CRC-32C} says whose directory it is;
//! `lock` is an flock that the kernel frees when its holder dies.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use surgewall_core::files::{read_bounded, read_text};
use surgewall_core::random;
use uuid::Uuid;

const STORE_MAGIC: &[u8; 8] = b"SWSTORE\0";
/// The version of the `store` file, and with it of the directory's layout.
pub const STORE_VERSION: u16 = 1;
const STORE_BYTES: usize = 30;
/// What the `lock` file may hold about its holder, in bytes.
const HOLDER_BYTES_MAX: u64 = 256;

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// There is none.
    #[error(
        "there is no data directory at {path}; `surgewall serve` makes one at its first start, --data-dir names another"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The directory holds other things.
    #[error(
        "{path} holds files but is no data directory of Surgewall; name an empty directory or a new one with --data-dir"
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else holds the lock.
    #[error(
        "the data directory {path} is in use by {holder}; only one `surgewall serve` or offline `surgewall admin` may hold it"
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Who holds it, as far as the lock file says.
        holder: String,
    },
    /// A later Surgewall wrote it.
    #[error(
        "{path} was written by a newer Surgewall (format {found}, this one reads up to {STORE_VERSION}); run the newer one"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The `store` file is damaged.
    #[error("{path} is damaged; restore it from a backup of this data directory")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A data directory that exists and is ours.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
    store_id: Uuid,
}

impl DataDir {
    /// The data directory at `path`; a missing or empty one is made new.
    ///
    /// # Errors
    /// It holds other things, is damaged or newer, or cannot be written.
    pub fn open_or_create(path: &Path) -> Result<Self, DataDirError> {
        if !path.join("store").exists() {
            prepare_new(path)?;
            write_atomic(&path.join("store"), &encode_store(Uuid::from_bytes(new_store_id())))
                .map_err(|source| DataDirError::Io { path: path.join("store"), source })?;
        }
        Self::open(path)
    }

    /// The data directory at `path`, which must exist.
    ///
    /// # Errors
    /// There is none, or it is damaged or newer.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let store = path.join("store");
        let bytes = match read_bounded(&store, STORE_BYTES as u64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::Missing { path: path.to_owned() });
            }
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(DataDirError::Damaged { path: store });
            }
            Err(source) => {
                return Err(DataDirError::Io { path: store, source });
            }
        };
        let store_id = decode_store(&bytes, &store)?;
        let root = path
            .canonicalize()
            .map_err(|source| DataDirError::Io { path: path.to_owned(), source })?;
        Ok(Self { root, store_id })
    }

    /// Takes the lock; `holder` says for whom (`serve`, `admin key`).
    /// It is held until the returned value is dropped or the process dies.
    ///
    /// # Errors
    /// [`DataDirError::Locked`] names who holds it.
    pub fn lock(&self, holder: &str) -> Result<DirLock, DataDirError> {
        let path = self.root.join("lock");
        let io_error = |source| DataDirError::Io { path: path.clone(), source };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = read_text(&path, HOLDER_BYTES_MAX).unwrap_or_default();
                let holder =
                    if holder.trim().is_empty() { "another process" } else { holder.trim() };
                return Err(DataDirError::Locked {
                    path: self.root.clone(),
                    holder: holder.to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        // What it says helps a person only; a full disk must not keep the door shut.
        let note = format!("`surgewall {holder}` (process {})\n", std::process::id());
        if file.set_len(0).and_then(|()| (&file).write_all(note.as_bytes())).is_err() {
            tracing::debug!("the lock file could not be labelled");
        }
        Ok(DirLock { _file: file })
    }

    /// The directory itself, canonical.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The id of this store: its master key is filed under it.
    #[must_use]
    pub const fn store_id(&self) -> Uuid {
        self.store_id
    }

    /// The SQLite database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("door.sqlite")
    }

    /// The operator's records: a SQLite database of their own.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.root.join("records.sqlite")
    }

    /// The ledger's segments.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// The control socket of a running door.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// What the door learnt and can learn again.
    #[must_use]
    pub fn learnt(&self) -> PathBuf {
        self.root.join("learnt")
    }

    /// What the status page knows: public words and probes, not sealed.
    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.root.join("status")
    }

    /// The vault's wrapped keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
}

/// The lock on a data directory, free again when dropped.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// A random id: unlike a time-based one it tells nothing where it is shown (it
/// is part of the key file's name).
fn new_store_id() -> [u8; 16] {
    uuid::Builder::from_random_bytes(random::bytes()).into_uuid().into_bytes()
}

/// Makes `path` a directory that only we can read, or refuses one in use.
fn prepare_new(path: &Path) -> Result<(), DataDirError> {
    let io_error = |source| DataDirError::Io { path: path.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error)?;
    for entry in fs::read_dir(path).map_err(io_error)? {
        let name = entry.map_err(io_error)?.file_name();
        // A file system's own directory, and what a death in mid-creation leaves.
        if name != "lost+found" && name != "store.new" {
            return Err(DataDirError::Foreign { path: path.to_owned() });
        }
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(io_error)
}

fn encode_store(id: Uuid) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(STORE_BYTES);
    bytes.extend_from_slice(STORE_MAGIC);
    bytes.extend_from_slice(&STORE_VERSION.to_le_bytes());
    bytes.extend_from_slice(id.as_bytes());
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

fn decode_store(bytes: &[u8], path: &Path) -> Result<Uuid, DataDirError> {
    let damaged = || DataDirError::Damaged { path: path.to_owned() };
    let (magic, rest) = bytes.split_first_chunk::<8>().ok_or_else(damaged)?;
    let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
    let found = u16::from_le_bytes(*version);
    if magic == STORE_MAGIC && found > STORE_VERSION {
        return Err(DataDirError::Newer { path: path.to_owned(), found });
    }
    let (id, crc) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
    let sound = magic == STORE_MAGIC && crc == crc32c::crc32c(&bytes[..26]).to_le_bytes();
    if sound { Ok(Uuid::from_bytes(*id)) } else { Err(damaged()) }
}

/// Puts `bytes` at `path` (mode 0600), whole or not at all, also over a power
/// loss: a temporary file beside it, fsync, rename, fsync of the directory.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    sync_dir(path.parent().unwrap_or(Path::new(".")))
}

/// Makes names that were made in or removed from `dir` survive a power loss.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_keeps_its_id_and_is_closed_to_others() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b");
        assert!(matches!(DataDir::open(&path), Err(DataDirError::Missing { .. })));
        let made = DataDir::open_or_create(&path).unwrap();
        let again = DataDir::open_or_create(&path).unwrap();
        assert_eq!(made.store_id(), again.store_id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn the_lock_names_its_holder_and_is_free_after_it() {
        let base = tempfile::tempdir().unwrap();
        let dir = DataDir::open_or_create(base.path()).unwrap();
        let held = dir.lock("serve").unwrap();
        let error = dir.lock("admin key").unwrap_err().to_string();
        assert!(error.contains("`surgewall serve` (process"), "{error}");
        drop(held);
        dir.lock("admin key").unwrap();
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let base = tempfile::tempdir().unwrap();
        fs::write(base.path().join("thesis.txt"), "x").unwrap();
        let refused = DataDir::open_or_create(base.path());
        assert!(matches!(refused, Err(DataDirError::Foreign { .. })));
    }

    #[test]
    fn damage_and_newer_versions_are_told_apart() {
        let base = tempfile::tempdir().unwrap();
        DataDir::open_or_create(base.path()).unwrap();
        let store = base.path().join("store");
        let good = read_bounded(&store, 1 << 10).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&store, &bad).unwrap();
            let result = DataDir::open(base.path());
            let newer = matches!(result, Err(DataDirError::Newer { .. }));
            let damaged = matches!(result, Err(DataDirError::Damaged { .. }));
            assert!(if at == 8 || at == 9 { newer } else { damaged }, "{at}: {result:?}");
        }
        fs::write(&store, &good[..20]).unwrap();
        assert!(matches!(DataDir::open(base.path()), Err(DataDirError::Damaged { .. })));
        fs::write(&store, [good.as_slice(), b"x"].concat()).unwrap();
        assert!(matches!(DataDir::open(base.path()), Err(DataDirError::Damaged { .. })));
    }
}
