//! The database itself: what survives, what is refused, and what a thief reads.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use surgewall_core::digest::{hex, sha256};
use surgewall_core::id::KeyId;
use surgewall_core::limits::CONFIGS_KEPT_MAX;
use surgewall_core::principal::{Class, DelegatedUser, Scopes};
use surgewall_store::admin::{AccountEnsure, Foreign, GroupCreate, KeyCreate, Request, UserCreate};
use surgewall_store::directory::{Batch, Directory};
use surgewall_store::people::sealed::{keep_config, open_config};
use surgewall_store::people::{People, Pick, StoreError, UserSeen};
use surgewall_store::sqlite::{SCHEMA_VERSION, Sqlite};
use surgewall_store::vault::Vault;

use crate::accounts::{Desk, key_named};

const BCRYPT: &str = "$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie";

/// Every kind of text in every kind of column, all of them with `plain` in
/// them; gives the key that was made.
async fn fill(desk: &Desk) -> String {
    let group = GroupCreate {
        name: "Plain Group Name".to_owned(),
        limits: vec!["requests=9/1m:plain-model".to_owned()],
    };
    let user = UserCreate {
        email: "plain.person@example.org".to_owned(),
        group: Some("Plain Group Name".to_owned()),
        ..UserCreate::default()
    };
    let account = AccountEnsure {
        issuer: "https://plain-issuer.example".to_owned(),
        subject: "plain-subject".to_owned(),
        class: Class::Verified,
        claimed: None,
        group: None,
        granted: None,
        email: None,
    };
    desk.ask(Request::GroupCreate(group)).await.unwrap();
    desk.ask(Request::UserCreate(user)).await.unwrap();
    desk.ask(Request::AccountEnsure(account)).await.unwrap();
    let bcrypt = Foreign::Bcrypt { hash: BCRYPT.to_owned(), prefix: "plain-prefix".to_owned() };
    let sha256 = Foreign::Sha256(hex(&sha256(b"plain-foreign")));
    for (name, foreign) in [("Plain Two", bcrypt), ("Plain Three", sha256)] {
        let asked = KeyCreate { foreign: Some(foreign), ..key_named(name) };
        desk.ask(Request::KeyCreate(asked)).await.unwrap();
    }
    let text = "name = \"plain-upstream\"";
    keep_config(&desk.people, &desk.vault, "0123", text, desk.now()).await.unwrap();
    let scopes = Scopes {
        models: vec!["plain-model".to_owned()],
        networks: vec!["203.0.113.0/24".parse().unwrap()],
        ..Scopes::default()
    };
    let asked = KeyCreate {
        account: Some("plain.person@example.org".to_owned()),
        scopes,
        limits: vec!["requests=7/1m:plain-model".to_owned()],
        ..key_named("Plain Key Name")
    };
    desk.key(asked).await.1
}

/// Holds every byte of the data directory against `needles`, whatever the case.
fn look(desk: &Desk, needles: &[Vec<u8>]) {
    let entries = fs::read_dir(desk.base.path().join("data")).unwrap();
    let files: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    assert!(files.iter().any(|path| fs::read(path).unwrap().starts_with(b"SQLite format 3")));
    for path in files {
        let bytes = fs::read(&path).unwrap().to_ascii_lowercase();
        for needle in needles.iter().map(|needle| needle.to_ascii_lowercase()) {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} holds {:?}", path.display(), String::from_utf8_lossy(&needle));
        }
    }
}

#[tokio::test]
async fn a_stolen_database_names_nobody() {
    let desk = Desk::new().await;
    let secret = fill(&desk).await;
    let foreign = sha256(b"plain-foreign");
    let needles: Vec<Vec<u8>> = vec![
        b"plain".to_vec(),
        b"203.0.113".to_vec(),
        secret.as_bytes()[8..38].to_vec(),
        BCRYPT.as_bytes()[29..].to_vec(),
        hex(&foreign).into_bytes(),
        foreign.to_vec(),
        sha256(secret.as_bytes()).to_vec(),
    ];
    look(&desk, &needles);
    desk.people.close().await;
    look(&desk, &needles);
}

#[tokio::test]
async fn the_database_is_private_and_reopens_as_it_was() {
    let desk = Desk::new().await;
    let (_, secret) = desk.key(key_named("k")).await;
    for name in fs::read_dir(desk.base.path().join("data")).unwrap() {
        let path = name.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{} is readable by others", path.display());
    }
    let desk = desk.restart().await.restart().await;
    assert_eq!(desk.find(&secret).await.unwrap().name, "k");
}

fn database(desk: &Desk) -> std::path::PathBuf {
    let entries = fs::read_dir(desk.base.path().join("data")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| fs::read(path).is_ok_and(|b| b.starts_with(b"SQLite format 3"))).unwrap()
}

