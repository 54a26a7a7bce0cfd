//! The master key's file: one header line, one line of 64 hex digits.
//!
//! ```text
//! surgewall master key 1 STORE_ID
//! 0123...ef
//! ```

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use surgewall_core::config::env;
use surgewall_core::files::read_text;
use surgewall_core::secret::Secret;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{VaultError, random_key};
use crate::datadir::{DataDir, sync_dir};

const HEADER: &str = "surgewall master key ";
const VERSION: u16 = 1;
/// A key file, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 1 << 10;

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

/// The key file of `directory`, and that it does not lie inside it.
pub(super) fn locate(
    directory: &DataDir,
    configured: Option<&Path>,
) -> Result<PathBuf, VaultError> {
    let path = match configured {
        Some(path) => path.to_owned(),
        None => default_key_file(
            directory.store_id(),
            env::read(env::XDG_CONFIG_HOME).as_deref(),
            env::read(env::HOME).as_deref(),
        )?,
    };
    let canonical = canonical(&path).map_err(|source| io_error(&path, source))?;
    if canonical.starts_with(directory.path()) {
        return Err(VaultError::KeyInside {
            path: canonical,
            directory: directory.path().to_owned(),
        });
    }
    Ok(path)
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
    let mut text = Zeroizing::new(format!("{HEADER}{VERSION} {store}\n"));
    for byte in key.expose() {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    sync_dir(parent).map_err(failed)?;
    Ok(key)
}

/// The key at `path`, if only we can read it and it is `store`'s.
pub(super) fn read(path: &Path, store: Uuid) -> Result<Secret<[u8; 32]>, VaultError> {
    let failed = |source| io_error(path, source);
    let metadata = fs::metadata(path).map_err(failed)?;
    let malformed = || VaultError::KeyMalformed { path: path.to_owned() };
    if !metadata.is_file() {
        return Err(malformed());
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(VaultError::KeyExposed { path: path.to_owned(), mode });
    }
    let text = match read_text(path, KEY_FILE_BYTES_MAX) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(malformed()),
        Err(error) => return Err(failed(error)),
    };
    let (header, hex) = text.split_once('\n').ok_or_else(malformed)?;
    let (version, id) =
        header.strip_prefix(HEADER).and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
    let found: u16 = version.parse().map_err(|_| malformed())?;
    if found > VERSION {
        return Err(VaultError::Newer { path: path.to_owned(), found });
    }
    if Uuid::try_parse(id).map_err(|_| malformed())? != store {
        return Err(VaultError::WrongKey { path: path.to_owned() });
    }
    decode_hex(hex.trim_end()).ok_or_else(malformed)
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
    fn hex_is_exactly_64_digits() {
        let hex = "0f".repeat(32);
        assert_eq!(decode_hex(&hex).unwrap().expose(), &[0x0f; 32]);
        for bad in [&hex[..63], &format!("{hex}0"), &"0g".repeat(32), &"é".repeat(32)] {
            assert!(decode_hex(bad).is_none());
        }
    }
}
