//! Residency rules: what a rule bars is given nothing, in no way; and what the
//! ledger says of where requests went.

use serde_json::json;
use surgewall_core::flow::Observed;
use surgewall_store::admin::{GroupCreate, KeyCreate, Request};
use surgewall_testkit::client::Client;
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";

fn rule(more: &str) -> String {
    format!("[[rule]]\nid=\"stay\"\nkind=\"residency\"\nregions=[\"eu\",\"local\"]\n{more}\n")
}

fn served(double: &Double) -> usize {
    double.requests().iter().filter(|seen| seen.path.ends_with("completions")).count()
}

async fn ask(client: &Client) -> u16 {
    client.post(PATH, &chat("double", "say 2", false)).await.unwrap().status
}

/// A client of the group `clinic`.
async fn clinic(door: &TestDoor) -> Client {
    let create = GroupCreate { name: "clinic".into(), limits: Vec::new() };
    door.operate(Request::GroupCreate(create)).await;
    let key = KeyCreate {
        name: "of clinic".into(),
        group: Some("clinic".into()),
        ..KeyCreate::default()
    };
    door.stranger().with_key(&door.key(key).await)
}

async fn hits(door: &TestDoor, effect: &str) -> u64 {
    let text = Client::new(&door.admin_url).get("/metrics").await.unwrap();
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    let labels = format!("surgewall_rule_hits_total{{rule=\"stay\",effect=\"{effect}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&labels)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_request_that_may_go_nowhere_is_refused_in_each_dialect_and_nobody_is_given_it() {
    let (us, nowhere) = (Double::start(Behaviour::default()), Double::start(Behaviour::default()));
    let config = upstream("us", &us.url(), "region=\"us\"\nfallback=[\"nowhere\"]")
        + &upstream("nowhere", &nowhere.url(), "")
        + &rule("");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let body = chat("double", "say 2", false);
    for (path, code) in [
        (PATH, "/error/code"),
        ("/chat/completions", "/error/code"),
        ("/v1/messages", "/error/code"),
        ("/api/chat", "/code"),
    ] {
        let refused = client.post(path, &body).await.unwrap();
        let told = refused.json();
        assert_eq!(refused.status, 403, "{path}");
        assert_eq!(told.pointer(code).unwrap(), "residency", "{path}: {told}");
        assert!(!told.to_string().contains("stay"), "{path}: {told}");
        assert_eq!(refused.header("retry-after"), None);
    }
    let streamed = client.post(PATH, &chat("double", "say 2", true)).await.unwrap();
    assert_eq!(streamed.status, 403);
    let responses = json!({"model": "double", "input": "say 2"});
    assert_eq!(client.post("/v1/responses", &responses).await.unwrap().status, 403);
    let handbook = client.post(PATH, &chat("handbook", "revoke a key", false)).await.unwrap();
    assert_eq!(handbook.status, 200, "what the built-in model is asked goes nowhere");
    // Its list of models is asked for, by the door itself.
    let given = |double: &Double| {
        double.requests().iter().filter(|seen| !seen.path.ends_with("/models")).count()
    };
    assert_eq!((given(&us) + given(&nowhere), hits(&door, "refused").await), (0, 6));
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!((story.admitted.len(), story.refused), (1, 6));
}

#[tokio::test]
async fn fallbacks_and_shares_are_held_to_it_too() {
    let (us, eu) = (Double::start(Behaviour::default()), Double::start(Behaviour::default()));
    let config = upstream("us", &us.url(), "region=\"us\"\nfallback=[\"eu\"]\nweight=1000")
        + &upstream("eu", &eu.url(), "region=\"eu\"\nfallback=[\"us\"]")
        + &rule("groups=[\"clinic\"]");
    let door = TestDoor::start(&config).await;
    let (client, other) = (clinic(&door).await, door.client().await);
    for _ in 0..20 {
        assert_eq!(ask(&client).await, 200);
    }
    assert_eq!((served(&us), served(&eu)), (0, 20));
    // Those whom it does not hold for go where the weights say.
    let mut asked = 0;
    while served(&us) == 0 {
        assert_eq!(ask(&other).await, 200);
        asked += 1;
        assert!(asked < 200, "nobody was sent to the heavier upstream");
    }
    // Where the one that is left fails, the request fails: it does not go elsewhere.
    us.clear();
    eu.set("status code=500".parse().unwrap());
    assert_eq!(ask(&client).await, 502);
    drop(eu);
    assert!([502, 503].contains(&ask(&client).await));
    assert_eq!((served(&us), hits(&door, "narrowed").await), (0, 22));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn in_shadow_it_only_counts() {
    let us = Double::start(Behaviour::default());
    let config = upstream("us", &us.url(), "region=\"us\"");
    let door = TestDoor::start(&(config.clone() + &rule("state=\"shadow\""))).await;
    assert_eq!(ask(&door.client().await).await, 200);
    assert_eq!((hits(&door, "would_refuse").await, hits(&door, "refused").await), (1, 0));
    let story = door.stop().await;
    assert_eq!(story.admitted[0].carried.shadow, ["stay"]);
    let door = TestDoor::start(&(config + &rule("state=\"off\""))).await;
    assert_eq!(ask(&door.client().await).await, 200);
    assert_eq!(hits(&door, "would_refuse").await, 0);
    assert!(door.stop().await.admitted[0].carried.is_nothing());
    assert_eq!(served(&us), 2);
}

#[tokio::test]
async fn every_upstream_that_was_given_a_request_is_recorded_and_no_other() {
    let (first, last) = (Double::start(Behaviour::default()), Double::start(Behaviour::default()));
    first.set("status code=500".parse().unwrap());
    let unreached = Double::start(Behaviour::default());
    let gone = unreached.url();
    drop(unreached);
    let config =
        upstream(
            "gone",
            &gone,
            "models=[\"double\"]\nweight=1000000\nregion=\"us\"\nfallback=[\"first\", \"last\"]",
        ) + &upstream("first", &first.url(), "models=[\"other\"]\naliases={ double = \"other\" }")
            + &upstream(
                "last",
                &last.url(),
                "models=[\"other\"]\naliases={ double = \"other\" }\nregion=\"eu\"",
            );
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    assert_eq!(ask(&client).await, 200);
    last.set("status code=500".parse().unwrap());
    assert_eq!(ask(&client).await, 502);
    let story = door.stop().await;
    let (answered, failed) = (&story.settled[0], &story.settled[1]);
    assert_eq!(answered.upstream.as_deref(), Some("last"));
    assert_eq!(answered.went.region.as_deref(), Some("eu"));
    assert_eq!(answered.went.observed, Some(Observed::Local));
    for settled in [answered, failed] {
        let also: Vec<_> = settled.went.also.iter().map(|to| to.upstream.as_str()).collect();
        assert_eq!((also, settled.went.unsent), (vec!["first"], false), "{settled:?}");
    }
}

#[tokio::test]
async fn a_request_that_reached_nobody_was_given_to_nobody() {
    let unreached = Double::start(Behaviour::default());
    let gone = unreached.url();
    drop(unreached);
    let door = TestDoor::start(&upstream("gone", &gone, "region=\"us\"")).await;
    assert_eq!(ask(&door.client().await).await, 502);
    let story = door.stop().await;
    let settled = story.only();
    assert!(settled.went.unsent, "{settled:?}");
    assert_eq!(settled.went.destinations(settled.upstream.as_deref()).count(), 0);
    assert_eq!(settled.went.region, None);
}

#[tokio::test]
async fn what_a_request_holds_decides_where_it_may_go() {
    let us = Double::start(Behaviour::default());
    let local = Double::start(Behaviour::default());
    let config = upstream("us", &us.url(), "region=\"us\"\nweight=1000")
        + &upstream("local", &local.url(), "region=\"local\"")
        + &rule("classes=[\"card\", \"secret\"]");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    for text in ["say 2, my card is 4111 1111 1111 1111", "say 2\nsk-proj-", "say 2, and 4111 1111"]
    {
        assert_eq!(
            client.post(PATH, &chat("double", text, false)).await.unwrap().status,
            200,
            "{text}"
        );
    }
    // Wherever in the body it stands, and however it is written.
    let tool = json!({"type": "function", "function": {"name": "pay",
        "parameters": {"properties": {"card": {"default": "4111-1111-1111-1111"}}}}});
    let mut body = chat("double", "say 2", false);
    body["tools"] = json!([tool]);
    assert_eq!(client.post(PATH, &body).await.unwrap().status, 200);
    let story = door.stop().await;
    let carried: Vec<_> =
        story.admitted.iter().map(|admitted| admitted.carried.classes.to_string()).collect();
    assert_eq!((carried[0].as_str(), carried[3].as_str()), ("card", "card"), "{carried:?}");
    for (admitted, settled) in story.admitted.iter().zip(&story.settled) {
        let bound = !admitted.carried.classes.is_empty();
        assert!(!bound || settled.went.region.as_deref() == Some("local"), "{settled:?}");
    }
    assert!(
        !us.requests()
            .iter()
            .any(|seen| String::from_utf8_lossy(&seen.body).contains("1111 1111 1111"))
    );
}

#[tokio::test]
async fn what_was_found_is_told_to_its_sender_and_recorded_without_the_content() {
    let us = Double::start(Behaviour::default());
    let config = upstream("us", &us.url(), "region=\"us\"") + &rule("classes=[\"email\"]");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let mail = chat("double", "write to ada.lovelace@example.org", false);
    for path in [PATH, "/v1/messages", "/api/chat"] {
        let refused = client.post(path, &mail).await.unwrap();
        let told = String::from_utf8(refused.body.to_vec()).unwrap();
        assert_eq!(refused.status, 403, "{path}: {told}");
        assert!(told.contains("(email)") && !told.contains("ada"), "{path}: {told}");
    }
    // The end user's name is given to an upstream too.
    let mut named = chat("double", "say 2", false);
    named["user"] = "ada.lovelace@example.org".into();
    assert_eq!(client.post(PATH, &named).await.unwrap().status, 403);
    assert_eq!((ask(&client).await, served(&us)), (200, 1));
    // Tokens are counted here: nothing leaves.
    let counted = client.post("/v1/messages/count_tokens", &mail).await.unwrap();
    assert_eq!(counted.status, 200);
    let off = format!("[data]\nclassify=false\n{}", upstream("us", &us.url(), ""));
    door.stop().await.check_conservation();
    let door = TestDoor::start(&off).await;
    let client = door.client().await;
    assert_eq!(client.post(PATH, &mail).await.unwrap().status, 200);
    assert!(door.stop().await.admitted[0].carried.is_nothing());
}
