//! What a client gets: streams, whole answers, aliases, fallbacks, errors.

use serde_json::{Value, json};
use surgewall_core::decision::Outcome;
use surgewall_core::usage::Source;
use surgewall_testkit::client::Flow;
use surgewall_testkit::{Behaviour, Double};

use crate::harness::{TestDoor, upstream};

pub(crate) fn chat(model: &str, text: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 50,
           "messages": [{"role": "user", "content": text}]})
}

#[tokio::test]
async fn a_whole_answer_and_a_stream_say_the_same_and_settle_at_the_upstreams_count() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    let whole = client.post("/v1/chat/completions", &chat("double", "say 5", false)).await.unwrap();
    assert_eq!(whole.status, 200);
    assert_eq!(whole.json()["usage"]["completion_tokens"], 5);
    let streamed =
        client.events("/v1/chat/completions", &chat("double", "say 5", true)).await.unwrap();
    assert!(streamed.is_done());
    assert_eq!(streamed.usage(), None, "the client did not ask for usage");
    assert_eq!(whole.json()["choices"][0]["message"]["content"], streamed.text());
    let ids: Vec<_> = double.requests().iter().filter_map(|seen| seen.request_id.clone()).collect();
    assert!(ids.contains(&whole.header("x-request-id").unwrap().to_owned()));
    let story = door.stop().await;
    story.check_conservation();
    for settled in &story.settled {
        assert_eq!((settled.usage.output, settled.source), (5, Source::Upstream));
        assert_eq!((settled.outcome, settled.status), (Outcome::Completed, 200));
    }
}

#[tokio::test]
async fn the_handbook_answers_strangers_in_every_dialect() {
    let door = TestDoor::start("").await;
    let client = door.stranger();
    let question = "How do I revoke a key?";
    let openai =
        client.post("/v1/chat/completions", &chat("handbook", question, false)).await.unwrap();
    let text = openai.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert!(text.contains("docs/keys.md"), "{text}");
    let streamed =
        client.events("/chat/completions", &chat("handbook", question, true)).await.unwrap();
    assert_eq!(streamed.text(), text);
    let anthropic = client.post("/v1/messages", &chat("handbook", question, false)).await.unwrap();
    assert_eq!(anthropic.json()["content"][0]["text"], text);
    let other = client.post("/v1/chat/completions", &chat("gpt-4", question, false)).await.unwrap();
    assert_eq!(
        (other.status, other.json()["error"]["code"].as_str()),
        (401, Some("credential_missing"))
    );
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn an_alias_is_shown_under_its_own_name_and_recorded_under_the_models() {
    let double = Double::start(Behaviour::default());
    let config = upstream("local", &double.url(), "aliases={\"gpt-4o\"=\"double\"}");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let answer =
        client.post("/v1/chat/completions", &chat("gpt-4o", "say 2", false)).await.unwrap();
    assert_eq!(answer.json()["model"], "gpt-4o");
    let streamed =
        client.events("/v1/chat/completions", &chat("gpt-4o", "say 2", true)).await.unwrap();
    assert!(streamed.events.iter().all(|e| e.data == "[DONE]" || e.json()["model"] == "gpt-4o"));
    let asked = double.requests();
    assert!(
        asked
            .iter()
            .filter(|seen| seen.path.ends_with("completions"))
            .all(|seen| seen.json()["model"] == "double")
    );
    let story = door.stop().await;
    assert!(story.admitted.iter().all(|admitted| admitted.model == "double"));
}

#[tokio::test]
async fn a_fallback_answers_when_the_first_pool_fails_before_its_first_byte() {
    let broken = Double::start("500".parse().unwrap());
    let spare = Double::start(Behaviour::default());
    let config = upstream("first", &broken.url(), "models=[\"m\"]\nfallback=[\"spare\"]")
        + &upstream("spare", &spare.url(), "models=[\"other\"]\naliases={m=\"double\"}\nweight=1");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    for stream in [false, true] {
        let answer =
            client.post("/v1/chat/completions", &chat("m", "say 3", stream)).await.unwrap();
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.settled.iter().all(|settled| settled.upstream.as_deref() == Some("spare")));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_call_and_pays_for_what_was_made() {
    let double = Double::start("rate=200".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    let mut events = 0;
    let body = json!({"model": "double", "stream": true, "max_tokens": 5000,
        "messages": [{"role": "user", "content": "say 5000"}]});
    let streamed = client.stream("/v1/chat/completions", &body, |_| {
        events += 1;
        if events >= 10 { Flow::Leave } else { Flow::Continue }
    });
    let delivered = streamed.await.unwrap().tokens();
    door.settled().await;
    assert!(double.idle(std::time::Duration::from_secs(5)).await, "the upstream call is cancelled");
    let produced = double.produced();
    let story = door.stop().await;
    story.check_conservation();
    let settled = story.only();
    assert_eq!(settled.outcome, Outcome::ClientGone);
    assert!(
        settled.usage.output > 0 && settled.usage.output < 1_000,
        "{settled:?} {delivered} {produced}"
    );
}

#[tokio::test]
async fn an_upstreams_own_words_are_passed_on_but_not_its_refusal_of_the_doors_key() {
    for (behaviour, status, code) in [
        ("400", 400, None),
        ("401", 502, Some("upstream_failed")),
        ("500", 502, Some("upstream_failed")),
        ("redirect", 502, Some("upstream_failed")),
        ("empty", 502, Some("upstream_failed")),
        ("blank", 502, Some("upstream_failed")),
        ("429 retry_after=1", 503, Some("upstream_overloaded")),
        ("vanish", 502, Some("upstream_failed")),
    ] {
        let double = Double::start(behaviour.parse().unwrap());
        let door = TestDoor::start(&upstream("local", &double.url(), "models=[\"double\"]")).await;
        let client = door.client().await;
        for stream in [false, true] {
            let body = chat("double", "say 3", stream);
            let answer = client.post("/v1/chat/completions", &body).await.unwrap();
            assert_eq!(answer.status, status, "{behaviour} {stream} {:?}", answer.body);
            if let Some(code) = code {
                assert_eq!(answer.json()["error"]["code"], code, "{behaviour}");
            }
        }
        let story = door.stop().await;
        story.check_conservation();
        assert!(
            story.settled.iter().all(|s| s.settled.tokens() == 0),
            "nothing is charged: {behaviour}"
        );
    }
}

#[tokio::test]
async fn a_model_is_found_by_its_name_also_percent_encoded() {
    let double = Double::start(Behaviour::default());
    let alias = "[upstream.aliases]\n\"org/model v1\" = \"double\"\n";
    let door = TestDoor::start(&upstream("local", &double.url(), alias)).await;
    let client = door.client().await;
    for (path, status) in [
        ("/v1/models/org%2Fmodel%20v1", 200),
        ("/v1/models/org/model%20v1", 200),
        ("/v1/models/org%252Fmodel%20v1", 404),
        ("/v1/models/%ff", 404),
        ("/anthropic/v1/models/org%2Fmodel%20v1", 200),
    ] {
        assert_eq!(client.get(path).await.unwrap().status, status, "{path}");
    }
    // Encoded or not, a stranger learns nothing of it.
    assert_eq!(door.stranger().get("/v1/models/org%2Fmodel%20v1").await.unwrap().status, 401);
    assert_eq!(door.stranger().get("/v1/models/hand%62ook").await.unwrap().status, 200);
}
