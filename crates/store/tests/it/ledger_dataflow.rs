//! `read::dataflow`: which decisions stand behind which flow.

use surgewall_core::clock::Timestamp;
use surgewall_core::data::{ClassSet, DataClass};
use surgewall_core::decision::{Outcome, Record, Refused};
use surgewall_core::flow::{Carried, Destination, Observed, Went};
use surgewall_store::ledger::read::{DataFlow, Source, dataflow};

use crate::ledger_store::{START, Store, admitted, request, settled};

fn classes(classes: &[DataClass]) -> ClassSet {
    classes.iter().copied().collect()
}

/// Request `n`, which carried `carried`.
fn carrying(n: u128, carried: Carried) -> Record {
    match admitted(n) {
        Record::Admitted(admitted) => {
            Record::Admitted(Box::new(surgewall_core::decision::Admitted { carried, ..*admitted }))
        }
        other => other,
    }
}

/// Its end: at `upstream`, `after_ms` after the beginning.
fn ended(n: u128, upstream: Option<&str>, went: Went, outcome: Outcome, after_ms: u64) -> Record {
    match settled(n, 5) {
        Record::Settled(settled) => Record::Settled(Box::new(surgewall_core::decision::Settled {
            upstream: upstream.map(str::to_owned),
            went,
            outcome,
            at: Timestamp::from_millis(START.millis() + after_ms),
            ..*settled
        })),
        other => other,
    }
}

fn refused(rule: Option<&str>, count: u64) -> Record {
    Record::Refused(Box::new(Refused {
        request_id: rule.map(|_| request(99)),
        at: START,
        who: None,
        network: None,
        code: "residency".into(),
        rule: rule.map(str::to_owned),
        count,
    }))
}

fn read(store: &Store, since: Option<u64>, until: Option<u64>) -> DataFlow {
    let at = |after: u64| Timestamp::from_millis(START.millis() + after);
    let (since, until) = (since.map(at), until.map(at));
    dataflow(&store.directory.ledger(), &store.vault, since, until, &mut |_| {}).unwrap()
}

async fn story() -> Store {
    let store = Store::new();
    let (ledger, _) = store.open();
    let to_a =
        || Went { region: Some("eu".into()), observed: Some(Observed::Local), ..Went::default() };
    let before = Destination { upstream: "a".into(), region: Some("eu".into()), observed: None };
    let email = Carried { classes: classes(&[DataClass::Email]), media: 2, ..Carried::default() };
    let taken_out = Carried {
        classes: classes(&[DataClass::Email, DataClass::Card]),
        redacted: classes(&[DataClass::Card]),
        shadow: vec!["soft".into()],
        ..Carried::default()
    };
    for record in [
        carrying(1, email),
        carrying(2, taken_out),
        admitted(3),
        ended(1, Some("a"), to_a(), Outcome::Completed, 1_000),
        ended(
            2,
            Some("b"),
            Went { also: vec![before], ..Went::default() },
            Outcome::Completed,
            2_000,
        ),
        ended(
            3,
            Some("b"),
            Went { unsent: true, ..Went::default() },
            Outcome::UpstreamFailed,
            3_000,
        ),
        admitted(4),
        ended(4, None, Went::default(), Outcome::Crash, 4_000),
        admitted(5),
        refused(Some("strict"), 1),
        refused(None, 7),
        refused(Some("strict"), 1),
    ] {
        ledger.append(record).await.unwrap();
    }
    ledger.shutdown().await.unwrap();
    store
}

#[tokio::test]
async fn each_flow_stands_on_its_decisions() {
    let store = story().await;
    let told = read(&store, None, None);
    assert_eq!(told.findings, []);
    let flows: Vec<_> = told
        .flows
        .iter()
        .map(|flow| (flow.to.upstream.as_str(), flow.to.observed, flow.evidence.requests))
        .collect();
    assert_eq!(flows, [("a", None, 1), ("a", Some(Observed::Local), 1), ("b", None, 1)]);
    let seen = &told.flows[1];
    assert_eq!((seen.media, seen.classes[&DataClass::Email]), (1, 1));
    assert_eq!(seen.evidence.first.request_id, Some(request(1)));
    let after = &told.flows[2];
    assert_eq!(
        after.classes.keys().collect::<Vec<_>>(),
        [&DataClass::Email],
        "the card was taken out"
    );
    let all = told.requests.unwrap();
    assert_eq!(
        (all.requests, all.first.request_id, all.last.request_id),
        (4, Some(request(1)), Some(request(4)))
    );
    assert!(all.first.sequence < all.last.sequence);
    assert_eq!(told.classes[&DataClass::Email].requests, 2);
    assert_eq!(told.redacted[&DataClass::Card].requests, 1);
    assert_eq!((told.unsent.unwrap().requests, told.lost.unwrap().requests), (1, 1));
    assert_eq!((told.open.unwrap().requests, told.media.unwrap().requests), (1, 1));
    assert_eq!(told.shadow["soft"].requests, 1);
    let strict = &told.refused[&Some("strict".to_owned())];
    assert_eq!((strict.requests, told.refused[&None].requests), (2, 7));
    assert!(strict.first.sequence < strict.last.sequence);
    assert_eq!(told.sources.values().map(|seen| seen.requests).sum::<u64>(), 4);
    assert!(told.sources.keys().all(|source| *source != Source::Stranger), "{:?}", told.sources);
    assert_eq!(
        (told.models["tiny-model"].requests, told.configs["0123456789abcdef"].requests),
        (4, 4)
    );
}

#[tokio::test]
async fn a_request_counts_where_it_ended() {
    let store = story().await;
    let count = |since, until| read(&store, since, until).requests.map_or(0, |all| all.requests);
    assert_eq!(count(Some(1_000), Some(2_000)), 1);
    assert_eq!(count(Some(1_001), None), 3);
    assert_eq!(count(None, Some(1_000)), 0);
    let none = read(&store, Some(9_000), None);
    assert_eq!((none.flows.len(), none.refused.len(), none.classes.len()), (0, 0, 0));
    assert!(none.records.is_some());
}
