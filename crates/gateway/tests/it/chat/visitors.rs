//! The chat without an account: nothing is kept, and an answer is its visitor's.

use http::Method;
use proptest::prelude::{Strategy as _, prop};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::time::Duration;
use surgewall_core::decision::Outcome;
use surgewall_testkit::{Behaviour, Double};

use super::page::{Heard, Page};
use crate::harness::{TestDoor, upstream};

const PATIENCE: Duration = Duration::from_secs(20);

/// A door whose upstream's models answer strangers.
async fn open_door(double: &Double) -> TestDoor {
    let text = upstream("local", &double.url(), "models=[\"double\"]");
    TestDoor::start(&format!("[accounts]\nanonymous=true\n{text}")).await
}

#[tokio::test]
async fn a_visitor_asks_and_watches_the_answer_to_its_end() {
    let double = Double::start("reasoning=3".parse().unwrap());
    let door = open_door(&double).await;
    let page = Page::of(&door);
    let (page, id) = page.ask(1, "double", "say 5").await;
    let heard = page.all(&id).await;
    assert_eq!(heard.text, "tok0 tok1 tok2 tok3 tok4 ");
    assert!(!heard.thinking.is_empty());
    assert_eq!(heard.names, ["started", "thinking", "text", "done"]);
    assert_eq!(heard.last["state"], "whole");
    assert_eq!(heard.last["message"], Value::Null);
    assert_eq!(heard.last["usage"]["output"], 8);
    let request_id = heard.last["request_id"].as_str().unwrap().to_owned();
    assert_eq!(double.requests_of(&request_id).len(), 1, "the id that the ledger knows it by");
    let again = page.all(&id).await;
    assert_eq!((again.text, again.names.last()), (heard.text, heard.names.last()));
    let ticket = page.get(&format!("/app/tickets/{id}")).await.json();
    assert_eq!(ticket["state"], "done");
    let end = page.watch(&id, heard.last_id.as_deref()).await;
    assert_eq!(end.status, 204, "whoever has everything does not come again");
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.only().outcome, Outcome::Completed);
    let admitted = &story.admitted[0];
    assert_eq!((admitted.route.as_str(), admitted.who.account), ("chat", None));
}

#[tokio::test]
async fn the_handbook_answers_visitors_of_a_door_that_was_just_unpacked() {
    let door = TestDoor::start("").await;
    let me = Page::of(&door).get("/app/me").await.json();
    assert_eq!(me["account"], Value::Null);
    let models = me["models"].as_array().unwrap();
    assert_eq!(models.iter().map(|m| m["id"].as_str().unwrap()).collect::<Vec<_>>(), ["handbook"]);
    assert_eq!((&me["plain_http"], &me["job_detached_s_max"]), (&json!(true), &json!(600)));
    let (page, id) = Page::of(&door).ask(1, "handbook", "How do I revoke a key?").await;
    assert!(page.all(&id).await.text.contains("docs/keys.md"));
    let (page, id) = Page::of(&door).ask(2, "gpt-4", "hello").await;
    let heard = page.all(&id).await;
    assert_eq!(heard.last["code"], "credential_missing");
    assert_eq!(heard.last["kept"], true);
    door.stop().await.check_conservation();
}

