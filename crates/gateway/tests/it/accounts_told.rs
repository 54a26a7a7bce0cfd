//! What the owner of an account is told by letter, and what stands in the ledger of it.

use surgewall_store::admin::{Request, UserCreate};
use surgewall_store::identity::{Factors, account_by_email};

use crate::accounts_elsewhere::{letters, with_mail};
use crate::accounts_proofs::{ADA, PASSWORD, START, add, link, origin, present, with_app};
use crate::authenticator::Device;
use crate::browser::{Browser, hidden, location};
use crate::harness::TestDoor;
use crate::sink::Sink;

/// Ada, whom the operator made, with a first password, signed in.
async fn ada(door: &TestDoor) -> Browser {
    let user = UserCreate { email: ADA.into(), ..UserCreate::default() };
    door.operate(Request::UserCreate(user)).await;
    first_password(door).await;
    let mut browser = Browser::new(&door.url);
    let answer = browser.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
    assert_eq!(location(&answer), "/", "{}", answer.text());
    browser
}

async fn first_password(door: &TestDoor) {
    let token = link(door, Some(ADA)).await;
    let fields = [("token", token.as_str()), ("password", PASSWORD)];
    let set = Browser::new(&door.url).post("/set-up", &fields).await;
    assert!(location(&set).starts_with("/sign-in?new-password"), "{}", location(&set));
}

/// The newest of `count` letters says `words`.
async fn told(sink: &Sink, count: usize, words: &str) {
    let letters = letters(sink, count).await;
    assert_eq!(letters.len(), count, "{words}");
    let newest = &letters[count - 1];
    assert!(newest.text.contains(words) && newest.to[0].contains(ADA), "{}", newest.text);
}

#[tokio::test]
async fn a_copied_passkey_ends_and_its_owner_is_told() {
    let (door, _, sink) = with_mail().await;
    let mut browser = ada(&door).await;
    let mut device = Device::new(&origin(&door.url));
    device.counter = 5;
    add(&browser, &mut device).await;
    told(&sink, 1, "A passkey was added").await;
    let stranger = Browser::new(&door.url);
    device.counter = 7;
    assert_eq!(present(&stranger, &device).await.status, 200);
    device.counter = 6;
    let copied = present(&stranger, &device).await;
    assert_eq!((copied.status, copied.header("set-cookie")), (422, None));
    assert!(copied.text().contains("copied"), "{}", copied.text());
    told(&sink, 2, "seems to exist twice").await;
    // Neither of the two gets in by it any more.
    device.counter = 8;
    assert_eq!(present(&stranger, &device).await.status, 422);
    assert!(!browser.get("/account/security").await.text().contains("name=\"passkey\""));
    let story = door.stop().await;
    assert!(story.changed.iter().any(|changed| changed.action == "passkey.cloned"));
}

#[tokio::test]
async fn recovery_codes_are_told_of_when_they_are_made_and_used() {
    let (door, _, sink) = with_mail().await;
    let mut browser = ada(&door).await;
    let (_, codes) = with_app(&mut browser, START).await;
    told(&sink, 1, "asks for a code of your authenticator app").await;
    let mut other = Browser::new(&door.url);
    let asked = other.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
    let ticket = hidden(&asked, "ticket");
    let fields = [("ticket", ticket.as_str()), ("code", codes[0].as_str())];
    assert_eq!(other.post("/sign-in/second", &fields).await.status, 303);
    told(&sink, 2, "one of your recovery codes").await;
    assert_eq!(browser.post("/account/recovery", &[]).await.status, 200);
    told(&sink, 3, "The old ones no longer work").await;
    let story = door.stop().await;
    let of = |action: &str| story.changed.iter().filter(|changed| changed.action == action).count();
    assert_eq!((of("recovery.use"), of("recovery.set")), (1, 1));
}

#[tokio::test]
async fn a_first_password_is_told_of_where_there_was_another_way_in() {
    let (door, _, sink) = with_mail().await;
    let user = UserCreate { email: ADA.into(), ..UserCreate::default() };
    door.operate(Request::UserCreate(user)).await;
    let (store, vault) = (door.door().people.as_ref(), &door.door().vault);
    let account = account_by_email(store, vault, ADA).await.unwrap().unwrap();
    let factors = Factors::of(store, vault, account.id).await.unwrap();
    assert!(factors.add_passkey(b"a device", "{}", "Device", START).await.unwrap());
    first_password(&door).await;
    told(&sink, 1, "The password of your account was changed").await;
    door.stop().await;
}
