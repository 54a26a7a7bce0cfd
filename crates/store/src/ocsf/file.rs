//! The file that events are appended to: whole lines, mode 0600, and a bounded
//! number of files of a bounded size.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::datadir::DataDir;

/// One file, in bytes: the next event begins a new one.
pub const FILE_BYTES_MAX: u64 = 64 << 20;
/// Files, that which is written to among them: `NAME`, `NAME.1` to `NAME.3`.
pub const FILES_MAX: u32 = 4;

/// Why events cannot be written to a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It would be a part of what it must not be.
    #[error(
        "{path} lies inside the data directory {directory}, which betrays nothing to a thief, and events name networks in clear; write them elsewhere"
    )]
    Inside {
        /// The file.
        path: PathBuf,
        /// The data directory.
        directory: PathBuf,
    },
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Refuses a place for events in `directory`, links followed.
pub(super) fn outside(path: &Path, directory: &DataDir) -> Result<(), FileError> {
    let failed = |source| FileError::Io { path: path.to_owned(), source };
    let place = match path.canonicalize() {
        Ok(place) => place,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let absolute = std::path::absolute(path).map_err(failed)?;
            let parent = absolute.parent().unwrap_or(Path::new("/"));
            parent.canonicalize().map_err(failed)?
        }
        Err(error) => return Err(failed(error)),
    };
    if place.starts_with(directory.path()) {
        let directory = directory.path().to_owned();
        return Err(FileError::Inside { path: path.to_owned(), directory });
    }
    Ok(())
}

/// How large and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) bytes_max: u64,
    pub(super) files_max: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes_max: FILE_BYTES_MAX, files_max: FILES_MAX }
    }
}

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct Lines {
    path: PathBuf,
    bounds: Bounds,
    file: File,
    /// Bytes of whole lines in the file.
    bytes: u64,
}

impl Lines {
    /// Opens or makes the file at `path`.
    pub(super) fn open(path: &Path, bounds: Bounds) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        let bytes = whole(&mut file)?;
        Ok(Self { path: path.to_owned(), bounds, file, bytes })
    }

    /// Appends `lines`, each of them with its end, whole or not at all. Says how
    /// many of them are in the file also where it fails.
    pub(super) fn append(&mut self, lines: &[Vec<u8>]) -> (usize, io::Result<()>) {
        let mut done = 0;
        while done < lines.len() {
            // As many as fit; a line larger than a file has one of its own.
            let mut size = 0;
            let fit = lines[done..].iter().take_while(|line| {
                size += line.len() as u64;
                self.bytes + size <= self.bounds.bytes_max
            });
            let fit = fit.count();
            if fit == 0 && self.bytes > 0 {
                if let Err(error) = self.rotate() {
                    return (done, Err(error));
                }
                continue;
            }
            let next = done + fit.max(1);
            if let Err(error) = self.write(&lines[done..next].concat()) {
                return (done, Err(error));
            }
            done = next;
        }
        (done, Ok(()))
    }

    /// The same, on a disk that takes nothing.
    #[cfg(test)]
    pub(super) fn broken(self) -> Self {
        Self { file: File::open(&self.path).unwrap(), ..self }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) => {
                // No torn line stays, where that can be helped.
                self.file.set_len(self.bytes)?;
                Err(error)
            }
        }
    }

    /// `NAME.2` becomes `NAME.3`, and so on; what was `NAME.3` goes.
    fn rotate(&mut self) -> io::Result<()> {
        for at in (1..self.bounds.files_max).rev() {
            let from = if at == 1 { self.path.clone() } else { numbered(&self.path, at - 1) };
            match fs::rename(&from, numbered(&self.path, at)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.bounds.files_max <= 1 {
            fs::remove_file(&self.path)?;
        }
        *self = Self::open(&self.path, self.bounds)?;
        Ok(())
    }
}

/// Ends a line that a death in mid-write left open; the file's length.
fn whole(file: &mut File) -> io::Result<u64> {
    let bytes = file.metadata()?.len();
    if bytes == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(bytes);
    }
    file.write_all(b"\n")?;
    Ok(bytes + 1)
}

/// `NAME.1`.
fn numbered(path: &Path, at: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{at}"));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use surgewall_core::files::read_text;

    use super::*;

    fn text(path: &Path) -> String {
        read_text(path, 1 << 20).unwrap_or_default()
    }

    fn lines(lines: &[&str]) -> Vec<Vec<u8>> {
        lines.iter().map(|line| format!("{line}\n").into_bytes()).collect()
    }

    #[test]
    fn a_file_is_filled_to_its_bound_and_the_oldest_goes() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("events");
        let mut file = Lines::open(&path, Bounds { bytes_max: 8, files_max: 3 }).unwrap();
        let all = || [&path, &numbered(&path, 1), &numbered(&path, 2)].map(|path| text(path));
        assert_eq!(file.append(&lines(&["abc", "def"])).0, 2);
        assert_eq!(all(), ["abc\ndef\n", "", ""], "at the bound");
        file.append(&lines(&["g"])).1.unwrap();
        assert_eq!(all(), ["g\n", "abc\ndef\n", ""], "one past it");
        file.append(&lines(&["longer than a file", "h", "i"])).1.unwrap();
        assert_eq!(all(), ["h\ni\n", "longer than a file\n", "g\n"]);
        assert!(!numbered(&path, 3).exists());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_line_that_a_death_left_open_is_ended() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("events");
        fs::write(&path, "whole\nto").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let mut file = Lines::open(&path, Bounds::default()).unwrap();
        file.append(&lines(&["next"])).1.unwrap();
        assert_eq!(text(&path), "whole\nto\nnext\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "who could read it reads no more");
    }

    #[test]
    fn a_place_inside_the_data_directory_is_refused_also_by_a_link() {
        let base = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(&base.path().join("data")).unwrap();
        std::os::unix::fs::symlink(data.path(), base.path().join("link")).unwrap();
        std::os::unix::fs::symlink(data.path().join("store"), base.path().join("file")).unwrap();
        for (path, inside) in [
            ("data/events", true),
            ("link/events", true),
            ("data/../data/events", true),
            ("file", true),
            ("events", false),
            ("data.events", false),
        ] {
            let judged = outside(&base.path().join(path), &data);
            assert_eq!(matches!(judged, Err(FileError::Inside { .. })), inside, "{path}");
        }
        let missing = outside(&base.path().join("missing/events"), &data);
        assert!(matches!(missing, Err(FileError::Io { .. })));
    }
}
