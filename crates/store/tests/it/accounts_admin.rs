//! Every operation of an operator, against a real database.

use surgewall_core::principal::{Class, ClassReason, Scopes};
use surgewall_core::refusal::CredentialFault;
use surgewall_store::admin::{
    AccountEnsure, Assign, GroupCreate, GroupSet, KeyCreate, KeyList, KeySet, KeyState, KeyView,
    List, Reply, Request, UserCreate, UserSet, UserView,
};

use crate::accounts::{Desk, START, key_named, named};

fn user(reply: Reply) -> UserView {
    match reply {
        Reply::User(view) => view,
        other => panic!("{other:?}"),
    }
}

fn key(reply: Reply) -> KeyView {
    match reply {
        Reply::Key(view) => view,
        other => panic!("{other:?}"),
    }
}

fn group_create(name: &str, limits: &[&str]) -> Request {
    let limits = limits.iter().map(|limit| (*limit).to_owned()).collect();
    Request::GroupCreate(GroupCreate { name: name.to_owned(), limits })
}

fn user_create(email: &str) -> UserCreate {
    UserCreate { email: email.to_owned(), ..UserCreate::default() }
}

fn user_set(user: &str) -> UserSet {
    UserSet { user: user.to_owned(), ..UserSet::default() }
}

#[tokio::test]
async fn a_user_is_made_shown_changed_and_listed() {
    let desk = Desk::new().await;
    desk.ask(group_create("Course 101", &["requests=60/1m"])).await.unwrap();
    let id = desk.user("  Ann@Example.ORG ").await;

    let view = user(desk.ask(Request::UserShow(named("ann@example.org"))).await.unwrap());
    assert_eq!(view.email.as_deref(), Some("Ann@example.org"), "the domain in lower case");
    assert_eq!((view.id.as_str(), view.class, view.suspended), (id.as_str(), Class::New, false));
    assert_eq!(view.created_at, desk.now());
    assert_eq!((view.class_since, view.class_why), (desk.now(), ClassReason::Default));
    desk.pass(60);

    let set = UserSet {
        class: Some(Class::Established),
        group: Some(Assign::To("Course 101".to_owned())),
        limits: Some(vec!["total_tokens=1000/1d:tiny".to_owned()]),
        ..user_set(&id)
    };
    let view = user(desk.ask(Request::UserSet(set)).await.unwrap());
    assert_eq!(view.class, Class::Established);
    let granted = (desk.now(), ClassReason::Operator);
    assert_eq!((view.class_since, view.class_why), granted);
    desk.pass(60);
    assert_eq!(view.group.as_deref(), Some("Course 101"));
    assert_eq!(view.limits, ["total_tokens=1000/1d:tiny"]);

    let view = user(desk.ask(Request::UserShow(named(&id))).await.unwrap());
    assert_eq!(view.group.as_deref(), Some("Course 101"), "what is absent stays");
    let out = UserSet { group: Some(Assign::Nothing), limits: Some(vec![]), ..user_set(&id) };
    let view = user(desk.ask(Request::UserSet(out)).await.unwrap());
    assert_eq!((view.group, view.limits.len(), view.class), (None, 0, Class::Established));
    assert_eq!((view.class_since, view.class_why), granted, "as long as the class stays");
}

