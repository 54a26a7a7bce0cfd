//! The conservation law under random schedules: whatever is admitted, moves,
//! ends or dies, reserved = settled + refunded + open, and each request ends once.

use std::collections::BTreeMap;

use proptest::prelude::{Strategy, any, prop, prop_oneof};
use proptest::proptest;
use surgewall_core::decision::Record;
use surgewall_core::quota::CounterState;

use super::ledger_store::{Store, admitted, changed, progress, settled};

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Progress { which: usize, output: u64, topped_up: u64 },
    Settle { which: usize, output: u64 },
    Crash,
    PowerLoss { kept: u8 },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => proptest::strategy::Just(Step::Admit),
        3 => (any::<usize>(), 0..200_u64, 0..50_u64)
            .prop_map(|(which, output, topped_up)| Step::Progress { which, output, topped_up }),
        3 => (any::<usize>(), 0..200_u64).prop_map(|(which, output)| Step::Settle { which, output }),
        1 => proptest::strategy::Just(Step::Crash),
        1 => any::<u8>().prop_map(|kept| Step::PowerLoss { kept }),
        1 => proptest::strategy::Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

/// What the counters of total tokens hold together.
fn charged(counters: &[CounterState]) -> u64 {
    let tokens = counters.iter().filter(|c| c.counter == 2);
    tokens.flat_map(|c| &c.slots).map(|(_, amount)| amount).sum()
}

async fn run(steps: Vec<Step>) {
    let mut store = Store::new();
    // Small enough that segments turn over in mid-schedule.
    store.options.segment_bytes_max = 6 << 10;
    let mut ledger = store.open().0;
    let mut open = Vec::new();
    let mut next = 0_u64;
    let mut whole = true;
    for step in steps {
        match step {
            Step::Admit => {
                ledger.append(admitted(next.into())).await.unwrap();
                open.push(u128::from(next));
                next += 1;
            }
            Step::Progress { which, output, topped_up } if !open.is_empty() => {
                ledger.append_detached(progress(open[which % open.len()], output, topped_up));
            }
            Step::Settle { which, output } if !open.is_empty() => {
                let id = open.swap_remove(which % open.len());
                ledger.append_detached(settled(id, output));
            }
            Step::Progress { .. } | Step::Settle { .. } => {}
            Step::Crash | Step::PowerLoss { .. } | Step::Restart => {
                match step {
                    // What was not written yet is lost; the checkpoint before it counts.
                    Step::Crash => store.crash(ledger),
                    // What was written and not synced is lost, too.
                    Step::PowerLoss { kept } => {
                        store.crash(ledger);
                        store.cut(kept);
                        whole = false;
                    }
                    _ => ledger.shutdown().await.unwrap(),
                }
                let recovered;
                (ledger, recovered) = store.open();
                open.clear();
                let totals = recovered.totals;
                assert_eq!(totals.reserved, totals.settled + totals.refunded);
                assert_eq!(charged(&recovered.counters), totals.settled);
            }
        }
    }
    ledger.append(changed("barrier")).await.unwrap();
    let verification = store.verify();
    assert_eq!(verification.findings, []);
    let sum = |value: Option<u64>| value.unwrap();
    let admitted = sum(verification.admitted);
    assert!(admitted == next || (!whole && admitted < next));
    assert_eq!(sum(verification.open_requests), open.len() as u64);
    assert_eq!(
        sum(verification.reserved),
        sum(verification.settled) + sum(verification.refunded) + sum(verification.open)
    );
    ledger.shutdown().await.unwrap();
    each_ends_once(&store, admitted);
}

/// Every request that was admitted ends at most once, after its admission.
fn each_ends_once(store: &Store, requests: u64) {
    let mut ends: BTreeMap<_, u32> = BTreeMap::new();
    for (_, record) in store.records() {
        match record {
            Record::Admitted(admitted) => assert!(ends.insert(admitted.request_id, 0).is_none()),
            Record::Settled(settled) => *ends.get_mut(&settled.request_id).unwrap() += 1,
            _ => {}
        }
    }
    assert_eq!(ends.len(), usize::try_from(requests).unwrap());
    assert!(ends.values().all(|count| *count <= 1));
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]
    #[test]
    fn tokens_are_conserved(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(run(steps));
    }
}
