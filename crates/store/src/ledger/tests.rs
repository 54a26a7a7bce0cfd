//! The ledger against faults that only an injected disk shows.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::schema::Durability;
use surgewall_core::decision::{Admitted, Outcome, Progress, Record, Refused, Settled, Who};
use surgewall_core::finding::Finding;
use surgewall_core::flow::{Carried, Went};
use surgewall_core::id::RequestId;
use surgewall_core::principal::{Class, Network};
use surgewall_core::quota::Amounts;
use surgewall_core::usage::{Source, Usage};
use tempfile::TempDir;

use super::file::{Disk, Files, SegmentFile};
use super::read::export;
use super::{AppendError, Ledger, LedgerOptions, Recovered};
use crate::datadir::DataDir;
use crate::vault::Vault;

/// A disk with so many bytes left, whose syncs can be made to fail.
#[derive(Clone)]
struct Small {
    left: Arc<AtomicU64>,
    unsynced: Arc<AtomicBool>,
    syncs: Arc<AtomicU64>,
}

struct SmallFile {
    file: Arc<dyn SegmentFile>,
    disk: Small,
}

impl Files for Small {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(SmallFile { file: Disk.create(path)?, disk: self.clone() }))
    }
}

impl SegmentFile for SmallFile {
    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let left = usize::try_from(self.disk.left.load(Ordering::SeqCst)).unwrap();
        let room = left.min(bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.write(&bytes[..room])?;
        self.disk.left.fetch_sub(written as u64, Ordering::SeqCst);
        Ok(written)
    }
    fn truncate(&self, len: u64) -> io::Result<()> {
        self.file.truncate(len)
    }
    fn sync(&self) -> io::Result<()> {
        if self.disk.unsynced.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.disk.syncs.fetch_add(1, Ordering::SeqCst);
        self.file.sync()
    }
}

/// Requests.
#[derive(Debug, PartialEq, Eq)]
struct Sums {
    admitted: usize,
    open: usize,
}

struct Store {
    _base: TempDir,
    directory: DataDir,
    vault: Vault,
    disk: Small,
    durability: Durability,
}

impl Store {
    fn new(durability: Durability) -> Self {
        let base = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let directory = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let vault = Vault::open_or_create(&directory, Some(&base.path().join("key"))).unwrap();
        let disk = Small {
            left: Arc::new(AtomicU64::new(1 << 40)),
            unsynced: Arc::default(),
            syncs: Arc::default(),
        };
        Self { _base: base, directory, vault, disk, durability }
    }
    fn open(&self) -> (Ledger, Recovered) {
        let clock = Clock::Manual(ManualClock::new(Timestamp::from_millis(1_000_000)));
        let options = LedgerOptions {
            durability: self.durability,
            bytes_max: 1 << 30,
            retention_days: 400,
            segment_bytes_max: 1 << 20,
            clock,
            tap: None,
        };
        let files = Arc::new(self.disk.clone());
        Ledger::open_on(&self.directory, &self.vault, options, files).unwrap()
    }
    fn leave(&self, bytes: u64) {
        self.disk.left.store(bytes, Ordering::SeqCst);
    }
    /// What the verifier finds, without the key: it knows another build of this crate.
    fn findings(&self) -> Vec<Finding> {
        surgewall_scan::ledger::verify(&self.directory.ledger(), None).unwrap().findings
    }
    /// What the records add up to; all of them can be read, and the tree is theirs.
    fn sums(&self) -> Sums {
        assert_eq!(self.findings(), []);
        let records = self.records();
        let admitted = records.iter().filter(|r| matches!(r, Record::Admitted(_))).count();
        Sums { admitted, open: admitted - outcomes(&records).len() }
    }
    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        let findings =
            export(&self.directory.ledger(), &self.vault, |_, record| records.push(record));
        assert_eq!(findings.unwrap(), []);
        records
    }
}

fn request(n: u128) -> RequestId {
    RequestId::from_u128(n)
}

fn admitted(n: u128) -> Record {
    Record::Admitted(Box::new(Admitted {
        request_id: request(n),
        at: Timestamp::from_millis(1_000_000),
        who: Who {
            class: Class::New,
            key: None,
            account: None,
            group: None,
            user: None,
            network: Network::of("192.0.2.1".parse().unwrap()),
        },
        route: "chat".into(),
        dialect: "openai".into(),
        model: "tiny".into(),
        reserved: Amounts { input: 10, output: 90, money: 0 },
        charges: Vec::new(),
        carried: Carried::default(),
        config: "0".into(),
    }))
}

fn settled(n: u128) -> Record {
    Record::Settled(Box::new(Settled {
        request_id: request(n),
        at: Timestamp::from_millis(1_000_001),
        outcome: Outcome::Completed,
        why: None,
        usage: Usage { input: 10, output: 30, ..Usage::default() },
        source: Source::Upstream,
        cost: 0,
        reserved: Amounts { input: 10, output: 90, money: 0 },
        topped_up: Amounts::default(),
        settled: Amounts { input: 10, output: 30, money: 0 },
        refunded: Amounts { input: 0, output: 60, money: 0 },
        upstream: None,
        went: Went::default(),
        attempts: 1,
        status: 200,
        first_byte_ms: None,
        duration_ms: 5,
    }))
}