async fn pragma(path: &std::path::Path, sql: &str) {
    use sqlx::Connection as _;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_and_a_strange_file_are_refused_and_left_alone() {
    let desk = Desk::new().await;
    let (_, secret) = desk.key(key_named("k")).await;
    desk.people.close().await;
    let path = database(&desk);
    pragma(&path, "PRAGMA user_version = 99").await;
    let before = fs::read(&path).unwrap();
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(
        matches!(error, StoreError::NewerSchema { found: 99, known: SCHEMA_VERSION }),
        "{error}"
    );
    assert!(error.to_string().contains("run the newer surgewall"));
    assert_eq!(fs::read(&path).unwrap(), before);

    pragma(&path, "PRAGMA application_id = 7").await;
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::NotOurs { found: 7, .. }), "{error}");

    let ours =
        format!("PRAGMA user_version = {SCHEMA_VERSION}; PRAGMA application_id = 0x53574442");
    pragma(&path, &ours).await;
    let people = Sqlite::open(&path).await.unwrap();
    let directory = Directory::load(&people, desk.vault.clone()).await.unwrap();
    assert!(directory.find_key(&secret, desk.now()).await.is_ok());
}

#[tokio::test]
async fn a_sealed_name_moved_to_another_row_does_not_open() {
    let desk = Desk::new().await;
    desk.key(key_named("one")).await;
    desk.pass(1);
    desk.key(key_named("two")).await;
    desk.people.close().await;
    let path = database(&desk);
    pragma(
        &path,
        "UPDATE keys SET name_sealed = (SELECT name_sealed FROM keys ORDER BY id LIMIT 1)",
    )
    .await;
    let people = Sqlite::open(&path).await.unwrap();
    let error = Directory::load(&people, desk.vault.clone()).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { column: "keys.name" }), "{error}");
}

#[tokio::test]
async fn last_uses_are_written_in_batches_and_never_move_back() {
    let desk = Desk::new().await;
    let (_, secret) = desk.key(key_named("k")).await;
    let key = desk.find(&secret).await.unwrap().id;
    let used = desk.now();
    for _ in 0..1_000 {
        desk.directory.touch(key, used);
        desk.directory.touch_user(key, DelegatedUser(7), used);
    }
    desk.directory.write_touched(&desk.people).await.unwrap();
    assert_eq!(desk.directory.drain_touched(), Batch::default(), "one write for a thousand uses");
    let stored = |people: Sqlite| async move {
        people.keys(&Pick::Ids(vec![key.as_u128()])).await.unwrap()[0].last_used_at
    };
    assert_eq!(stored(desk.people.clone()).await, Some(used));
    let earlier = surgewall_core::clock::Timestamp::from_millis(5);
    desk.people.write_key_uses(&[(key, earlier)]).await.unwrap();
    assert_eq!(stored(desk.people.clone()).await, Some(used));

    // What cannot be written waits for the next time.
    desk.directory.touch(key, desk.now());
    desk.directory.touch(KeyId::from_u128(1), desk.now());
    assert!(desk.directory.write_touched(&desk.people).await.is_err(), "an unknown key");
    assert_eq!(desk.directory.drain_touched().keys.len(), 2);
    let seen = UserSeen { key, user: DelegatedUser(8), at: used };
    desk.people.write_users_seen(&[seen, seen]).await.unwrap();
}

#[tokio::test]
async fn the_last_fifty_configurations_are_kept() {
    let desk = Desk::new().await;
    let keep = |n: usize| {
        let (people, vault, now) = (desk.people.clone(), desk.vault.clone(), desk.now());
        async move { keep_config(&people, &vault, &format!("{n:016x}"), &format!("# {n}"), now).await }
    };
    for n in 0..CONFIGS_KEPT_MAX + 2 {
        desk.pass(1);
        keep(n).await.unwrap();
    }
    desk.pass(1);
    keep(10).await.unwrap();
    let configs = desk.people.configs().await.unwrap();
    assert_eq!(configs.len(), CONFIGS_KEPT_MAX);
    assert_eq!(configs[0].hash, format!("{:016x}", 10), "one that comes back is the newest");
    assert_eq!(open_config(&desk.vault, &configs[0]).unwrap(), "# 10");
    assert!(!configs.iter().any(|config| config.hash == format!("{:016x}", 1)));
}

#[tokio::test]
async fn another_stores_vault_opens_nothing() {
    let (desk, other) = (Desk::new().await, Desk::new().await);
    desk.key(key_named("k")).await;
    let vault: Vault = other.vault.clone();
    let error = Directory::load(&desk.people, vault).await.unwrap_err();
    assert!(matches!(error, StoreError::Sealed { .. }), "{error}");
}
