//! The class of an account, from its first request to the day on which it is
//! `established`, by a clock that a test moves.

use std::time::Duration;

use http::Method;
use surgewall_core::clock::{Clock, DAY_S, ManualClock, Timestamp};
use surgewall_core::principal::{Class, ClassReason};
use surgewall_gateway::serve::write_last_use;
use surgewall_store::admin::{KeyCreate, Named, Reply, Request, UserCreate, UserView};
use surgewall_testkit::Double;
use surgewall_testkit::client::Client;

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const TERMS: &str = "[classes]\nestablished_days=3\nestablished_active_days=3\n";

async fn ask(client: &Client, model: &str) -> u16 {
    let body = serde_json::to_vec(&chat(model, "say 3", false)).unwrap().into();
    client.whole(Method::POST, "/v1/chat/completions", body).await.unwrap().status
}

async fn show(door: &TestDoor, email: &str) -> UserView {
    match door.operate(Request::UserShow(Named { name: email.to_owned() })).await {
        Reply::User(view) => view,
        other => panic!("{other:?}"),
    }
}

/// A new account, and a client with a key of it.
async fn account(door: &TestDoor, email: &str, class: Option<Class>) -> Client {
    let user = UserCreate { email: email.to_owned(), class, ..UserCreate::default() };
    door.operate(Request::UserCreate(user)).await;
    let account = Some(email.to_owned());
    let key = KeyCreate { name: email.to_owned(), account, ..KeyCreate::default() };
    door.stranger().with_key(&door.key(key).await)
}

#[tokio::test]
async fn an_account_becomes_established_by_age_and_good_use_and_the_ledger_says_why() {
    let double = Double::start("rate=1000".parse().unwrap());
    let pool = upstream("local", &double.url(), "models=[\"double\"]");
    let time = ManualClock::new(Timestamp::from_millis(1_760_000_000_000));
    let clock = Clock::Manual(time.clone());
    let door = TestDoor::start_at(&format!("{TERMS}{pool}"), clock).await;
    let good = account(&door, "good@example.org", None).await;
    let idle = account(&door, "idle@example.org", None).await;
    let lost = account(&door, "lost@example.org", None).await;
    let kept = account(&door, "kept@example.org", Some(Class::New)).await;

    for day in 0..5 {
        for client in [&good, &kept] {
            assert_eq!((ask(client, "double").await, ask(client, "double").await), (200, 200));
        }
        // A request that is refused is no good use.
        assert_eq!(ask(&lost, "no-such-model").await, 404);
        if day == 4 {
            assert_eq!(ask(&idle, "double").await, 200);
        }
        write_last_use(door.door()).await;
        let expected = if day < 3 { Class::New } else { Class::Established };
        assert_eq!(show(&door, "good@example.org").await.class, expected, "day {day}");
        time.advance(Duration::from_secs(DAY_S));
    }
    let shown = |view: UserView| (view.class, view.class_why, view.active_days);
    let (good, idle, lost, kept) = (
        show(&door, "good@example.org").await,
        show(&door, "idle@example.org").await,
        show(&door, "lost@example.org").await,
        show(&door, "kept@example.org").await,
    );
    let id = good.id.to_string();
    assert_eq!(shown(good), (Class::Established, ClassReason::Earned, 5));
    assert_eq!(shown(idle), (Class::New, ClassReason::Default, 1));
    assert_eq!(shown(lost), (Class::New, ClassReason::Default, 0));
    assert_eq!(shown(kept), (Class::New, ClassReason::Operator, 5), "as it was granted");

    let story = door.stop().await;
    story.check_conservation();
    let told: Vec<_> = story.changed.iter().filter(|c| c.action == "user.class").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].subject.as_ref(), Some(&id));
    let why = "new -> established: 3 days old, good use on 4 days";
    assert_eq!(told[0].detail.as_deref(), Some(why));
    let established = story.admitted.iter().filter(|a| a.who.class == Class::Established);
    assert_eq!(established.count(), 2, "from the next request on");
}

#[tokio::test]
async fn a_delegated_user_is_new_for_a_week_under_a_key_that_nobody_vouches_for() {
    let double = Double::start("rate=1000".parse().unwrap());
    let pool = upstream("local", &double.url(), "models=[\"double\"]");
    let time = ManualClock::new(Timestamp::from_millis(1_760_000_000_000));
    let terms = "[classes]\nestablished_days=0\nestablished_active_days=1\n";
    let door = TestDoor::start_at(&format!("{terms}{pool}"), Clock::Manual(time.clone())).await;
    let mut clients = Vec::new();
    for (name, class) in [("earned", None), ("granted", Some(Class::Established))] {
        let email = format!("{name}@example.org");
        let own = account(&door, &email, class).await;
        assert_eq!(ask(&own, "double").await, 200);
        let account = Some(email);
        let key = KeyCreate { name: name.into(), account, delegates: true, ..KeyCreate::default() };
        clients.push(door.stranger().with_key(&door.key(key).await));
    }
    write_last_use(door.door()).await;
    for _ in 0..2 {
        for client in &clients {
            let mut body = chat("double", "say 1", false);
            body["user"] = "alice".into();
            assert_eq!(client.post("/v1/chat/completions", &body).await.unwrap().status, 200);
        }
        time.advance(Duration::from_secs(7 * DAY_S));
    }
    let story = door.stop().await;
    let named = story.admitted.iter().filter(|a| a.who.user.is_some());
    let classes: Vec<_> = named.map(|a| a.who.class).collect();
    let expected = [Class::New, Class::Established, Class::Established, Class::Established];
    assert_eq!(classes, expected, "two users on the first day, the same two a week later");
}
