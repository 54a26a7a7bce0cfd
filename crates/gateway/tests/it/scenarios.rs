//! The door before an engine that misbehaves, and before clients that do: no
//! deadlock, nobody starves, the counters conserve, and the verdict is never
//! a wrong one.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use surgewall_core::incident::Verdict;
use surgewall_store::admin::KeyCreate;
use surgewall_testkit::client::Client;
use surgewall_testkit::double::{Control, Double, Options};
use surgewall_testkit::engine::{Settings, StepTime};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// For a scenario to end: far longer than any takes.
const PATIENCE: Duration = Duration::from_secs(120);
/// Streams of one scenario.
const STREAMS: usize = 60;
/// Streams at once.
const AT_ONCE: usize = 16;

/// An engine of four sequences with steps of about 5 ms.
fn engine() -> Double {
    let step = StepTime {
        base: Duration::from_millis(4),
        per_prefill_token: Duration::from_micros(20),
        per_sequence: Duration::from_micros(100),
    };
    let engine = Some(Settings { seqs_max: 4, step, ..Settings::default() });
    Double::start_with(Options { engine, ..Options::default() }, "tokens=16".parse().unwrap())
        .unwrap()
}

/// A door whose gauges are read, so that a server can lie to it.
async fn before(double: &Double, more: &str) -> TestDoor {
    let pool = upstream("local", &double.url(), "models=[\"double\"]").replace("\"off\"", "\"on\"");
    TestDoor::start(&format!("{more}\n{pool}")).await
}

/// Runs `clients` in turn for [`STREAMS`] streams, [`AT_ONCE`] at a time, and
/// `meanwhile` after a third of them. Every verdict that the door gave is kept.
async fn run(
    door: &TestDoor,
    clients: &[Client],
    meanwhile: impl FnOnce(),
) -> (usize, BTreeSet<Verdict>) {
    let mut verdicts = BTreeSet::new();
    let mut meanwhile = Some(meanwhile);
    let mut served = 0;
    for (nth, batch) in (0..STREAMS).collect::<Vec<_>>().chunks(AT_ONCE).enumerate() {
        if nth == 1
            && let Some(happens) = meanwhile.take()
        {
            happens();
        }
        let streams = batch.iter().map(|nth| {
            let client = &clients[nth % clients.len()];
            let body = chat("double", &format!("question {nth}"), true);
            async move { client.events("/v1/chat/completions", &body).await }
        });
        let answers = tokio::time::timeout(PATIENCE, join_all(streams)).await.expect("a deadlock");
        served += answers.iter().flatten().filter(|answer| answer.is_done()).count();
        verdicts.insert(door.door().recent.lock().unwrap().judged().verdict);
    }
    (served, verdicts)
}

/// What holds after every scenario: nothing waits or runs, and the sums agree.
async fn quiet(door: TestDoor) {
    door.settled().await;
    for (pool, gate) in door.door().gates() {
        let view = gate.view();
        assert_eq!(view.running.sequences, 0, "{pool}");
        assert_eq!(view.running.tokens, 0, "{pool}");
        assert_eq!(view.waiting.iter().map(|flow| flow.requests).sum::<u64>(), 0, "{pool}");
        assert!(view.sequences >= 1, "the limit never closes the door");
    }
    door.stop().await.check_conservation();
}

async fn misbehaving(control: Control, allowed: &[Verdict]) {
    let double = engine();
    let door = before(&double, "").await;
    let client = door.client().await;
    let (served, verdicts) = run(&door, &[client], || double.control(control)).await;
    assert_eq!(served, STREAMS, "everybody is served in the end");
    let wrong = verdicts.iter().find(|verdict| !allowed.contains(verdict));
    assert_eq!(wrong, None, "{control:?}");
    quiet(door).await;
}

use Verdict::{KnownDemand, Normal, Unclear, UpstreamSlow};

#[tokio::test]
async fn an_upstream_that_becomes_ten_times_slower() {
    misbehaving(Control::Slow(10.0), &[Normal, UpstreamSlow, KnownDemand, Unclear]).await;
}

#[tokio::test]
async fn an_upstream_whose_capacity_halves() {
    misbehaving(Control::Seqs(2), &[Normal, UpstreamSlow, KnownDemand, Unclear]).await;
}

#[tokio::test]
async fn an_upstream_that_lies_about_its_queue() {
    for said in [0, 1_000] {
        misbehaving(Control::LieWaiting(said), &[Normal, KnownDemand, Unclear]).await;
    }
}

#[tokio::test]
async fn an_upstream_that_restarts() {
    let double = engine();
    let door = before(&double, "").await;
    let client = door.client().await;
    // Between two batches nothing runs there: what was learnt and pooled is stale all the same.
    let (served, _) = run(&door, &[client], || double.control(Control::Restart)).await;
    assert_eq!(served, STREAMS);
    quiet(door).await;
}

#[tokio::test]
async fn one_principal_that_floods_does_not_keep_another_waiting_behind_it() {
    let double = engine();
    let door = before(&double, "").await;
    let (greedy, modest) = (door.client().await, {
        let asked = KeyCreate { name: "modest".into(), ..KeyCreate::default() };
        door.stranger().with_key(&door.key(asked).await)
    });
    let body = chat("double", "say 16", true);
    let flood = join_all((0..400).map(|_| greedy.events("/v1/chat/completions", &body)));
    let one = async {
        while door.door().gates().iter().all(|(_, gate)| gate.view().waiting[1].requests < 100) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let served = modest.events("/v1/chat/completions", &body).await.unwrap();
        let left: u64 =
            door.door().gates().iter().map(|(_, gate)| gate.view().waiting[1].requests).sum();
        (served, left)
    };
    let both = futures_util::future::join(flood, one);
    let (answers, (served, left)) = tokio::time::timeout(PATIENCE, both).await.expect("a deadlock");
    assert!(served.is_done());
    assert!(left > 0, "it was served while the flood still waited");
    let whole = answers.iter().flatten().filter(|answer| answer.is_done()).count();
    let refused = answers.iter().flatten().filter(|answer| answer.status == 503).count();
    assert_eq!(whole + refused, 400, "served, or told at its arrival");
    quiet(door).await;
}

#[tokio::test]
async fn shares_that_change_under_load_lose_nobody() {
    let double = engine();
    let door = before(&double, "").await;
    let client = door.client().await;
    let change = || {
        for (_, gate) in door.door().gates() {
            let mut terms =
                surgewall_gateway::admission::terms(&door.door().policy().config, Some(2));
            terms.shares = surgewall_shield::admission::fair::Shares::new([10, 10, 10, 970]);
            gate.set_terms(terms);
        }
    };
    let (served, _) = run(&door, &[client], change).await;
    assert_eq!(served, STREAMS);
    quiet(door).await;
}
