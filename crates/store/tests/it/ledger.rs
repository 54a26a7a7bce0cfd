//! The ledger in use: order, restart, crash, retention, and reading beside it.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Outcome, Record};
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::principal::DelegatedUser;
use surgewall_core::quota::{CounterState, Subject};
use surgewall_core::usage::Source;
use surgewall_store::ledger::read::{UsageBy, UsageSubject, usage};

use super::ledger_store::{
    START, Store, admitted, amounts, changed, files, opening_bytes, progress, request, settled,
};

/// What a counter of the key of request `n` holds.
fn held(counters: &[CounterState], n: u128, counter: u64) -> u64 {
    let key = Subject::Key(KeyId::from_u128(1 + n % 3));
    let ours = counters.iter().filter(|c| c.subject == key && c.counter == counter);
    ours.flat_map(|c| &c.slots).map(|(_, amount)| amount).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_appends_of_eight_tasks_stand_in_order() {
    let store = Store::new();
    let (ledger, _) = store.open();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let mut sequences = Vec::new();
            for n in 0..125 {
                let id = task * 1_000 + n;
                sequences.push((ledger.append(admitted(id)).await.unwrap(), id));
                ledger.append_detached(settled(id, 7));
            }
            sequences
        });
    }
    let told: HashMap<u64, u128> = tasks.join_all().await.into_iter().flatten().collect();
    ledger.shutdown().await.unwrap();
    assert_eq!(told.len(), 1_000);

    let verification = store.verify();
    assert_eq!(verification.findings, []);
    assert_eq!(verification.records, 2_001);
    assert_eq!((verification.admitted, verification.open), (Some(1_000), Some(0)));
    let mut last = HashMap::new();
    for (sequence, record) in store.records() {
        if let Record::Admitted(admitted) = record {
            let id = told[&sequence];
            assert_eq!(admitted.request_id, request(id));
            assert!(last.insert(id / 1_000, id).is_none_or(|before| before < id));
        }
    }
    assert_eq!(store.verify_blind().head, verification.head);
}

#[tokio::test]
async fn a_restart_continues_the_chain_in_a_new_segment() {
    let store = Store::new();
    for start in 1..=3 {
        let (ledger, recovered) = store.open();
        assert_eq!(recovered.totals.admitted, u64::from(start > 1) * (start - 1));
        assert_eq!(ledger.health().segment, ledger.health().sequence - u64::from(start > 1));
        ledger.append(changed("door.start")).await.unwrap();
        ledger.append(admitted(start.into())).await.unwrap();
        ledger.append_detached(settled(start.into(), 20));
        ledger.shutdown().await.unwrap();
        assert_eq!(store.segments().len() as u64, start);
    }
    let verification = store.verify();
    assert_eq!((verification.findings, verification.notes), (vec![], vec![]));
    assert_eq!(verification.reserved, Some(300));
    assert_eq!((verification.settled, verification.refunded), (Some(90), Some(210)));
    let sequences: Vec<_> = store.records().iter().map(|(n, _)| *n).collect();
    let all: Vec<_> = (1..=sequences.len() as u64).collect();
    assert_eq!(sequences, all);
}

#[tokio::test]
async fn counters_follow_admission_and_settlement() {
    let store = Store::new();
    let (ledger, _) = store.open();
    ledger.append(admitted(0)).await.unwrap();
    ledger.append(admitted(3)).await.unwrap();
    ledger.append_detached(settled(0, 20));
    ledger.shutdown().await.unwrap();
    let (ledger, recovered) = store.open();
    // Request 3 was open: it is settled with nothing used.
    assert_eq!(held(&recovered.counters, 0, 1), 2, "requests stay");
    assert_eq!(held(&recovered.counters, 0, 2), 30);
    assert_eq!(held(&recovered.counters, 0, 3), amounts(10, 20).money);
    assert_eq!(held(&recovered.counters, 0, 4), 0, "nothing is in flight");
    ledger.append(admitted(6)).await.unwrap();
    ledger.append_detached(settled(6, 100));
    ledger.shutdown().await.unwrap();
    let (ledger, recovered) = store.open();
    assert_eq!(held(&recovered.counters, 0, 2), 140, "the top-up is charged");
    ledger.shutdown().await.unwrap();
    store.clock.advance(Duration::from_secs(3 * 3_600));
    let (_ledger, recovered) = store.open();
    assert_eq!(recovered.counters, [], "the window has passed");
}