fn refused(code: &str) -> Record {
    Record::Refused(Box::new(Refused {
        request_id: Some(request(9)),
        at: Timestamp::from_millis(1_000_000),
        who: None,
        network: None,
        code: code.into(),
        rule: None,
        count: 1,
    }))
}

fn outcomes(records: &[Record]) -> Vec<(RequestId, Outcome)> {
    let settled = records.iter().filter_map(|record| match record {
        Record::Settled(settled) => Some((settled.request_id, settled.outcome)),
        _ => None,
    });
    settled.collect()
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_new_and_loses_nothing() {
    // Whatever the write in which the space ends, and wherever in it.
    for left in (0..3_000).step_by(61) {
        let store = Store::new(Durability::Process);
        let (ledger, _) = store.open();
        for n in 0..4 {
            ledger.append(admitted(n)).await.unwrap();
        }
        store.leave(left);
        let mut taken = Vec::new();
        let mut next = 100;
        let error = loop {
            match ledger.append(admitted(next)).await {
                Ok(_) => taken.push(next),
                Err(error) => break error,
            }
            next += 1;
        };
        assert!(matches!(error, AppendError::Full { .. }), "{error}");
        for n in 0..4 {
            ledger.append_detached(settled(n));
        }
        ledger.append(admitted(200)).await.unwrap_err();
        assert!(!ledger.health().writable);
        assert_eq!(store.findings(), [], "{left}");

        store.leave(1 << 30);
        ledger.append(admitted(201)).await.unwrap();
        ledger.shutdown().await.unwrap();
        let sums = Sums { admitted: 5 + taken.len(), open: 1 + taken.len() };
        assert_eq!(store.sums(), sums, "{left}");
        let done: Vec<_> = outcomes(&store.records());
        assert_eq!(done, [0, 1, 2, 3].map(|n| (request(n), Outcome::Completed)));
    }
}

#[tokio::test]
async fn what_waits_for_space_is_bounded_and_counted() {
    let store = Store::new(Durability::Process);
    let (ledger, _) = store.open();
    ledger.append(admitted(1)).await.unwrap();
    store.leave(0);
    let progress = |output| Record::Progress {
        at: Timestamp::from_millis(1_000_000),
        requests: vec![Progress {
            request_id: request(1),
            used: Amounts { input: 10, output, money: 0 },
            topped_up: Amounts::default(),
        }],
    };
    let all = super::queue::REFUSALS_WAITING_MAX as u64 + 500;
    for n in 0..all {
        ledger.append_detached(refused(if n % 2 == 0 { "quota" } else { "queue_full" }));
        ledger.append_detached(progress(n % 80));
    }
    ledger.append_detached(progress(81));
    ledger.append(admitted(2)).await.unwrap_err();
    store.leave(1 << 30);
    ledger.shutdown().await.unwrap();
    let records = store.records();
    let mut refusals = 0;
    let mut counted = 0;
    let mut last = None;
    for record in &records {
        match record {
            Record::Refused(refused) => {
                refusals += refused.count;
                counted += u64::from(refused.request_id.is_none());
            }
            Record::Progress { requests, .. } => last = requests.last().map(|p| p.used.output),
            _ => {}
        }
    }
    assert_eq!(refusals, all);
    assert!((1..=4).contains(&counted), "{counted}");
    assert_eq!(last, Some(81));
    assert_eq!(store.findings(), []);
}

#[tokio::test]
async fn an_admission_that_nobody_waits_for_is_taken_back() {
    let store = Store::new(Durability::Process);
    let (ledger, _) = store.open();
    for n in 0..200 {
        let append = ledger.append(admitted(n));
        // Polled once and dropped: written or not, it must not stay open.
        tokio::select! { biased; _ = append => {}, () = tokio::task::yield_now() => {} }
    }
    let kept: Vec<_> = (1_000..1_005).collect();
    for n in &kept {
        ledger.append(admitted(*n)).await.unwrap();
    }
    ledger.shutdown().await.unwrap();
    let sums = store.sums();
    // An append that resolved in the select keeps its admission, as it should.
    let gone = outcomes(&store.records());
    assert!(gone.iter().all(|(_, outcome)| *outcome == Outcome::ClientGone));
    assert_eq!(sums.open, sums.admitted - gone.len());
}

/// Waits for the ledger's own threads to see to `done`.
async fn until(done: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if done() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    panic!("it was never done");
}

#[tokio::test]
async fn space_is_noticed_without_any_request() {
    let store = Store::new(Durability::Process);
    let (ledger, _) = store.open();
    store.leave(0);
    ledger.append(admitted(1)).await.unwrap_err();
    assert!(!ledger.health().writable);
    store.leave(1 << 30);
    until(|| ledger.health().writable).await;
    ledger.append(admitted(1)).await.unwrap();
}

#[tokio::test]
async fn each_durability_syncs_when_it_says() {
    let store = Store::new(Durability::Power);
    let (ledger, _) = store.open();
    let syncs = || store.disk.syncs.load(Ordering::SeqCst);
    for n in 0..3 {
        let before = syncs();
        ledger.append(admitted(n)).await.unwrap();
        assert!(syncs() > before, "synced before it was acknowledged");
    }
    // Nobody acts on what a request came to: it is safe soon after.
    let before = syncs();
    ledger.append_detached(settled(0));
    until(|| syncs() > before).await;
    let store = Store::new(Durability::Process);
    let (ledger, _) = store.open();
    let syncs = || store.disk.syncs.load(Ordering::SeqCst);
    let before = syncs();
    ledger.append(admitted(1)).await.unwrap();
    until(|| syncs() > before).await;
    // A sync that fails later ends the segment; what follows goes to a new one.
    let first = ledger.health().segment;
    store.disk.unsynced.store(true, Ordering::SeqCst);
    ledger.append(admitted(2)).await.unwrap();
    until(|| {
        ledger.append_detached(refused("quota"));
        !ledger.health().writable
    })
    .await;
    store.disk.unsynced.store(false, Ordering::SeqCst);
    until(|| ledger.health().writable).await;
    ledger.append(admitted(3)).await.unwrap();
    assert!(ledger.health().segment > first);
    ledger.shutdown().await.unwrap();
    assert_eq!(store.sums().admitted, 3);
}

#[tokio::test]
async fn a_settlement_is_written_though_its_waiter_left_or_was_told_of_a_full_disk() {
    let store = Store::new(Durability::Process);
    let (ledger, _) = store.open();
    for n in 0..200 {
        ledger.append(admitted(n)).await.unwrap();
        let append = ledger.append(settled(n));
        tokio::select! { biased; _ = append => {}, () = std::future::ready(()) => {} }
    }
    ledger.append(admitted(200)).await.unwrap();
    store.leave(0);
    let error = ledger.append(settled(200)).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { .. }), "{error}");
    // A caller may give it again: once is enough.
    ledger.append_detached(settled(200));
    store.leave(1 << 30);
    ledger.append(admitted(201)).await.unwrap();
    assert!(matches!(ledger.append(settled(200)).await, Err(AppendError::NotOpen)));
    ledger.shutdown().await.unwrap();
    assert_eq!(store.sums().open, 1);
    assert_eq!(outcomes(&store.records()).len(), 201);
}

