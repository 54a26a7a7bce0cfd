//! Admission end to end: who waits, what they are told, who is refused, and
//! that nothing of it is charged or forgotten.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderValue, Uri};
use serde_json::Value;
use surgewall_core::decision::Outcome;
use surgewall_core::principal::Network;
use surgewall_gateway::listen::{Peer, Purpose};
use surgewall_gateway::routes::router;
use surgewall_store::admin::{KeyCreate, Named, Request};
use surgewall_testkit::Double;
use surgewall_testkit::client::{Client, Flow};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A door before a double that answers one request at a time, in `rate` tokens per second.
async fn narrow(rate: u32, more: &str) -> (Double, TestDoor) {
    let double = Double::start(format!("rate={rate}").parse().unwrap());
    let pool = upstream("local", &double.url(), "models=[\"double\"]\nsequences_max=1\n");
    let door = TestDoor::start(&format!("[queue]\ncomment_after_ms=100\n{more}\n{pool}")).await;
    (double, door)
}

/// A stream in the background, with what the client read of it byte by byte.
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
pub(crate) fn spawn(
    client: &Client,
    tokens: u32,
    headers: &[(&str, &str)],
) -> JoinHandle<(u16, Heads, String)> {
    let mut client = client.clone();
    for (name, value) in headers {
        client = client.with_header(name, value);
    }
    let body = chat("double", &format!("say {tokens}"), true);
    tokio::spawn(async move {
        let body = serde_json::to_vec(&body).unwrap().into();
        let whole = client.whole(http::Method::POST, "/v1/chat/completions", body).await.unwrap();
        let head = |name: &str| whole.header(name).map(str::to_owned);
        let heads = Heads {
            position: head("x-queue-position"),
            eta_s: head("x-queue-eta-s"),
            left: head("x-ratelimit-remaining-requests"),
        };
        (whole.status, heads, whole.text())
    })
}

pub(crate) struct Heads {
    position: Option<String>,
    eta_s: Option<String>,
    left: Option<String>,
}

/// Requests that reached the double, health checks aside.
fn called(double: &Double) -> usize {
    double.requests().iter().filter(|seen| seen.request_id.is_some()).count()
}

pub(crate) async fn in_flight(double: &Double, count: usize) {
    let waiting = async {
        while double.in_flight() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{count} at the upstream");
}

pub(crate) async fn waiting(door: &TestDoor, count: u64) {
    let all = || -> u64 {
        let views = door.door().gates().into_iter().map(|(_, gate)| gate.view());
        views.flat_map(|view| view.waiting).map(|flow| flow.requests).sum()
    };
    let until = async {
        while all() != count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, until).await.is_ok(), "{} wait, not {count}", all());
}

#[tokio::test]
async fn a_stream_that_waits_learns_its_position_and_is_answered_in_the_end() {
    let (double, door) = narrow(20, "").await;
    let client = door.client().await;
    let first = spawn(&client, 20, &[]);
    in_flight(&double, 1).await;
    let limits = vec!["requests=9/1h".into()];
    let key = KeyCreate { name: "nine".into(), limits, ..KeyCreate::default() };
    let limited = door.stranger().with_key(&door.key(key).await);
    let second = spawn(&limited, 2, &[]);
    waiting(&door, 1).await;
    let third = spawn(&client, 2, &[("x-surgewall-queue", "status")]);
    let (status, heads, text) = second.await.unwrap();
    assert_eq!((status, heads.position.as_deref()), (200, Some("1")));
    assert_eq!(heads.left.as_deref(), Some("8"), "the early head says what is left too");
    assert!(heads.eta_s.is_some_and(|eta| eta.parse::<u64>().unwrap() >= 1));
    assert!(text.starts_with(": queued position=1 eta_s="), "{text}");
    assert!(text.contains("\n: between ") && text.trim_end().ends_with("data: [DONE]"), "{text}");
    let (status, heads, text) = third.await.unwrap();
    assert_eq!((status, heads.position), (200, None), "no early head was asked for");
    assert!(text.starts_with("data:"), "{text}");
    let (_, heads, text) = first.await.unwrap();
    assert!(heads.position.is_none() && text.starts_with("data:"), "it never waited");
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.settled.len(), 3);
    assert_eq!(called(&double), 3);
}