#[tokio::test]
async fn a_crash_settles_each_open_request_once_at_its_last_checkpoint() {
    let store = Store::new();
    let (ledger, _) = store.open();
    for n in 0..4 {
        ledger.append(admitted(n)).await.unwrap();
    }
    ledger.append_detached(progress(1, 30, 0));
    ledger.append_detached(progress(1, 40, 0));
    ledger.append_detached(progress(2, 120, 30));
    ledger.append_detached(settled(3, 5));
    ledger.append(changed("barrier")).await.unwrap();
    assert_eq!(store.verify().open_requests, Some(3));
    store.crash(ledger);

    // Several deaths in a row, each right after the start.
    for start in 0..4 {
        let (ledger, recovered) = store.open();
        let expected = if start == 0 { 3 } else { 0 };
        assert_eq!(recovered.open.len(), expected);
        assert_eq!(held(&recovered.counters, 1, 2), 50);
        assert_eq!(held(&recovered.counters, 2, 2), 130);
        store.crash(ledger);
    }
    let mut ended = store.settlements();
    ended.sort_by_key(|s| s.request_id);
    let told: Vec<_> =
        ended.iter().map(|s| (s.outcome, s.settled.output, s.topped_up.output)).collect();
    let crash = Outcome::Crash;
    assert_eq!(told, [(crash, 0, 0), (crash, 40, 0), (crash, 120, 30), (Outcome::Completed, 5, 0)]);
    assert!(ended[..3].iter().all(|s| s.source == Source::Estimated));
    assert_eq!(ended[1].refunded.tokens(), 50);
    // A death right after the start may come before its checkpoint.
    store.open().0.shutdown().await.unwrap();
    let verification = store.verify();
    assert_eq!((verification.findings, verification.notes), (vec![], vec![]));
    assert_eq!((verification.reserved, verification.open), (Some(430), Some(0)));
}

