//! A new master key in the place of the old one, while everything goes on.
//!
//! 1. The key file holds the old key and the new one.
//! 2. A new accounts file, wrapped by the new key, takes the place of the old.
//! 3. The file `keys` is written anew, wrapped by the new key.
//! 4. The key file holds the new key alone.
//!
//! Each step puts one file in place, whole or not at all, and what opens either
//! way opens after it: a death in between leaves a key file with both keys, and
//! the next rotation goes on from there. What a step replaced is overwritten.
//!
//! Of a key that a command prints, the first step and the last are its keeper's:
//! the command prints both keys, and afterwards the new one alone.

use surgewall_core::clock::Timestamp;
use surgewall_core::secret::Secret;
use uuid::Uuid;

use super::keyfile::{Keeper, Places};
use super::keyring::Keyring;
use super::{Vault, VaultError, command, keyfile, masters, random_key};

/// What a rotation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub struct Rotated {
    /// Data keys wrapped by the new master key.
    pub keys: u32,
    /// Slots that could not be read any more, and are gone with the old key.
    pub lost: u32,
}

/// A step that is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    BothKeys,
    Accounts,
    Keyring,
}

impl Vault {
    /// Makes a new master key, wraps everything by it, and destroys the old
    /// one. Sealing and opening go on meanwhile; only what needs a key that was
    /// not used lately waits. A copy of the data directory from before needs
    /// the key file and the accounts file from before.
    ///
    /// # Errors
    /// A file cannot be written, the key is systemd's to replace
    /// ([`VaultError::KeyReadOnly`]), or the command prints no new one. Everything still opens, and the next
    /// rotation goes on where this one stopped.
    pub fn rotate(&self, now: Timestamp) -> Result<Rotated, VaultError> {
        self.rotate_watched(now, |_| Ok(()))
    }

    fn rotate_watched(
        &self,
        now: Timestamp,
        mut done: impl FnMut(Step) -> Result<(), VaultError>,
    ) -> Result<Rotated, VaultError> {
        let (directory, places) = (&self.inner.directory, &self.inner.places);
        if places.keeper == Keeper::Systemd {
            return Err(VaultError::KeyReadOnly { path: places.key.clone() });
        }
        let store = directory.store_id();
        // Nobody makes or destroys a key until this is done.
        let mut accounts = self.accounts();
        accounts.own()?;
        let keys = both_keys(&keyfile::read(places, store)?, store, places)?;
        let masters = masters(&keys);
        accounts.set_masters(masters.clone());
        done(Step::BothKeys)?;
        let rewrapped = accounts.rewrap()?;
        done(Step::Accounts)?;
        let mut ring = Keyring::open(directory, &masters, &places.key)?;
        ring.rotated_at = Some(now);
        let [new, _] = &keys;
        ring.write(directory, &super::seal_key(new))?;
        done(Step::Keyring)?;
        if places.keeper == Keeper::Door {
            keyfile::replace(&places.key, store, &[new])?;
        }
        accounts.set_masters(super::masters(std::slice::from_ref(new)));
        Ok(Rotated { keys: rewrapped.keys, lost: rewrapped.lost })
    }
}

