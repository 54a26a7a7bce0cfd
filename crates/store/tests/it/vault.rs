//! The vault as an operator meets it: keys made once, kept apart, and refused
//! with a reason.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use surgewall_store::datadir::DataDir;
use surgewall_store::vault::{Vault, VaultError};
use tempfile::TempDir;

/// A data directory and a place for its key, side by side.
struct Store {
    base: TempDir,
}

impl Store {
    fn new() -> Self {
        Self { base: tempfile::tempdir().unwrap() }
    }
    fn directory(&self) -> DataDir {
        DataDir::open_or_create(&self.base.path().join("data")).unwrap()
    }
    fn key(&self) -> PathBuf {
        self.base.path().join("config/surgewall/master.key")
    }
    fn create(&self) -> Vault {
        Vault::open_or_create(&self.directory(), Some(&self.key())).unwrap()
    }
    fn open(&self) -> Result<Vault, VaultError> {
        Vault::open(&self.directory(), Some(&self.key()))
    }
    /// What both ways of opening say.
    fn refused(&self) -> VaultError {
        let created = Vault::open_or_create(&self.directory(), Some(&self.key())).unwrap_err();
        let opened = self.open().unwrap_err();
        assert_eq!(created.to_string(), opened.to_string());
        opened
    }
}

#[test]
fn what_was_sealed_opens_after_a_restart_and_nowhere_else() {
    let store = Store::new();
    let vault = store.create();
    let sealed = vault.seal("accounts.email.1", b"ada@example.org");
    let wrapped = vault.wrap_key("ledger.1", &[7; 32]);
    let hash = vault.keyed_hash("key", b"sw_live_x");

    let again = store.open().unwrap();
    assert_eq!(again.open_sealed("accounts.email.1", &sealed).unwrap(), b"ada@example.org");
    assert_eq!(again.unwrap_key("ledger.1", &wrapped).unwrap().expose(), &[7; 32]);
    assert_eq!(again.keyed_hash("key", b"sw_live_x"), hash);

    assert!(matches!(again.open_sealed("accounts.email.2", &sealed), Err(VaultError::Sealed)));
    assert!(matches!(again.unwrap_key("ledger.2", &wrapped), Err(VaultError::Sealed)));
    assert!(Store::new().create().open_sealed("accounts.email.1", &sealed).is_err());
    assert!(!sealed.windows(3).any(|three| three == b"ada"));
}

#[test]
fn every_changed_byte_of_a_sealed_value_is_noticed() {
    let vault = Store::new().create();
    let sealed = vault.seal("c", b"plain");
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(vault.open_sealed("c", &bad).is_err(), "{at}");
        assert!(vault.open_sealed("c", &sealed[..at]).is_err(), "{at}");
    }
}

#[test]
fn hashes_for_different_purposes_or_stores_differ() {
    let vault = Store::new().create();
    let hash = vault.keyed_hash("a", b"bc");
    assert_ne!(hash, vault.keyed_hash("ab", b"c"));
    assert_ne!(hash, vault.keyed_hash("b", b"bc"));
    assert_ne!(hash, Store::new().create().keyed_hash("a", b"bc"));
}

#[test]
fn the_key_is_closed_to_others_and_refused_where_it_is_not() {
    let store = Store::new();
    store.create();
    let mode = fs::metadata(store.key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    for mode in [0o640, 0o604, 0o622, 0o777] {
        fs::set_permissions(store.key(), fs::Permissions::from_mode(mode)).unwrap();
        let error = store.refused();
        assert!(matches!(error, VaultError::KeyExposed { .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"));
    }
    fs::set_permissions(store.key(), fs::Permissions::from_mode(0o400)).unwrap();
    store.open().unwrap();
}

#[test]
fn a_lost_key_is_never_replaced() {
    let store = Store::new();
    store.create();
    fs::remove_file(store.key()).unwrap();
    assert!(matches!(store.refused(), VaultError::KeyMissing { .. }));
    assert!(!store.key().exists());
}

#[test]
fn a_death_between_the_two_files_of_the_first_start_is_mended() {
    let store = Store::new();
    let vault = store.create();
    fs::remove_file(store.directory().keys()).unwrap();
    let key = fs::read(store.key()).unwrap();
    let again = store.create();
    assert_eq!(fs::read(store.key()).unwrap(), key);
    assert_ne!(vault.keyed_hash("a", b"b"), again.keyed_hash("a", b"b"));
}

#[test]
fn lost_or_damaged_wrapped_keys_are_not_replaced_once_something_was_sealed() {
    let store = Store::new();
    store.create();
    let keys = store.directory().keys();
    let good = fs::read(&keys).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&keys, &bad).unwrap();
        assert!(matches!(store.refused(), VaultError::KeysDamaged { .. }), "{at}");
    }
    fs::create_dir(store.directory().ledger()).unwrap();
    fs::remove_file(&keys).unwrap();
    assert!(matches!(store.refused(), VaultError::KeysDamaged { .. }));
}

#[test]
fn another_stores_key_is_refused_by_name_and_by_content() {
    let (store, other) = (Store::new(), Store::new());
    store.create();
    other.create();
    let ours = fs::read_to_string(store.key()).unwrap();
    let theirs = fs::read_to_string(other.key()).unwrap();
    fs::write(store.key(), &theirs).unwrap();
    assert!(matches!(store.refused(), VaultError::WrongKey { .. }));
    let header = ours.lines().next().unwrap();
    let forged = format!("{header}\n{}\n", theirs.lines().nth(1).unwrap());
    fs::write(store.key(), forged).unwrap();
    assert!(matches!(store.refused(), VaultError::WrongKey { .. }));
}

#[test]
fn what_is_no_key_is_refused() {
    let store = Store::new();
    store.create();
    let good = fs::read_to_string(store.key()).unwrap();
    let newer = good.replace("key 1 ", "key 2 ");
    let short = good[..good.len() - 2].to_owned();
    let long = good.clone() + &"0".repeat(2_000);
    let cases = ["", "x\ny\n", &short, &long, &newer];
    for text in cases {
        fs::write(store.key(), text).unwrap();
        let error = store.refused();
        let expected = match error {
            VaultError::Newer { found, .. } => text == newer && found == 2,
            VaultError::KeyMalformed { .. } => text != newer,
            _ => false,
        };
        assert!(expected, "{text:?}: {error}");
    }
}

#[test]
fn a_key_inside_the_data_directory_is_refused_however_it_is_named() {
    let store = Store::new();
    let directory = store.directory();
    let outside = store.base.path().join("outside");
    symlink(directory.path(), &outside).unwrap();
    let link = store.base.path().join("link.key");
    symlink(directory.path().join("master.key"), &link).unwrap();
    fs::write(directory.path().join("master.key"), "x").unwrap();
    let names = [
        directory.path().join("master.key"),
        directory.path().join("new/deep/master.key"),
        outside.join("master.key"),
        directory.path().join("../data/master.key"),
        link,
    ];
    for name in names {
        let error = Vault::open_or_create(&directory, Some(&name)).unwrap_err();
        assert!(matches!(error, VaultError::KeyInside { .. }), "{name:?}: {error}");
    }
}