#[tokio::test]
async fn a_crash_while_a_start_settles_loses_and_repeats_nothing() {
    let store = Store::new();
    let (ledger, _) = store.open();
    for n in 0..3 {
        ledger.append(admitted(n)).await.unwrap();
    }
    store.crash(ledger);
    let (ledger, _) = store.open();
    store.crash(ledger);
    // The second segment: its opening, then three settlements. Cut it anywhere after the opening.
    let path = store.segments().pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let opening = opening_bytes(&whole);
    for cut in (opening..whole.len()).step_by(11) {
        store.forget_log();
        fs::write(&path, &whole[..cut]).unwrap();
        let (ledger, _) = store.open();
        store.crash(ledger);
        let verification = store.verify();
        assert_eq!(verification.findings, [], "{cut}");
        assert_eq!((verification.reserved, verification.open), (Some(300), Some(0)), "{cut}");
        assert_eq!(store.settlements().len(), 3, "{cut}");
        fs::remove_file(store.segments().pop().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn an_unfinished_segment_is_swept_away() {
    let store = Store::new();
    store.crash(store.open().0);
    fs::write(store.directory.ledger().join("00000000000000000002.seg.new"), "half").unwrap();
    store.crash(store.open().0);
    assert_eq!(store.segments().len(), 2);
    assert_eq!(store.verify().findings, []);
}

#[tokio::test]
async fn retention_removes_the_oldest_and_keeps_the_sums() {
    let mut store = Store::new();
    store.options.segment_bytes_max = 256 << 10;
    store.options.bytes_max = 1 << 20;
    let (ledger, _) = store.open();
    ledger.append(admitted(10_000)).await.unwrap();
    for n in 0..1_500 {
        ledger.append(admitted(n)).await.unwrap();
        ledger.append_detached(settled(n, 20));
        assert!(ledger.health().bytes <= 1 << 20);
    }
    ledger.shutdown().await.unwrap();
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let bytes: u64 = files(&store.directory.ledger()).iter().map(size).sum();
    assert!((512 << 10..=1 << 20).contains(&bytes), "{bytes}");
    let verification = store.verify();
    assert_eq!(verification.findings, []);
    assert!(
        verification.notes[0].contains("as retention removes them"),
        "{:?}",
        verification.notes
    );
    assert_eq!((verification.admitted, verification.reserved), (Some(1_501), Some(150_100)));
    assert_eq!((verification.settled, verification.refunded), (Some(45_000), Some(105_000)));
    assert_eq!((verification.open, verification.open_requests), (Some(100), Some(1)));
    let (ledger, recovered) = store.open();
    assert_eq!(recovered.open[0].admitted.request_id, request(10_000));
    ledger.shutdown().await.unwrap();
    assert_eq!(store.verify().findings, []);
}

#[tokio::test]
async fn retention_goes_by_age_too() {
    let mut store = Store::new();
    store.options.retention_days = 10;
    // Files are dated by the real clock; the ledger's stands in 2023 until it is moved.
    let real = fs::metadata(store.base.path()).unwrap().modified().unwrap();
    let real = real.duration_since(std::time::UNIX_EPOCH).unwrap();
    store.clock.advance(real - Duration::from_millis(START.millis()));
    for _ in 0..3 {
        store.crash(store.open().0);
    }
    assert_eq!(store.segments().len(), 3);
    store.clock.advance(Duration::from_secs(9 * 86_400));
    store.crash(store.open().0);
    assert_eq!(store.segments().len(), 4);
    store.clock.advance(Duration::from_secs(2 * 86_400));
    store.crash(store.open().0);
    assert_eq!(store.segments().len(), 1);
    assert_eq!(store.verify().findings, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_beside_the_writer_finds_nothing_wrong() {
    let mut store = Store::new();
    store.options.segment_bytes_max = 64 << 10;
    let (ledger, _) = store.open();
    let writer = tokio::task::spawn(async move {
        for n in 0..3_000 {
            ledger.append(admitted(n)).await.unwrap();
            ledger.append_detached(settled(n, 20));
        }
        ledger.shutdown().await.unwrap();
    });
    let mut checks = 0;
    while !writer.is_finished() {
        let verification = tokio::task::block_in_place(|| store.verify());
        assert_eq!(verification.findings, []);
        checks += 1;
    }
    writer.await.unwrap();
    assert!(checks > 1);
    assert_eq!(store.verify().admitted, Some(3_000));
}

#[tokio::test]
async fn usage_is_added_up_by_whom_and_when() {
    let store = Store::new();
    let (ledger, _) = store.open();
    for n in 0..7 {
        ledger.append(admitted(n)).await.unwrap();
        if n < 6 {
            ledger.append_detached(settled(n, 20));
        }
    }
    ledger.shutdown().await.unwrap();
    let (ledger, _) = store.open();
    ledger.shutdown().await.unwrap();
    let rows = |by, since, until| {
        let report = usage(&store.directory.ledger(), &store.vault, by, since, until).unwrap();
        assert_eq!(report.findings, []);
        report.rows
    };
    let keys = rows(UsageBy::Key, None, None);
    let told: Vec<_> = keys
        .iter()
        .map(|r| (r.subject.clone(), r.requests, r.usage.total(), r.cost, r.estimated_requests))
        .collect();
    let key = |n| UsageSubject::Key(KeyId::from_u128(n));
    // Request 6 belongs to key 1 and was open at the crash: it used nothing that is known.
    assert_eq!(told, [(key(1), 3, 60, 100, 1), (key(2), 2, 60, 100, 0), (key(3), 2, 60, 100, 0)]);
    assert_eq!(
        rows(UsageBy::Account, None, None)[0].subject,
        UsageSubject::Account(AccountId::from_u128(11))
    );
    assert_eq!(rows(UsageBy::Group, None, None).len(), 1);
    let user = UsageSubject::User(KeyId::from_u128(2), DelegatedUser(2));
    assert_eq!(rows(UsageBy::User, None, None)[1].subject, user);
    let models = rows(UsageBy::Model, None, None);
    assert_eq!(
        (models[0].subject.clone(), models[0].requests),
        (UsageSubject::Model("tiny-model".into()), 7)
    );
    let later = Timestamp::from_millis(START.millis() + 1);
    assert_eq!(rows(UsageBy::Key, Some(later), None), []);
    assert_eq!(rows(UsageBy::Key, None, Some(START)), []);
    assert_eq!(rows(UsageBy::Key, Some(START), Some(later)).len(), 3);
}

#[tokio::test]
async fn the_files_name_nobody() {
    let store = Store::new();
    let (ledger, _) = store.open();
    for n in 0..3 {
        ledger.append(admitted(n)).await.unwrap();
    }
    ledger.append_detached(settled(1, 5));
    ledger.append(changed("planted-action")).await.unwrap();
    ledger.shutdown().await.unwrap();
    store.crash(store.open().0);
    for path in store.segments() {
        let bytes = fs::read(&path).unwrap();
        for planted in [
            "tiny-model",
            "secret-upstream",
            "planted-action",
            "192.0.2",
            "chat",
            "openai",
            "key",
            "req_",
        ] {
            let found = bytes.windows(planted.len()).any(|window| window == planted.as_bytes());
            assert!(!found, "{planted}");
        }
    }
    let blind = store.verify_blind();
    assert_eq!((blind.findings.as_slice(), blind.records), ([].as_slice(), store.verify().records));
    assert_eq!((blind.admitted, blind.reserved, blind.open), (None, None, None));
    assert!(blind.notes.iter().any(|note| note.contains("master key")));
}
