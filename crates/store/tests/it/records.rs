//! Records as an operator meets them: written, read again, changed by somebody,
//! erased, and looked for by a thief.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _};
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::{Outcome, Record};
use surgewall_core::id::{AccountId, RequestId};
use surgewall_core::principal::DelegatedUser;
use surgewall_core::subject::Subject;
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::export;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::records::{
    Cursor, EVENT_TEXT_BYTES_MAX, Event, Records, RecordsError, RecordsOptions, RecordsReader,
    Redact, Said,
};
use surgewall_store::vault::Vault;
use tempfile::TempDir;

/// What the tests' redaction takes out.
pub(crate) const SECRET: &str = "sk-canary-0123456789abcdef";

pub(crate) struct NoSecrets;

impl Redact for NoSecrets {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.contains(SECRET) {
            Cow::Owned(text.replace(SECRET, "[secret]"))
        } else {
            Cow::Borrowed(text)
        }
    }
}

/// A data directory and its key.
pub(crate) struct Store {
    _base: Option<TempDir>,
    pub(crate) directory: DataDir,
    pub(crate) vault: Vault,
    clock: Clock,
}

impl Store {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        let base = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let mut store = Self::at(base.path());
        (store._base, store.clock) = (Some(base), Clock::Manual(clock.clone()));
        store
    }

    /// The one in `base`.
    pub(crate) fn at(base: &Path) -> Self {
        let directory = DataDir::open_or_create(&base.join("data")).unwrap();
        let vault = Vault::open_or_create(&directory, Some(&base.join("key"))).unwrap();
        Self { _base: None, directory, vault, clock: Clock::System }
    }

    pub(crate) async fn open(&self) -> (Records, Ledger) {
        let options = LedgerOptions::new(&schema::Ledger::default(), self.clock.clone());
        let (ledger, _) = Ledger::open(&self.directory, &self.vault, options).unwrap();
        let options = RecordsOptions::new(&schema::Vault::default(), self.clock.clone());
        let opened = Records::open(
            &self.directory,
            &self.vault,
            ledger.clone(),
            Arc::new(NoSecrets),
            options,
        );
        (opened.await.unwrap(), ledger)
    }

    pub(crate) async fn reader(&self) -> RecordsReader {
        RecordsReader::open(&self.directory, &self.vault).await.unwrap().unwrap()
    }

    /// The root of each batch, as the ledger has it.
    pub(crate) fn roots(&self) -> BTreeMap<u64, String> {
        let mut roots = BTreeMap::new();
        let visit = |_, record| {
            if let Record::Stored(stored) = record {
                let before = roots.insert(stored.batch, stored.root.clone());
                assert!(before.is_none_or(|before| before == stored.root), "{stored:?}");
            }
        };
        assert_eq!(export(&self.directory.ledger(), &self.vault, visit).unwrap(), []);
        roots
    }

    /// All events of one subject, which all open.
    pub(crate) async fn events(&self, subject: Subject) -> Vec<Event> {
        let (mut reader, mut cursor) = (self.reader().await, Cursor::default());
        let mut events = Vec::new();
        while let Some(found) = reader.next(subject, &mut cursor).await.unwrap() {
            events.extend(found.events.unwrap());
        }
        events
    }
}

pub(crate) fn account(n: u128) -> Subject {
    Subject::Account(AccountId::from_u128(n))
}

pub(crate) fn event(n: u128, at: Timestamp, subject: Subject, text: &str) -> Event {
    Event {
        request_id: RequestId::from_u128(n),
        at,
        subject,
        region: "eu".into(),
        model: "tiny".into(),
        dialect: "openai".into(),
        outcome: Outcome::Completed,
        input_tokens: 3,
        output_tokens: 4,
        request: Said { text: text.into(), cut: false },
        answer: Said { text: format!("you said {text}"), cut: false },
    }
}

pub(crate) async fn close(records: Records, ledger: Ledger) {
    records.shutdown().await.unwrap();
    ledger.shutdown().await.unwrap();
}

pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

pub(crate) fn clock() -> ManualClock {
    ManualClock::new(START)
}

pub(crate) async fn record(records: &Records, event: Event) -> u64 {
    let room = records.room(event.bytes()).await.unwrap();
    records.append(room, event).await.unwrap()
}

