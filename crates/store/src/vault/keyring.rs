//! The file `keys`: the vault's own keys, wrapped by the master key.
//!
//! {magic, version u16, count u8, entries {name length u8, name, wrapped
//! length u8, wrapped}, CRC-32C}, little-endian. The checksum tells damage
//! from a wrong master key.

use std::path::Path;

use surgewall_core::files::read_bounded;
use surgewall_core::secret::Secret;

use super::seal::SealKey;
use super::{VaultError, aad, random_key, unwrap_with};
use crate::datadir::{DataDir, write_atomic};

const MAGIC: &[u8; 8] = b"SWKEYS\0\0";
const VERSION: u16 = 1;
/// The `keys` file, in bytes.
const KEYS_BYTES_MAX: u64 = 4 << 10;
const COLUMN: &str = "column";
const PEPPER: &str = "pepper";

/// The vault's keys, unwrapped.
pub(super) struct Keyring {
    /// Seals columns.
    pub(super) column: Secret<[u8; 32]>,
    /// Keys the hashes.
    pub(super) pepper: Secret<[u8; 32]>,
}

/// Makes random keys and writes them wrapped.
pub(super) fn create(directory: &DataDir, master: &SealKey) -> Result<(), VaultError> {
    let store = directory.store_id().into_bytes();
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.push(2);
    for name in [COLUMN, PEPPER] {
        let wrapped = master.seal(&aad("wrap", &store, name), random_key().expose());
        push(&mut bytes, name.as_bytes());
        push(&mut bytes, &wrapped);
    }
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    let path = directory.keys();
    write_atomic(&path, &bytes).map_err(|source| VaultError::Io { path, source })
}

/// A field after its length; every field here is far below 256 bytes.
fn push(bytes: &mut Vec<u8>, field: &[u8]) {
    bytes.push(u8::try_from(field.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(field);
}

/// Reads and unwraps the keys. `key_file` is where the master key came from.
pub(super) fn open(
    directory: &DataDir,
    master: &SealKey,
    key_file: &Path,
) -> Result<Keyring, VaultError> {
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
        unwrap_with(master, &store, name, wrapped)
            .map_err(|_| VaultError::WrongKey { path: key_file.to_owned() })
    };
    Ok(Keyring { column: key(COLUMN)?, pepper: key(PEPPER)? })
}

/// The entries of a `keys` file whose checksum holds.
struct Fields<'a> {
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
        let (count, mut rest) = rest.split_first().ok_or_else(damaged)?;
        let mut entries = Vec::new();
        for _ in 0..*count {
            let name = take(&mut rest).ok_or_else(damaged)?;
            let wrapped = take(&mut rest).ok_or_else(damaged)?;
            entries.push((name, wrapped));
        }
        if rest.is_empty() { Ok(Self { entries }) } else { Err(damaged()) }
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
