//! The upstream's bugs are contained: an error event, never a silent end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use surgewall_core::decision::Outcome;
use surgewall_core::usage::Source;
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const TIMES: &str =
    "models=[\"double\"]\nfirst_token_timeout_s=1\nidle_gap_timeout_s=1\ntotal_timeout_s=3";

/// A stream before a double that misbehaves: how it ends for the client.
async fn check(behaviour: &str, error: Option<&str>, outcome: Outcome) {
    let double = Double::start(behaviour.parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), TIMES)).await;
    let client = door.client().await;
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let streamed = client.events(path, &chat("double", "say 20", true)).await.unwrap();
        assert_eq!(streamed.status, 200, "{behaviour}");
        let last = streamed.events.last().unwrap_or_else(|| panic!("{behaviour}: no event"));
        match error {
            None => assert!(streamed.is_done(), "{behaviour} {path}: {last:?}"),
            Some(code) => {
                let errors: Vec<_> = streamed
                    .events
                    .iter()
                    .filter(|event| event.data.contains("\"error\""))
                    .collect();
                assert_eq!(
                    errors.len(),
                    1,
                    "{behaviour} {path}: one error event, got {:?}",
                    streamed.events
                );
                if path == "/v1/chat/completions" {
                    assert_eq!(errors[0].json()["error"]["code"], code, "{behaviour}");
                }
            }
        }
    }
    door.settled().await;
    let story = door.stop().await;
    story.check_conservation();
    assert!(
        story.settled.iter().all(|settled| settled.outcome == outcome),
        "{behaviour}: {:?}",
        story.settled
    );
}

#[tokio::test]
async fn a_stream_that_breaks_ends_with_an_error_event() {
    let broke = Outcome::UpstreamBroke;
    check("die after=3", Some("upstream_failed"), broke).await;
    check("reset after=3", Some("upstream_failed"), broke).await;
    check("cut after=3", Some("upstream_failed"), broke).await;
    check("garbage after=3", Some("upstream_failed"), broke).await;
    check("stall after=3", Some("upstream_timeout"), broke).await;
    check("oversize after=3 bytes=2000000", Some("upstream_failed"), broke).await;
}

#[tokio::test]
async fn a_stream_that_is_only_odd_is_put_right() {
    check("no_done", None, Outcome::Completed).await;
    check("double_done", None, Outcome::Completed).await;
    check("comments=5 first=30", None, Outcome::Completed).await;
}

#[tokio::test]
async fn an_endless_stream_ends_at_its_total_time() {
    check("endless rate=100", Some("upstream_timeout"), Outcome::UpstreamBroke).await;
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_in_time() {
    let double = Double::start("hang".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), TIMES)).await;
    let client = door.client().await;
    let answer = client.post("/v1/chat/completions", &chat("double", "say 3", true)).await.unwrap();
    assert_eq!(
        (answer.status, answer.json()["error"]["code"].as_str()),
        (504, Some("upstream_timeout"))
    );
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn usage_that_cannot_be_true_is_replaced_by_the_doors_own_count() {
    for behaviour in ["usage=huge", "usage=zero", "usage=negative", "usage=none"] {
        let double = Double::start(behaviour.parse().unwrap());
        let door = TestDoor::start(&upstream("local", &double.url(), TIMES)).await;
        let client = door.client().await;
        for stream in [true, false] {
            let body = json!({"model": "double", "stream": stream, "max_tokens": 400,
                "messages": [{"role": "user", "content": "say 200"}]});
            let answer = client.post("/v1/chat/completions", &body).await.unwrap();
            assert_eq!(answer.status, 200, "{behaviour} {stream}: {:?}", answer.body);
        }
        let story = door.stop().await;
        story.check_conservation();
        for settled in &story.settled {
            assert_eq!(settled.source, Source::Estimated, "{behaviour}");
            assert!((50..=1_200).contains(&settled.usage.output), "{behaviour}: {settled:?}");
        }
    }
}

