//! What an operator cannot mean, and the reason that the refusal gives.

use surgewall_core::principal::{Class, Scopes};
use surgewall_store::admin::{
    Foreign, GroupCreate, KeyCreate, LIMITS_PER_SUBJECT_MAX, NAME_CHARS_MAX, Request, UserCreate,
};

use crate::accounts::{Desk, key_named, named};

fn group_create(name: &str, limits: &[&str]) -> Request {
    let limits = limits.iter().map(|limit| (*limit).to_owned()).collect();
    Request::GroupCreate(GroupCreate { name: name.to_owned(), limits })
}

fn user_create(email: &str) -> UserCreate {
    UserCreate { email: email.to_owned(), ..UserCreate::default() }
}

/// A desk with one user, one group and one key, and each request refused with
/// its reason, without a trace in the ledger.
async fn check_refused(cases: Vec<(Request, &str)>) {
    let desk = Desk::new().await;
    desk.user("ann@example.org").await;
    desk.ask(group_create("team", &[])).await.unwrap();
    desk.key(key_named("app")).await;
    for (request, expected) in cases {
        let what = serde_json::to_string(&request).unwrap();
        let before = desk.records().len();
        let text = desk.refused(request).await;
        assert!(text.contains(expected), "{what}\n-> {text}");
        assert_eq!(desk.records().len(), before, "nothing refused is recorded as a change: {what}");
    }
}

#[tokio::test]
async fn users_and_groups_that_cannot_be_meant_are_refused_with_a_reason() {
    let user = |email: &str| Request::UserCreate(user_create(email));
    let classed = |class| {
        Request::UserCreate(UserCreate { class: Some(class), ..user_create("b@example.org") })
    };
    let grouped = |group: &str| {
        let group = Some(group.to_owned());
        Request::UserCreate(UserCreate { group, ..user_create("b@example.org") })
    };
    check_refused(vec![
        (user("ANN@example.org"), "already"),
        (user("ann"), "there is no @"),
        (user("a b@example.org"), "does not belong"),
        (user("a@b@example.org"), "does not belong"),
        (user("ann@"), "no domain"),
        (user("ann@exa..mple"), "no domain"),
        (user("ann@-example.org"), "no domain"),
        (user(&format!("{}@x.y", "a".repeat(65))), "before the @"),
        (user(&format!("a@{}", "b".repeat(253))), "254"),
        (classed(Class::Anonymous), "never of class"),
        (grouped("nobody"), "no group `nobody`"),
        (Request::UserShow(named("b@example.org")), "no user"),
        (Request::UserShow(named("user_x")), "no user"),
        (group_create("team", &[]), "already"),
        (group_create("", &[]), "1 to 100"),
        (group_create(&"x".repeat(NAME_CHARS_MAX + 1), &[]), "1 to 100"),
        (group_create("a\nb", &[]), "control"),
        (Request::GroupShow(named("nobody")), "no group"),
    ])
    .await;
    let desk = Desk::new().await;
    desk.ask(group_create(&"é".repeat(NAME_CHARS_MAX), &[])).await.unwrap();
    desk.ask(user(&format!("{}@x.y", "a".repeat(64)))).await.unwrap();
    desk.ask(user(&format!("a@{}", "b".repeat(252)))).await.unwrap();
}

#[tokio::test]
async fn keys_that_cannot_be_meant_are_refused_with_a_reason() {
    let create = |asked: KeyCreate| Request::KeyCreate(KeyCreate { name: "k".to_owned(), ..asked });
    let owned = |account: &str, group: Option<&str>| {
        let (account, group) = (Some(account.to_owned()), group.map(str::to_owned));
        create(KeyCreate { account, group, ..KeyCreate::default() })
    };
    let limited = |limits: Vec<String>| create(KeyCreate { limits, ..KeyCreate::default() });
    let limit = |texts: &[&str]| limited(texts.iter().map(|text| (*text).to_owned()).collect());
    let lives = |text: &str| {
        create(KeyCreate { expires_in: Some(text.to_owned()), ..KeyCreate::default() })
    };
    let foreign = |foreign| create(KeyCreate { foreign: Some(foreign), ..KeyCreate::default() });
    let bcrypt = |hash: &str, prefix: &str| {
        foreign(Foreign::Bcrypt { hash: hash.to_owned(), prefix: prefix.to_owned() })
    };
    let scoped = |scopes| create(KeyCreate { scopes, ..KeyCreate::default() });
    let many = (0..=LIMITS_PER_SUBJECT_MAX).map(|n| format!("requests=1/{}s", n + 1)).collect();
    let hash = bcrypt::hash("x", 4).unwrap();
    check_refused(vec![
        (Request::KeyCreate(key_named("app")), "already"),
        (Request::KeyCreate(key_named("")), "1 to 100"),
        (Request::KeyShow(named("nokey")), "no key"),
        (Request::KeyRevoke(named("nokey")), "no key"),
        (owned("x@y.z", None), "no user"),
        (owned("ann@example.org", Some("team")), "not both"),
        (lives("2y"), "time to live"),
        (lives("367d"), "time to live"),
        (limit(&["requests=60"]), "no limit"),
        (limit(&["requests=60/1m", "requests=70/60s"]), "same thing"),
        (limit(&["money=1/1d"]), "no price"),
        (limit(&["requests=60/1m:"]), "model's name"),
        (limited(many), "more than 16"),
        (scoped(Scopes { routes: vec!["admin".to_owned()], ..Scopes::default() }), "route family"),
        (scoped(Scopes { models: vec![String::new()], ..Scopes::default() }), "model's name"),
        (scoped(Scopes { models: vec!["m".to_owned(); 65], ..Scopes::default() }), "more than 64"),
        (foreign(Foreign::Sha256("abc".to_owned())), "64 hex"),
        (bcrypt("$2b$10$x", "sk-12345"), "not a bcrypt"),
        (bcrypt(&hash.replace("$2b$", "$2x$"), "sk-12345"), "broken 2x"),
        (bcrypt(&hash, "sk-1234"), "first 8 to 32"),
        (bcrypt(&hash, &"s".repeat(33)), "first 8 to 32"),
    ])
    .await;
}
