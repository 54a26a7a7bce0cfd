//! The store of records against faults that only an injected one shows.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::{Outcome, Record, RemovedFor, Stored};
use surgewall_core::finding::Finding;
use surgewall_core::id::{AccountId, RequestId};
use surgewall_core::subject::Subject;
use surgewall_scan::ledger::{Means, verify_all};
use tempfile::TempDir;

use super::engine::Engine;
use super::{Cursor, Event, Records, RecordsError, RecordsOptions, RecordsReader, Redact, Said};
use crate::datadir::DataDir;
use crate::ledger::read::export;
use crate::ledger::{Ledger, LedgerOptions};
use crate::vault::{EPOCH_DAYS, Vault};

const DAY: Duration = Duration::from_secs(86_400);
const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

struct NoSecrets;

impl Redact for NoSecrets {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        Cow::Owned(text.replace("hunter2", "[secret]"))
    }
}

struct Store {
    _base: TempDir,
    directory: DataDir,
    vault: Vault,
    clock: ManualClock,
    retention_days: u32,
    bytes_max: u64,
    waiting_bytes_max: u64,
}

impl Store {
    fn new() -> Self {
        let base = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let directory = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let vault = Vault::open_or_create(&directory, Some(&base.path().join("key"))).unwrap();
        Self {
            _base: base,
            directory,
            vault,
            clock: ManualClock::new(START),
            retention_days: 30,
            bytes_max: 1 << 30,
            waiting_bytes_max: 64 << 20,
        }
    }

    async fn open(&self) -> (Records, Ledger) {
        let clock = Clock::Manual(self.clock.clone());
        let options = LedgerOptions::new(&schema::Ledger::default(), clock.clone());
        let (ledger, _) = Ledger::open(&self.directory, &self.vault, options).unwrap();
        let options = RecordsOptions {
            retention_days: self.retention_days,
            bytes_max: self.bytes_max,
            waiting_bytes_max: self.waiting_bytes_max,
            clock,
        };
        let opened = Records::open(
            &self.directory,
            &self.vault,
            ledger.clone(),
            Arc::new(NoSecrets),
            options,
        );
        (opened.await.unwrap(), ledger)
    }

    async fn reader(&self) -> RecordsReader {
        RecordsReader::open(&self.directory, &self.vault).await.unwrap().unwrap()
    }

    /// What a check without the master key finds, and how many batches fit.
    async fn check(&self) -> (Vec<Finding>, u64) {
        let (ledger, records) = (self.directory.ledger(), self.directory.records());
        let means = Means::default();
        let verification = verify_all(&ledger, &records, &means, &mut |_| {}).await.unwrap();
        (verification.findings, verification.batches.unwrap())
    }

    /// The batches that the ledger says retention took.
    fn removed(&self) -> Vec<(u64, u64, RemovedFor)> {
        let mut all = Vec::new();
        let visit = |_, record| {
            if let Record::Removed(removed) = record {
                all.push((removed.first, removed.last, removed.why));
            }
        };
        assert_eq!(export(&self.directory.ledger(), &self.vault, visit).unwrap(), []);
        all
    }

    /// What the ledger says of batches.
    fn stored(&self) -> Vec<Stored> {
        let mut all = Vec::new();
        let visit = |_, record| {
            if let Record::Stored(stored) = record {
                all.push(stored);
            }
        };
        assert_eq!(export(&self.directory.ledger(), &self.vault, visit).unwrap(), []);
        all
    }
}

fn account(n: u128) -> Subject {
    Subject::Account(AccountId::from_u128(n))
}

fn event(n: u128, subject: Subject, text: &str) -> Event {
    Event {
        request_id: RequestId::from_u128(n),
        at: START,
        subject,
        region: String::new(),
        model: "tiny".into(),
        dialect: "openai".into(),
        outcome: Outcome::Completed,
        input_tokens: 3,
        output_tokens: 4,
        request: Said { text: text.into(), cut: false },
        answer: Said { text: "fine".into(), cut: false },
    }
}

async fn record(records: &Records, event: Event) -> u64 {
    let room = records.room(event.bytes()).await.unwrap();
    records.append(room, event).await.unwrap()
}