#[tokio::test]
async fn listings_come_in_pages_that_cover_everything_once() {
    let desk = Desk::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        desk.pass(1);
        ids.push(desk.user(&format!("u{n}@example.org")).await);
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let reply = desk.ask(Request::UserList(List { after, rows_max: 2 })).await.unwrap();
        let Reply::Users(page) = reply else { panic!("{reply:?}") };
        assert!(page.rows.len() <= 2);
        seen.extend(page.rows.iter().map(|row| row.id.to_string()));
        match page.next {
            Some(next) => after = Some(next.to_string()),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let lost = List { after: Some("user_gone".to_owned()), rows_max: 0 };
    assert!(desk.refused(Request::UserList(lost)).await.contains("user_gone"));
}

#[tokio::test]
async fn a_key_belongs_to_its_account_and_is_shown_without_itself() {
    let desk = Desk::new().await;
    desk.user("ann@example.org").await;
    let scopes = Scopes {
        models: vec!["tiny*".to_owned()],
        routes: vec!["chat".to_owned()],
        networks: vec!["10.0.0.0/8".parse().unwrap()],
    };
    let asked = KeyCreate {
        account: Some("ann@example.org".to_owned()),
        scopes: scopes.clone(),
        delegates: true,
        expires_in: Some("90d".to_owned()),
        limits: vec!["concurrency=4".to_owned()],
        ..key_named("laptop")
    };
    let (id, secret) = desk.key(asked).await;
    assert!(surgewall_core::apikey::is_well_formed(&secret));

    let found = desk.find(&secret).await.unwrap();
    assert_eq!((found.name.as_str(), found.delegates, found.scopes), ("laptop", true, scopes));
    assert_eq!(found.limits[0].to_string(), "concurrency=4");
    assert_eq!(found.account.unwrap().class, Class::New);

    desk.directory.touch(found.id, desk.now());
    let view = key(desk.ask(Request::KeyShow(named("laptop"))).await.unwrap());
    assert_eq!(view.last_four.as_deref(), Some(&secret[40..]));
    assert_eq!((view.account.as_deref(), view.state), (Some("ann@example.org"), KeyState::Active));
    assert_eq!(view.last_used_at, Some(desk.now()), "from memory, not written yet");
    assert!(!serde_json::to_string(&view).unwrap().contains(&secret[..40]));

    desk.key(key_named("operator's")).await;
    let mine = KeyList { account: Some("ann@example.org".to_owned()), ..KeyList::default() };
    let reply = desk.ask(Request::KeyList(mine)).await.unwrap();
    let Reply::Keys(page) = reply else { panic!("{reply:?}") };
    assert_eq!(page.rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    let reply = desk.ask(Request::KeyList(KeyList::default())).await.unwrap();
    let Reply::Keys(page) = reply else { panic!("{reply:?}") };
    assert_eq!(page.rows.len(), 2);

    desk.pass(90 * 86_400 - 1);
    assert!(desk.find(&secret).await.is_ok());
    desk.pass(1);
    assert_eq!(desk.find(&secret).await.unwrap_err(), CredentialFault::Expired);
    let view = key(desk.ask(Request::KeyShow(named(&id))).await.unwrap());
    assert_eq!(view.state, KeyState::Expired);
}

#[tokio::test]
async fn a_revocation_holds_for_the_next_lookup_and_after_a_restart() {
    let desk = Desk::new().await;
    let (id, secret) = desk.key(key_named("ci")).await;
    assert!(desk.find(&secret).await.is_ok());
    let view = key(desk.ask(Request::KeyRevoke(named("ci"))).await.unwrap());
    assert_eq!((view.state, view.revoked_at), (KeyState::Revoked, Some(desk.now())));
    assert_eq!(desk.find(&secret).await.unwrap_err(), CredentialFault::Revoked);

    desk.pass(60);
    let again = key(desk.ask(Request::KeyRevoke(named(&id))).await.unwrap());
    assert_eq!(again.revoked_at, view.revoked_at, "once is for good");
    // Its name is free again, and means the new key.
    let (new_id, _) = desk.key(key_named("ci")).await;
    let view = key(desk.ask(Request::KeyShow(named("ci"))).await.unwrap());
    assert_eq!(view.id.as_str(), new_id);

    let desk = desk.restart().await;
    assert_eq!(desk.find(&secret).await.unwrap_err(), CredentialFault::Revoked);
}

#[tokio::test]
async fn a_change_of_account_or_group_is_seen_by_all_its_keys_at_once() {
    let desk = Desk::new().await;
    desk.ask(group_create("team", &[])).await.unwrap();
    let asked = UserCreate { group: Some("team".to_owned()), ..user_create("ann@example.org") };
    desk.ask(Request::UserCreate(asked)).await.unwrap();
    let mut keys = Vec::new();
    for n in 0..3 {
        let account = Some("ann@example.org".to_owned());
        keys.push(desk.key(KeyCreate { account, ..key_named(&format!("k{n}")) }).await.1);
    }
    let of_group = KeyCreate { group: Some("team".to_owned()), ..key_named("team key") };
    let (_, team_key) = desk.key(of_group).await;

    let set = UserSet { class: Some(Class::Verified), ..user_set("ann@example.org") };
    desk.ask(Request::UserSet(set)).await.unwrap();
    let rename = GroupSet {
        group: "team".to_owned(),
        name: Some("Team A".to_owned()),
        limits: Some(vec!["requests=5/1m".to_owned()]),
    };
    desk.ask(Request::GroupSet(rename)).await.unwrap();
    for key in &keys {
        let account = desk.find(key).await.unwrap().account.unwrap();
        assert_eq!(account.class, Class::Verified);
        let group = account.group.as_ref().unwrap();
        assert_eq!((group.name.as_str(), group.limits.len()), ("Team A", 1));
    }
    assert_eq!(desk.find(&team_key).await.unwrap().group.unwrap().name, "Team A");
    assert!(desk.directory.group("team").is_none() && desk.directory.group("Team A").is_some());

    let suspend = UserSet { suspended: Some(true), ..user_set("ann@example.org") };
    desk.ask(Request::UserSet(suspend)).await.unwrap();
    for key in &keys {
        assert_eq!(desk.find(key).await.unwrap_err(), CredentialFault::Suspended);
    }
    assert!(desk.find(&team_key).await.is_ok());
    let back = UserSet {
        suspended: Some(false),
        group: Some(Assign::Nothing),
        ..user_set("ann@example.org")
    };
    desk.ask(Request::UserSet(back)).await.unwrap();
    desk.ask(Request::GroupSet(GroupSet {
        group: "Team A".to_owned(),
        limits: Some(vec![]),
        ..GroupSet::default()
    }))
    .await
    .unwrap();
    for key in &keys {
        assert!(desk.find(key).await.unwrap().account.unwrap().group.is_none());
    }
}

#[tokio::test]
async fn a_grant_is_taken_back_and_the_class_is_by_rule_again() {
    let desk = Desk::new().await;
    let (granted, plain) = ("granted@example.org", "plain@example.org");
    let made = UserCreate { class: Some(Class::Verified), ..user_create(granted) };
    desk.ask(Request::UserCreate(made)).await.unwrap();
    desk.user(plain).await;
    let grant = UserSet { class: Some(Class::Established), ..user_set(plain) };
    desk.ask(Request::UserSet(grant)).await.unwrap();
    desk.pass(60);
    let both = UserSet { class: Some(Class::New), by_rule: true, ..user_set(plain) };
    assert!(desk.ask(Request::UserSet(both)).await.is_err(), "granted or by rule");
    let mut taken_at = desk.now();
    for name in [granted, plain, plain] {
        let back = UserSet { by_rule: true, ..user_set(name) };
        let view = user(desk.ask(Request::UserSet(back)).await.unwrap());
        assert_eq!((view.class, view.class_why), (Class::New, ClassReason::Default), "{name}");
        assert_eq!(view.class_since, taken_at, "{name}: taken back once");
        if name == granted {
            desk.pass(60);
            taken_at = desk.now();
        }
    }
    let desk = desk.restart().await;
    let view = user(desk.ask(Request::UserShow(named(granted))).await.unwrap());
    assert_eq!((view.class, view.class_why), (Class::New, ClassReason::Default));
}

#[tokio::test]
async fn a_key_is_changed_in_place() {
    let desk = Desk::new().await;
    let (_, secret) = desk.key(key_named("app")).await;
    let scopes = Scopes { routes: vec!["embeddings".to_owned()], ..Scopes::default() };
    let set = KeySet {
        key: "app".to_owned(),
        scopes: Some(scopes.clone()),
        delegates: Some(true),
        limits: Some(vec!["requests=1/1s".to_owned()]),
    };
    desk.ask(Request::KeySet(set)).await.unwrap();
    let desk = desk.restart().await;
    let found = desk.find(&secret).await.unwrap();
    assert_eq!((found.scopes, found.delegates, found.limits.len()), (scopes, true, 1));
}

#[tokio::test]
async fn an_account_of_a_token_is_made_once_and_moved_by_its_claim() {
    let desk = Desk::new().await;
    desk.ask(group_create("staff", &[])).await.unwrap();
    let asked = AccountEnsure {
        issuer: "https://id.example.org".to_owned(),
        subject: "42".to_owned(),
        class: Class::Verified,
        claimed: None,
        group: None,
        granted: None,
        email: None,
    };
    let mut ids = Vec::new();
    let staff = || Some("staff".to_owned());
    let new = Some(Class::New);
    for (group, claimed) in
        [(None, None), (None, None), (staff(), None), (staff(), None), (None, new), (staff(), new)]
    {
        desk.pass(1);
        let asked = AccountEnsure { group, claimed, ..asked.clone() };
        match desk.ask(Request::AccountEnsure(asked)).await.unwrap() {
            Reply::UserCreated { id } => ids.push(id),
            other => panic!("{other:?}"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(desk.records().iter().filter(|r| r.0 == "account.ensure").count(), 3);

    let desk = desk.restart().await;
    let account = desk.directory.account_by_external("https://id.example.org", "42").unwrap();
    assert_eq!(account.class, Class::New);
    assert_eq!(account.group.as_ref().unwrap().name, "staff");
    assert!(desk.directory.account_by_external("https://id.example.org4", "2").is_none());
    let view = user(desk.ask(Request::UserShow(named(ids[0].as_str()))).await.unwrap());
    assert_eq!(view.external.unwrap().subject, "42");
    let since = surgewall_core::clock::Timestamp::from_millis(START.millis() + 5_000);
    assert_eq!((view.class_since, view.class_why), (since, ClassReason::Claim));
}

#[tokio::test]
async fn a_change_is_recorded_before_and_after_and_not_made_if_it_cannot_be() {
    let desk = Desk::new().await;
    let asked =
        UserCreate { class: Some(Class::Established), ..user_create("secret-person@example.org") };
    desk.ask(Request::UserCreate(asked)).await.unwrap();
    let records = desk.records();
    assert_eq!(records.len(), 2);
    let (action, subject, detail) = &records[0];
    assert_eq!((action.as_str(), detail.as_deref()), ("user.create", Some("class=established")));
    assert!(subject.as_ref().unwrap().starts_with("user_"));
    assert_eq!(records[1], ("user.create.done".to_owned(), subject.clone(), None));

    let (_, secret) = desk.key(key_named("my-private-name")).await;
    let text = format!("{:?}", desk.records());
    assert!(!text.contains("secret-person") && !text.contains("my-private-name"));
    assert!(!text.contains(&secret));

    *desk.book.full.lock().unwrap() = true;
    let text = desk.refused(Request::KeyRevoke(named("my-private-name"))).await;
    assert!(text.contains("nothing was changed") && text.contains("no space left"), "{text}");
    assert!(desk.find(&secret).await.is_ok());
    // Readers need no ledger.
    assert!(desk.ask(Request::KeyShow(named("my-private-name"))).await.is_ok());
}

#[tokio::test]
async fn sql_in_names_is_data() {
    let desk = Desk::new().await;
    let names =
        ["'; DROP TABLE keys; --", "\" OR 1=1 --", "%_\\", "a'b\"c`d", "?1 :x @y $z", "名前"];
    for name in names {
        let (_, secret) = desk.key(key_named(name)).await;
        desk.ask(group_create(name, &[])).await.unwrap();
        let view = key(desk.ask(Request::KeyShow(named(name))).await.unwrap());
        assert_eq!(view.name, name);
        assert_eq!(desk.find(&secret).await.unwrap().name, name);
    }
    for text in ["' OR '1'='1", "key_' OR 1=1 --", "%"] {
        assert!(desk.refused(Request::KeyShow(named(text))).await.contains("no key"));
        let quoted = format!("{text}@example.org");
        desk.ask(Request::UserShow(named(&quoted))).await.unwrap_err();
    }
    assert_eq!(desk.directory.sizes().keys, names.len());
}
