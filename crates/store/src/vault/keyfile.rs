//! The master key's file: one header line, one line of 64 hex digits.
//!
//! ```text
//! surgewall master key 1 STORE_ID
//! 0123...ef
//! ```
//! While a rotation is under way there is a second line with the new key: some
//! things are under the one and some under the other.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use surgewall_core::config::env;
use surgewall_core::files::read_text;
use surgewall_core::secret::Secret;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::slotfile::{beside, discard, overwrite};
use super::{VaultError, random_key};
use crate::datadir::{DataDir, sync_dir, write_atomic};

const HEADER: &str = "surgewall master key ";
const VERSION: u16 = 1;
/// A key file, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 1 << 10;
/// What systemd's `LoadCredential=` is to call the master key.
const CREDENTIAL: &str = "surgewall.key";
/// What a key file's name ends with, and its accounts file's instead.
const ENDINGS: [&str; 2] = [".key", ".accounts"];

/// Where the keys of a store lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Places {
    /// The master key.
    pub(super) key: PathBuf,
    /// Whether systemd handed it over: it cannot be replaced there.
    pub(super) is_credential: bool,
    /// The accounts file.
    pub(super) accounts: PathBuf,
}

/// Where the master key of a store is kept unless the configuration says
/// otherwise: `$XDG_CONFIG_HOME/surgewall/STORE_ID.key`, or under
/// `$HOME/.config`. A relative value does not count, as the XDG base directory
/// specification asks.
///
/// # Errors
/// [`VaultError::NoPlace`].
pub fn default_key_file(
    store: Uuid,
    xdg_config_home: Option<&str>,
    home: Option<&str>,
) -> Result<PathBuf, VaultError> {
    let absolute = |value: Option<&str>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(xdg_config_home)
        .or_else(|| absolute(home).map(|home| home.join(".config")))
        .map(|base| base.join("surgewall").join(format!("{store}.key")))
        .ok_or(VaultError::NoPlace)
}

/// The key files of `directory`, and that they do not lie inside it. A
/// configured key counts more than a credential, and that more than the default.
pub(super) fn locate(directory: &DataDir, configured: Option<&Path>) -> Result<Places, VaultError> {
    let places = match configured {
        Some(path) => {
            Places { key: path.to_owned(), is_credential: false, accounts: accounts_beside(path) }
        }
        None => unconfigured(
            directory.store_id(),
            env::read(env::CREDENTIALS_DIRECTORY).as_deref(),
            env::read(env::XDG_CONFIG_HOME).as_deref(),
            env::read(env::HOME).as_deref(),
        )?,
    };
    for path in [&places.key, &places.accounts] {
        let canonical = canonical(path).map_err(|source| io_error(path, source))?;
        if canonical.starts_with(directory.path()) {
            return Err(VaultError::KeyInside {
                path: canonical,
                directory: directory.path().to_owned(),
            });
        }
    }
    Ok(places)
}

fn unconfigured(
    store: Uuid,
    credentials: Option<&str>,
    xdg_config_home: Option<&str>,
    home: Option<&str>,
) -> Result<Places, VaultError> {
    let key = default_key_file(store, xdg_config_home, home)?;
    let accounts = accounts_beside(&key);
    let credential = credentials.map(|directory| Path::new(directory).join(CREDENTIAL));
    match credential.filter(|path| exists(path)) {
        Some(key) => Ok(Places { key, is_credential: true, accounts }),
        None => Ok(Places { key, is_credential: false, accounts }),
    }
}

/// `master.key` has `master.accounts` beside it, and `master` has it too.
fn accounts_beside(key: &Path) -> PathBuf {
    let name = key.file_name().unwrap_or_default();
    let [of_key, of_accounts] = ENDINGS;
    let stem = name.as_encoded_bytes().strip_suffix(of_key.as_bytes());
    let mut name = stem.map_or(name, std::os::unix::ffi::OsStrExt::from_bytes).to_owned();
    name.push(of_accounts);
    key.with_file_name(name)
}

