//! The vault: the one place where things are sealed and opened.
//!
//! ```text
//! master key (a file outside the data directory, or what a command prints)
//!   wraps, in the file `keys` of the data directory
//!     column key   -> Vault::seal, Vault::open_sealed
//!     pepper       -> Vault::keyed_hash
//!     ledger key   -> a data key for each ledger segment (Vault::wrap_key)
//!     signing seed -> Vault::sign
//!   wraps, in the accounts file beside the master key
//!     a data key for each content, subject and epoch -> Vault::seal_for, Vault::open_for
//! ```
//! Every seal is AES-256-GCM; what it is for stands in the additional data, so
//! a sealed value moved to another place does not open there. No key is derived
//! from another: a destroyed one cannot be made again.

mod accounts;
mod cache;
mod command;
mod data;
mod error;
mod index;
mod keyfile;
mod keyring;
mod rotate;
mod seal;
mod sign;
mod slot;
mod slotfile;
mod slots;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use surgewall_core::clock::Timestamp;
use surgewall_core::random;
use surgewall_core::secret::Secret;
use uuid::Uuid;

use accounts::Accounts;
use cache::Cache;
pub use data::{Content, EPOCH_DAYS, Epoch, Erased};
pub use error::VaultError;
use keyfile::{Keeper, Places};
pub use keyfile::{KeySource, default_key_file};
use keyring::Keyring;
pub use rotate::Rotated;
use seal::SealKey;
pub use sign::is_signed;
use slotfile::Header;
use slots::Masters;

use crate::datadir::DataDir;

/// The opened vault of one store. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    directory: DataDir,
    places: Places,
    store: [u8; 16],
    column: SealKey,
    ledger: SealKey,
    pepper: hmac::Key,
    signing: Ed25519KeyPair,
    accounts: Mutex<Accounts>,
    cache: Mutex<Cache>,
}

