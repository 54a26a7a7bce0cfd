//! The file `keys`: the vault's own keys, wrapped by the master key.
//!
//! {magic, version u16, accounts file id 16, rotated at u64 (ms, 0 is never),
//! count u8, entries {name length u8, name, wrapped length u8, wrapped},
//! CRC-32C}, little-endian. The checksum tells damage from a wrong master key.
//! The id tells which accounts file belongs to this store: one that is missing
//! is missed, and another one is refused.

use std::path::Path;

use surgewall_core::clock::Timestamp;
use surgewall_core::files::read_bounded;
use surgewall_core::secret::Secret;

use super::seal::SealKey;
use super::{VaultError, aad, random_key, unwrap_with};
use crate::datadir::{DataDir, write_atomic};

const MAGIC: &[u8; 8] = b"SWKEYS\0\0";
const VERSION: u16 = 2;
/// The `keys` file, in bytes.
const KEYS_BYTES_MAX: u64 = 4 << 10;
const COLUMN: &str = "column";
const PEPPER: &str = "pepper";
const LEDGER: &str = "ledger";
const SIGNING: &str = "signing";

/// The vault's keys, unwrapped.
pub(super) struct Keyring {
    /// Seals columns.
    pub(super) column: Secret<[u8; 32]>,
    /// Keys the hashes.
    pub(super) pepper: Secret<[u8; 32]>,
    /// Wraps the data keys of the ledger.
    pub(super) ledger: Secret<[u8; 32]>,
    /// The seed of the signing key.
    pub(super) signing: Secret<[u8; 32]>,
    /// The id of the accounts file.
    pub(super) accounts: [u8; 16],
    /// When the master key was last replaced.
    pub(super) rotated_at: Option<Timestamp>,
}

impl Keyring {
    /// Random keys.
    pub(super) fn random(accounts: [u8; 16]) -> Self {
        Self {
            column: random_key(),
            pepper: random_key(),
            ledger: random_key(),
            signing: random_key(),
            accounts,
            rotated_at: None,
        }
    }

    /// Writes them wrapped by `master`, whole or not at all.
    pub(super) fn write(&self, directory: &DataDir, master: &SealKey) -> Result<(), VaultError> {
        let store = directory.store_id().into_bytes();
        let entries = [
            (COLUMN, &self.column),
            (PEPPER, &self.pepper),
            (LEDGER, &self.ledger),
            (SIGNING, &self.signing),
        ];
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.accounts);
        bytes.extend_from_slice(&self.rotated_at.map_or(0, Timestamp::millis).to_le_bytes());
        push_length(&mut bytes, entries.len());
        for (name, key) in entries {
            push(&mut bytes, name.as_bytes());
            push(&mut bytes, &master.seal(&aad("wrap", &store, name), key.expose()));
        }
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let path = directory.keys();
        write_atomic(&path, &bytes).map_err(|source| VaultError::Io { path, source })
    }

    /// Reads and unwraps the keys by whichever of `masters` opens them.
    /// `key_file` is where the master key came from.
    pub(super) fn open(
        directory: &DataDir,
        masters: &[SealKey],
        key_file: &Path,
    ) -> Result<Self, VaultError> {
        let path = directory.keys();
        let damaged = || VaultError::KeysDamaged { path: directory.keys() };
        let bytes = read_bounded(&path, KEYS_BYTES_MAX).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::FileTooLarge => damaged(),
            _ => VaultError::Io { path: path.clone(), source: error },
        })?;
        let fields = Fields::parse(&bytes, &path)?;
        let store = directory.store_id().into_bytes();
        let key = |name: &str| {
            let wrapped = fields.find(name).ok_or_else(damaged)?;
            let opened = masters.iter().find_map(|m| unwrap_with(m, &store, name, wrapped).ok());
            opened.ok_or_else(|| VaultError::WrongKey { path: key_file.to_owned() })
        };
        let rotated_at = Some(fields.rotated_at).filter(|at| *at > 0).map(Timestamp::from_millis);
        Ok(Self {
            column: key(COLUMN)?,
            pepper: key(PEPPER)?,
            ledger: key(LEDGER)?,
            signing: key(SIGNING)?,
            accounts: fields.accounts,
            rotated_at,
        })
    }
}

/// A field after its length.
fn push(bytes: &mut Vec<u8>, field: &[u8]) {
    push_length(bytes, field.len());
    bytes.extend_from_slice(field);
}

/// Every length here is far below 256.
fn push_length(bytes: &mut Vec<u8>, length: usize) {
    bytes.push(u8::try_from(length).unwrap_or(u8::MAX));
}

/// The fields of a `keys` file whose checksum holds.
struct Fields<'a> {
    accounts: [u8; 16],
    rotated_at: u64,
    entries: Vec<(&'a [u8], &'a [u8])>,
}

impl<'a> Fields<'a> {
    fn parse(bytes: &'a [u8], path: &Path) -> Result<Self, VaultError> {
        let damaged = || VaultError::KeysDamaged { path: path.to_owned() };
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32c::crc32c(body).to_le_bytes() != *crc {
            return Err(damaged());
        }
        let rest = body.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (version, rest) = rest.split_first_chunk::<2>().ok_or_else(damaged)?;
        let found = u16::from_le_bytes(*version);
        if found > VERSION {
            return Err(VaultError::Newer { path: path.to_owned(), found });
        }
        Self::of(rest).filter(|_| found == VERSION).ok_or_else(damaged)
    }

    fn of(rest: &'a [u8]) -> Option<Self> {
        let (accounts, rest) = rest.split_first_chunk::<16>()?;
        let (rotated_at, rest) = rest.split_first_chunk::<8>()?;
        let (count, mut rest) = rest.split_first()?;
        let mut entries = Vec::new();
        for _ in 0..*count {
            entries.push((take(&mut rest)?, take(&mut rest)?));
        }
        let rotated_at = u64::from_le_bytes(*rotated_at);
        rest.is_empty().then_some(Self { accounts: *accounts, rotated_at, entries })
    }

    fn find(&self, name: &str) -> Option<&'a [u8]> {
        self.entries.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, key)| *key)
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, tail) = rest.split_first()?;
    let (field, tail) = tail.split_at_checked(usize::from(*len))?;
    *rest = tail;
    Some(field)
}
