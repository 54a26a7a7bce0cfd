//! `admin vault` beside a running door and without one.
#![expect(clippy::unwrap_used, reason = "a test without its vault has failed")]

use std::fs;

use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::files::read_text;
use surgewall_core::subject::Subject;
use surgewall_store::datadir::DataDir;
use surgewall_store::people::{People as _, Pick};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::{Content, Vault, VaultError};

use crate::site::{ANY_PORTS, Door, Site, mode};

const AT: Timestamp = Timestamp::from_millis(1_760_000_000_000);
const ERASE: [&str; 7] =
    ["admin", "vault", "erase", "--account", "ada@example.org", "--format", "json"];

/// A site with an account, and something that the account wrote.
fn site() -> (Site, Subject, Vec<u8>) {
    let site = Site::with(ANY_PORTS);
    let id = site.stdout(&["admin", "user", "create", "--email", "ada@example.org"], 0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let account = runtime.block_on(async {
        let people = Sqlite::open(&site.path("surgewall-data/door.sqlite")).await.unwrap();
        let rows = people.accounts(&Pick::PublicId(id.trim().to_owned())).await.unwrap();
        people.close().await;
        Subject::Account(rows[0].id)
    });
    let sealed = vault(&site).seal_for(Content::Conversation, account, AT, "x", b"y").unwrap();
    (site, account, sealed)
}

fn vault(site: &Site) -> Vault {
    let data = DataDir::open(&site.path("surgewall-data")).unwrap();
    Vault::open(&data, Some(&site.master_key())).unwrap()
}

fn json(site: &Site, words: &[&str]) -> Value {
    serde_json::from_str(&site.stdout(words, 0)).unwrap()
}

fn check(door: Option<Door>, site: &Site, account: Subject, sealed: &[u8]) {
    let status = || json(site, &["admin", "vault", "status", "--format", "json"]);
    assert_eq!((&status()["keys"], &status()["rotated_at"]), (&1.into(), &Value::Null));
    let key = read_text(&site.master_key(), 1 << 10).unwrap();
    let rotated = json(site, &["admin", "vault", "rotate", "--format", "json"]);
    assert_eq!((&rotated["keys"], &rotated["lost"]), (&1.into(), &0.into()));
    assert_ne!(read_text(&site.master_key(), 1 << 10).unwrap(), key);
    assert_eq!(mode(&site.master_key()), 0o600);
    assert!(status()["rotated_at"].is_number());
    let open = |sealed: &[u8]| vault(site).open_for(Content::Conversation, account, "x", sealed);
    assert_eq!(open(sealed).unwrap(), b"y");
    let receipt = json(site, &ERASE);
    assert_eq!(receipt["keys"], 1);
    assert!(matches!(open(sealed), Err(VaultError::Erased)));
    assert_eq!(json(site, &ERASE)["keys"], 0, "a second time is no error");
    assert_eq!((&status()["keys"], &status()["erased"]), (&0.into(), &1.into()));
    drop(door);
    let ledger = site.stdout(&["admin", "ledger", "export"], 0);
    let lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let kept: Vec<_> = lines.filter(|line| line["record"] == "erased").collect();
    assert_eq!(kept.len(), 2);
    for field in ["subject", "keys", "signature", "at"] {
        assert_eq!(kept[0][field], receipt[field], "{field}");
    }
    assert_eq!(site.run(&["check", "ledger"]).status.code(), Some(0));
}

#[test]
fn erasing_and_rotating_without_a_door() {
    let (site, account, sealed) = site();
    check(None, &site, account, &sealed);
}

#[test]
fn erasing_and_rotating_through_a_running_door() {
    let (site, account, sealed) = site();
    let door = site.serve(&[]);
    check(Some(door), &site, account, &sealed);
}

#[test]
fn what_is_said_about_the_vault() {
    let (site, ..) = site();
    let hidden = |text: &str| -> String {
        let words = text.split_inclusive(|c: char| c.is_whitespace());
        let is_hex = |word: &str| word.len() > 60 && word.bytes().all(|b| b.is_ascii_hexdigit());
        words
            .map(|word| {
                if is_hex(word.trim()) { word.replace(word.trim(), "HEX") } else { word.to_owned() }
            })
            .collect()
    };
    let dated = |text: &str| -> String {
        text.lines().map(|line| {
            if line.starts_with("at ") || line.starts_with("rotated  ") {
                line.replace(|c: char| c.is_ascii_digit(), "0")
            } else {
                line.to_owned()
            }
        } + "\n").collect()
    };
    let shown = |words: &[&str]| dated(&hidden(&site.shown(words)));
    let said = [
        shown(&["admin", "vault", "status"]),
        shown(&["admin", "vault", "erase", "--account", "bob@example.org"]),
        shown(&["admin", "vault", "erase", "--account", "ada@example.org"]),
        shown(&["admin", "vault", "erase", "--account", "ada@example.org"]),
        shown(&["admin", "vault", "erase", "--strangers"]),
        shown(&["admin", "vault", "erase"]),
        shown(&["admin", "vault", "rotate"]),
        shown(&["admin", "vault", "status"]),
    ];
    insta::assert_snapshot!("vault", said.join("\n"));
}

#[test]
fn a_missing_accounts_file_stops_the_door_and_is_said_by_the_check() {
    let (site, account, sealed) = site();
    let accounts = site.master_key().with_extension("accounts");
    let refused = site.run(&["admin", "vault", "replace-lost"]);
    assert_eq!(refused.status.code(), Some(2), "it is there");
    assert_eq!(mode(&accounts), 0o600);
    fs::remove_file(&accounts).unwrap();
    for words in [&["serve"][..], &["admin", "vault", "status"], &["admin", "user", "list"]] {
        let output = site.run(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(".accounts is missing"), "{said}");
    }
    let found = site.stdout(&["check", "config"], 1);
    assert!(found.contains(".accounts is missing"), "{found}");
    assert!(!accounts.exists());
    site.stdout(&["admin", "vault", "replace-lost"], 0);
    assert!(site.stdout(&["admin", "user", "list"], 0).contains("ada@example.org"));
    let opened = vault(&site).open_for(Content::Conversation, account, "x", &sealed);
    assert!(matches!(opened, Err(VaultError::KeyLost { .. })));
    assert!(site.serve(&[]).line.starts_with("ready "));
    assert!(site.stdout(&["admin", "ledger", "export"], 0).contains("vault.replace_lost"));
}

#[test]
fn a_credential_of_systemd_is_the_master_key_and_is_not_rotated() {
    let (site, account, sealed) = site();
    let (key, credentials) = (site.master_key(), site.path("credentials"));
    fs::create_dir(&credentials).unwrap();
    fs::rename(&key, credentials.join("surgewall.key")).unwrap();
    let run = |words: &[&str]| site.run_with(words, ("CREDENTIALS_DIRECTORY", &credentials));
    let listed = run(&["admin", "vault", "status"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(text.contains("credentials/surgewall.key") && text.contains("1 data key"), "{text}");
    let refused = run(&["admin", "vault", "rotate"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("credential of systemd"), "{said}");
    assert!(run(&ERASE).status.success());
    fs::rename(credentials.join("surgewall.key"), &key).unwrap();
    let opened = vault(&site).open_for(Content::Conversation, account, "x", &sealed);
    assert!(matches!(opened, Err(VaultError::Erased)));
}

#[test]
fn a_command_may_keep_the_master_key_and_whoever_keeps_it_rotates_it() {
    let (old, new) = ("0123456789abcdef".repeat(4), "fedcba9876543210".repeat(4));
    let site = Site::new();
    let print = |text: &str| site.write("printed", text);
    let printed = site.path("printed").display().to_string();
    site.write(
        "surgewall.toml",
        &format!("{ANY_PORTS}[vault]\nkey_command = [\"/bin/cat\", \"{printed}\"]\n"),
    );
    let create =
        |email: &str, status| site.stdout(&["admin", "user", "create", "--email", email], status);
    // No key is made where the keeper has none.
    print("");
    create("ada@example.org", 2);
    print(&old);
    create("ada@example.org", 0);
    let mut door = site.serve(&[]);
    let rotate = ["admin", "vault", "rotate", "--format", "json"];
    site.stdout(&rotate, 2);
    print(&format!("{old}\n{new}\n"));
    let rotated = json(&site, &rotate);
    assert_eq!((&rotated["lost"], &rotated["command"]), (&0.into(), &true.into()));
    door.signal("TERM");
    door.ended();
    print(&new);
    create("bob@example.org", 0);
    let log = site.read("log");
    assert!(!log.contains(&old) && !log.contains(&new), "{log}");
    print(&old);
    create("eve@example.org", 2);
    // What the keeper says on stderr is told with the failure.
    site.write(
        "surgewall.toml",
        &format!("{ANY_PORTS}[vault]\nkey_command = [\"/bin/cat\", \"/nowhere/key\"]\n"),
    );
    insta::assert_snapshot!("key_command_fails", site.shown(&["admin", "vault", "status"]));
}
