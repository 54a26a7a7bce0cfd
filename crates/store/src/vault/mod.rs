//! The vault: the one place where things are sealed and opened.
//!
//! ```text
//! master key (a file outside the data directory)
//!   wraps  column key   -> Vault::seal, Vault::open_sealed
//!   wraps  pepper       -> Vault::keyed_hash
//!   wraps  a data key for each ledger segment (Vault::wrap_key)
//! ```
//! Every seal is AES-256-GCM; what it is for stands in the additional data, so
//! a sealed value moved to another place does not open there.

mod keyfile;
mod keyring;
mod seal;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::hmac;
use surgewall_core::random;
use surgewall_core::secret::Secret;

pub use keyfile::default_key_file;
use seal::SealKey;

use crate::datadir::DataDir;

/// Why the vault does not open, or a value in it does not.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Neither variable says where keys live.
    #[error(
        "where the master key is kept is unknown: set XDG_CONFIG_HOME or HOME, or vault.key_file in the configuration"
    )]
    NoPlace,
    /// The store exists, its key does not.
    #[error(
        "the master key {path} is missing, but its data directory holds sealed data; restore the key from your backup, or name it with vault.key_file (a new one could not open anything, so none is made)"
    )]
    KeyMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Others can read the key.
    #[error("the master key {path} can be read by others (mode {mode:04o}); run: chmod 600 {path}")]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key lies beside what it locks.
    #[error(
        "the master key {path} lies inside the data directory {directory}: a stolen directory would open itself; move it out and name it with vault.key_file"
    )]
    KeyInside {
        /// The key file, canonical.
        path: PathBuf,
        /// The data directory, canonical.
        directory: PathBuf,
    },
    /// The file is no key.
    #[error("{path} is no master key of Surgewall, or it is damaged; restore it from your backup")]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// A later Surgewall wrote it.
    #[error("{path} was written by a newer Surgewall (format {found}); run the newer one")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The key is another store's.
    #[error(
        "the master key {path} does not open this data directory: it belongs to another store; name the right one with vault.key_file"
    )]
    WrongKey {
        /// The key file.
        path: PathBuf,
    },
    /// The wrapped keys are gone or damaged.
    #[error(
        "{path} is missing or damaged: it holds the wrapped keys, and nothing opens without it; restore it from a backup of this data directory"
    )]
    KeysDamaged {
        /// The file.
        path: PathBuf,
    },
    /// A sealed value was changed, or sealed elsewhere.
    #[error("a sealed value does not open: it was changed, or sealed for another place or store")]
    Sealed,
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// The opened vault of one store. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    master: SealKey,
    column: SealKey,
    pepper: hmac::Key,
    store: [u8; 16],
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// The vault of `directory`; a directory in which nothing was sealed yet
    /// gets its keys. `key_file` is the configured one; `None` is the default
    /// place ([`default_key_file`]).
    ///
    /// # Errors
    /// As [`Vault::open`]; a second master key is never made.
    pub fn open_or_create(
        directory: &DataDir,
        key_file: Option<&Path>,
    ) -> Result<Self, VaultError> {
        let path = keyfile::locate(directory, key_file)?;
        if is_unsealed(directory) {
            let master = if keyfile::exists(&path) {
                keyfile::read(&path, directory.store_id())?
            } else {
                keyfile::create(&path, directory.store_id())?
            };
            let master = seal_key(&master);
            keyring::create(directory, &master)?;
        }
        Self::open(directory, Some(&path))
    }

    /// The vault of `directory`, whose keys must exist.
    ///
    /// # Errors
    /// The key is missing, readable by others, inside the data directory, no
    /// key, or another store's; or the wrapped keys are damaged.
    pub fn open(directory: &DataDir, key_file: Option<&Path>) -> Result<Self, VaultError> {
        let path = keyfile::locate(directory, key_file)?;
        if !keyfile::exists(&path) {
            return Err(VaultError::KeyMissing { path });
        }
        let master = seal_key(&keyfile::read(&path, directory.store_id())?);
        let ring = keyring::open(directory, &master, &path)?;
        let inner = Inner {
            master,
            column: seal_key(&ring.column),
            pepper: hmac::Key::new(hmac::HMAC_SHA256, ring.pepper.expose()),
            store: directory.store_id().into_bytes(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// `key` under the master key. `purpose` must be the same to open it again.
    #[must_use]
    pub fn wrap_key(&self, purpose: &str, key: &[u8; 32]) -> Vec<u8> {
        self.inner.master.seal(&aad("wrap", &self.inner.store, purpose), key)
    }

    /// The key that [`Vault::wrap_key`] wrapped.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn unwrap_key(
        &self,
        purpose: &str,
        wrapped: &[u8],
    ) -> Result<Secret<[u8; 32]>, VaultError> {
        unwrap_with(&self.inner.master, &self.inner.store, purpose, wrapped)
    }

    /// `plain`, sealed for `context` (table, column and row, say). The nonce is
    /// random: one store may seal 2^32 values before nonces repeat with a
    /// probability of 2^-33 (NIST SP 800-38D, 8.3).
    #[must_use]
    pub fn seal(&self, context: &str, plain: &[u8]) -> Vec<u8> {
        self.inner.column.seal(&aad("column", &self.inner.store, context), plain)
    }

    /// What [`Vault::seal`] sealed for the same `context`.
    ///
    /// # Errors
    /// [`VaultError::Sealed`].
    pub fn open_sealed(&self, context: &str, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let aad = aad("column", &self.inner.store, context);
        self.inner.column.open(&aad, sealed).ok_or(VaultError::Sealed)
    }

    /// HMAC-SHA-256 of `data` under the store's random pepper; hashes for
    /// different purposes have nothing in common.
    #[must_use]
    pub fn keyed_hash(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.inner.pepper);
        context.update(&(purpose.len() as u64).to_le_bytes());
        context.update(purpose.as_bytes());
        context.update(data);
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }
}

/// Whether nothing can have been sealed in `directory` yet.
fn is_unsealed(directory: &DataDir) -> bool {
    !directory.keys().exists() && !directory.database().exists() && !directory.ledger().exists()
}

fn seal_key(key: &Secret<[u8; 32]>) -> SealKey {
    SealKey::new(key.expose())
}

/// What a seal is for: the use, the store, and the place.
fn aad(usage: &str, store: &[u8; 16], context: &str) -> Vec<u8> {
    [usage.as_bytes(), b"\0", store, context.as_bytes()].concat()
}

fn unwrap_with(
    master: &SealKey,
    store: &[u8; 16],
    purpose: &str,
    wrapped: &[u8],
) -> Result<Secret<[u8; 32]>, VaultError> {
    let plain = master.open(&aad("wrap", store, purpose), wrapped).ok_or(VaultError::Sealed)?;
    let plain = Secret::new(plain);
    let key = <[u8; 32]>::try_from(plain.expose().as_slice()).map_err(|_| VaultError::Sealed)?;
    Ok(Secret::new(key))
}

/// A new random key.
pub(crate) fn random_key() -> Secret<[u8; 32]> {
    Secret::new(random::bytes())
}
