//! Content under its subjects' own keys: what opens, what was erased, and what
//! the files betray.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::principal::DelegatedUser;
use surgewall_core::subject::Subject;
use surgewall_store::datadir::DataDir;
use surgewall_store::vault::{Content, EPOCH_DAYS, Epoch, Vault, VaultError, is_signed};
use tempfile::TempDir;

const SLOT_BYTES: usize = 128;
const ADA: Subject = Subject::Account(AccountId::from_u128(1));
const BOB: Subject = Subject::Account(AccountId::from_u128(2));
const CONTENTS: [Content; 2] = [Content::Conversation, Content::Record];

/// The first millisecond of an epoch.
fn day_one(epoch: u64) -> Timestamp {
    Timestamp::from_millis(epoch * EPOCH_DAYS * 86_400_000)
}

struct Store {
    base: TempDir,
}

impl Store {
    fn new() -> Self {
        Self { base: tempfile::tempdir().unwrap() }
    }
    fn data(&self) -> PathBuf {
        self.base.path().join("data")
    }
    fn key(&self) -> PathBuf {
        self.base.path().join("config/k")
    }
    fn accounts(&self) -> PathBuf {
        self.base.path().join("config/k.accounts")
    }
    fn try_vault(&self) -> Result<Vault, VaultError> {
        Vault::open_or_create(&DataDir::open_or_create(&self.data()).unwrap(), Some(&self.key()))
    }
    fn vault(&self) -> Vault {
        self.try_vault().unwrap()
    }
    /// As another process opens it beside the one that writes.
    fn reader(&self) -> Vault {
        Vault::open(&DataDir::open(&self.data()).unwrap(), Some(&self.key())).unwrap()
    }
}

fn seal(vault: &Vault, whose: Subject) -> Vec<u8> {
    vault.seal_for(Content::Record, whose, day_one(700), "block 1", b"what I said").unwrap()
}

fn open(vault: &Vault, whose: Subject, sealed: &[u8]) -> Result<Vec<u8>, VaultError> {
    vault.open_for(Content::Record, whose, "block 1", sealed)
}

/// What opening comes to, in a word.
fn word(opened: &Result<Vec<u8>, VaultError>) -> &'static str {
    match opened {
        Ok(_) => "opens",
        Err(VaultError::Erased) => "erased",
        Err(VaultError::KeyLost { .. }) => "key lost",
        Err(VaultError::Sealed) => "sealed",
        Err(_) => "other",
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() { copy(&path, &to) } else { assert!(fs::copy(&path, &to).is_ok()) }
    }
}

#[test]
fn content_opens_for_its_subject_content_and_place_only() {
    let store = Store::new();
    let vault = store.vault();
    let sealed = seal(&vault, ADA);
    assert_eq!(open(&vault, ADA, &sealed).unwrap(), b"what I said");
    assert_eq!(open(&store.vault(), ADA, &sealed).unwrap(), b"what I said");
    assert_eq!(sealed.len(), b"what I said".len() + 37);
    let at = |content, whose, context| word(&vault.open_for(content, whose, context, &sealed));
    assert_eq!(at(Content::Record, ADA, "block 2"), "sealed");
    assert_eq!(at(Content::Conversation, ADA, "block 1"), "key lost");
    let others = [
        BOB,
        Subject::Key(KeyId::from_u128(1)),
        Subject::Delegated(DelegatedUser(1)),
        Subject::Strangers,
    ];
    for other in others {
        assert_eq!(at(Content::Record, other, "block 1"), "key lost");
        seal(&vault, other);
        assert_eq!(at(Content::Record, other, "block 1"), "sealed");
    }
    for at in 0..sealed.len() {
        let mut bad = sealed.clone();
        bad[at] ^= 1;
        assert!(open(&vault, ADA, &bad).is_err(), "{at}");
        assert!(open(&vault, ADA, &sealed[..at]).is_err(), "{at}");
    }
}

#[test]
fn an_erased_subject_stays_closed_and_begins_anew() {
    let store = Store::new();
    let vault = store.vault();
    let (ada, bob) = (seal(&vault, ADA), seal(&vault, BOB));
    let chat = vault.seal_for(Content::Conversation, ADA, day_one(701), "m", b"hello").unwrap();
    assert_eq!(vault.erase(ADA).unwrap().keys, 2);
    assert_eq!(vault.erase(ADA).unwrap().keys, 0, "nothing is left");
    assert_eq!(vault.erase(Subject::Strangers).unwrap().keys, 0, "nothing was there");
    let again = seal(&vault, ADA);
    for vault in [&vault, &store.reader()] {
        assert_eq!(word(&open(vault, ADA, &ada)), "erased");
        assert_eq!(word(&vault.open_for(Content::Conversation, ADA, "m", &chat)), "erased");
        assert_eq!(word(&open(vault, ADA, &again)), "opens");
        assert_eq!(word(&open(vault, BOB, &bob)), "opens");
    }
    assert_eq!(vault.erase(ADA).unwrap().keys, 1);
    assert_eq!(word(&open(&vault, ADA, &ada)), "erased");
    assert_eq!(word(&open(&vault, ADA, &again)), "erased");
}

