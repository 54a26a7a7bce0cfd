//! The few things that the writer does with files, so that a test can give it
//! a disk that is full.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

/// An open segment file.
pub(super) trait SegmentFile: Send + Sync {
    /// Appends some of `bytes`; says how many.
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> io::Result<()>;
    /// Makes what was written survive a power loss.
    fn sync(&self) -> io::Result<()>;
}

/// Where segment files come from.
pub(super) trait Files: Send + Sync {
    /// A new, empty file (mode 0600) in the place of any other.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>>;
}

/// The real disk.
pub(super) struct Disk;

impl Files for Disk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        Ok(Arc::new(options.open(path)?))
    }
}

impl SegmentFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self;
        Write::write(&mut file, bytes)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// Writes all of `bytes`; on failure also says how many bytes went out before it.
pub(super) fn write_all(file: &dyn SegmentFile, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return Err((done, io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err((done, error)),
        }
    }
    Ok(())
}
