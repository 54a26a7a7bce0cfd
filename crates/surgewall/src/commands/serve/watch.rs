//! The configuration file's changes: looked at every two seconds, taken when
//! they stand still, so that a file that is being written is not read by half.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// What tells one version of a file from another: inode, length, nanoseconds of its time.
type Stamp = (u64, u64, i64, i64);

/// Watches one file.
pub(super) struct Watch {
    path: Option<PathBuf>,
    taken: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Watch {
    /// Watches `path` from how it is now; without one, nothing ever changes.
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        let now = path.as_ref().and_then(stamp);
        Self { path, taken: now, seen: now }
    }

    /// Takes the file as it is: it is read now for another reason.
    pub(super) fn take(&mut self) {
        self.seen = self.path.as_ref().and_then(stamp);
        self.taken = self.seen;
    }

    /// Resolves when the file has changed and stands still.
    pub(super) async fn changed(&mut self) {
        loop {
            sleep(LOOK_INTERVAL).await;
            if self.look() {
                return;
            }
        }
    }

    /// One look: whether there is a new version that was already there at the last one.
    fn look(&mut self) -> bool {
        let now = self.path.as_ref().and_then(stamp);
        let stands_still = now.is_some() && now == self.seen;
        self.seen = now;
        let is_new = stands_still && now != self.taken;
        if is_new {
            self.taken = now;
        }
        is_new
    }
}

fn stamp(path: &PathBuf) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_taken_once_and_only_when_it_stands_still() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("surgewall.toml");
        std::fs::write(&path, "a").unwrap();
        let mut watch = Watch::new(Some(path.clone()));
        assert!(!watch.look(), "nothing changed");
        std::fs::write(&path, "ab").unwrap();
        assert!(!watch.look(), "it may still be written");
        assert!(watch.look());
        assert!(!watch.look(), "taken already");
        std::fs::remove_file(&path).unwrap();
        assert!(!watch.look() && !watch.look(), "a file that is gone is no configuration");
    }
}
