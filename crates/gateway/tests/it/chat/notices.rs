//! What an incident did to an account's requests, until it is read.

use http::Method;
use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{IncidentEvent, Numbers, Step, Verdict};
use surgewall_store::admin::KeyCreate;
use surgewall_testkit::{Behaviour, Double};

use super::page::Page;
use super::people::{door, person, text};
use crate::calls::chat;
use crate::harness::TestDoor;

fn event(door: &TestDoor, step: Step, verdict: Verdict) -> IncidentEvent {
    IncidentEvent {
        id: PublicId::from_stored("inc_a".to_owned()),
        at: door.door().clock.now(),
        elapsed_s: 0,
        step,
        verdict,
        also: Vec::new(),
        reasons: Vec::new(),
        pool: "local".to_owned(),
        observed: false,
        numbers: Numbers::default(),
        counterfactual: None,
        totals: Default::default(),
    }
}

async fn notices(page: &Page) -> Vec<Value> {
    page.get("/app/me").await.json()["notices"].as_array().unwrap().clone()
}

/// What the door writes by itself within seconds.
async fn written(door: &TestDoor, at: Timestamp) {
    use surgewall_store::notices::Notices as _;
    door.door().people.put_notices(&door.door().touched.due(at)).await.unwrap();
}

#[tokio::test]
async fn whose_requests_broke_off_is_told_once_and_nobody_else() {
    let double = Double::start("status code=500".parse().unwrap());
    let door = door(&double).await;
    let (ada, bob) =
        (person(&door, "ada@example.org").await, person(&door, "bob@example.org").await);
    door.door().touched.incident(&event(&door, Step::Opened, Verdict::Unclear));
    let account = Some("ada@example.org".to_owned());
    let key = KeyCreate { name: "k".into(), account, ..KeyCreate::default() };
    let client = door.stranger().with_key(&door.key(key).await);
    for _ in 0..2 {
        let body = chat("double", "say 1", false);
        let status = client.post("/v1/chat/completions", &body).await.unwrap().status;
        assert!(status >= 500, "{status}");
    }
    let closed = Step::Closed { calm_s: 60, held: Vec::new() };
    door.door().touched.incident(&event(&door, closed, Verdict::UpstreamSlow));
    written(&door, door.door().clock.now()).await;

    let told = notices(&ada.page).await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["id"], "inc_a");
    let words = told[0]["words"].as_str().unwrap();
    assert!(words.contains("Of your requests 2 were not answered."), "{words}");
    assert!(words.contains("The model's servers were slower than usual."), "{words}");
    assert!(notices(&bob.page).await.is_empty() && notices(&Page::of(&door)).await.is_empty());

    let path = "/app/notices/inc_a";
    for (page, expected) in [(&bob.page, 404), (&Page::of(&door), 401), (&ada.page, 204)] {
        assert_eq!(page.call(Method::DELETE, path, &Value::Null).await.status, expected);
    }
    let elsewhere = ada.page.with_header("sec-fetch-site", "cross-site");
    assert_eq!(elsewhere.call(Method::DELETE, path, &Value::Null).await.status, 403);
    assert!(notices(&ada.page).await.is_empty());
    let me = ada.page.get("/app/me").await.json();
    assert_eq!(me["notices"], json!([]));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_door_that_stops_in_an_incident_tells_what_it_did_so_far() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    door.door().touched.note(ada.account.id, surgewall_gateway::notices::Kind::Delayed);
    door.door().touched.incident(&event(&door, Step::Opened, Verdict::KnownDemand));
    let id = ada.account.public_id.clone();
    let door = door.restart(&text(&double), |_| {}).await;
    let ada = super::people::again(&door, id.as_str()).await;
    let told = notices(&ada.page).await;
    assert_eq!(told.len(), 1);
    let words = told[0]["words"].as_str().unwrap();
    assert!(words.starts_with("There was an incident from "), "it is over: {words}");
    assert!(words.contains("1 waited for more than 10 s."), "{words}");
    door.stop().await;
}
