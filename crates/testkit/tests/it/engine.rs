//! The double with an engine: tokens come as it makes them, and its faults do what they say.

use std::time::Duration;

use serde_json::{Value, json};
use surgewall_testkit::client::{Client, End, Flow};
use surgewall_testkit::double::{Behaviour, Control, Double, Metrics, Options};
use surgewall_testkit::engine::{Settings, StepTime};

const CHAT: &str = "/v1/chat/completions";
/// For what should come at once.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::expect_used, reason = "a test without its double cannot go on")]
fn start(settings: Settings, metrics: Metrics) -> Double {
    let options = Options { engine: Some(settings), metrics, ..Options::default() };
    Double::start_with(options, Behaviour::default()).expect("a free port on loopback")
}

/// An engine of which a hundred tokens take a few milliseconds.
fn fast() -> Settings {
    let step = StepTime {
        base: Duration::from_micros(50),
        per_prefill_token: Duration::ZERO,
        per_sequence: Duration::ZERO,
    };
    Settings { step, ..Settings::default() }
}

/// One step takes an hour: what is queued stays.
fn frozen() -> Settings {
    Settings { step: StepTime { base: Duration::from_secs(3_600), ..fast().step }, ..fast() }
}

fn ask(text: &str, stream: bool) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream})
}

async fn metric(client: &Client, name: &str) -> Option<f64> {
    let text = client.get("/metrics").await.ok()?.body;
    let text = String::from_utf8(text.to_vec()).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until a metric has a value.
async fn until(client: &Client, name: &str, value: f64) {
    let reached = async {
        while metric(client, name).await != Some(value) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let reached = tokio::time::timeout(PATIENCE, reached).await;
    assert!(reached.is_ok(), "{name} never was {value}");
}

#[tokio::test]
async fn the_engine_makes_the_tokens_that_are_asked_for() {
    let double = start(fast(), Metrics::Vllm);
    let client = Client::new(&double.url());
    let streamed = client.events(CHAT, &ask("!double tokens=30", true)).await.unwrap();
    assert_eq!((streamed.tokens(), streamed.is_done()), (30, true));
    let whole = client.post(CHAT, &ask("say 12", false)).await.unwrap().json();
    assert_eq!(whole["usage"]["completion_tokens"], 12);
    // Nobody says how many: the same body is answered the same.
    let drawn = client.post(CHAT, &ask("anything", false)).await.unwrap().json();
    let again = client.post(CHAT, &ask("anything", false)).await.unwrap().json();
    let drawn_tokens = drawn["usage"]["completion_tokens"].as_f64().unwrap();
    assert_eq!(drawn, again);
    assert!((7.0..=1_000.0).contains(&drawn_tokens));
    let made = metric(&client, "vllm:generation_tokens_total").await;
    assert_eq!(made, Some(42.0 + 2.0 * drawn_tokens));
    assert_eq!(metric(&client, "vllm:time_to_first_token_seconds_count").await, Some(4.0));
    assert!(double.idle(PATIENCE).await);
}

#[tokio::test]
async fn nothing_but_the_head_comes_before_the_first_token() {
    let double = start(frozen(), Metrics::Vllm);
    let client = Client::new(&double.url());
    let body = ask("say 5", true).to_string();
    let post = client.send(http::Method::POST, CHAT, body.into());
    let mut answer = tokio::time::timeout(PATIENCE, post).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let first = http_body_util::BodyExt::frame(answer.body_mut());
    assert!(tokio::time::timeout(Duration::from_millis(50), first).await.is_err());
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let double = start(Settings { seqs_max: 1, ..fast() }, Metrics::Vllm);
    let client = Client::new(&double.url());
    let left = client.stream(CHAT, &ask("!double tokens=1000000", true), |_| Flow::Leave).await;
    assert_eq!(left.unwrap().end, End::Left);
    let next = client.events(CHAT, &ask("say 5", true)).await.unwrap();
    assert_eq!(next.tokens(), 5);
    let aborted =
        "vllm:request_success_total{engine=\"0\",model_name=\"double\",finished_reason=\"abort\"}";
    until(&client, aborted, 1.0).await;
}

#[tokio::test]
async fn a_restart_breaks_connections_and_forgets_and_lies_are_told() {
    let double = start(Settings { seqs_max: 1, ..frozen() }, Metrics::Vllm);
    let client = Client::new(&double.url());
    let body = ask("say 5", true);
    let asking = (0..5).map(|_| client.events(CHAT, &body));
    let controlled = async {
        until(&client, "vllm:num_requests_waiting", 4.0).await;
        until(&client, "vllm:num_requests_running", 1.0).await;
        double.control(Control::LieWaiting(0));
        until(&client, "vllm:num_requests_waiting", 0.0).await;
        let honest = client.whole(http::Method::POST, "/double/control", "honest".into());
        assert_eq!(honest.await.unwrap().status, 200);
        until(&client, "vllm:num_requests_waiting", 4.0).await;
        double.control(Control::Restart);
    };
    let (ends, ()) = tokio::join!(futures_util::future::join_all(asking), controlled);
    for end in ends {
        assert!(matches!(end.unwrap().end, End::Broken(_)));
    }
    until(&client, "vllm:num_requests_running", 0.0).await;
    until(&client, "vllm:num_requests_waiting", 0.0).await;
}

#[tokio::test]
async fn llama_cpp_has_its_own_words_and_a_silent_server_none() {
    let double = start(fast(), Metrics::LlamaCpp);
    let client = Client::new(&double.url());
    client.events(CHAT, &ask("say 5", true)).await.unwrap();
    until(&client, "llamacpp:tokens_predicted_total", 5.0).await;
    until(&client, "llamacpp:requests_deferred", 0.0).await;
    for silent in [start(fast(), Metrics::Silent), Double::start(Behaviour::default())] {
        assert_eq!(Client::new(&silent.url()).get("/metrics").await.unwrap().status, 404);
    }
}

#[tokio::test]
async fn a_prefix_that_is_there_shows_in_the_usage_and_what_does_not_fit_is_refused() {
    let settings = Settings { prefix_cache: true, kv_blocks: 64, ..fast() };
    let double = start(settings, Metrics::Vllm);
    let client = Client::new(&double.url());
    let text = format!("say 3 {}", "word ".repeat(200));
    let cached = |answer: &Value| answer["usage"]["prompt_tokens_details"]["cached_tokens"].clone();
    let first = client.post(CHAT, &ask(&text, false)).await.unwrap().json();
    let second = client.post(CHAT, &ask(&text, false)).await.unwrap().json();
    assert_eq!(cached(&first), Value::Null);
    assert_eq!(cached(&second), 240);
    let long = client.post(CHAT, &ask(&"word ".repeat(2_000), false)).await.unwrap();
    assert_eq!(long.status, 400);
}