async fn ids(reader: &mut RecordsReader, subject: Subject) -> Vec<u128> {
    let (mut cursor, mut ids) = (Cursor::default(), Vec::new());
    while let Some(found) = reader.next(subject, &mut cursor).await.unwrap() {
        ids.extend(found.events.unwrap().iter().map(|event| event.request_id.as_u128()));
    }
    ids
}

async fn close(records: Records, ledger: Ledger) {
    records.shutdown().await.unwrap();
    ledger.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_lets_nothing_in_loses_nothing_and_recovers_by_itself() {
    let store = Store::new();
    let (records, ledger) = store.open().await;
    record(&records, event(1, account(1), "first")).await;
    let gauges = &records.shared.gauges;
    // From here on the file cannot grow.
    gauges.full.store(true, Ordering::Relaxed);
    // A text that does not compress away, so that it needs pages.
    let long: String = (0..40_000_u64).map(|n| format!("{:x}", n * n * 7_919)).collect();
    let room = records.room(1 << 20).await.unwrap();
    let kept = tokio::join!(records.append(room, event(2, account(1), &long)), async {
        while records.health().writable {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let refused = records.room(1).await.unwrap_err();
        assert!(matches!(refused, RecordsError::Full { .. }), "{refused:?}");
        assert_eq!(records.health().refused, 1);
        gauges.full.store(false, Ordering::Relaxed);
    });
    assert_eq!(kept.0.unwrap(), 2);
    assert!(records.health().writable);
    record(&records, event(3, account(1), "third")).await;
    close(records, ledger).await;
    assert_eq!(ids(&mut store.reader().await, account(1)).await, [1, 2, 3]);
}

#[tokio::test]
async fn a_batch_that_a_crash_kept_from_the_ledger_is_noted_at_the_next_start() {
    let store = Store::new();
    let (records, ledger) = store.open().await;
    record(&records, event(1, account(1), "one")).await;
    record(&records, event(2, account(1), "two")).await;
    close(records, ledger).await;
    // As if the door had died between the commit and the ledger's record.
    let mut engine = Engine::open(&store.directory.records()).await.unwrap();
    engine.forget_notes().await;
    engine.close().await;
    let before = store.stored();
    assert_eq!(before.iter().map(|stored| stored.batch).collect::<Vec<_>>(), [1, 2]);
    let (records, ledger) = store.open().await;
    assert_eq!(record(&records, event(3, account(1), "three")).await, 3);
    close(records, ledger).await;
    let after = store.stored();
    assert_eq!(after.len(), 5);
    assert_eq!(after[..2], after[2..4], "they say the same twice");
    let mut reader = store.reader().await;
    for stored in after {
        assert_eq!(reader.root(stored.batch).await.unwrap(), stored.root);
    }
}

#[tokio::test]
async fn what_is_older_than_its_time_goes_with_its_keys() {
    let mut store = Store::new();
    store.retention_days = 10;
    let (records, ledger) = store.open().await;
    for (nth, id) in [1, 2, 3].into_iter().enumerate() {
        record(&records, event(id, account(id), "text")).await;
        if nth < 2 {
            store.clock.advance(8 * DAY);
        }
    }
    close(records, ledger).await;
    let (records, ledger) = store.open().await;
    // The first look for what is too old is at the start.
    while records.health().bytes > store.stored().iter().skip(1).map(|stored| stored.bytes).sum() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    close(records, ledger).await;
    let mut reader = store.reader().await;
    assert_eq!(reader.batches().await.unwrap(), [2, 3]);
    assert_eq!(store.removed(), [(1, 1, RemovedFor::Age)]);
    assert_eq!(store.check().await, (vec![], 2));
    assert_eq!(ids(&mut reader, account(1)).await, [0; 0]);
    assert_eq!(ids(&mut reader, account(2)).await, [2]);
    // Numbers are not given twice.
    store.clock.advance(400 * DAY);
    let (records, ledger) = store.open().await;
    while records.health().bytes > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    close(records, ledger).await;
    let (records, ledger) = store.open().await;
    assert_eq!(record(&records, event(4, account(4), "text")).await, 4);
    close(records, ledger).await;
    assert_eq!(store.removed().last(), Some(&(2, 3, RemovedFor::Age)));
    assert_eq!(store.check().await, (vec![], 1));
}

#[tokio::test]
async fn what_a_clock_wrote_that_was_set_back_an_hour_goes_by_its_time_and_proves() {
    let mut store = Store::new();
    store.retention_days = 10;
    // The hour goes back over the end of an epoch: the keys before it are others.
    let end = (START.day() / EPOCH_DAYS + 1) * EPOCH_DAYS * DAY.as_secs() * 1_000;
    let (end, hour) = (Timestamp::from_millis(end), 3_600_000);
    store.clock = ManualClock::new(Timestamp::from_millis(end.millis() + hour / 2));
    let (records, ledger) = store.open().await;
    record(&records, event(1, account(1), "text")).await;
    close(records, ledger).await;
    store.clock = ManualClock::new(Timestamp::from_millis(end.millis() - hour / 2));
    let (records, ledger) = store.open().await;
    record(&records, event(2, account(1), "text")).await;
    record(&records, event(3, account(2), "text")).await;
    close(records, ledger).await;
    assert_eq!(store.check().await, (vec![], 3), "time that goes back is no damage");
    // Ten days after the end only what was written later is too old.
    store.clock = ManualClock::new(end.plus(10 * DAY));
    let (records, ledger) = store.open().await;
    while records.health().bytes > store.stored()[0].bytes {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    close(records, ledger).await;
    assert_eq!(store.removed(), [(2, 3, RemovedFor::Age)]);
    assert_eq!(store.check().await, (vec![], 1));
    let mut reader = store.reader().await;
    assert_eq!(ids(&mut reader, account(1)).await, [1], "its key is of a later epoch");
    assert_eq!(ids(&mut reader, account(2)).await, [0; 0]);
    store.clock.advance(DAY);
    let (records, ledger) = store.open().await;
    while records.health().bytes > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    close(records, ledger).await;
    assert_eq!(store.check().await, (vec![], 0));
}

#[tokio::test]
async fn more_than_may_be_kept_makes_the_oldest_go() {
    let mut store = Store::new();
    let (records, ledger) = store.open().await;
    for id in 1..=5 {
        record(&records, event(id, account(1), "text")).await;
    }
    close(records, ledger).await;
    let bytes: Vec<u64> = store.stored().iter().map(|stored| stored.bytes).collect();
    store.bytes_max = bytes[3] + bytes[4];
    let (records, ledger) = store.open().await;
    while records.health().bytes > store.bytes_max {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    close(records, ledger).await;
    assert_eq!(store.reader().await.batches().await.unwrap(), [4, 5]);
    assert_eq!(store.removed(), [(1, 3, RemovedFor::Size)]);
    assert_eq!(store.check().await, (vec![], 2));
}

#[tokio::test]
async fn room_is_bounded_and_given_back() {
    let mut store = Store::new();
    store.waiting_bytes_max = 10 << 10;
    let (records, ledger) = store.open().await;
    let all = records.room(10 << 10).await.unwrap();
    assert_eq!(records.health().waiting_bytes, 10 << 10);
    assert!(matches!(records.room(1).await, Err(RecordsError::Busy)));
    drop(all);
    let most = records.room((10 << 10) - 1).await.unwrap();
    assert!(matches!(records.room(1).await, Err(RecordsError::Busy)));
    drop(most);
    // What is larger than all of it has all of it.
    drop(records.room(1 << 30).await.unwrap());
    assert_eq!((records.health().waiting_bytes, records.health().refused), (0, 2));
    close(records, ledger).await;
}

#[tokio::test]
async fn what_was_let_in_is_written_at_the_end_and_nothing_after_it() {
    let store = Store::new();
    let (records, ledger) = store.open().await;
    for id in 1..=100 {
        let room = records.room(100).await.unwrap();
        records.append_detached(room, event(id, account(id % 7), "text"));
    }
    let again = records.clone();
    records.shutdown().await.unwrap();
    assert!(matches!(again.room(1).await, Err(RecordsError::Full { .. } | RecordsError::Closed)));
    drop(again);
    ledger.shutdown().await.unwrap();
    let mut reader = store.reader().await;
    let mut all = Vec::new();
    for subject in reader.subjects().await.unwrap() {
        all.extend(ids(&mut reader, subject).await);
    }
    all.sort_unstable();
    assert_eq!(all, (1..=100).collect::<Vec<_>>());
}
