//! End users of delegating keys: limits of one of them, and what is seen of them.

use surgewall_core::clock::DAY_S;
use surgewall_core::principal::{Class, ClassReason};
use surgewall_store::admin::{
    DelegatedView, EndUser, Judged, KeyCreate, KeySet, KeyView, Named, Reply, Request,
    USERS_LIMITED_PER_KEY_MAX, UserLimit, UserSet, judge_accounts,
};
use surgewall_store::people::AccountRow;
use surgewall_store::people::sealed::delegated_user;

use crate::accounts::{Desk, key_named};

fn limit(user: EndUser, limits: Option<&[&str]>) -> Request {
    let limits = limits.map(|limits| limits.iter().map(|limit| (*limit).to_owned()).collect());
    Request::UserLimit(UserLimit { key: "app".to_owned(), user, limits })
}

fn name(name: &str) -> EndUser {
    EndUser::Name(name.to_owned())
}

async fn ask(desk: &Desk, request: Request) -> DelegatedView {
    match desk.ask(request).await.unwrap() {
        Reply::Delegated(view) => view,
        other => panic!("{other:?}"),
    }
}

async fn shown(desk: &Desk) -> KeyView {
    match desk.ask(Request::KeyShow(Named { name: "app".to_owned() })).await.unwrap() {
        Reply::Key(view) => view,
        other => panic!("{other:?}"),
    }
}

async fn desk() -> (Desk, String) {
    let desk = Desk::new().await;
    let (_, secret) = desk.key(KeyCreate { delegates: true, ..key_named("app") }).await;
    (desk, secret)
}

#[tokio::test]
async fn the_limits_of_one_user_are_set_shown_and_taken_away() {
    let (desk, secret) = desk().await;
    let set = ask(&desk, limit(name("alice"), Some(&["requests=5/1m", "concurrency=1"]))).await;
    assert_eq!(set.limits, ["requests=5/1m", "concurrency=1"]);
    assert_eq!((set.key_name.as_str(), set.last_seen_at), ("app", None), "never seen");

    let key = desk.find(&secret).await.unwrap();
    let alice = delegated_user(&desk.vault, key.id, "alice");
    assert_eq!(set.user, alice);
    assert_eq!(key.limits_of(alice).len(), 2, "in the door's picture at once");
    assert!(key.limits_of(delegated_user(&desk.vault, key.id, "bob")).is_empty());

    let desk = desk.restart().await;
    assert_eq!(desk.find(&secret).await.unwrap().limits_of(alice).len(), 2, "after a restart");
    let set = Request::KeySet(KeySet {
        key: "app".to_owned(),
        limits: Some(vec!["requests=9/1m".to_owned()]),
        ..KeySet::default()
    });
    desk.ask(set).await.unwrap();
    let key = shown(&desk).await;
    let users: Vec<_> = key.users.iter().map(|user| (user.user, user.limits.len())).collect();
    assert_eq!((key.users_limited, users), (1, vec![(alice, 2)]), "the key's change left them");

    let by_hash = || EndUser::Hash(alice.to_string());
    assert_eq!(ask(&desk, limit(by_hash(), None)).await.limits.len(), 2);
    assert!(ask(&desk, limit(by_hash(), Some(&[]))).await.limits.is_empty());
    assert!(desk.find(&secret).await.unwrap().users.is_none());
    assert!(ask(&desk, limit(name("alice"), None)).await.limits.is_empty());
}

#[tokio::test]
async fn a_user_that_was_seen_says_when() {
    let (desk, secret) = desk().await;
    let key = desk.find(&secret).await.unwrap().id;
    let alice = delegated_user(&desk.vault, key, "alice");
    let first = desk.now();
    desk.directory.touch_user(key, alice, first);
    let view = ask(&desk, limit(name("alice"), None)).await;
    assert_eq!((view.first_seen_at, view.last_seen_at), (Some(first), Some(first)));
    desk.directory.write_touched(&desk.people).await.unwrap();
    desk.pass(60);
    desk.directory.touch_user(key, alice, desk.now());
    let view = ask(&desk, limit(name("alice"), None)).await;
    assert_eq!((view.first_seen_at, view.last_seen_at), (Some(first), Some(desk.now())));
    let bob = ask(&desk, limit(name("bob"), None)).await;
    assert_eq!((bob.first_seen_at, bob.last_seen_at), (None, None));
}