/// `path` without symbolic links, as far as it exists.
fn canonical(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    let mut rest = Vec::new();
    for ancestor in path.ancestors() {
        match ancestor.canonicalize() {
            Ok(base) => return Ok(rest.iter().rev().fold(base, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                rest.extend(ancestor.file_name());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(path)
}

/// Whether there is anything at `path`, a dangling link included.
pub(super) fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes a new random key at `path` (mode 0600) for `store`; never over another.
pub(super) fn create(path: &Path, store: Uuid) -> Result<Secret<[u8; 32]>, VaultError> {
    let failed = |source| io_error(path, source);
    let parent = path.parent().unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    let key = random_key();
    let text = encode(store, &[&key]);
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    sync_dir(parent).map_err(failed)?;
    Ok(key)
}

fn encode(store: Uuid, keys: &[&Secret<[u8; 32]>]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(format!("{HEADER}{VERSION} {store}\n"));
    for key in keys {
        for byte in key.expose() {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
    }
    text
}

/// Puts `keys` in the place of what the key file holds, whole or not at all,
/// and overwrites what it held.
pub(super) fn replace(
    path: &Path,
    store: Uuid,
    keys: &[&Secret<[u8; 32]>],
) -> Result<(), VaultError> {
    let failed = |source| io_error(path, source);
    // A link keeps pointing where it points.
    let path = path.canonicalize().map_err(failed)?;
    let old = OpenOptions::new().write(true).open(&path).map_err(failed)?;
    discard(&beside(&path)).map_err(failed)?;
    write_atomic(&path, encode(store, keys).as_bytes()).map_err(failed)?;
    overwrite(&old).map_err(failed)
}

/// The keys at `places`, the one that wraps first, if only we can read them and
/// they are `store`'s.
pub(super) fn read(places: &Places, store: Uuid) -> Result<Vec<Secret<[u8; 32]>>, VaultError> {
    let path = &places.key;
    let failed = |source| io_error(path, source);
    let metadata = fs::metadata(path).map_err(failed)?;
    let malformed = || VaultError::KeyMalformed { path: path.to_owned() };
    if !metadata.is_file() {
        return Err(malformed());
    }
    let mode = metadata.mode() & 0o7777;
    // systemd lets one user read a credential by an access list, whose mask
    // stands where a group's bits are.
    let open = if places.is_credential { 0o037 } else { 0o077 };
    if mode & open != 0 {
        return Err(VaultError::KeyExposed { path: path.to_owned(), mode });
    }
    let text = match read_text(path, KEY_FILE_BYTES_MAX) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(malformed()),
        Err(error) => return Err(failed(error)),
    };
    let (header, keys) = text.split_once('\n').ok_or_else(malformed)?;
    let (version, id) =
        header.strip_prefix(HEADER).and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
    let found: u16 = version.parse().map_err(|_| malformed())?;
    if found > VERSION {
        return Err(VaultError::Newer { path: path.to_owned(), found });
    }
    if Uuid::try_parse(id).map_err(|_| malformed())? != store {
        return Err(VaultError::WrongKey { path: path.to_owned() });
    }
    let keys: Option<Vec<_>> = keys.trim_end().split('\n').rev().map(decode_hex).collect();
    keys.filter(|keys| keys.len() <= 2).ok_or_else(malformed)
}

fn decode_hex(hex: &str) -> Option<Secret<[u8; 32]>> {
    let digits = hex.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(Secret::new(*key))
}

fn io_error(path: &Path, source: io::Error) -> VaultError {
    VaultError::Io { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_place_follows_xdg() {
        let id = Uuid::from_u128(7);
        let place = |xdg, home| default_key_file(id, xdg, home).ok();
        let name = format!("surgewall/{id}.key");
        assert_eq!(place(Some("/x"), Some("/h")), Some(Path::new("/x").join(&name)));
        assert_eq!(place(None, Some("/h")), Some(Path::new("/h/.config").join(&name)));
        assert_eq!(place(Some("rel"), Some("/h")), Some(Path::new("/h/.config").join(&name)));
        assert_eq!(place(Some(""), None), None);
    }

    #[test]
    fn the_accounts_file_lies_beside_the_key() {
        let names = [("a/master.key", "a/master.accounts"), ("a/kept", "a/kept.accounts")];
        for (key, accounts) in names.into_iter().chain([("x.accounts", "x.accounts.accounts")]) {
            assert_eq!(accounts_beside(Path::new(key)), Path::new(accounts));
        }
    }

    #[test]
    fn a_credential_is_used_where_there_is_one() {
        let base = tempfile::tempdir().unwrap();
        let directory = base.path().to_str();
        let place = || unconfigured(Uuid::from_u128(7), directory, Some("/x"), None).unwrap();
        let default = place();
        assert!(!default.is_credential && default.key.starts_with("/x"));
        fs::write(base.path().join(CREDENTIAL), "").unwrap();
        let credential = place();
        assert!(credential.is_credential && credential.key.starts_with(base.path()));
        let accounts = format!("/x/surgewall/{}.accounts", Uuid::from_u128(7));
        assert_eq!(credential.accounts, Path::new(&accounts));
        assert_eq!(default.accounts, credential.accounts);
    }

    #[test]
    fn hex_is_exactly_64_digits() {
        let hex = "0f".repeat(32);
        assert_eq!(decode_hex(&hex).unwrap().expose(), &[0x0f; 32]);
        for bad in [&hex[..63], &format!("{hex}0"), &"0g".repeat(32), &"é".repeat(32)] {
            assert!(decode_hex(bad).is_none());
        }
    }
}
