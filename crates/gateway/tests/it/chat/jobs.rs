//! Answers as jobs: stopped, unwatched, refused, queued, cut by a crash.

use std::time::Duration;

use serde_json::json;
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::decision::Outcome;
use surgewall_gateway::session::end;
use surgewall_store::admin::{Request, UserSet};
use surgewall_store::conversations::{Body, Checkpoint, MessageId, Own, write_checkpoints};
use surgewall_testkit::{Behaviour, Double};

use super::page::Heard;
use super::people::{again, door, person, text};
use crate::harness::TestDoor;

const PATIENCE: Duration = Duration::from_secs(20);

/// Reads until the answer has begun to speak.
async fn begun(page: &super::page::Page, id: &str) -> Heard {
    let mut heard = Heard::default();
    let mut events = page.watch(id, None).await;
    while heard.text.is_empty() {
        heard.take(&events.next().await.unwrap());
    }
    heard
}

#[tokio::test]
async fn a_stopped_answer_is_kept_as_far_as_it_came_and_cancels_the_call() {
    let double = Double::start("endless rate=100".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, id) = ada.say(&chat, 1, 0, "go").await;
    begun(&ada.page, &id).await;
    assert_eq!(ada.show(&chat).await["answers"][0]["state"], "running");
    let stop = format!("/app/answers/{id}/stop");
    assert_eq!(ada.page.post(&stop, &json!(null)).await.status, 204);
    let heard = ada.page.all(&id).await;
    assert_eq!((&heard.last["state"], &heard.last["message"]), (&json!("stopped"), &json!(2)));
    assert!(double.idle(PATIENCE).await, "the upstream's call is cancelled");
    let branch = ada.branch(&chat).await;
    assert_eq!((branch[1].2.as_str(), &branch[1].3), ("stopped", &heard.text));
    assert_eq!(ada.page.post(&stop, &json!(null)).await.status, 204, "again, nothing");
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.only().outcome, Outcome::ClientGone);
}