#[tokio::test]
async fn a_user_has_its_keys_class_when_it_is_known_or_the_key_is_vouched_for() {
    let desk = Desk::new().await;
    let user = desk.user("ann@example.org").await;
    let account = Some(user.clone());
    let (_, secret) = desk.key(KeyCreate { delegates: true, account, ..key_named("app") }).await;
    let key = desk.find(&secret).await.unwrap();
    let id = key.account.unwrap().id;
    let rule = |_: &AccountRow| {
        let class = (Class::Established, ClassReason::Earned);
        Some(Judged { class, detail: String::new() })
    };
    let office = desk.office(&desk.people);
    judge_accounts(&office, &desk.book, &[id], rule).await.unwrap();
    let alice = delegated_user(&desk.vault, key.id, "alice");
    desk.directory.touch_user(key.id, alice, desk.now());
    desk.directory.write_touched(&desk.people).await.unwrap();
    desk.pass(7 * DAY_S - 1);
    let desk = desk.restart().await;
    let class = async |desk: &Desk, user| ask(desk, limit(name(user), None)).await.class;
    assert_eq!(class(&desk, "alice").await, Class::New);
    desk.pass(1);
    assert_eq!(class(&desk, "alice").await, Class::Established, "known for a week");
    assert_eq!(class(&desk, "bob").await, Class::New);
    let class_of = Some(Class::Verified);
    let set = UserSet { user, class: class_of, ..UserSet::default() };
    desk.ask(Request::UserSet(set)).await.unwrap();
    for user in ["alice", "bob"] {
        assert_eq!(class(&desk, user).await, Class::Verified, "vouched for by an operator");
    }
}

#[tokio::test]
async fn the_ledger_names_the_user_by_its_hash_and_a_look_is_not_recorded() {
    let (desk, secret) = desk().await;
    let before = desk.records().len();
    ask(&desk, limit(name("alice"), None)).await;
    assert_eq!(desk.records().len(), before);
    ask(&desk, limit(name("alice"), Some(&["requests=5/1m"]))).await;
    let (action, subject, detail) = desk.records()[before].clone();
    let key = desk.find(&secret).await.unwrap().id;
    let hash = delegated_user(&desk.vault, key, "alice");
    assert_eq!(action, "user.limit");
    assert!(subject.unwrap().starts_with("key_"));
    assert_eq!(detail.unwrap(), format!("user={hash} limits=requests=5/1m"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_in_words() {
    let (desk, _) = desk().await;
    desk.key(key_named("plain")).await;
    let one: Option<&[&str]> = Some(&["requests=5/1m"]);
    for (request, expected) in [
        (limit(name(""), one), "1 to 512 bytes"),
        (limit(name(&"n".repeat(513)), one), "1 to 512 bytes"),
        (limit(EndUser::Hash("ff".to_owned()), one), "32 hex digits"),
        (limit(EndUser::Hash("+".repeat(32)), one), "32 hex digits"),
        (limit(name("a"), Some(&["sheep=5/1m"])), "no limit"),
        (limit(name("a"), Some(&["money=5/1d:tiny"])), "no price"),
    ] {
        let said = desk.refused(request).await;
        assert!(said.contains(expected), "{said}");
    }
    assert!(desk.ask(limit(name(&"n".repeat(512)), one)).await.is_ok(), "the longest name");
    let asked = |limits| {
        let user = name("a");
        Request::UserLimit(UserLimit { key: "plain".to_owned(), user, limits })
    };
    let said = desk.refused(asked(Some(vec!["requests=5/1m".to_owned()]))).await;
    assert!(said.contains("would never hold") && said.contains("--delegates true"), "{said}");
    assert!(desk.ask(asked(Some(Vec::new()))).await.is_ok(), "taking away is always possible");
}

#[tokio::test]
async fn a_key_has_at_most_a_thousand_users_with_limits_of_their_own() {
    let (desk, _) = desk().await;
    let one: Option<&[&str]> = Some(&["requests=5/1m"]);
    for n in 0..USERS_LIMITED_PER_KEY_MAX {
        ask(&desk, limit(name(&format!("u{n}")), one)).await;
    }
    let said = desk.refused(limit(name("one more"), one)).await;
    assert!(said.contains("1000 end users") && said.contains("per = \"user\""), "{said}");
    ask(&desk, limit(name("u0"), Some(&["requests=6/1m"]))).await;
    ask(&desk, limit(name("u1"), Some(&[]))).await;
    ask(&desk, limit(name("one more"), one)).await;
    assert_eq!(shown(&desk).await.users.len(), USERS_LIMITED_PER_KEY_MAX);
}