/// Records all of `events` at once: they share batches.
pub(crate) async fn record_all(records: &Records, events: impl IntoIterator<Item = Event>) {
    let mut events: Vec<Event> = events.into_iter().collect();
    let last = events.pop().unwrap();
    for event in events {
        let room = records.room(event.bytes()).await.unwrap();
        records.append_detached(room, event);
    }
    record(records, last).await;
}

#[tokio::test]
async fn events_are_read_again_by_subject_in_the_order_of_time_and_redacted() {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    let user = Subject::Delegated(DelegatedUser(1));
    let subjects = [account(1), account(2), Subject::Strangers, user];
    let at = |n: u64| Timestamp::from_millis(START.millis() + n);
    let events: Vec<Event> = (0..200_u64)
        .zip(subjects.into_iter().cycle())
        .map(|(n, of)| event(n.into(), at(n), of, &format!("{SECRET} and {n}")))
        .collect();
    record_all(&records, events.iter().take(100).cloned()).await;
    record_all(&records, events.iter().skip(100).cloned()).await;
    assert_eq!(records.health().events, 200);
    close(records, ledger).await;
    for (nth, subject) in subjects.into_iter().enumerate() {
        let found = store.events(subject).await;
        let mut expected: Vec<Event> =
            events.iter().filter(|event| event.subject == subject).cloned().collect();
        for event in &mut expected {
            event.request.text = event.request.text.replace(SECRET, "[secret]");
            event.answer.text = event.answer.text.replace(SECRET, "[secret]");
        }
        assert_eq!(found, expected, "{nth}");
    }
    let (mut reader, roots) = (store.reader().await, store.roots());
    assert_eq!(reader.batches().await.unwrap(), roots.keys().copied().collect::<Vec<_>>());
    for (batch, root) in roots {
        assert_eq!(reader.root(batch).await.unwrap(), root);
    }
}

#[tokio::test]
async fn the_largest_events_go_through_and_longer_ones_are_cut() {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    let text = |len: usize| "x".repeat(len);
    let mut events = Vec::new();
    for (n, len) in [(0, EVENT_TEXT_BYTES_MAX), (1, EVENT_TEXT_BYTES_MAX + 1), (2, 5)] {
        let mut long = event(n, START, account(1), &text(len));
        long.answer.text = text(len);
        events.push(long);
    }
    record_all(&records, events).await;
    close(records, ledger).await;
    let found = store.events(account(1)).await;
    let seen: Vec<_> = found.iter().map(|e| (e.request.text.len(), e.request.cut)).collect();
    let most = EVENT_TEXT_BYTES_MAX;
    assert_eq!(seen, [(most, false), (most, true), (5, false)]);
}

#[tokio::test]
async fn a_clock_that_is_set_back_an_hour_loses_nothing() {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    record(&records, event(1, START, account(1), "before")).await;
    close(records, ledger).await;
    let hour = Duration::from_secs(3_600);
    let back = Timestamp::from_millis(START.millis() - 3_600_000);
    let store = Store { clock: Clock::Manual(ManualClock::new(back)), ..store };
    let (records, ledger) = store.open().await;
    record(&records, event(2, back, account(1), "after")).await;
    close(records, ledger).await;
    let found: Vec<_> = store.events(account(1)).await.into_iter().map(|e| e.at).collect();
    assert_eq!(found, [back, back.plus(hour)], "in the order of their own time");
    assert_eq!(store.roots().len(), 2);
}

#[tokio::test]
async fn changed_and_moved_blocks_say_which_one_it_is_and_the_others_open() {
    let changes = [
        "UPDATE blocks SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) AS BLOB) WHERE id = {id}",
        "UPDATE blocks SET sealed = x'' WHERE id = {id}",
        "UPDATE blocks SET sealed = CAST(substr(sealed, 1, 30) || x'00' || substr(sealed, 32) AS BLOB) WHERE id = {id}",
        "UPDATE blocks SET sealed = (SELECT sealed FROM blocks WHERE id = {id} + 1048576) WHERE id = {id}",
        "UPDATE blocks SET first_at = first_at + 1 WHERE id = {id}",
        "UPDATE blocks SET events = events + 1 WHERE id = {id}",
        "UPDATE blocks SET region = 'us' WHERE id = {id}",
        "UPDATE blocks SET id = id + 1 WHERE id = {id}",
    ];
    for change in changes {
        let store = Store::new(&clock());
        let (records, ledger) = store.open().await;
        for n in 1..=3 {
            record(&records, event(n, START, account(1), &format!("text {n}"))).await;
        }
        close(records, ledger).await;
        // The block at position 0 of batch 2.
        alter(&store.directory.records(), &change.replace("{id}", "2097152")).await;
        let (mut reader, mut cursor) = (store.reader().await, Cursor::default());
        let (mut opened, mut damaged) = (Vec::new(), Vec::new());
        while let Some(found) = reader.next(account(1), &mut cursor).await.unwrap() {
            match found.events {
                Ok(events) => opened.extend(events.iter().map(|e| e.request_id.as_u128())),
                Err(RecordsError::Block { batch, .. }) => damaged.push(batch),
                Err(other) => panic!("{other}"),
            }
        }
        opened.sort_unstable();
        assert_eq!((opened, damaged), (vec![1, 3], vec![2]), "{change}");
    }
}