/// The new key and the old one, once both are kept.
fn both_keys(
    found: &[Secret<[u8; 32]>],
    store: Uuid,
    places: &Places,
) -> Result<[Secret<[u8; 32]>; 2], VaultError> {
    let path = &places.key;
    match (found, &places.keeper) {
        ([_], Keeper::Command(words)) => Err(command::fault(
            words,
            "prints one key: let it print the present one and below it a new one, rotate, and then let it print the new one alone",
        )),
        ([old], _) => {
            let new = random_key();
            keyfile::replace(path, store, &[old, &new])?;
            Ok([new, old.clone()])
        }
        // An earlier rotation was cut off: its new key may be in use.
        ([new, old], _) => Ok([new.clone(), old.clone()]),
        _ => Err(VaultError::KeyMalformed { path: path.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use surgewall_core::files::read_text;
    use surgewall_core::id::AccountId;
    use surgewall_core::subject::Subject;

    use super::super::data::Content;
    use super::super::keyfile::KeySource;
    use super::*;
    use crate::datadir::DataDir;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);
    const ADA: Subject = Subject::Account(AccountId::from_u128(1));
    const BOB: Subject = Subject::Account(AccountId::from_u128(2));

    fn vault(base: &Path) -> Vault {
        let directory = DataDir::open_or_create(&base.join("data")).unwrap();
        Vault::open_or_create(&directory, Some(&base.join("k"))).unwrap()
    }

    /// What was sealed before a rotation, in every way there is.
    struct Before {
        column: Vec<u8>,
        ledger: Vec<u8>,
        ada: Vec<u8>,
        bob: Vec<u8>,
        hash: [u8; 32],
        signer: [u8; 32],
    }

    impl Before {
        fn new(vault: &Vault) -> Self {
            let seal =
                |whose| vault.seal_for(Content::Record, whose, NOW, "block 1", b"hello").unwrap();
            let before = Self {
                column: vault.seal("c", b"plain"),
                ledger: vault.wrap_key("segment", &[7; 32]),
                ada: seal(ADA),
                bob: seal(BOB),
                hash: vault.keyed_hash("p", b"x"),
                signer: vault.verifying_key(),
            };
            assert_eq!(vault.erase(BOB).unwrap().keys, 1);
            before
        }

        fn check(&self, vault: &Vault) {
            assert_eq!(vault.open_sealed("c", &self.column).unwrap(), b"plain");
            assert_eq!(vault.unwrap_key("segment", &self.ledger).unwrap().expose(), &[7; 32]);
            assert_eq!(vault.keyed_hash("p", b"x"), self.hash);
            assert_eq!(vault.verifying_key(), self.signer);
            let open = |whose, sealed| vault.open_for(Content::Record, whose, "block 1", sealed);
            assert_eq!(open(ADA, &self.ada).unwrap(), b"hello");
            assert!(matches!(open(BOB, &self.bob), Err(VaultError::Erased)));
        }
    }

    #[test]
    fn everything_opens_after_a_rotation_and_the_old_key_opens_nothing() {
        let base = tempfile::tempdir().unwrap();
        let vault_before = vault(base.path());
        let before = Before::new(&vault_before);
        let old = read_text(&base.path().join("k"), 1 << 10).unwrap();
        let kept = fs::File::open(base.path().join("k")).unwrap();
        assert_eq!(vault_before.rotate(NOW).unwrap(), Rotated { keys: 1, lost: 0 });
        before.check(&vault_before);
        before.check(&vault(base.path()));
        let new = read_text(&base.path().join("k"), 1 << 10).unwrap();
        assert!(new.lines().count() == 2 && new.lines().last() != old.lines().last());
        let overwritten = std::io::read_to_string(kept).unwrap();
        assert!(overwritten.len() == old.len() && overwritten.bytes().all(|byte| byte == 0));
        fs::write(base.path().join("k"), old).unwrap();
        let directory = DataDir::open(&base.path().join("data")).unwrap();
        let refused = Vault::open(&directory, Some(&base.path().join("k")));
        assert!(matches!(refused, Err(VaultError::WrongKey { .. })));
    }

    #[test]
    fn a_death_after_any_step_leaves_what_opens_and_the_next_rotation_ends_it() {
        for last in [Step::BothKeys, Step::Accounts, Step::Keyring] {
            let base = tempfile::tempdir().unwrap();
            let first = vault(base.path());
            let before = Before::new(&first);
            let stopped = first.rotate_watched(NOW, |step| {
                if step == last { Err(VaultError::Sealed) } else { Ok(()) }
            });
            assert!(matches!(stopped, Err(VaultError::Sealed)), "{last:?}");
            // The same process goes on after a disk that failed.
            before.check(&first);
            first.seal_for(Content::Conversation, ADA, NOW, "x", b"between").unwrap();
            drop(first);
            let second = vault(base.path());
            before.check(&second);
            assert!(second.status().unwrap().is_rotating, "{last:?}");
            let sealed = second.seal_for(Content::Conversation, BOB, NOW, "x", b"new").unwrap();
            assert_eq!(second.rotate(NOW).unwrap(), Rotated { keys: 3, lost: 0 });
            let third = vault(base.path());
            before.check(&third);
            let opened = third.open_for(Content::Conversation, BOB, "x", &sealed).unwrap();
            assert_eq!(opened, b"new");
            let status = third.status().unwrap();
            assert!(!status.is_rotating && status.rotated_at == Some(NOW), "{last:?}");
        }
    }

    #[test]
    fn a_rotation_that_cannot_write_changes_nothing() {
        let base = tempfile::tempdir().unwrap();
        let vault = vault(base.path());
        let before = Before::new(&vault);
        // A directory lies where the new key file is to be written.
        let in_the_way = base.path().join("k.new");
        fs::create_dir(&in_the_way).unwrap();
        assert!(matches!(vault.rotate(NOW), Err(VaultError::Io { .. })));
        before.check(&vault);
        assert!(!vault.status().unwrap().is_rotating);
        fs::remove_dir(&in_the_way).unwrap();
        let _ = vault.rotate(NOW).unwrap();
        before.check(&vault);
    }

    #[test]
    fn a_key_that_a_command_prints_is_replaced_by_whoever_keeps_it() {
        let base = tempfile::tempdir().unwrap();
        let file = vault(base.path());
        let before = Before::new(&file);
        drop(file);
        // The accounts file lies beside the key file here, and is found there.
        let printed = base.path().join("printed");
        let print = |text: &str| fs::write(&printed, text).unwrap();
        let key =
            |path: &Path| read_text(path, 1 << 10).unwrap().lines().last().unwrap().to_owned();
        let (old, new) = (key(&base.path().join("k")), "0123456789abcdef".repeat(4));
        print(&old);
        let words = ["/bin/cat".to_owned(), printed.display().to_string()];
        let directory = DataDir::open(&base.path().join("data")).unwrap();
        let mut places =
            keyfile::locate(&directory, KeySource::File(&base.path().join("k"))).unwrap();
        (places.key, places.keeper) = (command::program(&words), Keeper::Command(words.to_vec()));
        let open = || {
            let keys = keyfile::read(&places, directory.store_id())?;
            Vault::open_with(&directory, places.clone(), &keys)
        };
        let vault = open().unwrap();
        before.check(&vault);
        let alone = vault.rotate(NOW).unwrap_err().to_string();
        assert!(alone.contains("prints one key") && !alone.contains(&old), "{alone}");
        print(&format!("{old}\n{new}\n"));
        assert!(!vault.status().unwrap().is_rotating, "a look does not run it");
        assert_eq!(vault.rotate(NOW).unwrap(), Rotated { keys: 1, lost: 0 });
        before.check(&vault);
        assert!(!vault.status().unwrap().is_rotating);
        before.check(&open().unwrap());
        print(&new);
        before.check(&open().unwrap());
        print(&old);
        assert!(matches!(open(), Err(VaultError::WrongKey { .. })));
        fs::remove_file(&printed).unwrap();
        // What runs goes on without its keeper.
        before.check(&vault);
        assert!(matches!(open(), Err(VaultError::KeyCommand { .. })));
    }
}