/// However often and wherever a page leaves and comes again, it has what a page
/// has that never left.
#[tokio::test]
async fn the_text_is_the_same_after_any_reconnect() {
    let double = Double::start("rate=400 reasoning=20".parse().unwrap());
    let door = open_door(&double).await;
    let mut runner = TestRunner::deterministic();
    let cuts = prop::collection::vec(0_usize..12, 0..20);
    for round in 0..12 {
        let cuts = cuts.new_tree(&mut runner).unwrap().current();
        let (page, id) = Page::of(&door).ask(round, "double", "say 60").await;
        let steady = page.all(&id);
        let restless = async {
            let mut heard = Heard::default();
            for reads in &cuts {
                let mut events = page.watch(&id, heard.last_id.as_deref()).await;
                for _ in 0..*reads {
                    let Some(event) = events.next().await else { break };
                    heard.take(&event);
                }
            }
            let mut events = page.watch(&id, heard.last_id.as_deref()).await;
            while let Some(event) = events.next().await {
                heard.take(&event);
            }
            heard
        };
        let (steady, restless) = futures_util::future::join(steady, restless).await;
        assert_eq!(steady.text.split_whitespace().count(), 60);
        assert_eq!(
            (&steady.text, &steady.thinking),
            (&restless.text, &restless.thinking),
            "{cuts:?}"
        );
        assert_eq!(restless.last["state"], "whole");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn an_answer_is_nobody_elses() {
    let double = Double::start("endless rate=100".parse().unwrap());
    let door = open_door(&double).await;
    let (hers, id) = Page::of(&door).ask(7, "double", "say 5").await;
    let (his, his_id) = Page::of(&door).ask(8, "double", "say 5").await;
    let nobody = Page::of(&door);
    let forged = nobody.with_cookie("surgewall-visitor=00000000000000000000000000000000");
    for other in [&his, &nobody, &forged] {
        assert_eq!(other.watch(&id, None).await.status, 404);
        assert_eq!(other.get(&format!("/app/tickets/{id}")).await.status, 404);
        let stop = other.post(&format!("/app/answers/{id}/stop"), &Value::Null).await;
        assert_eq!(stop.status, 404);
        assert_eq!(stop.json()["error"]["code"], "not_found");
        assert!(stop.json()["error"]["request_id"].as_str().unwrap().starts_with("req_"));
    }
    for unknown in ["0", "zz", "msg_", &format!("{:032x}", 9), "..%2f"] {
        assert_eq!(hers.watch(unknown, None).await.status, 404, "{unknown}");
    }
    // The same id of another visitor is another answer.
    let (third, same) = Page::of(&door).ask(7, "double", "say 5").await;
    assert_eq!(same, id);
    for (page, id) in [(&hers, &id), (&his, &his_id), (&third, &same)] {
        let stopped = page.post(&format!("/app/answers/{id}/stop"), &Value::Null).await;
        assert_eq!(stopped.status, 204);
    }
    assert!(double.idle(PATIENCE).await, "a stopped answer cancels the upstream's call");
    assert_eq!(hers.all(&id).await.last["state"], "stopped");
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.settled.iter().all(|settled| settled.outcome == Outcome::ClientGone));
}

#[tokio::test]
async fn only_a_page_of_this_site_asks() {
    let double = Double::start(Behaviour::default());
    let door = open_door(&double).await;
    let body = json!({"id": format!("{:032x}", 1), "model": "double",
        "messages": [{"role": "user", "text": "say 1"}]});
    for site in ["cross-site", "same-site", "none", ""] {
        let page = Page::of(&door).with_header("sec-fetch-site", site);
        assert_eq!(page.post("/app/answers", &body).await.status, 403, "{site}");
    }
    let form = Page::of(&door).with_header("content-type", "text/plain");
    assert_eq!(form.post("/app/answers", &body).await.status, 400);
    for wrong in [
        json!({}),
        json!({"id": "1", "model": "double", "messages": []}),
        json!({"id": format!("{:032x}", 1), "model": "", "messages": [{"role": "user", "text": "a"}]}),
        json!({"id": format!("{:032x}", 1), "model": "double", "messages": []}),
        json!({"id": format!("{:032x}", 1), "model": "double", "messages": [{"role": "assistant", "text": "a"}]}),
        json!({"id": format!("{:032x}", 1), "model": "double", "messages": [{"role": "system", "text": "a"}]}),
        json!({"id": format!("{:032x}", 1), "model": "double", "conversation": "chat_x",
            "messages": [{"role": "user", "text": "a"}]}),
    ] {
        let answer = Page::of(&door).post("/app/answers", &wrong).await;
        assert_eq!(
            (answer.status, answer.json()["error"]["code"].as_str()),
            (400, Some("invalid_request")),
            "{wrong}"
        );
    }
    let wrong_method = Page::of(&door).call(Method::DELETE, "/app/answers", &Value::Null).await;
    assert_eq!((wrong_method.status, wrong_method.header("allow")), (405, Some("POST")));
    let asked = double.requests();
    assert!(asked.iter().all(|seen| seen.path.ends_with("/models")), "nobody was asked");
    door.stop().await.check_conservation();
}