#[test]
fn a_restored_copy_of_the_data_directory_does_not_bring_a_key_back() {
    let store = Store::new();
    let vault = store.vault();
    let sealed = seal(&vault, ADA);
    let kept = store.base.path().join("kept");
    copy(&store.data(), &kept);
    assert_eq!(vault.erase(ADA).unwrap().keys, 1);
    drop(vault);
    fs::remove_dir_all(store.data()).unwrap();
    copy(&kept, &store.data());
    assert_eq!(word(&open(&store.vault(), ADA, &sealed)), "erased");
}

#[test]
fn a_destroyed_key_leaves_the_file_and_other_slots_are_as_they_were() {
    let store = Store::new();
    let vault = store.vault();
    let everybody: Vec<_> = (1..=20).map(|id| Subject::Account(AccountId::from_u128(id))).collect();
    let sealed: Vec<_> = everybody.iter().map(|whose| seal(&vault, *whose)).collect();
    let before = fs::read(store.accounts()).unwrap();
    assert_eq!(vault.erase(everybody[7]).unwrap().keys, 1);
    let after = fs::read(store.accounts()).unwrap();
    assert_eq!(before.len(), after.len());
    let slots = before.chunks(SLOT_BYTES).zip(after.chunks(SLOT_BYTES));
    let changed: Vec<_> = slots.filter(|(before, after)| before != after).collect();
    let [(gone, _)] = changed[..] else { panic!("{} slots changed", changed.len()) };
    // Version, nonce, key and tag begin after 33 bytes: none of it is left.
    for part in gone[34..94].chunks(12) {
        assert!(!after.windows(part.len()).any(|window| window == part));
    }
    for (at, (whose, sealed)) in everybody.iter().zip(&sealed).enumerate() {
        let expected = if at == 7 { "erased" } else { "opens" };
        assert_eq!(word(&open(&vault, *whose, sealed)), expected);
    }
}

#[test]
fn keys_expire_by_epoch_and_content() {
    let store = Store::new();
    let vault = store.vault();
    let at = |content, epoch| vault.seal_for(content, ADA, day_one(epoch), "x", b"y").unwrap();
    let sealed: Vec<_> = [10, 11, 12]
        .iter()
        .flat_map(|epoch| CONTENTS.map(|c| (c, *epoch, at(c, *epoch))))
        .collect();
    let last = Timestamp::from_millis(day_one(12).millis() - 1);
    assert_eq!(vault.expire(Content::Record, last).unwrap(), 1, "epoch 11 is not over");
    assert_eq!(vault.expire(Content::Record, day_one(12)).unwrap(), 1);
    assert_eq!(vault.expire(Content::Record, day_one(11)).unwrap(), 0);
    for vault in [&vault, &store.reader()] {
        for (content, epoch, sealed) in &sealed {
            let gone = *content == Content::Record && *epoch < 12;
            let opened = vault.open_for(*content, ADA, "x", sealed);
            assert_eq!(word(&opened), if gone { "erased" } else { "opens" }, "{content:?} {epoch}");
        }
    }
}

#[test]
fn many_keys_are_made_with_one_call() {
    let store = Store::new();
    let vault = store.vault();
    let epoch = Epoch::of(day_one(700));
    let of = |id| (Content::Record, Subject::Account(AccountId::from_u128(id)), epoch);
    let wanted: Vec<_> = (1..=500).chain(1..=500).map(of).collect();
    vault.ready_keys(&wanted).unwrap();
    vault.ready_keys(&wanted).unwrap();
    let status = vault.status().unwrap();
    assert_eq!((status.keys, status.subjects, status.erased), (500, 500, 0));
    let len = fs::metadata(store.accounts()).unwrap().len();
    let sealed = seal(&vault, ADA);
    assert_eq!(fs::metadata(store.accounts()).unwrap().len(), len, "the key was there");
    assert_eq!(word(&open(&store.reader(), ADA, &sealed)), "opens");
}

