//! Each fault, as a client meets it.

use std::time::Duration;

use serde_json::{Value, json};
use surgewall_testkit::client::{Client, End, Streamed};
use surgewall_testkit::double::{Behaviour, Double};
use surgewall_testkit::schedule;

const CHAT: &str = "/v1/chat/completions";

fn body(words: &str, stream: bool) -> Value {
    let content = format!("say 6\n!double {words}");
    json!({"model": "m", "stream": stream, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": content}]})
}

#[expect(clippy::unwrap_used, reason = "a head always comes here")]
async fn stream(client: &Client, words: &str) -> Streamed {
    client.events(CHAT, &body(words, true)).await.unwrap()
}

#[tokio::test]
async fn errors_have_the_dialects_shape() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    let busy = client.post(CHAT, &body("429 retry_after=7", true)).await.unwrap();
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("7")));
    assert_eq!(busy.json()["error"]["type"], "rate_limit_error");
    let over = client.post("/v1/messages", &body("status code=529", true)).await.unwrap();
    assert_eq!((over.status, &over.json()["error"]["type"]), (529, &json!("overloaded_error")));
    let moved = client.post(CHAT, &body("redirect to=http://203.0.113.1/", false)).await.unwrap();
    assert_eq!((moved.status, moved.header("location")), (302, Some("http://203.0.113.1/")));
    let wrong = client.post(CHAT, &body("sheep", false)).await.unwrap();
    assert_eq!(wrong.status, 400);
}

#[tokio::test]
async fn streams_break_where_they_should() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    for (words, tokens, whole, done) in [
        ("ok", 6, true, true),
        ("die after=2", 2, false, false),
        ("reset after=2", 2, false, false),
        ("cut after=2", 2, true, false),
        ("garbage after=2", 2, true, false),
        ("error_event after=2", 2, true, false),
        ("no_done", 6, true, false),
        ("double_done", 6, true, true),
        ("drip", 6, true, true),
        ("comments=5 first=50", 6, true, true),
        ("oversize after=2 bytes=3000000", 6, true, true),
        ("empty", 0, true, false),
        ("blank", 0, true, false),
        ("die after=99", 6, false, false),
    ] {
        double.clear();
        let streamed = stream(&client, words).await;
        let seen = double.requests().remove(0);
        assert_eq!(streamed.tokens(), tokens, "{words}");
        assert_eq!(streamed.end == End::Whole, whole, "{words}: {:?}", streamed.end);
        assert_eq!(streamed.is_done(), done, "{words}");
        assert!(streamed.tokens() <= seen.produced, "{words}");
        assert!(seen.finished || seen.faulted, "{words}");
    }
    assert!(stream(&client, "comments=5 first=50").await.comments >= 5);
}

#[tokio::test]
async fn silent_faults_last_until_the_client_leaves() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    for (words, stream) in [
        ("hang", true),
        ("hang", false),
        ("stall after=2", true),
        ("stall after=2", false),
        ("endless", true),
        ("endless rate=100", true),
        ("endless", false),
    ] {
        double.clear();
        let body = body(words, stream);
        let limit = Duration::from_millis(80);
        if stream {
            assert!(
                tokio::time::timeout(limit, client.events(CHAT, &body)).await.is_err(),
                "{words}"
            );
        } else {
            assert!(
                tokio::time::timeout(limit, client.post(CHAT, &body)).await.is_err(),
                "{words}"
            );
        }
        assert!(double.idle(Duration::from_secs(2)).await, "{words}");
        assert!(double.requests()[0].aborted, "{words}");
    }
}

#[tokio::test]
async fn whole_answers_break_too() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    for words in ["vanish", "die after=2", "reset after=2", "long_length"] {
        assert!(client.post(CHAT, &body(words, false)).await.is_err(), "{words}");
    }
    let large = client.post(CHAT, &body("oversize bytes=40000000", false)).await.unwrap();
    assert!(large.body.len() > 40_000_000);
    let padded = client.post(CHAT, &body("comments=5 first=40", false)).await.unwrap();
    assert!(padded.body.starts_with(b"\n\n") && padded.json()["choices"].is_array());
    assert!(client.post(CHAT, &body("empty", false)).await.unwrap().body.is_empty());
}

#[tokio::test]
async fn usage_lies() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    for (words, expected) in [
        ("usage=honest", Some(6)),
        ("usage=none", None),
        ("usage=huge", Some(1_000_000_000_000)),
        ("usage=zero", Some(0)),
        ("usage=negative", Some(-5)),
        ("usage=half", Some(3)),
    ] {
        let usage = stream(&client, words).await.usage();
        assert_eq!(
            usage.and_then(|usage| usage["completion_tokens"].as_i64()),
            expected,
            "{words}"
        );
    }
}

#[tokio::test]
async fn a_key_is_asked_for_and_behaviour_changes_at_run_time() {
    let double = Double::start("key=secret".parse().unwrap());
    let client = Client::new(&double.url());
    assert_eq!(client.get("/v1/models").await.unwrap().status, 401);
    assert_eq!(client.clone().with_key("secret").get("/v1/models").await.unwrap().status, 200);
    double.set("500".parse().unwrap());
    assert_eq!(client.get("/v1/models").await.unwrap().status, 500);
    let change = client.whole(http::Method::POST, "/double/behaviour", "ok".into()).await.unwrap();
    assert_eq!(change.status, 200);
    assert_eq!(client.get("/v1/models").await.unwrap().status, 200);
    let url = double.url();
    double.stop();
    assert!(Client::new(&url).get("/health").await.is_err());
}

#[tokio::test]
async fn a_random_run_delivers_no_more_than_was_made() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    for step in schedule::steps(42, 60) {
        double.clear();
        let outcome = step.run(&client, "m").await;
        assert!(double.idle(Duration::from_secs(5)).await, "{step:?}");
        assert!(outcome.tokens <= double.produced(), "{step:?} {outcome:?}");
    }
}
