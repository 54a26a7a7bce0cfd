//! Shedding end to end: an upstream that can do far less than what runs there,
//! and somebody more trusted who waits.

use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::decision::Outcome;
use surgewall_core::principal::Class;
use surgewall_gateway::admission::terms;
use surgewall_shield::admission::gate::SURPLUS_AFTER;
use surgewall_store::admin::{KeyCreate, Request, UserCreate};
use surgewall_testkit::client::Client;
use surgewall_testkit::{Behaviour, Double};

use crate::admission::{in_flight, spawn, waiting};
use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// Half of the longest wait of `established`, and more.
const TOO_LONG: Duration = Duration::from_secs(61);

struct Scene {
    double: Double,
    door: TestDoor,
    hands: ManualClock,
    established: Client,
}

impl Scene {
    /// A door before a double that does as `behaviour` says.
    async fn begin(behaviour: &str, more: &str) -> Self {
        let double = Double::start(behaviour.parse().unwrap());
        let pool = upstream("local", &double.url(), "models=[\"double\"]\nsequences_max=4\n");
        let hands = ManualClock::new(Timestamp::from_millis(1_760_000_000_000));
        let clock = Clock::Manual(hands.clone());
        let door = TestDoor::start_at(&format!("{more}{pool}"), clock).await;
        let email = "ann@example.org".to_owned();
        let class = Some(Class::Established);
        let user = UserCreate { email: email.clone(), class, ..UserCreate::default() };
        door.operate(Request::UserCreate(user)).await;
        let key = KeyCreate { name: "hers".into(), account: Some(email), ..KeyCreate::default() };
        let established = door.stranger().with_key(&door.key(key).await);
        Self { double, door, hands, established }
    }

    /// The upstream is trusted with one request at once, for as long as it takes until
    /// what runs beside it is ended; whether anything waits is the caller's to see to.
    fn cut(&self) {
        let config = &self.door.door().policy().config;
        for (_, gate) in self.door.door().gates() {
            gate.set_terms(terms(config, Some(1)));
            let _ = gate.tick(Duration::ZERO);
        }
        self.hands.advance(SURPLUS_AFTER + TOO_LONG);
        for (_, gate) in self.door.door().gates() {
            let _ = gate.tick(Duration::ZERO);
        }
    }
}

#[tokio::test]
async fn streams_are_ended_for_the_established_and_say_so() {
    let scene = Scene::begin("rate=20", "").await;
    let verified = scene.door.client().await;
    let streams: Vec<_> = (0..3).map(|_| spawn(&verified, 2_000, &[])).collect();
    in_flight(&scene.double, 3).await;
    let runs = spawn(&scene.established, 20, &[]);
    in_flight(&scene.double, 4).await;
    // Each has begun: what was delivered counts.
    let begun = || scene.door.door().open.checkpoint(Timestamp::default()).len();
    while begun() == 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let waits = spawn(&scene.established, 2, &[]);
    waiting(&scene.door, 1).await;
    scene.cut();
    for stream in streams {
        let (status, _, text) = stream.await.unwrap();
        let last = text.rsplit("data: ").next().unwrap();
        assert!(status == 200 && last.contains("\"code\":\"shed\""), "{last}");
        assert!(last.contains("Try again in about"), "{last}");
    }
    for stream in [runs, waits] {
        let (status, _, text) = stream.await.unwrap();
        assert!(status == 200 && text.trim_end().ends_with("[DONE]"), "{text}");
    }
    let story = scene.door.stop().await;
    story.check_conservation();
    let shed: Vec<_> = story.settled.iter().filter(|one| one.outcome == Outcome::Shed).collect();
    assert_eq!((shed.len(), story.settled.len()), (3, 5));
    for settled in shed {
        assert!(settled.settled.output > 0 && settled.refunded.output > 0, "{settled:?}");
        let why = settled.why.as_deref().unwrap();
        assert!(why.contains("run where 1 may") && why.contains("established has waited"), "{why}");
    }
}

#[tokio::test]
async fn a_stream_that_has_not_begun_is_refused_with_a_time_to_come_back_and_costs_nothing() {
    let scene = Scene::begin("hang", "").await;
    let verified = scene.door.client().await;
    let body = chat("double", "say 2", true);
    let asked = verified.post("/v1/messages", &body);
    let other = async {
        in_flight(&scene.double, 1).await;
        let others: Vec<_> = (0..3).map(|_| spawn(&scene.established, 2, &[])).collect();
        in_flight(&scene.double, 4).await;
        let waits = spawn(&scene.established, 2, &[]);
        waiting(&scene.door, 1).await;
        scene.cut();
        (others, waits)
    };
    let (answer, (others, waits)) = futures_util::future::join(asked, other).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 529, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "shed");
    assert!(answer.header("retry-after").is_some_and(|s| s.parse::<u64>().unwrap() >= 1));
    scene.double.set(Behaviour::default());
    for stream in others.into_iter().chain([waits]) {
        stream.abort();
    }
    scene.door.settled().await;
    let story = scene.door.stop().await;
    story.check_conservation();
    let shed = story.settled.iter().find(|one| one.outcome == Outcome::Shed).unwrap();
    assert_eq!((shed.settled.input, shed.settled.output), (0, 0), "nothing was delivered");
}

#[tokio::test]
async fn in_observe_mode_nothing_is_ended() {
    let scene = Scene::begin("rate=20", "[admission]\nmode=\"observe\"\n").await;
    let verified = scene.door.client().await;
    let streams: Vec<_> = (0..6).map(|_| spawn(&verified, 20, &[])).collect();
    in_flight(&scene.double, 6).await;
    scene.cut();
    for stream in streams {
        let (status, _, text) = stream.await.unwrap();
        assert!(status == 200 && text.trim_end().ends_with("[DONE]"), "{text}");
    }
    scene.door.stop().await.check_conservation();
}