#[tokio::test]
async fn a_drained_door_lets_streams_end_and_takes_no_new_request() {
    let double = Double::start("rate=50".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), TIMES)).await;
    let client = door.client().await;
    let body = chat("double", "say 30", true);
    let stream = client.events("/v1/chat/completions", &body);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        door.stop().await
    };
    let (streamed, story) = tokio::join!(stream, stop);
    assert!(streamed.unwrap().is_done());
    story.check_conservation();
    assert_eq!(story.only().outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_stream_that_outlives_the_drain_gets_an_error_event() {
    let double = Double::start("rate=20".parse().unwrap());
    let config =
        format!("[limits]\ndrain_s=1\n{}", upstream("local", &double.url(), "models=[\"double\"]"));
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let body = json!({"model": "double", "stream": true, "max_tokens": 1000,
        "messages": [{"role": "user", "content": "say 1000"}]});
    let stream = client.events("/v1/chat/completions", &body);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        door.stop().await
    };
    let (streamed, story) = tokio::join!(stream, stop);
    let streamed = streamed.unwrap();
    assert!(
        streamed.events.iter().any(|event| event.data.contains("draining")),
        "{:?}",
        streamed.events.last()
    );
    story.check_conservation();
    assert_eq!(story.only().outcome, Outcome::Drained);
}

#[tokio::test]
async fn a_broken_server_is_ejected_and_the_other_one_serves() {
    let broken = Double::start("500".parse().unwrap());
    let sound = Double::start(Behaviour::default());
    let servers = format!(
        "[[upstream]]\nname=\"pool\"\nmodels=[\"double\"]\nhealth_interval_s=0\nservers=[{{url=\"{}/v1\"}},{{url=\"{}/v1\"}}]\n",
        broken.url(),
        sound.url()
    );
    let door = TestDoor::start(&servers).await;
    let client = door.client().await;
    for _ in 0..40 {
        let answer =
            client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    let tried = broken.requests().len();
    assert!((1..=10).contains(&tried), "the broken server was asked {tried} times");
    door.stop().await.check_conservation();
}

/// A server that answers whatever comes with the same bytes, and keeps the
/// connection: its address, and how many connections it saw.
fn parrot(answer: impl FnOnce(&str) -> String) -> (String, Arc<AtomicU32>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (answer, connections) = (answer(&host), Arc::new(AtomicU32::new(0)));
    let seen = connections.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), answer.clone());
            seen.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                let mut buffer = [0; 16 << 10];
                while stream.read(&mut buffer).is_ok_and(|count| count > 0) {
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (format!("http://{host}"), connections)
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_connection_whose_answer_cannot_be_right_serves_nobody_else() {
    let (url, connections) = parrot(|_| http("200 OK", "POISON"));
    let door = TestDoor::start(&upstream("local", &url, "models=[\"m\"]")).await;
    let client = door.client().await;
    let before = connections.load(Ordering::SeqCst);
    for nth in 1..=3 {
        let answer = client.post("/v1/chat/completions", &chat("m", "hi", false)).await.unwrap();
        assert_eq!(answer.status, 502);
        // The first one may go on the health check's connection.
        let opened = connections.load(Ordering::SeqCst) - before;
        assert!(opened + 1 >= nth, "{opened} connections for {nth} requests");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn what_an_upstream_says_is_passed_on_without_its_address() {
    let said = |host: &str| format!(r#"{{"error":{{"message":"not by http://{host}/v1"}}}}"#);
    let (url, _) = parrot(|host| http("400 Bad Request", &said(host)));
    let door = TestDoor::start(&upstream("local", &url, "models=[\"m\"]")).await;
    let client = door.client().await;
    let answer = client.post("/v1/chat/completions", &chat("m", "hi", false)).await.unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["message"], "not by http://.../v1");
    door.stop().await.check_conservation();
}
