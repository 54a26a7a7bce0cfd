//! Strangers who work to come sooner.

use std::time::Duration;

use surgewall_gateway::admission::effort::{self, EFFORT_UNIT};
use surgewall_testkit::Double;
use surgewall_testkit::client::Client;

use crate::admission::{in_flight, spawn, waiting};
use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";

/// A door for strangers of all networks, before a double that answers one at a time.
async fn door(rate: u32, longest_wait_s: u32) -> (Double, TestDoor) {
    let double = Double::start(format!("rate={rate}").parse().unwrap());
    let pool = upstream("local", &double.url(), "models=[\"double\"]\nsequences_max=1\n");
    let door = TestDoor::start(&format!(
        "behind_proxy=[\"127.0.0.0/8\"]\n[accounts]\nanonymous=true\n\
         [classes]\nanonymous={{longest_wait_s={longest_wait_s}}}\nverified={{longest_wait_s={longest_wait_s}}}\n{pool}"
    ))
    .await;
    (double, door)
}

fn stranger(door: &TestDoor, address: &str) -> Client {
    Client::new(&door.url).with_header("x-forwarded-for", address)
}

/// Asks until the door offers a challenge.
async fn offered(client: &Client) -> (u16, Option<String>) {
    let answer = client.post(PATH, &chat("double", "say 2", false)).await.unwrap();
    (answer.status, answer.header("x-surgewall-challenge").map(str::to_owned))
}

#[tokio::test]
async fn a_stranger_that_is_refused_is_offered_work_and_who_is_known_is_not() {
    let (double, door) = door(5, 0).await;
    let known = door.client().await;
    let first = spawn(&known, 5, &[]);
    in_flight(&double, 1).await;
    assert_eq!(offered(&known).await, (503, None));
    let (status, offer) = offered(&stranger(&door, "10.1.0.1")).await;
    let offer = offer.expect("an offer");
    let (challenge, effort) = offer.rsplit_once(':').unwrap();
    assert_eq!((status, effort.parse()), (503, Ok(EFFORT_UNIT)));
    let other = offered(&stranger(&door, "10.2.0.1")).await.1.unwrap();
    assert!(!other.starts_with(challenge), "a challenge is for one network");
    first.await.unwrap();
    door.stop().await.check_conservation();
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test's own clients")]
async fn who_worked_comes_sooner_and_who_did_not_still_comes() {
    let (double, door) = door(20, 60).await;
    let (idle, busy) = (stranger(&door, "10.1.0.1"), stranger(&door, "10.2.0.1"));
    let network = "10.2.0.1".parse().map(surgewall_core::principal::Network::of).unwrap();
    let challenge = door.door().efforts.challenge(door.door().clock.now(), network);
    let bids: Vec<_> = (0..3).map(|n| effort::bid(&challenge, 3 * EFFORT_UNIT + n)).collect();
    let first = spawn(&door.client().await, 100, &[]);
    in_flight(&double, 1).await;
    let mut waits = Vec::new();
    for (bid, count) in bids.iter().zip(0..) {
        for (name, client, headers) in
            [("idle", &idle, vec![]), ("busy", &busy, vec![("x-surgewall-effort", bid.as_str())])]
        {
            let served = spawn(client, 2, &headers);
            waits.push(async move { (served.await.unwrap().0, name, tokio::time::Instant::now()) });
            waiting(&door, 2 * count + u64::from(name == "busy") + 1).await;
        }
    }
    let mut served = futures_util::future::join_all(waits.into_iter().map(tokio::spawn)).await;
    served.sort_by_key(|one| one.as_ref().unwrap().2);
    let order: Vec<_> = served.into_iter().map(|one| one.unwrap()).collect();
    assert!(order.iter().all(|(status, ..)| *status == 200));
    let order: Vec<_> = order.into_iter().map(|(_, name, _)| name).collect();
    assert_eq!(order, ["idle", "busy", "busy", "busy", "idle", "idle"]);
    first.await.unwrap();
    let story = tokio::time::timeout(Duration::from_secs(30), door.stop()).await.unwrap();
    story.check_conservation();
}
