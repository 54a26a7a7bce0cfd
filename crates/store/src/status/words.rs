//! The file of words: incidents and maintenances as the status page tells them.
//! Small, public, replaced whole, and safe on disk before anybody is told so.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use surgewall_core::files::read_bounded;

use crate::datadir::{DataDir, write_atomic};

/// The first line: what the file is, and its version.
const HEAD: &[u8] = b"surgewall status words 1\n";
/// The file, in bytes, at most.
pub const WORDS_BYTES_MAX: usize = 4 << 20;

/// Why the file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WordsError {
    /// The file system said no, or it is too large.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is another kind of file, or another version.
    #[error("its first line is not that of this version")]
    Foreign,
}

/// The file of one data directory.
#[derive(Clone, Debug)]
pub struct WordsFile {
    path: PathBuf,
}

impl WordsFile {
    /// The file in `directory`, there or not.
    #[must_use]
    pub fn new(directory: &DataDir) -> Self {
        Self { path: directory.status().join("words") }
    }

    /// What was written last; `None` if nothing was.
    ///
    /// # Errors
    /// It is there and of no use.
    pub fn read(&self) -> Result<Option<Vec<u8>>, WordsError> {
        let bytes = match read_bounded(&self.path, (WORDS_BYTES_MAX + HEAD.len()) as u64) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let content = bytes.strip_prefix(HEAD).ok_or(WordsError::Foreign)?;
        Ok(Some(content.to_vec()))
    }

    /// Writes `content`, whole or not at all, and waits until it is safe on disk.
    ///
    /// # Errors
    /// The file cannot be written, or it would be larger than [`WORDS_BYTES_MAX`].
    pub fn write(&self, content: &[u8]) -> io::Result<()> {
        if content.len() > WORDS_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if let Some(folder) = self.path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write_atomic(&self.path, &[HEAD, content].concat())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn words_are_read_as_they_were_written_and_foreign_files_are_refused() {
        let base = tempfile::tempdir().unwrap();
        let directory = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let file = WordsFile::new(&directory);
        assert!(file.read().unwrap().is_none(), "nothing is no error");
        for content in [&b"first"[..], b"", &vec![7; WORDS_BYTES_MAX]] {
            file.write(content).unwrap();
            assert_eq!(file.read().unwrap().unwrap(), content);
        }
        assert!(file.write(&vec![7; WORDS_BYTES_MAX + 1]).is_err(), "one past the limit");
        assert_eq!(file.read().unwrap().unwrap().len(), WORDS_BYTES_MAX, "it is as it was");
        for foreign in [&b""[..], b"surgewall status words 2\n{}", b"surgewall status words"] {
            fs::write(directory.status().join("words"), foreign).unwrap();
            assert!(matches!(file.read(), Err(WordsError::Foreign)), "{foreign:?}");
        }
    }
}
