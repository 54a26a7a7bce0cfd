//! What the gates learnt outlives a restart, and nothing depends on it.

use std::fs;
use std::path::Path;

use surgewall_core::files::read_bounded;
use surgewall_shield::admission::capacity::Learnt;
use surgewall_store::kept::KEPT_BYTES_MAX;
use surgewall_testkit::Double;

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

fn pool(double: &Double, models: &str) -> String {
    upstream("local", &double.url(), &format!("models=[{models}]"))
}

/// What the door's one gate learnt.
fn learnt(door: &TestDoor) -> Option<Learnt> {
    let gates = door.door().gates();
    assert_eq!(gates.len(), 1);
    gates[0].1.learnt()
}

/// A door that learnt something, and from what.
async fn taught() -> (Double, TestDoor, Learnt) {
    let double = Double::start("rate=200".parse().unwrap());
    let door = TestDoor::start(&pool(&double, "\"double\"")).await;
    assert!(learnt(&door).is_none(), "nothing is known of a new pool");
    let client = door.client().await;
    for _ in 0..3 {
        let body = chat("double", "say 40", true);
        assert!(client.events("/v1/chat/completions", &body).await.unwrap().is_done());
    }
    door.settled().await;
    let known = learnt(&door).expect("three streams alone teach a baseline");
    (double, door, known)
}

#[tokio::test]
async fn a_restart_keeps_what_was_learnt_and_so_does_an_idle_one_after_it() {
    let (double, door, known) = taught().await;
    assert!(!known.first_token.is_empty() && known.speed.is_some(), "{known:?}");
    let text = pool(&double, "\"double\"");
    let door = door.restart(&text, |_| ()).await;
    let begun = learnt(&door).expect("it begins with it");
    assert_eq!((&begun.first_token, &begun.per_token), (&known.first_token, &known.per_token));
    assert_eq!(begun.sequences, known.sequences);
    let door = door.restart(&text, |_| ()).await;
    let again = learnt(&door).expect("it is still there");
    assert_eq!(again, begun);
    let client = door.client_again("again").await;
    let body = chat("double", "say 5", true);
    assert!(client.events("/v1/chat/completions", &body).await.unwrap().is_done());
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_file_of_no_use_is_left_aside_and_written_anew() {
    let bytes = |path: &Path| read_bounded(path, KEPT_BYTES_MAX as u64).unwrap();
    let other_version = |path: &Path| {
        let mut bytes = bytes(path);
        bytes[8..10].copy_from_slice(&9_u16.to_le_bytes());
        fs::write(path, bytes).unwrap();
    };
    let torn = |path: &Path| fs::write(path, &bytes(path)[..40]).unwrap();
    let cases: [&dyn Fn(&Path); 5] = [
        &|path| fs::write(path, b"garbage, and more than a head of it").unwrap(),
        &|path| fs::write(path, b"").unwrap(),
        &|path| fs::remove_file(path).unwrap(),
        &other_version,
        &torn,
    ];
    let (double, mut door, _) = taught().await;
    let text = pool(&double, "\"double\"");
    for (nth, damage) in cases.into_iter().enumerate() {
        door = door.restart(&text, |data| damage(&data.join("learnt"))).await;
        assert!(learnt(&door).is_none(), "case {nth}: it begins anew");
        let client = door.client_again(&format!("case {nth}")).await;
        let body = chat("double", "say 40", true);
        assert!(client.events("/v1/chat/completions", &body).await.unwrap().is_done());
        door.settled().await;
        assert!(learnt(&door).is_some(), "case {nth}: and learns");
    }
    let door = door.restart(&text, |_| ()).await;
    assert!(learnt(&door).is_some(), "what was damaged is replaced");
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn other_servers_or_models_under_the_same_name_begin_anew() {
    for other_server in [true, false] {
        let (double, door, _) = taught().await;
        let other = Double::start("rate=200".parse().unwrap());
        let text = if other_server {
            pool(&other, "\"double\"")
        } else {
            pool(&double, "\"double\",\"more\"")
        };
        let door = door.restart(&text, |_| ()).await;
        assert!(learnt(&door).is_none(), "other server: {other_server}");
        door.stop().await.check_conservation();
    }
}
