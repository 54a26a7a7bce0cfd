//! Where the master key comes from: a file, a credential of systemd's, or a command.
//!
//! The file has one header line and one line of 64 hex digits.
//!
//! ```text
//! surgewall master key 1 STORE_ID
//! 0123...ef
//! ```
//! While a rotation is under way there is a second line with the new key: some
//! things are under the one and some under the other. A command prints such a text,
//! the same in base64, or its lines of keys alone, each in hex digits or base64.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use surgewall_core::config::{env, schema};
use surgewall_core::files::read_text;
use surgewall_core::secret::Secret;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::slotfile::{beside, discard, overwrite};
use super::{VaultError, command, random_key};
use crate::datadir::{DataDir, sync_dir, write_atomic};

const HEADER: &str = "surgewall master key ";
const VERSION: u16 = 1;
/// A key file, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 1 << 10;
/// What systemd's `LoadCredential=` is to call the master key.
const CREDENTIAL: &str = "surgewall.key";
/// What a key file's name ends with, and its accounts file's instead.
const ENDINGS: [&str; 2] = [".key", ".accounts"];

/// What a random key has at least of different bytes; fewer have none in 10^50.
const DIFFERENT_BYTES_MIN: usize = 8;

/// Where the master key is, as the configuration says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeySource<'a> {
    /// A credential of systemd's, or else [`default_key_file`].
    Usual,
    /// This file.
    File(&'a Path),
    /// What this command prints: a program's absolute path, and its arguments.
    Command(&'a [String]),
}

impl<'a> From<Option<&'a Path>> for KeySource<'a> {
    fn from(file: Option<&'a Path>) -> Self {
        file.map_or(Self::Usual, Self::File)
    }
}

impl<'a> From<Option<&'a PathBuf>> for KeySource<'a> {
    fn from(file: Option<&'a PathBuf>) -> Self {
        file.map(PathBuf::as_path).into()
    }
}

impl<'a> From<&'a schema::Vault> for KeySource<'a> {
    fn from(section: &'a schema::Vault) -> Self {
        match section.key_command.as_slice() {
            [] => section.key_file.as_deref().into(),
            words => Self::Command(words),
        }
    }
}

/// Who can replace the master key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Keeper {
    /// The door: it is a file.
    Door,
    /// systemd, which handed it over.
    Systemd,
    /// Whoever answers this command.
    Command(Vec<String>),
}

/// Where the keys of a store lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Places {
    /// The master key's file, or the command's program.
    pub(super) key: PathBuf,
    /// Who keeps the master key.
    pub(super) keeper: Keeper,
    /// The accounts file.
    pub(super) accounts: PathBuf,
}

impl Places {
    /// Whether there is a master key, as far as that can be seen.
    pub(super) fn has_key(&self) -> bool {
        matches!(self.keeper, Keeper::Command(_)) || exists(&self.key)
    }
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
pub(super) fn locate(directory: &DataDir, source: KeySource<'_>) -> Result<Places, VaultError> {
    let xdg = env::read(env::XDG_CONFIG_HOME);
    let home = env::read(env::HOME);
    let default = || default_key_file(directory.store_id(), xdg.as_deref(), home.as_deref());
    let places = match source {
        KeySource::File(path) => {
            let accounts = accounts_beside(path);
            Places { key: path.to_owned(), keeper: Keeper::Door, accounts }
        }
        KeySource::Command(words) => Places {
            key: command::program(words),
            keeper: Keeper::Command(words.to_vec()),
            accounts: accounts_beside(&default()?),
        },
        KeySource::Usual => usual(default()?, env::read(env::CREDENTIALS_DIRECTORY).as_deref()),
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

/// A credential where there is one, else the default key file.
fn usual(default: PathBuf, credentials: Option<&str>) -> Places {
    let accounts = accounts_beside(&default);
    let credential = credentials.map(|directory| Path::new(directory).join(CREDENTIAL));
    match credential.filter(|path| exists(path)) {
        Some(key) => Places { key, keeper: Keeper::Systemd, accounts },
        None => Places { key: default, keeper: Keeper::Door, accounts },
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
    if let Keeper::Command(words) = &places.keeper {
        return printed(words, store);
    }
    if !exists(path) {
        return Err(VaultError::KeyMissing { path: path.to_owned() });
    }
    let failed = |source| io_error(path, source);
    let metadata = fs::metadata(path).map_err(failed)?;
    let malformed = || VaultError::KeyMalformed { path: path.to_owned() };
    if !metadata.is_file() {
        return Err(malformed());
    }
    let mode = metadata.mode() & 0o7777;
    // systemd lets one user read a credential by an access list, whose mask
    // stands where a group's bits are.
    let open = if places.keeper == Keeper::Systemd { 0o037 } else { 0o077 };
    if mode & open != 0 {
        return Err(VaultError::KeyExposed { path: path.to_owned(), mode });
    }
    let text = match read_text(path, KEY_FILE_BYTES_MAX) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(malformed()),
        Err(error) => return Err(failed(error)),
    };
    parse(&text, store, path)
}

/// The keys in a key file's text, the one that wraps first.
fn parse(text: &str, store: Uuid, path: &Path) -> Result<Vec<Secret<[u8; 32]>>, VaultError> {
    let malformed = || VaultError::KeyMalformed { path: path.to_owned() };
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

/// The keys that a command prints, the one that wraps first.
fn printed(words: &[String], store: Uuid) -> Result<Vec<Secret<[u8; 32]>>, VaultError> {
    let bytes = command::run(words)?;
    let none = || {
        command::fault(
            words,
            "printed no master key: it is a key file's text, or 32 random bytes in hex digits or base64, and for a rotation the new ones on a second line",
        )
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| none())?.trim();
    let decoded = decode_base64(text).filter(|bytes| bytes.starts_with(HEADER.as_bytes()));
    let text = match &decoded {
        Some(bytes) => std::str::from_utf8(bytes).map_err(|_| none())?,
        None => text,
    };
    let keys = if text.starts_with(HEADER) {
        parse(text, store, &command::program(words)).map_err(|error| match error {
            VaultError::KeyMalformed { .. } => none(),
            error => error,
        })?
    } else {
        let lines = text.lines().rev().map(str::trim);
        let keys: Option<Vec<_>> = lines.map(decode_key).collect();
        keys.filter(|keys| (1..=2).contains(&keys.len())).ok_or_else(none)?
    };
    if keys.iter().any(is_weak) {
        return Err(command::fault(words, "printed a weak master key: 32 random bytes are wanted"));
    }
    Ok(keys)
}

/// A key in hex digits or base64.
fn decode_key(text: &str) -> Option<Secret<[u8; 32]>> {
    decode_hex(text).or_else(|| {
        let bytes = decode_base64(text)?;
        <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Secret::new)
    })
}

fn decode_base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; text.len()]);
    let length = STANDARD.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

/// Whether nobody's random source made it.
fn is_weak(key: &Secret<[u8; 32]>) -> bool {
    let different: std::collections::BTreeSet<u8> = key.expose().iter().copied().collect();
    different.len() < DIFFERENT_BYTES_MIN
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
mod tests;
