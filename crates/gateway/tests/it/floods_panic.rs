//! A panic in one request is a 500 for that request only: provoked from
//! outside, by a body and by a log subscriber that panic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use surgewall_core::decision::Outcome;
use surgewall_core::principal::Network;
use surgewall_gateway::listen::{Peer, Purpose};
use surgewall_gateway::routes::{guarded, router};
use surgewall_testkit::{Behaviour, Double};
use tower::ServiceExt as _;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// Panics at the first event of the pipeline that is of this level.
struct Panicking(Level, AtomicBool);

impl Subscriber for Panicking {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() == self.0
            && metadata.target().starts_with("surgewall_gateway::pipeline")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !self.1.swap(true, Ordering::Relaxed) {
            panic!("an event of {}", event.metadata().target());
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The other end of a connection that there is not.
fn peer() -> Arc<Peer> {
    let address = "127.0.0.1:9".parse().unwrap();
    Arc::new(Peer {
        address,
        network: Network::of(address.ip()),
        spoke: AtomicBool::new(true),
        authenticated: AtomicBool::new(false),
        place: Mutex::new(None),
    })
}

#[tokio::test]
async fn a_body_that_panics_is_a_500_for_its_request() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    let key = door
        .key(surgewall_store::admin::KeyCreate { name: "b".into(), ..Default::default() })
        .await;
    let body = Body::from_stream(futures_util::stream::poll_fn(
        |_| -> Poll<Option<Result<Bytes, std::io::Error>>> { panic!("a body's own bug") },
    ));
    let request = Request::post("/v1/chat/completions")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {key}"))
        .extension(peer())
        .body(body)
        .unwrap();
    let response = router(door.door(), Purpose::Public).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-request-id"));
    let after = client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
    assert_eq!(after.status, 200);
    door.settled().await;
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.refused, 1, "it is in the ledger");
}

/// A route that panics, and where its dialect has the error's text.
async fn check_route(door: &TestDoor, path: &str, text: &str) {
    let broken = axum::routing::get(|| async {
        if std::hint::black_box(true) {
            panic!("a page's own bug");
        }
    });
    let routes = Router::new().route(path, broken);
    let request = Request::get(path).header("host", "localhost").extension(peer());
    let routes = guarded(door.door(), Purpose::Public, routes);
    let response = routes.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 500, "{path}");
    assert!(response.headers().contains_key("x-request-id"), "{path}");
    let body = axum::body::to_bytes(response.into_body(), 4_096).await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(body.pointer(text).is_some_and(serde_json::Value::is_string), "{path}: {body}");
    assert!(!body.to_string().contains("own bug"), "{path}: {body}");
}

#[tokio::test]
async fn a_route_outside_the_pipeline_that_panics_is_a_500_for_its_request() {
    let door = TestDoor::start("").await;
    check_route(&door, "/page", "/error/message").await;
    check_route(&door, "/api/page", "/error").await;
    assert_eq!(door.stranger().get("/healthz").await.unwrap().status, 200);
    assert_eq!(door.stop().await.refused, 2, "both are in the ledger");
}

#[tokio::test]
async fn what_does_not_exist_is_404_in_the_dialect_of_its_neighbours() {
    let door = TestDoor::start("").await;
    for (path, text) in [
        ("/api/nothing", "/error"),
        ("/v1/nothing", "/error/message"),
        ("/v1/messages/batches", "/error/type"),
    ] {
        let answer = door.stranger().get(path).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
        let told = answer.json();
        assert!(told.pointer(text).is_some_and(serde_json::Value::is_string), "{path}: {told}");
    }
    door.stop().await;
}

/// A panic where a stream's end is judged: the stream gets an error event and
/// another stream on the same door goes on.
async fn check_stream(behaviour: &str, level: Level) {
    let broken = Double::start(behaviour.parse().unwrap());
    let sound = Double::start("rate=200".parse().unwrap());
    let config = format!(
        "{}{}",
        upstream("broken", &broken.url(), "models=[\"broken\"]"),
        upstream("sound", &sound.url(), "models=[\"sound\"]")
    );
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let guard = tracing::subscriber::set_default(Panicking(level, AtomicBool::new(false)));
    let (body, other) = (chat("broken", "say 20", true), chat("sound", "say 40", true));
    let (streamed, other) = tokio::join!(
        client.events("/v1/chat/completions", &body),
        client.events("/v1/chat/completions", &other),
    );
    drop(guard);
    assert!(other.unwrap().is_done(), "{behaviour}: another stream");
    let streamed = streamed.unwrap();
    let last = &streamed.events.last().expect("an event").data;
    assert!(streamed.is_done() || last.contains("\"error\""), "{behaviour}: {last}");
    door.settled().await;
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.settled.iter().any(|s| s.outcome == Outcome::Failed), "{:?}", story.settled);
    assert!(story.settled.iter().any(|s| s.outcome == Outcome::Completed), "{:?}", story.settled);
}

#[tokio::test]
async fn a_panic_within_a_stream_ends_that_stream_with_an_error_event() {
    // Where an implausible usage is replaced, after the answer's last event.
    check_stream("usage=huge", Level::WARN).await;
    // Where a fault is judged, and where it is told.
    check_stream("garbage after=3", Level::DEBUG).await;
    check_stream("die after=3", Level::INFO).await;
}