async fn alter(path: &Path, sql: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    let mut connection = options.connect().await.unwrap();
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
    connection.close().await.unwrap();
}

#[tokio::test]
async fn an_exchanged_block_does_not_fit_the_root_in_the_ledger() {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    for n in 1..=2 {
        record(&records, event(n, START, account(1), "text")).await;
    }
    close(records, ledger).await;
    let change = "UPDATE blocks SET sealed = (SELECT sealed FROM blocks WHERE id = 1048576) WHERE id = 2097152";
    alter(&store.directory.records(), change).await;
    let (mut reader, roots) = (store.reader().await, store.roots());
    assert_eq!(reader.root(1).await.unwrap(), roots[&1]);
    assert_ne!(reader.root(2).await.unwrap(), roots[&2]);
}

#[tokio::test]
async fn an_erased_subject_is_unreadable_and_every_proof_still_holds() {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    record_all(&records, (0..40).map(|n| event(n, START, account(n % 2), "before"))).await;
    let others = store.events(account(1)).await;
    assert_eq!(store.vault.erase(account(0)).unwrap().keys, 1);
    record(&records, event(99, START, account(0), "after")).await;
    close(records, ledger).await;
    let (mut reader, mut cursor) = (store.reader().await, Cursor::default());
    let mut found = Vec::new();
    while let Some(block) = reader.next(account(0), &mut cursor).await.unwrap() {
        found.push(block.events.map(|events| events[0].request_id.as_u128()));
    }
    let (last, erased) = found.split_last().unwrap();
    assert_eq!(last.as_ref().unwrap(), &99, "what came later has keys of its own");
    for block in erased {
        let error = block.as_ref().unwrap_err().to_string();
        assert!(error.contains("destroyed"), "{error}");
    }
    assert_eq!(store.events(account(1)).await, others);
    for (batch, root) in store.roots() {
        assert_eq!(reader.root(batch).await.unwrap(), root);
    }
}

#[tokio::test]
async fn no_file_holds_what_was_said_nor_whose_it_is() {
    let store = Store::new(&clock());
    let (records, ledger) = store.open().await;
    let marker = "purple-giraffe-marker";
    for n in 0..300 {
        let text = format!("{marker} {SECRET} {n}");
        let room = records.room(text.len()).await.unwrap();
        records.append_detached(room, event(n, START, account(n % 5), &text));
    }
    record(&records, event(300, START, account(1), marker)).await;
    // While the log is not folded in yet, and after it.
    search(&files(store.directory.path()), &[marker, SECRET, "you said"]);
    close(records, ledger).await;
    search(&files(store.directory.path()), &[marker, SECRET, "you said"]);
}

fn search(files: &[PathBuf], needles: &[&str]) {
    assert!(files.iter().any(|path| path.ends_with("records.sqlite")), "{files:?}");
    for path in files {
        let bytes = fs::read(path).unwrap();
        for needle in needles {
            let holds = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
            assert!(!holds, "{} holds {needle}", path.display());
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

#[tokio::test]
async fn a_file_of_another_kind_or_time_is_refused() {
    let store = Store::new(&clock());
    let path = store.directory.records();
    let (records, ledger) = store.open().await;
    close(records, ledger).await;
    for (sql, expected) in [
        ("PRAGMA user_version = 2", "newer"),
        ("PRAGMA user_version = 1; PRAGMA application_id = 7", "no file"),
    ] {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let refused = RecordsReader::open(&store.directory, &store.vault).await.unwrap_err();
        assert!(refused.to_string().contains(expected), "{refused}");
    }
    fs::remove_file(&path).unwrap();
    assert!(RecordsReader::open(&store.directory, &store.vault).await.unwrap().is_none());
}
