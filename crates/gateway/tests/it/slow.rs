//! Clients that do not keep up with their model: they lose their place to who
//! waits for it, and only to them.

use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::decision::Outcome;
use surgewall_shield::admission::pace::BEHIND_MAX;
use surgewall_store::admin::KeyCreate;
use surgewall_testkit::Double;
use surgewall_testkit::attack::{From, connect};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::admission::{in_flight, spawn, waiting};
use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// A door before a double that answers one request at a time, at `rate` tokens
/// per second, and the hands of its clock.
async fn door(rate: u32) -> (Double, TestDoor, ManualClock) {
    let double = Double::start(format!("rate={rate}").parse().unwrap());
    let pool = upstream("local", &double.url(), "models=[\"double\"]\nsequences_max=1\n");
    let hands = ManualClock::new(Timestamp::from_millis(1_760_000_000_000));
    let door = TestDoor::start_at(&pool, Clock::Manual(hands.clone())).await;
    (double, door, hands)
}

/// What the door does once a second.
fn tick(door: &TestDoor) {
    for (_, gate) in door.door().gates() {
        let _ = gate.tick(Duration::ZERO);
    }
}

/// A client that asks `path` for far more than fits between it and the door, and reads nothing.
async fn stuck(door: &TestDoor, double: &Double, path: &str) -> TcpStream {
    let key = door.key(KeyCreate { name: "slow".into(), ..KeyCreate::default() }).await;
    let mut body = chat("double", "say 200000", true);
    body["max_tokens"] = 200_000.into();
    let body = body.to_string();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let address = door.url.trim_start_matches("http://").parse().unwrap();
    let mut stream = connect(address, From::SmallBuffer).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    in_flight(double, 1).await;
    let mut still = 0;
    let full = async {
        while still < 5 {
            sleep(LOOK).await;
            let moved = door.door().open.checkpoint(Timestamp::default());
            still = if moved.is_empty() { still + 1 } else { 0 };
        }
    };
    assert!(timeout(PATIENCE, full).await.is_ok(), "the buffers never fill");
    stream
}

/// What the client reads once it reads on, to its end.
async fn rest(mut stream: TcpStream) -> String {
    let mut read = Vec::new();
    let mut piece = [0; 4_096];
    let all = async {
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            read.extend_from_slice(&piece[..count]);
        }
    };
    assert!(timeout(PATIENCE, all).await.is_ok(), "the stream does not end");
    String::from_utf8_lossy(&read).into_owned()
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_place_to_who_waits_and_is_told() {
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let (double, door, hands) = door(0).await;
        let client = door.client().await;
        let slow = stuck(&door, &double, path).await;
        hands.advance(10 * BEHIND_MAX);
        tick(&door);
        assert_eq!(door.door().open.count(), 1, "nobody waits: it is left alone");
        let waits = spawn(&client, 2, &[]);
        // The door ticks by itself as well: either may be the one that ends it.
        while !waits.is_finished() {
            tick(&door);
            sleep(LOOK).await;
        }
        assert_eq!(waits.await.unwrap().0, 200, "its place went to the next");
        let told = rest(slow).await;
        let last = told.rsplit("data: ").next().unwrap();
        assert!(last.contains("slow_reader") && last.contains("others waited"), "{last}");
        assert!(double.idle(PATIENCE).await, "the upstream's call outlived the place");
        let story = door.stop().await;
        story.check_conservation();
        let ended = story.settled.iter().find(|one| one.outcome == Outcome::SlowReader);
        let ended = ended.expect("settled as what it was");
        assert!(ended.settled.output > 0 && ended.refunded.output > 0, "{ended:?}");
        assert_eq!(story.settled.len(), 2);
    }
}

#[tokio::test]
async fn at_the_limit_it_keeps_its_place_and_past_it_no_more() {
    let (double, door, hands) = door(0).await;
    let client = door.client().await;
    let slow = stuck(&door, &double, "/v1/chat/completions").await;
    let waits = spawn(&client, 2, &[]);
    waiting(&door, 1).await;
    hands.advance(BEHIND_MAX);
    tick(&door);
    assert_eq!(double.in_flight(), 1);
    assert!(!waits.is_finished());
    hands.advance(Duration::from_millis(1));
    tick(&door);
    assert_eq!(waits.await.unwrap().0, 200);
    drop(slow);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn who_reads_as_fast_as_the_model_writes_is_never_too_slow() {
    let (double, door, hands) = door(40).await;
    let client = door.client().await;
    let reads = spawn(&client, 40, &[]);
    in_flight(&double, 1).await;
    let waits = spawn(&client, 2, &[]);
    waiting(&door, 1).await;
    while !reads.is_finished() {
        hands.advance(Duration::from_secs(5));
        tick(&door);
        sleep(LOOK).await;
    }
    let (status, _, text) = reads.await.unwrap();
    assert!(status == 200 && text.trim_end().ends_with("[DONE]"), "{text}");
    assert_eq!(waits.await.unwrap().0, 200);
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.settled.iter().all(|one| one.outcome == Outcome::Completed));
}
