//! Why the vault does not open, or something in it does not.

use std::io;
use std::path::PathBuf;

/// Why the vault does not open, or a value in it does not.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Neither variable says where keys live.
    #[error(
        "where the master key is kept is unknown: set XDG_CONFIG_HOME or HOME, or vault.key_file in the configuration"
    )]
    NoPlace,
    /// The store exists, its key does not.
    #[error(
        "the master key {path} is missing, but its data directory holds sealed data; restore the key from your backup, or name it with vault.key_file (a new one could not open anything, so none is made)"
    )]
    KeyMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Others can read the key.
    #[error("the master key {path} can be read by others (mode {mode:04o}); run: chmod 600 {path}")]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key lies beside what it locks.
    #[error(
        "the master key {path} lies inside the data directory {directory}: a stolen directory would open itself; move it out and name it with vault.key_file"
    )]
    KeyInside {
        /// The key file, canonical.
        path: PathBuf,
        /// The data directory, canonical.
        directory: PathBuf,
    },
    /// The file is no key.
    #[error("{path} is no master key of Surgewall, or it is damaged; restore it from your backup")]
    KeyMalformed {
        /// The key file.
        path: PathBuf,
    },
    /// A later Surgewall wrote it.
    #[error("{path} was written by a newer Surgewall (format {found}); run the newer one")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u16,
    },
    /// The key is another store's.
    #[error(
        "the master key {path} does not open this data directory: it belongs to another store; name the right one with vault.key_file"
    )]
    WrongKey {
        /// The key file.
        path: PathBuf,
    },
    /// The key cannot be replaced by us.
    #[error(
        "the master key {path} is a credential of systemd, which this process cannot replace; stop the service, name the key's own file with vault.key_file, and rotate there"
    )]
    KeyReadOnly {
        /// The key file.
        path: PathBuf,
    },
    /// The command that gives the key fails, or gives none.
    #[error("vault.key_command: {} {why}", program.display())]
    KeyCommand {
        /// Its first word.
        program: PathBuf,
        /// What is wrong, in words that go on after its name.
        why: String,
    },
    /// The wrapped keys are gone or damaged.
    #[error(
        "{path} is missing or damaged: it holds the wrapped keys, and nothing opens without it; restore it from a backup of this data directory"
    )]
    KeysDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The store has an accounts file, and it is not there.
    #[error(
        "{path} is missing: it holds the keys of what people wrote, and a new one could not open any of it, so none is made; put it back beside the master key, or restore it from your backup"
    )]
    AccountsMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The accounts file is not lost.
    #[error("{path} is there: only a lost one is replaced; if it is of no use, move it away first")]
    AccountsThere {
        /// The file.
        path: PathBuf,
    },
    /// The accounts file cannot be read as one.
    #[error(
        "{path} is damaged: it holds the keys of what people wrote; restore it from your backup"
    )]
    AccountsDamaged {
        /// The file.
        path: PathBuf,
    },
    /// The accounts file is another store's.
    #[error(
        "{path} belongs to another store, or to another life of this one: it is not the file that this data directory was made with; restore the right one from your backup"
    )]
    AccountsForeign {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error("{path} is in use by another process: only one may make or destroy keys")]
    AccountsBusy {
        /// The file.
        path: PathBuf,
    },
    /// No slot is left.
    #[error(
        "the accounts file is full: it holds {slots_max} keys; shorter retention destroys keys that are not needed any more"
    )]
    AccountsFull {
        /// The limit.
        slots_max: u32,
    },
    /// The value's key was destroyed, by an erasure or after its retention.
    #[error("its key was destroyed on purpose: it cannot be opened any more")]
    Erased,
    /// The value's key is not there, and nothing says that it was destroyed.
    #[error(
        "its key is not in {path}: that file is damaged, or older than the sealed value; restore it from your newest backup"
    )]
    KeyLost {
        /// The accounts file.
        path: PathBuf,
    },
    /// A sealed value was changed, or sealed elsewhere.
    #[error("a sealed value does not open: it was changed, or sealed for another place or store")]
    Sealed,
    /// The file system said no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}
