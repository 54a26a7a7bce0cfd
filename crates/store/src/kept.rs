//! What the door learnt and can learn again: one small sealed file.
//!
//! `learnt` is magic, version, and the content under the vault's seal. Nothing
//! depends on it: whoever cannot read it begins without it.

use std::io;
use std::path::PathBuf;

use surgewall_core::files::read_bounded;

use crate::datadir::{DataDir, write_atomic};
use crate::vault::Vault;

const MAGIC: &[u8; 8] = b"SWLEARN\0";
/// The version of the file and of its content.
pub const KEPT_VERSION: u16 = 1;
const HEAD_BYTES: usize = 10;
/// The file's size in bytes, at most: a pool takes about one KiB.
pub const KEPT_BYTES_MAX: usize = 1 << 20;
/// What it is sealed for.
const CONTEXT: &str = "learnt";

/// Why the file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read, or it is too large.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is another kind of file.
    #[error("it is no file of Surgewall's")]
    Foreign,
    /// Another Surgewall wrote it.
    #[error("it has format {found}, and this is {KEPT_VERSION}")]
    Version {
        /// Its version.
        found: u16,
    },
    /// It was changed, or it is another store's.
    #[error("it does not open: it was changed, or it belongs to another store")]
    Sealed,
}

/// The file of one data directory.
#[derive(Clone, Debug)]
pub struct KeptFile {
    path: PathBuf,
    vault: Vault,
}

impl KeptFile {
    /// The file in `directory`, there or not.
    #[must_use]
    pub fn new(directory: &DataDir, vault: Vault) -> Self {
        Self { path: directory.learnt(), vault }
    }

    /// What was written last; `None` if nothing was.
    ///
    /// # Errors
    /// It is there and of no use.
    pub fn read(&self) -> Result<Option<Vec<u8>>, KeptError> {
        let bytes = match read_bounded(&self.path, KEPT_BYTES_MAX as u64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (head, sealed) = bytes.split_at_checked(HEAD_BYTES).ok_or(KeptError::Foreign)?;
        let version = head.strip_prefix(MAGIC.as_slice()).ok_or(KeptError::Foreign)?;
        let found = version.try_into().map(u16::from_le_bytes).map_err(|_| KeptError::Foreign)?;
        if found != KEPT_VERSION {
            return Err(KeptError::Version { found });
        }
        self.vault.open_sealed(CONTEXT, sealed).map(Some).map_err(|_| KeptError::Sealed)
    }

    /// Writes `content`, whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written, or it would be larger than [`KEPT_BYTES_MAX`].
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        let sealed = self.vault.seal(CONTEXT, content);
        let bytes = [MAGIC.as_slice(), &KEPT_VERSION.to_le_bytes(), &sealed].concat();
        if bytes.len() > KEPT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        write_atomic(&self.path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn file(base: &std::path::Path, name: &str) -> KeptFile {
        let directory = DataDir::open_or_create(&base.join(name)).unwrap();
        let key = base.join(format!("{name}.key"));
        let vault = Vault::open_or_create(&directory, Some(&key)).unwrap();
        KeptFile::new(&directory, vault)
    }

    fn raw(file: &KeptFile) -> Vec<u8> {
        read_bounded(&file.path, KEPT_BYTES_MAX as u64).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_and_is_sealed() {
        let base = tempfile::tempdir().unwrap();
        let file = file(base.path(), "a");
        assert!(file.read().unwrap().is_none(), "nothing is no error");
        for content in [&b"first"[..], b"second", b""] {
            file.write(content).unwrap();
            assert_eq!(file.read().unwrap().unwrap(), content);
        }
        file.write(b"marker").unwrap();
        let bytes = raw(&file);
        assert!(!bytes.windows(6).any(|part| part == b"marker"));
        let overhead = bytes.len() - 6;
        file.write(&vec![7; KEPT_BYTES_MAX - overhead]).unwrap();
        assert!(file.read().unwrap().is_some(), "at the limit");
        assert!(file.write(&vec![7; KEPT_BYTES_MAX - overhead + 1]).is_err(), "one past it");
    }

    #[test]
    fn what_is_of_no_use_is_a_typed_error() {
        let base = tempfile::tempdir().unwrap();
        let (file, other) = (file(base.path(), "a"), file(base.path(), "b"));
        file.write(b"content").unwrap();
        let good = raw(&file);
        let check = |bytes: &[u8], expected: &str| {
            fs::write(&file.path, bytes).unwrap();
            let error = file.read().unwrap_err();
            let kind = format!("{error:?}");
            assert!(kind.starts_with(expected), "{bytes:?}: {kind}");
        };
        check(b"", "Foreign");
        check(b"garbage that is longer than a head", "Foreign");
        check(&good[..HEAD_BYTES - 1], "Foreign");
        check(&good[..HEAD_BYTES], "Sealed");
        check(&good[..good.len() - 1], "Sealed");
        for version in [0, KEPT_VERSION + 1, u16::MAX] {
            let mut bytes = good.clone();
            bytes[8..10].copy_from_slice(&version.to_le_bytes());
            check(&bytes, "Version");
        }
        for at in HEAD_BYTES..good.len() {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            check(&bytes, "Sealed");
        }
        other.write(b"content").unwrap();
        check(&raw(&other), "Sealed");
        check(&vec![0; KEPT_BYTES_MAX + 1], "Io");
    }
}