#[tokio::test]
async fn whoever_is_no_stream_hears_nothing_before_the_answer() {
    let (double, door) = narrow(20, "").await;
    let client = door.client().await;
    let first = spawn(&client, 10, &[]);
    in_flight(&double, 1).await;
    let answer =
        client.post("/v1/chat/completions", &chat("double", "say 2", false)).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.header("x-queue-position").is_none());
    first.await.unwrap();
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_wait_past_the_classs_longest_is_refused_before_anything_is_charged_or_called() {
    let (double, door) = narrow(5, "[classes]\nverified={longest_wait_s=0}").await;
    let client = door.client().await;
    let first = spawn(&client, 5, &[]);
    in_flight(&double, 1).await;
    let cases = [("/v1/chat/completions", 503), ("/v1/messages", 529)];
    for (path, status) in cases {
        let answer = client.post(path, &chat("double", "say 2", false)).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.header("retry-after").is_some_and(|s| s.parse::<u64>().unwrap() >= 1));
        let error = &answer.json()["error"];
        let told = error["code"].as_str().or(error["type"].as_str()).unwrap().to_owned();
        assert!(told.contains("overloaded"), "{told}");
    }
    first.await.unwrap();
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!((story.settled.len(), story.refused, called(&double)), (1, 2, 1));
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_costs_nothing() {
    let (double, door) = narrow(20, "").await;
    let limits = vec!["requests=2/1h".to_owned()];
    let asked = KeyCreate { name: "two".into(), limits, ..KeyCreate::default() };
    let client = door.stranger().with_key(&door.key(asked).await);
    let first = spawn(&client, 40, &[]);
    in_flight(&double, 1).await;
    let leaves = spawn(&client, 2, &[]);
    waiting(&door, 1).await;
    leaves.abort();
    waiting(&door, 0).await;
    // Its place among the two requests of the hour is free again.
    let again = spawn(&client, 2, &[]);
    assert_eq!(again.await.unwrap().0, 200);
    first.await.unwrap();
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!((story.settled.len(), called(&double)), (2, 2));
}

