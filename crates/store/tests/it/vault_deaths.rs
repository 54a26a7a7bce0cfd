//! The vault under `kill -9`, and with many threads at once.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use surgewall_core::clock::Timestamp;
use surgewall_core::digest::hex;
use surgewall_core::id::AccountId;
use surgewall_core::subject::Subject;
use surgewall_store::datadir::DataDir;
use surgewall_store::vault::{Content, Vault, VaultError};

const PLACE: &str = "SURGEWALL_TEST_VAULT";
const AT: Timestamp = Timestamp::from_millis(1_760_000_000_000);

fn vault(base: &Path) -> Vault {
    let data = DataDir::open_or_create(&base.join("data")).unwrap();
    Vault::open_or_create(&data, Some(&base.join("master.key"))).unwrap()
}

fn subject(id: u32) -> Subject {
    Subject::Account(AccountId::from_u128(id.into()))
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// Seals for ever new subjects and erases every third, and says each when it
/// is done. It runs as a child of the test below.
#[test]
#[ignore = "the child of kill_9_loses_nothing_that_was_acknowledged"]
fn child() {
    let Ok(place) = std::env::var(PLACE) else { return };
    let vault = vault(Path::new(&place));
    let begin = u32::try_from(vault.status().unwrap().keys).unwrap() * 2;
    let mut out = std::io::stdout();
    for id in begin.. {
        let text = format!("what {id} said");
        let sealed = vault.seal_for(Content::Record, subject(id), AT, "x", text.as_bytes());
        writeln!(out, "\nsealed {id} {}", hex(&sealed.unwrap())).unwrap();
        if id % 3 == 2 {
            assert_eq!(vault.erase(subject(id)).unwrap().keys, 1);
            writeln!(out, "\nerased {id} -").unwrap();
        }
        out.flush().unwrap();
    }
}

#[test]
fn kill_9_loses_nothing_that_was_acknowledged() {
    let base = tempfile::tempdir().unwrap();
    drop(vault(base.path()));
    let mut sealed = BTreeMap::new();
    let mut erased = BTreeMap::new();
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["vault_deaths::child", "--exact", "--ignored", "--nocapture"])
            .env(PLACE, base.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left: usize = round * 7;
        for line in lines.map_while(Result::ok) {
            let words: Vec<_> = line.split(' ').collect();
            match words[..] {
                ["sealed", id, hex] => drop(sealed.insert(id.parse::<u32>().unwrap(), bytes(hex))),
                ["erased", id, "-"] => {
                    let id = id.parse::<u32>().unwrap();
                    erased.insert(id, sealed.remove(&id).unwrap());
                }
                _ => continue,
            }
            // What it said before it died is read to the end.
            if left == 1 {
                child.kill().unwrap();
            }
            left = left.saturating_sub(1);
        }
        child.wait().unwrap();
        let vault = vault(base.path());
        for (id, sealed) in &sealed {
            let opened = vault.open_for(Content::Record, subject(*id), "x", sealed);
            // Of the last one the erasure may have come through, and its word not.
            let is_last = id % 3 == 2 && matches!(opened, Err(VaultError::Erased));
            assert!(is_last || opened.unwrap() == format!("what {id} said").as_bytes(), "{id}");
        }
        for (id, sealed) in &erased {
            let opened = vault.open_for(Content::Record, subject(*id), "x", sealed);
            assert!(matches!(opened, Err(VaultError::Erased)), "{id}");
        }
        assert!(sealed.len() + erased.len() >= round * 4);
    }
}

#[test]
fn many_threads_seal_while_others_are_erased_and_the_key_is_replaced() {
    let base = tempfile::tempdir().unwrap();
    let vault = vault(base.path());
    let kept: Vec<_> = thread::scope(|scope| {
        let sealers: Vec<_> = (0..4)
            .map(|thread: u32| {
                let vault = vault.clone();
                scope.spawn(move || {
                    let seal = |turn: u32| {
                        let (whose, text) = (subject(turn % 8), format!("{thread} {turn}"));
                        let sealed =
                            vault.seal_for(Content::Record, whose, AT, "x", text.as_bytes());
                        (turn % 8, text, sealed.unwrap())
                    };
                    (0..200).map(seal).collect::<Vec<_>>()
                })
            })
            .collect();
        for turn in 0..20 {
            // Only odd subjects are ever erased.
            let _ = vault.erase(subject(turn % 4 * 2 + 1)).unwrap();
            if turn % 7 == 3 {
                let _ = vault.rotate(AT).unwrap();
            }
        }
        sealers.into_iter().flat_map(|sealer| sealer.join().unwrap()).collect()
    });
    for vault in [&vault, &self::vault(base.path())] {
        for (id, text, sealed) in &kept {
            match vault.open_for(Content::Record, subject(*id), "x", sealed) {
                Ok(plain) => assert_eq!(plain, text.as_bytes()),
                Err(VaultError::Erased) => assert_eq!(id % 2, 1, "{id} was never erased"),
                Err(error) => panic!("{id}: {error}"),
            }
        }
    }
}
