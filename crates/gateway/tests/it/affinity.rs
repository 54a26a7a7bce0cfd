//! Conversations before several servers with caches: each returns to the one
//! that has its beginning, as long as that one's load and health allow.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use surgewall_testkit::client::Client;
use surgewall_testkit::double::{Control, Double, Options};
use surgewall_testkit::engine::{Settings, StepTime};

use crate::harness::{TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";
const PATIENCE: Duration = Duration::from_secs(60);
/// Conversations: that chance sends every turn of all to one server is one in a million.
const CONVERSATIONS: usize = 20;

/// An engine with a cache and steps of about a millisecond.
fn engine() -> Double {
    let step = StepTime {
        base: Duration::from_millis(1),
        per_prefill_token: Duration::from_micros(5),
        per_sequence: Duration::from_micros(10),
    };
    let engine = Some(Settings { step, prefix_cache: true, ..Settings::default() });
    Double::start_with(Options { engine, ..Options::default() }, "tokens=4".parse().unwrap())
        .unwrap()
}

/// A door that lets everybody through, before `doubles` as one pool.
async fn before(doubles: &[Double], more: &str) -> TestDoor {
    let servers: Vec<_> =
        doubles.iter().map(|double| format!("{{ url = \"{}/v1\" }}", double.url())).collect();
    let more = format!("servers=[{}]\nmodels=[\"double\"]\n{more}", servers.join(", "));
    let pool = upstream("local", "", &more).replace("url=\"/v1\"\n", "");
    TestDoor::start(&format!("[admission]\nmode=\"observe\"\n{pool}")).await
}

/// Turn number `turn` of a conversation that `opening` begins.
fn turn(opening: &str, turn: usize, stream: bool) -> Value {
    let system = json!({"role": "system", "content": format!("{opening} {}", "word ".repeat(200))});
    let pair = |nth: usize| {
        let said = format!("question {nth} {}", "text ".repeat(100));
        [
            json!({"role": "user", "content": said}),
            json!({"role": "assistant", "content": format!("answer {nth}")}),
        ]
    };
    let mut messages: Vec<_> = std::iter::once(system).chain((0..=turn).flat_map(pair)).collect();
    messages.pop();
    json!({"model": "double", "stream": stream, "max_tokens": 50, "messages": messages})
}

/// Input tokens of the answer to `body`, and those of them that the server had.
async fn ask(client: &Client, body: &Value) -> (u64, u64) {
    let answer = client.post(PATH, body).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let usage = &answer.json()["usage"];
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    (usage["prompt_tokens"].as_u64().unwrap(), cached.unwrap_or(0))
}

/// Which double has seen `opening`, and how often.
fn seen(doubles: &[Double], opening: &str) -> Vec<usize> {
    let says = |body: &[u8]| String::from_utf8_lossy(body).contains(opening);
    let count = |double: &Double| double.requests().iter().filter(|one| says(&one.body)).count();
    doubles.iter().map(count).collect()
}

async fn metric(door: &TestDoor, name: &str) -> u64 {
    let text = Client::new(&door.admin_url).get("/metrics").await.unwrap().text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    line.unwrap_or(0)
}

#[tokio::test]
async fn the_turns_of_a_conversation_go_to_one_server_and_cost_what_is_not_cached() {
    let doubles = [engine(), engine()];
    let door = before(&doubles, "").await;
    let client = door.client().await;
    for nth in 0..3 {
        for conversation in 0..CONVERSATIONS {
            let (input, cached) =
                ask(&client, &turn(&format!("<{conversation}>"), nth, false)).await;
            let expected = if nth == 0 { 0 } else { input / 3 };
            assert!(cached >= expected, "turn {nth} of {conversation}: {cached} of {input}");
        }
    }
    let mut used = [false; 2];
    for conversation in 0..CONVERSATIONS {
        let seen = seen(&doubles, &format!("<{conversation}>"));
        let at = seen.iter().position(|count| *count == 3);
        assert_eq!(seen.iter().sum::<usize>(), 3, "{seen:?}");
        used[at.unwrap_or_else(|| panic!("{conversation} went {seen:?}"))] = true;
    }
    assert_eq!(used, [true; 2], "new conversations are divided");
    // What was expected was reported, and is believed from now on.
    let choices = |choice| {
        format!("surgewall_prefix_choices_total{{upstream=\"local\",choice=\"{choice}\"}}")
    };
    let tokens =
        |count| format!("surgewall_prefix_tokens_total{{upstream=\"local\",count=\"{count}\"}}");
    assert_eq!(metric(&door, &choices("unknown")).await, CONVERSATIONS as u64);
    assert_eq!(metric(&door, &choices("known")).await, 2 * CONVERSATIONS as u64);
    let (expected, reported) =
        (metric(&door, &tokens("expected")).await, metric(&door, &tokens("reported")).await);
    assert!(expected > 0 && reported >= expected / 2, "{expected} {reported}");
    let pool = door.door().policy().pools.named("local").unwrap();
    assert!(pool.caches().believed(1_000) > 500, "{}", pool.caches().believed(1_000));
    // Quota is held by the whole input all the same.
    let story = door.stop().await;
    story.check_conservation();
    for (admitted, settled) in story.admitted.iter().zip(&story.settled) {
        assert!(admitted.reserved.input > 200, "{admitted:?}");
        assert_eq!(settled.settled.input, settled.usage.input);
    }
}

#[tokio::test]
async fn a_beginning_that_everybody_has_is_spread_by_the_load() {
    let doubles = [engine(), engine()];
    let door = before(&doubles, "").await;
    let client = door.client().await;
    let opening = format!("<hot> {}", "page ".repeat(4_000));
    ask(&client, &turn(&opening, 0, false)).await;
    for double in &doubles {
        double.set("tokens=40".parse().unwrap());
        double.control(Control::Slow(100.0));
    }
    let bodies: Vec<_> = (0..16).map(|_| turn(&opening, 0, true)).collect();
    let streams = join_all(bodies.iter().map(|body| client.events(PATH, body)));
    let loads = async {
        loop {
            let loads: Vec<_> = doubles.iter().map(Double::in_flight).collect();
            if loads.iter().sum::<usize>() == bodies.len() {
                doubles.iter().for_each(|double| double.control(Control::Slow(1.0)));
                return loads;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let both = futures_util::future::join(streams, loads);
    let (answers, loads) = tokio::time::timeout(PATIENCE, both).await.expect("all arrive");
    // A quarter above its half of 16 for the one that has it, and the rest for the other.
    assert!(loads == [10, 6] || loads == [6, 10], "{loads:?}");
    assert!(answers.iter().flatten().all(|answer| answer.is_done()), "everybody is served");
    let over = "surgewall_prefix_choices_total{upstream=\"local\",choice=\"passed_over\"}";
    assert!(metric(&door, over).await >= 1);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn the_conversations_of_a_server_that_is_gone_go_on_at_another() {
    let [gone, left] = [engine(), engine()];
    let doubles = [gone, left];
    let door = before(&doubles, "").await;
    let client = door.client().await;
    for conversation in 0..CONVERSATIONS {
        ask(&client, &turn(&format!("<{conversation}>"), 0, false)).await;
    }
    let [gone, left] = doubles;
    gone.stop();
    for nth in 1..3 {
        for conversation in 0..CONVERSATIONS {
            let (input, cached) =
                ask(&client, &turn(&format!("<{conversation}>"), nth, false)).await;
            let expected = if nth == 1 { 0 } else { input / 3 };
            assert!(cached >= expected, "turn {nth} of {conversation}: {cached} of {input}");
        }
    }
    let later: usize = (0..CONVERSATIONS)
        .map(|conversation| seen(std::slice::from_ref(&left), &format!("<{conversation}>"))[0])
        .sum();
    assert!(later >= 2 * CONVERSATIONS, "{later}");
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn nothing_is_followed_where_the_operator_does_not_want_it_or_there_is_one_server() {
    let doubles = [engine(), engine()];
    for (doubles, more, followed) in [
        (&doubles[..], "prefix_affinity=false", false),
        (&doubles[..1], "", false),
        (&doubles[..], "", true),
    ] {
        let door = before(doubles, more).await;
        let pool = door.door().policy().pools.named("local").unwrap();
        assert_eq!(pool.caches().are_followed(), followed, "{more}");
        let client = door.client().await;
        for nth in 0..3 {
            ask(&client, &turn("<one>", nth, false)).await;
        }
        let known = "surgewall_prefix_choices_total{upstream=\"local\",choice=\"known\"}";
        assert_eq!(metric(&door, known).await, if followed { 2 } else { 0 });
        door.stop().await.check_conservation();
    }
}