#[tokio::test]
async fn a_waiting_request_ends_early_when_its_key_is_revoked() {
    let (double, door) = narrow(20, "").await;
    let client = door.client().await;
    let first = spawn(&client, 60, &[]);
    in_flight(&double, 1).await;
    let asked = KeyCreate { name: "hers".into(), ..KeyCreate::default() };
    let hers = door.stranger().with_key(&door.key(asked).await);
    let waits = spawn(&hers, 2, &[]);
    waiting(&door, 1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    door.operate(Request::KeyRevoke(Named { name: "hers".into() })).await;
    let (status, heads, text) = waits.await.unwrap();
    assert_eq!((status, heads.position.as_deref()), (200, Some("1")), "the head was written");
    assert!(text.contains("invalid_api_key"), "{text}");
    first.await.unwrap();
    assert_eq!(called(&double), 1);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn those_who_wait_are_told_when_the_door_drains_and_running_streams_go_on() {
    let (double, door) = narrow(40, "").await;
    let client = door.client().await;
    let first = spawn(&client, 40, &[]);
    in_flight(&double, 1).await;
    let waits = spawn(&client, 2, &[("x-surgewall-queue", "status")]);
    waiting(&door, 1).await;
    let story = door.stop().await;
    let (status, _, text) = waits.await.unwrap();
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("draining"), "{text}");
    let (status, _, text) = first.await.unwrap();
    assert!(status == 200 && text.trim_end().ends_with("[DONE]"), "{text}");
    story.check_conservation();
    assert_eq!(story.only().outcome, Outcome::Completed);
}

#[tokio::test]
async fn in_observe_mode_nobody_waits_and_the_counts_say_who_would_have() {
    let (double, door) = narrow(50, "[admission]\nmode=\"observe\"").await;
    let client = door.client().await;
    let streams: Vec<_> = (0..5).map(|_| spawn(&client, 20, &[])).collect();
    in_flight(&double, 5).await;
    for stream in streams {
        let (status, heads, _) = stream.await.unwrap();
        assert!(status == 200 && heads.position.is_none());
    }
    let until = async {
        loop {
            let metrics = Client::new(&door.admin_url).get("/metrics").await.unwrap().text();
            let line = "surgewall_admission_decisions_total{upstream=\"local\",class=\"verified\",decision=\"queued\"} 4";
            if metrics.contains(line) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, until).await.is_ok(), "four would have waited");
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_fallback_has_a_gate_of_its_own() {
    let broken = Double::start("status code=500".parse().unwrap());
    let double = Double::start("rate=20".parse().unwrap());
    let first = "models=[\"large\"]\naliases={ any = \"large\" }\nfallback=[\"second\"]";
    let pools = upstream("first", &broken.url(), first)
        + &upstream("second", &double.url(), "models=[\"large\"]\nsequences_max=1\nweight=1");
    let door = TestDoor::start(&pools).await;
    let client = door.client().await;
    let body = |tokens: u32| chat("any", &format!("say {tokens}"), false);
    let path = "/v1/chat/completions";
    let (long, short) = (body(20), body(2));
    let second = async {
        in_flight(&double, 1).await;
        client.post(path, &short).await.unwrap()
    };
    let (served, refused) = futures_util::future::join(client.post(path, &long), second).await;
    assert_eq!(served.unwrap().status, 200, "the fallback answers");
    assert_eq!(refused.status, 503, "the fallback is full: {}", refused.text());
    door.stop().await.check_conservation();
    assert_eq!(called(&double), 1);
}

#[tokio::test]
async fn garbage_in_a_requests_hints_is_no_hint() {
    let (double, door) = narrow(20, "").await;
    let client = door.client().await;
    let first = spawn(&client, 10, &[]);
    in_flight(&double, 1).await;
    let odd = [("x-surgewall-queue", "\u{fe}"), ("x-stainless-retry-count", "-1")];
    let (status, _, _) = spawn(&client, 2, &odd).await.unwrap();
    assert_eq!(status, 200);
    first.await.unwrap();
    door.stop().await.check_conservation();
}

/// A stream that the client cuts at its first byte while it waits.
#[tokio::test]
async fn a_client_may_leave_at_the_first_comment() {
    let (double, door) = narrow(20, "").await;
    let client = door.client().await;
    let first = spawn(&client, 20, &[]);
    in_flight(&double, 1).await;
    let body: Value = chat("double", "say 2", true);
    let streamed = tokio::time::timeout(
        Duration::from_millis(400),
        client.stream("/v1/chat/completions", &body, |_| Flow::Leave),
    );
    assert!(streamed.await.is_err(), "comments are no events");
    waiting(&door, 0).await;
    first.await.unwrap();
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!((story.settled.len(), called(&double)), (1, 1));
}

/// A connection's read buffer; a request's lines and its body are pieces of it.
struct ReadBuffer {
    bytes: Vec<u8>,
    _kept: Arc<()>,
}

impl AsRef<[u8]> for ReadBuffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A request as hyper makes it of one read; its buffer lives as long as `kept` has a second owner.
fn in_one_buffer(path: &str, key: &str, body: &Value, kept: Arc<()>) -> http::Request<Body> {
    let lines = [path, "127.0.0.1", &format!("Bearer {key}"), "2023-06-01", &body.to_string()];
    let buffer = Bytes::from_owner(ReadBuffer { bytes: lines.concat().into_bytes(), _kept: kept });
    let mut from = 0;
    let [path, host, bearer, version, body] = lines.map(|line| {
        from += line.len();
        buffer.slice(from - line.len()..from)
    });
    let value = |piece: Bytes| HeaderValue::from_maybe_shared(piece).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    let peer = Arc::new(Peer {
        address,
        network: Network::of(address.ip()),
        spoke: AtomicBool::new(true),
        authenticated: AtomicBool::new(false),
        place: Mutex::new(None),
    });
    http::Request::post(Uri::from_maybe_shared(path).unwrap())
        .header("host", value(host))
        .header("authorization", value(bearer))
        .header("anthropic-version", value(version))
        .extension(peer)
        .body(Body::from(body))
        .unwrap()
}

#[tokio::test]
async fn who_waits_keeps_nothing_of_the_connections_buffer() {
    let (double, door) = narrow(2, "").await;
    let first = spawn(&door.client().await, 60, &[]);
    in_flight(&double, 1).await;
    let key = door.key(KeyCreate { name: "hers".into(), ..KeyCreate::default() }).await;
    for (path, streams) in
        [("/v1/chat/completions", true), ("/v1/messages", true), ("/v1/messages", false)]
    {
        let kept = Arc::new(());
        let request = in_one_buffer(path, &key, &chat("double", "say 2", streams), kept.clone());
        let router = router(door.door(), Purpose::Public);
        let waits = async {
            // A stream has the head of its answer soon, and still waits.
            let _answer = router.oneshot(request).await;
            std::future::pending::<()>().await;
        };
        let freed = async {
            waiting(&door, 1).await;
            // Freed while it waits, not by its end.
            while Arc::strong_count(&kept) > 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            waiting(&door, 1).await;
        };
        tokio::select! {
            () = waits => {}
            freed = tokio::time::timeout(PATIENCE, freed) => assert!(freed.is_ok(), "{path} {streams}"),
        }
        waiting(&door, 0).await;
    }
    first.abort();
}