#[tokio::test]
async fn an_answer_that_nobody_watches_goes_on_for_a_while_and_is_kept_then() {
    let double = Double::start("endless rate=100".parse().unwrap());
    let manual = ManualClock::new(Timestamp::from_millis(1_800_000_000_000));
    let door = TestDoor::start_at(&text(&double), Clock::Manual(manual.clone())).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, id) = ada.say(&chat, 1, 0, "go").await;
    let mut heard = begun(&ada.page, &id).await;
    manual.advance(Duration::from_secs(599));
    let more = begun(&ada.page, &id).await;
    assert!(more.text.starts_with(&heard.text), "it went on alone");
    // Whether the door has seen by now that the page is gone, nobody knows.
    for _ in 0..400 {
        manual.advance(Duration::from_secs(601));
        if double.idle(Duration::from_millis(50)).await {
            break;
        }
    }
    assert_eq!(double.in_flight(), 0, "it was stopped");
    heard = ada.page.all(&id).await;
    assert_eq!((&heard.last["state"], &heard.last["message"]), (&json!("partial"), &json!(2)));
    assert_eq!(heard.last["error"]["code"], "unwatched");
    assert_eq!(ada.branch(&chat).await[1].3, heard.text);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn what_broke_off_is_kept_and_gone_on_from() {
    let double = Double::start("die after=5".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let heard = ada.hear(&chat, 1, 0, "say 20").await;
    assert_eq!((&heard.last["state"], &heard.last["message"]), (&json!("partial"), &json!(2)));
    assert_eq!(heard.last["error"]["code"], "upstream_failed");
    double.set("tokens=2".parse().unwrap());
    let path = format!("/app/conversations/{chat}/answers");
    let go_on = |id: u128, from: u64| json!({"id": format!("{id:032x}"), "parent": 1, "model": "double", "continue_from": from});
    assert_eq!(ada.page.post(&path, &go_on(2, 1)).await.status, 400, "a question is no answer");
    assert_eq!(ada.page.post(&path, &go_on(2, 2)).await.status, 202);
    let whole = ada.page.all(&format!("{:032x}", 2)).await;
    assert_eq!(whole.text, format!("{}tok0 tok1 ", heard.text), "as it was, and on");
    assert_eq!((&whole.last["state"], &whole.last["message"]), (&json!("whole"), &json!(3)));
    let asked = double.requests().last().unwrap().json();
    assert_eq!(asked["messages"][1], json!({"role": "assistant", "content": heard.text}));
    assert_eq!(ada.page.post(&path, &go_on(3, 3)).await.status, 400, "it is whole");
    let branch = ada.branch(&chat).await;
    assert_eq!((branch[1].0, &branch[1].3), (3, &whole.text));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn refused_is_never_lost() {
    let double = Double::start("status code=500".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (number, id) = ada.say(&chat, 1, 0, "say 2").await;
    let heard = ada.page.all(&id).await;
    assert_eq!(heard.names, ["failed"]);
    assert_eq!(
        (&heard.last["code"], &heard.last["kept"]),
        (&json!("upstream_failed"), &json!(true))
    );
    let shown = ada.show(&chat).await;
    assert_eq!(shown["page"]["messages"][0]["body"]["text"], "say 2");
    assert_eq!(shown["answers"][0]["state"], "failed");
    double.set(Behaviour::default());
    // The same message again asks for the same answer again, and writes nothing twice.
    assert_eq!(ada.say(&chat, 1, 0, "say 2").await, (number, id.clone()));
    assert_eq!(ada.page.all(&id).await.text, "tok0 tok1 ");
    assert_eq!(ada.branch(&chat).await.len(), 2);
    assert_eq!(ada.show(&chat).await["answers"], json!([]));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn an_answer_that_waits_has_a_ticket() {
    let double = Double::start("endless rate=50".parse().unwrap());
    let config = text(&double).replace("models=", "sequences_max=1\nmodels=");
    let door = TestDoor::start(&config).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, first) = ada.say(&chat, 1, 0, "go").await;
    begun(&ada.page, &first).await;
    let (_, second) = ada.say(&chat, 2, 0, "go").await;
    let mut events = ada.page.watch(&second, None).await;
    let queued = events.next().await.unwrap();
    assert_eq!((queued.name.as_str(), &queued.data["position"]), ("queued", &json!(1)));
    let eta: Vec<_> = queued.data["eta_s"].as_array().unwrap().iter().map(|s| s.as_u64()).collect();
    assert!(eta[0] <= eta[1] && eta[1] >= Some(1), "{eta:?}");
    assert_eq!(queued.data["reason"], "capacity");
    let ticket = ada.page.get(&format!("/app/tickets/{second}")).await.json();
    assert_eq!((&ticket["state"], &ticket["position"]), (&json!("queued"), &json!(1)));
    assert!(ticket["since"].as_u64().unwrap() > 0);
    // Another page sees it too, and whoever leaves keeps the place.
    drop(events);
    assert_eq!(ada.show(&chat).await["answers"].as_array().unwrap().len(), 2);
    double.set("tokens=2".parse().unwrap());
    ada.page.post(&format!("/app/answers/{first}/stop"), &json!(null)).await;
    let heard = ada.page.all(&second).await;
    assert_eq!((heard.text.as_str(), &heard.last["state"]), ("tok0 tok1 ", &json!("whole")));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_place_in_the_queue_can_be_left() {
    let double = Double::start("endless rate=50".parse().unwrap());
    let config = text(&double).replace("models=", "sequences_max=1\nmodels=");
    let door = TestDoor::start(&config).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, first) = ada.say(&chat, 1, 0, "go").await;
    begun(&ada.page, &first).await;
    let (_, second) = ada.say(&chat, 2, 0, "go").await;
    let mut events = ada.page.watch(&second, None).await;
    assert_eq!(events.next().await.unwrap().name, "queued");
    ada.page.post(&format!("/app/answers/{second}/stop"), &json!(null)).await;
    let last = ada.page.all(&second).await.last;
    assert_eq!((&last["state"], &last["message"]), (&json!("stopped"), &json!(null)));
    let asked = double.requests().into_iter().filter(|seen| seen.path.ends_with("completions"));
    assert_eq!(asked.count(), 1, "it never reached an upstream");
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_suspended_accounts_answer_ends_and_an_account_has_so_many_at_once() {
    let double = Double::start("endless rate=20".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let mut ids = Vec::new();
    for nth in 0..16 {
        ids.push(ada.say(&chat, nth, 0, "go").await.1);
    }
    let over = ada.send(&chat, 99, 0, "one more").await;
    assert_eq!((over.status, over.json()["error"]["code"].as_str()), (429, Some("quota_exceeded")));
    assert!(ada.branch(&chat).await[0].3 == "one more", "the message is kept all the same");
    for id in &ids {
        begun(&ada.page, id).await;
    }
    let user = "ada@example.org".to_owned();
    let suspend = UserSet { user, suspended: Some(true), ..UserSet::default() };
    door.operate(Request::UserSet(suspend)).await;
    assert!(double.idle(PATIENCE).await, "all of them end");
    let refused = ada.page.watch(&ids[0], None).await;
    assert_eq!(refused.status, 404, "and the session with them");
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.settled.iter().all(|settled| settled.outcome == Outcome::Revoked));
}

#[tokio::test]
async fn with_a_session_ends_what_it_watches() {
    let double = Double::start("endless rate=100".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, id) = ada.say(&chat, 1, 0, "go").await;
    let mut events = ada.page.watch(&id, None).await;
    events.next().await.unwrap();
    let ended = end(door.door(), &ada.account, |_| true).await.unwrap();
    assert_eq!(ended, 1);
    let mut heard = Heard::default();
    while let Some(event) = events.next().await {
        heard.take(&event);
    }
    let told_the_end = heard.names.iter().any(|name| ["done", "failed"].contains(&name.as_str()));
    assert!(!told_the_end, "nothing more is told: {:?}", heard.last);
    assert_eq!(ada.page.watch(&id, None).await.status, 404);
    // The answer goes on: its owner has it with the next session.
    let anew = again(&door, ada.account.public_id.as_str()).await;
    begun(&anew.page, &id).await;
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn an_answer_has_so_many_watchers() {
    let double = Double::start("endless rate=50".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, id) = ada.say(&chat, 1, 0, "go").await;
    let mut watching = Vec::new();
    for _ in 0..16 {
        let mut events = ada.page.watch(&id, None).await;
        assert_eq!(events.status, 200);
        events.next().await.unwrap();
        watching.push(events);
    }
    assert_eq!(ada.page.watch(&id, None).await.status, 409);
    // None of the sixteen reads on, and the answer does not wait for them.
    let before = double.produced();
    while double.produced() < before + 20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watching.pop();
    let mut one = ada.page.watch(&id, None).await;
    while one.status == 409 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        one = ada.page.watch(&id, None).await;
    }
    assert_eq!(one.status, 200);
    ada.page.post(&format!("/app/answers/{id}/stop"), &json!(null)).await;
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn after_a_restart_the_last_checkpoint_is_a_message_and_is_gone_on_from() {
    let double = Double::start("tokens=2".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    ada.hear(&chat, 1, 0, "say 2").await;
    // As `kill -9` leaves it: begun, checkpointed, never ended.
    let own = Own::new(door.door().people.as_ref(), &door.door().vault, ada.account.id);
    let conversation = own.find(&chat).await.unwrap().id;
    let (id, now) = (MessageId::random(), door.door().clock.now());
    own.begin_answer(conversation, 1, id, now).await.unwrap();
    let (account, body) = (ada.account.id, Body::text("Once upon"));
    let checkpoint = Checkpoint { account, conversation, id, body };
    let store = door.door().people.as_ref();
    write_checkpoints(store, &door.door().vault, vec![checkpoint], now).await.unwrap();
    let public_id = ada.account.public_id.to_string();
    let door = door.restart(&text(&double), |_| {}).await;
    let ada = again(&door, &public_id).await;
    let one = format!("/app/conversations/{chat}");
    let chosen = ada.call(http::Method::PATCH, &one, &json!({"active": 3})).await;
    assert_eq!(chosen.status, 200, "{}", chosen.text());
    let branch = ada.branch(&chat).await;
    assert_eq!((branch[1].2.as_str(), branch[1].3.as_str()), ("partial", "Once upon"));
    let body =
        json!({"id": format!("{:032x}", 5), "parent": 1, "model": "double", "continue_from": 3});
    assert_eq!(ada.page.post(&format!("{one}/answers"), &body).await.status, 202);
    assert_eq!(ada.page.all(&format!("{:032x}", 5)).await.text, "Once upontok0 tok1 ");
    door.stop().await;
}

#[tokio::test]
async fn a_door_that_drains_keeps_what_was_said() {
    let double = Double::start("endless rate=100".parse().unwrap());
    let config = format!("[limits]\ndrain_s=0\n{}", text(&double));
    let door = TestDoor::start(&config).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.chat().await;
    let (_, id) = ada.say(&chat, 1, 0, "go").await;
    let heard = begun(&ada.page, &id).await;
    let public_id = ada.account.public_id.to_string();
    let door = door.restart(&text(&double), |_| {}).await;
    let ada = again(&door, &public_id).await;
    let branch = ada.branch(&chat).await;
    assert_eq!((branch.len(), branch[1].2.as_str()), (2, "partial"));
    assert!(branch[1].3.starts_with(&heard.text), "{}", branch[1].3);
    door.stop().await.check_conservation();
}
