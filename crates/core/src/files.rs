//! Bounded reads: no file is read whole without a named limit.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The bytes of `path`, at most `bytes_max` of them.
///
/// # Errors
/// The file cannot be read, or it is longer than `bytes_max`
/// ([`io::ErrorKind::FileTooLarge`]).
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("longer than {bytes_max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// The text of `path`, at most `bytes_max` bytes of UTF-8.
///
/// # Errors
/// As [`read_bounded`], or the file is not UTF-8.
pub fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let bytes = read_bounded(path, bytes_max)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}