#[test]
fn a_torn_last_slot_is_ignored_and_what_was_acknowledged_opens() {
    let store = Store::new();
    let vault = store.vault();
    let (ada, bob) = (seal(&vault, ADA), seal(&vault, BOB));
    drop(vault);
    let whole = fs::read(store.accounts()).unwrap();
    for cut in [1, 40, 64, SLOT_BYTES - 1, SLOT_BYTES] {
        // Cut off, or of the right length with the end never written.
        let mut torn = whole.clone();
        torn.truncate(whole.len() - cut);
        for zeros in [0, cut] {
            torn.resize(whole.len() - cut + zeros, 0);
            fs::write(store.accounts(), &torn).unwrap();
            let vault = store.vault();
            assert_eq!(word(&open(&vault, ADA, &ada)), "opens", "{cut}");
            // A slot ends with 34 zeros.
            let is_whole = zeros > 0 && cut <= 34;
            let expected = if is_whole { "opens" } else { "key lost" };
            assert_eq!(word(&open(&vault, BOB, &bob)), expected, "{cut} {zeros}");
            let again = seal(&vault, BOB);
            drop(vault);
            assert_eq!(word(&open(&store.vault(), BOB, &again)), "opens", "{cut}");
        }
    }
}

#[test]
fn a_flipped_byte_closes_one_slot_and_no_other() {
    let store = Store::new();
    let vault = store.vault();
    let (ada, bob) = (seal(&vault, ADA), seal(&vault, BOB));
    drop(vault);
    let whole = fs::read(store.accounts()).unwrap();
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 4;
        fs::write(store.accounts(), &bad).unwrap();
        if at < SLOT_BYTES {
            let refused = store.try_vault();
            assert!(matches!(refused, Err(VaultError::AccountsDamaged { .. })), "{at}");
            continue;
        }
        let vault = store.reader();
        let words = [word(&open(&vault, ADA, &ada)), word(&open(&vault, BOB, &bob))];
        let expected =
            if at < 2 * SLOT_BYTES { ["key lost", "opens"] } else { ["opens", "key lost"] };
        assert_eq!(words, expected, "{at}");
        assert_eq!(vault.status().unwrap().unreadable, 1, "{at}");
    }
    // What cannot be read may have been of anybody who is erased.
    let vault = store.vault();
    assert_eq!(vault.status().unwrap().unreadable, 1);
    assert_eq!(vault.erase(Subject::Strangers).unwrap().keys, 0);
    assert_eq!(vault.status().unwrap().unreadable, 0);
}

#[test]
fn a_missing_or_foreign_accounts_file_is_refused_and_never_made_anew() {
    let store = Store::new();
    let sealed = seal(&store.vault(), ADA);
    let kept = store.base.path().join("kept.accounts");
    fs::rename(store.accounts(), &kept).unwrap();
    assert!(matches!(store.try_vault(), Err(VaultError::AccountsMissing { .. })));
    // What is no content opens without it, on an auditor's machine, say.
    let reader = store.reader();
    assert!(reader.open_sealed("c", &reader.seal("c", b"x")).is_ok());
    assert!(matches!(open(&reader, ADA, &sealed), Err(VaultError::AccountsMissing { .. })));
    let sealing = reader.seal_for(Content::Record, ADA, day_one(700), "x", b"y");
    assert!(matches!(sealing, Err(VaultError::AccountsMissing { .. })));
    assert!(!store.accounts().exists());
    let other = Store::new();
    other.vault();
    fs::copy(other.accounts(), store.accounts()).unwrap();
    assert!(matches!(store.try_vault(), Err(VaultError::AccountsForeign { .. })));
    // One of the same store, from another life of it.
    fs::remove_file(store.accounts()).unwrap();
    fs::remove_file(store.data().join("keys")).unwrap();
    store.vault();
    fs::copy(&kept, store.accounts()).unwrap();
    assert!(matches!(store.try_vault(), Err(VaultError::AccountsForeign { .. })));
}

#[test]
fn one_writes_and_others_read_beside_it() {
    let store = Store::new();
    let (door, report) = (store.vault(), store.reader());
    let first = seal(&door, ADA);
    assert_eq!(word(&open(&report, ADA, &first)), "opens");
    let second = seal(&door, BOB);
    assert_eq!(word(&open(&report, BOB, &second)), "opens", "it looks again");
    let refused = report.seal_for(Content::Record, Subject::Strangers, day_one(1), "x", b"y");
    assert!(matches!(refused, Err(VaultError::AccountsBusy { .. })));
    assert!(matches!(report.erase(ADA), Err(VaultError::AccountsBusy { .. })));
    assert!(matches!(report.rotate(day_one(1)), Err(VaultError::AccountsBusy { .. })));
    assert_eq!(door.erase(ADA).unwrap().keys, 1);
    assert_eq!(word(&open(&store.reader(), ADA, &first)), "erased");
    drop(door);
    assert_eq!(report.erase(BOB).unwrap().keys, 1, "now it may");
}