/// How a vault is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VaultStatus {
    /// The master key's file, or the program that prints it.
    pub key_file: PathBuf,
    /// Whether a command prints it.
    pub is_command: bool,
    /// The accounts file.
    pub accounts_file: PathBuf,
    /// Data keys.
    pub keys: usize,
    /// Whose data keys.
    pub subjects: usize,
    /// Subjects that were erased.
    pub erased: usize,
    /// Slots of the accounts file that are torn or damaged.
    pub unreadable: usize,
    /// When the master key was last replaced; `None` is never.
    pub rotated_at: Option<Timestamp>,
    /// Whether a rotation was cut off and is to be gone on with.
    pub is_rotating: bool,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// The vault of `directory`; a directory in which nothing was sealed yet
    /// gets its keys. `key` is the configured place; `None` is the default one
    /// ([`default_key_file`]).
    ///
    /// # Errors
    /// As [`Vault::open`], and the accounts file is missing or another store's;
    /// a second master key or accounts file is never made.
    pub fn open_or_create<'k>(
        directory: &DataDir,
        key: impl Into<KeySource<'k>>,
    ) -> Result<Self, VaultError> {
        let places = keyfile::locate(directory, key.into())?;
        let (store, is_new) = (directory.store_id(), is_unsealed(directory));
        if is_new && !places.has_key() {
            keyfile::create(&places.key, store)?;
        }
        let keys = keyfile::read(&places, store)?;
        if is_new {
            let accounts = make_accounts(&places, store.into_bytes())?;
            // Last: from here on the accounts file is missed where it is not there.
            if let Some(master) = keys.first() {
                Keyring::random(accounts).write(directory, &seal_key(master))?;
            }
        }
        let vault = Self::open_with(directory, places, &keys)?;
        vault.accounts().check()?;
        Ok(vault)
    }

    /// The vault of `directory`, whose keys must exist. A missing accounts file
    /// shows where it is needed: what is no content opens without it.
    ///
    /// # Errors
    /// The key is missing, readable by others, inside the data directory, no
    /// key, or another store's; or the wrapped keys are damaged.
    pub fn open<'k>(
        directory: &DataDir,
        key: impl Into<KeySource<'k>>,
    ) -> Result<Self, VaultError> {
        let places = keyfile::locate(directory, key.into())?;
        let keys = keyfile::read(&places, directory.store_id())?;
        Self::open_with(directory, places, &keys)
    }

    /// Begins a new accounts file where the old one is lost for good: what was
    /// sealed under its keys stays closed. The caller holds the data
    /// directory's lock.
    ///
    /// # Errors
    /// There is an accounts file, or as [`Vault::open`].
    pub fn replace_lost_accounts<'k>(
        directory: &DataDir,
        key: impl Into<KeySource<'k>>,
    ) -> Result<(), VaultError> {
        let places = keyfile::locate(directory, key.into())?;
        if keyfile::exists(&places.accounts) {
            return Err(VaultError::AccountsThere { path: places.accounts });
        }
        let masters = masters(&keyfile::read(&places, directory.store_id())?);
        let master = masters.first().ok_or(VaultError::Sealed)?;
        let mut ring = Keyring::open(directory, &masters, &places.key)?;
        ring.accounts = random::bytes();
        // A death in between leaves a file that is missing still: it is asked for again.
        ring.write(directory, master)?;
        let store = directory.store_id().into_bytes();
        slotfile::create(&places.accounts, &Header { store, id: ring.accounts })
    }

    fn open_with(
        directory: &DataDir,
        places: Places,
        keys: &[Secret<[u8; 32]>],
    ) -> Result<Self, VaultError> {
        let masters = masters(keys);
        let ring = Keyring::open(directory, &masters, &places.key)?;
        let store = directory.store_id().into_bytes();
        let header = Header { store, id: ring.accounts };
        let inner = Inner {
            accounts: Mutex::new(Accounts::new(places.accounts.clone(), header, masters)),
            cache: Mutex::default(),
            directory: directory.clone(),
            places,
            store,
            column: seal_key(&ring.column),
            ledger: seal_key(&ring.ledger),
            pepper: hmac::Key::new(hmac::HMAC_SHA256, ring.pepper.expose()),
            signing: sign::key_pair(&ring.signing),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The id of the store.
    #[must_use]
    pub fn store_id(&self) -> Uuid {
        self.inner.directory.store_id()
    }

    /// The data directory that it belongs to.
    #[must_use]
    pub fn directory(&self) -> &DataDir {
        &self.inner.directory
    }

    /// How the vault is.
    ///
    /// # Errors
    /// A file of it cannot be read.
    pub fn status(&self) -> Result<VaultStatus, VaultError> {
        let Inner { directory, places, .. } = &*self.inner;
        // A rotation replaces what is read here: one at a time.
        let mut accounts = self.accounts();
        let masters = match places.keeper {
            // It runs at the start and for a rotation, and not for a look.
            Keeper::Command(_) => accounts.masters(),
            Keeper::Door | Keeper::Systemd => {
                masters(&keyfile::read(places, directory.store_id())?)
            }
        };
        let ring = Keyring::open(directory, &masters, &places.key)?;
        let census = accounts.census()?;
        Ok(VaultStatus {
            key_file: places.key.clone(),
            is_command: matches!(places.keeper, Keeper::Command(_)),
            accounts_file: places.accounts.clone(),
            keys: census.keys,
            subjects: census.subjects,
            erased: census.erased,
            unreadable: census.unreadable,
            rotated_at: ring.rotated_at,
            is_rotating: masters.len() > 1,
        })
    }

    /// `key` under the ledger key. `purpose` must be the same to open it again.
    #[must_use]
    pub fn wrap_key(&self, purpose: &str, key: &[u8; 32]) -> Vec<u8> {
        self.inner.ledger.seal(&aad("wrap", &self.inner.store, purpose), key)
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
        unwrap_with(&self.inner.ledger, &self.inner.store, purpose, wrapped)
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

/// The id of the accounts file, which is made if it is not there.
fn make_accounts(places: &Places, store: [u8; 16]) -> Result<[u8; 16], VaultError> {
    match slotfile::header(&places.accounts)? {
        // A death came before the file `keys` was written.
        Some(header) if header.store == store => Ok(header.id),
        Some(_) => Err(VaultError::AccountsForeign { path: places.accounts.clone() }),
        None => {
            let header = Header { store, id: random::bytes() };
            slotfile::create(&places.accounts, &header)?;
            Ok(header.id)
        }
    }
}

fn masters(keys: &[Secret<[u8; 32]>]) -> Masters {
    keys.iter().map(seal_key).collect()
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