#[tokio::test]
async fn a_record_that_may_not_survive_is_not_admitted() {
    let store = Store::new(Durability::Power);
    let (ledger, _) = store.open();
    ledger.append(admitted(1)).await.unwrap();
    store.disk.unsynced.store(true, Ordering::SeqCst);
    let error = ledger.append(admitted(2)).await.unwrap_err();
    assert!(matches!(error, AppendError::Io { .. }), "{error}");
    ledger.append_detached(settled(1));
    store.disk.unsynced.store(false, Ordering::SeqCst);
    ledger.append(admitted(3)).await.unwrap();
    ledger.shutdown().await.unwrap();
    assert_eq!(store.findings(), []);
    let mut done = outcomes(&store.records());
    done.sort_by_key(|(id, _)| *id);
    assert_eq!(done, [(request(1), Outcome::Completed), (request(2), Outcome::Failed)]);
}

#[tokio::test]
async fn what_may_not_be_written_is_refused() {
    let store = Store::new(Durability::Process);
    let (ledger, _) = store.open();
    ledger.append(admitted(1)).await.unwrap();
    assert!(matches!(ledger.append(admitted(1)).await, Err(AppendError::Duplicate)));
    let counters = Record::Counters { counters: Vec::new() };
    assert!(matches!(ledger.append(counters).await, Err(AppendError::NotYours)));
    // At the limit and one past it.
    let overhead = 58 + 16 + (4 << 10);
    let empty = with_model(admitted(2), String::new());
    let room = (1 << 20) - overhead - serde_json::to_vec(&empty).unwrap().len();
    let fits = with_model(admitted(2), "m".repeat(room));
    ledger.append(fits).await.unwrap();
    let past = with_model(admitted(3), "m".repeat(room + 1));
    assert!(matches!(ledger.append(past).await, Err(AppendError::TooLarge)));
    // The large one is carried over by an opening, too.
    drop(ledger);
    let (ledger, recovered) = store.open();
    assert_eq!(recovered.open.len(), 2);
    let closed = ledger.clone();
    ledger.shutdown().await.unwrap();
    assert!(matches!(closed.append(admitted(4)).await, Err(AppendError::Closed)));
    assert_eq!(store.findings(), []);
}

fn with_model(record: Record, model: String) -> Record {
    match record {
        Record::Admitted(admitted) => Record::Admitted(Box::new(Admitted { model, ..*admitted })),
        other => other,
    }
}