#[test]
fn no_file_holds_what_was_sealed() {
    let store = Store::new();
    let vault = store.vault();
    let canary = b"canary-7f3a-what-nobody-may-read";
    for content in CONTENTS {
        vault.seal_for(content, ADA, day_one(700), "canary-context", canary).unwrap();
    }
    let _ = vault.rotate(day_one(701)).unwrap();
    let mut files = 0;
    for directory in [store.data(), store.base.path().join("config")] {
        for entry in fs::read_dir(directory).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            assert!(!bytes.windows(6).any(|window| window == b"canary"));
            files += 1;
        }
    }
    assert!(files >= 4, "{files}");
}

#[test]
fn a_signature_is_for_one_purpose_and_one_text() {
    let vault = Store::new().vault();
    let key = vault.verifying_key();
    let signature = vault.sign("surgewall erasure 1", b"keys 3\n");
    assert!(is_signed(&key, "surgewall erasure 1", b"keys 3\n", &signature));
    assert!(!is_signed(&key, "surgewall erasure 1", b"keys 4\n", &signature));
    assert!(!is_signed(&key, "surgewall erasure 2", b"keys 3\n", &signature));
    assert!(!is_signed(&Store::new().vault().verifying_key(), "p", b"", &vault.sign("p", b"")));
}

/// What happens to a vault.
#[derive(Clone, Debug)]
enum Event {
    Seal(u8, bool, u8),
    Erase(u8),
    Expire(bool, u8),
    Reopen,
    Rotate,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..4u8, any::<bool>(), 0..5u8).prop_map(|(who, c, e)| Event::Seal(who, c, e)),
        3 => (0..4u8).prop_map(Event::Erase),
        1 => (any::<bool>(), 0..6u8).prop_map(|(c, e)| Event::Expire(c, e)),
        1 => Just(Event::Reopen),
        1 => Just(Event::Rotate),
    ]
}

/// One thing that was sealed.
struct Sealed {
    key: (u8, bool, u8),
    bytes: Vec<u8>,
    is_open: bool,
}

fn subject(who: u8) -> Subject {
    Subject::Account(AccountId::from_u128(u128::from(who)))
}

fn content(is_record: bool) -> Content {
    CONTENTS[usize::from(is_record)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_schedule_opens_what_was_not_destroyed_and_nothing_else(
        events in prop::collection::vec(event(), 1..24),
    ) {
        let store = Store::new();
        let mut vault = store.vault();
        let mut keys = BTreeSet::new();
        let mut items: Vec<Sealed> = Vec::new();
        for event in events {
            let gone: BTreeSet<_> = match event {
                Event::Seal(who, c, e) => {
                    let (at, plain) = (day_one(e.into()), format!("item {}", items.len()));
                    let sealed =
                        vault.seal_for(content(c), subject(who), at, "x", plain.as_bytes());
                    keys.insert((who, c, e));
                    items.push(Sealed { key: (who, c, e), bytes: sealed.unwrap(), is_open: true });
                    BTreeSet::new()
                }
                Event::Erase(who) => {
                    let gone: BTreeSet<_> =
                        keys.iter().filter(|key| key.0 == who).copied().collect();
                    prop_assert_eq!(vault.erase(subject(who)).unwrap().keys as usize, gone.len());
                    gone
                }
                Event::Expire(c, e) => {
                    let gone: BTreeSet<_> =
                        keys.iter().filter(|key| key.1 == c && key.2 < e).copied().collect();
                    let count = vault.expire(content(c), day_one(e.into())).unwrap();
                    prop_assert_eq!(count as usize, gone.len());
                    gone
                }
                Event::Reopen => {
                    drop(vault);
                    vault = store.vault();
                    BTreeSet::new()
                }
                Event::Rotate => {
                    let rotated = vault.rotate(day_one(1)).unwrap();
                    prop_assert_eq!((rotated.keys as usize, rotated.lost), (keys.len(), 0));
                    BTreeSet::new()
                }
            };
            keys.retain(|key| !gone.contains(key));
            items.iter_mut().filter(|item| gone.contains(&item.key)).for_each(|i| i.is_open = false);
            for (number, item) in items.iter().enumerate() {
                let (who, c, _) = item.key;
                let opened = vault.open_for(content(c), subject(who), "x", &item.bytes);
                match (&opened, item.is_open) {
                    (Ok(plain), true) => {
                        let expected = format!("item {number}");
                        prop_assert_eq!(plain.as_slice(), expected.as_bytes());
                    }
                    (Err(VaultError::Erased), false) => {}
                    // Something was sealed again for an epoch that had expired.
                    (Err(VaultError::Sealed), false) => prop_assert!(keys.contains(&item.key)),
                    _ => prop_assert!(false, "{number}: {}", word(&opened)),
                }
            }
            prop_assert_eq!(vault.status().unwrap().keys, keys.len());
        }
    }
}
