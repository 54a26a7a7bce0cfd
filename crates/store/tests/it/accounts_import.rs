//! Many accounts at once: all or none, each once, and known from the first day.

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::principal::{Class, ClassReason};
use surgewall_store::admin::{
    AdminError, BroughtUser, ErrorKind, GroupCreate, IMPORT_USERS_MAX, Reply, Request, UserImport,
    UserView,
};

use crate::accounts::{Desk, START, named};

fn brought(line: u64, email: &str) -> BroughtUser {
    BroughtUser { line, email: email.into(), ..BroughtUser::default() }
}

async fn import(desk: &Desk, users: Vec<BroughtUser>) -> Result<(usize, usize), AdminError> {
    match desk.ask(Request::UserImport(UserImport { users, dry_run: false })).await? {
        Reply::UsersImported { made, known } => Ok((made, known)),
        other => panic!("{other:?}"),
    }
}

async fn show(desk: &Desk, user: &str) -> Result<UserView, AdminError> {
    match desk.ask(Request::UserShow(named(user))).await? {
        Reply::User(view) => Ok(view),
        other => panic!("{other:?}"),
    }
}

fn days_before(days: u64) -> Timestamp {
    Timestamp::from_millis(START.millis() - days * DAY_S * 1_000)
}

#[tokio::test]
async fn accounts_bring_their_class_their_group_and_their_past() {
    let desk = Desk::new().await;
    desk.user("ann@example.org").await;
    let lab = GroupCreate { name: "lab".into(), limits: Vec::new() };
    desk.ask(Request::GroupCreate(lab)).await.unwrap();
    let ann = BroughtUser {
        class: Some(Class::Established),
        first_seen: Some(days_before(300)),
        active_days: 40,
        ..brought(2, "Ann@Example.org")
    };
    let bob = BroughtUser {
        class: Some(Class::Verified),
        group: Some("lab".into()),
        first_seen: Some(days_before(9)),
        ..brought(3, "bob@example.org")
    };
    let eve = BroughtUser { suspended: true, ..brought(4, "eve@example.org") };
    assert_eq!(import(&desk, vec![ann.clone(), bob.clone(), eve]).await.unwrap(), (2, 1));
    let seen = show(&desk, "ann@example.org").await.unwrap();
    assert_eq!((seen.class, seen.active_days), (Class::New, 40), "who is there keeps its class");
    assert_eq!(seen.known_since, days_before(300));
    let seen = show(&desk, "bob@example.org").await.unwrap();
    assert_eq!((seen.class, seen.class_why), (Class::Verified, ClassReason::Operator));
    assert_eq!((seen.group.as_deref(), seen.known_since), (Some("lab"), days_before(9)));
    let seen = show(&desk, "eve@example.org").await.unwrap();
    assert!(seen.suspended && seen.class == Class::New);
    assert_eq!(
        import(&desk, vec![ann, bob]).await.unwrap(),
        (0, 2),
        "a second time nothing is made"
    );
    let details: Vec<_> = desk.records().into_iter().filter_map(|(_, _, detail)| detail).collect();
    assert!(details.contains(&"made=2 known=1".to_owned()), "{details:?}");
    assert!(!format!("{details:?}").contains('@'));
}

#[tokio::test]
async fn one_bad_line_and_nobody_is_taken_over() {
    let desk = Desk::new().await;
    let ann = brought(2, "ann@example.org");
    for (bad, kind, said) in [
        (brought(7, "no address"), ErrorKind::Invalid, "line 7: not an e-mail address"),
        (
            brought(7, "ANN@example.org"),
            ErrorKind::Conflict,
            "line 7: ANN@example.org stands on line 2",
        ),
        (
            BroughtUser { group: Some("lab".into()), ..brought(7, "b@c.d") },
            ErrorKind::NotFound,
            "line 7: there is no group `lab`",
        ),
        (
            BroughtUser { class: Some(Class::Anonymous), ..brought(7, "b@c.d") },
            ErrorKind::Invalid,
            "line 7: an account is never of class `anonymous`",
        ),
        (
            BroughtUser { active_days: 3, ..brought(7, "b@c.d") },
            ErrorKind::Invalid,
            "line 7: active_days count from first_seen",
        ),
        (
            BroughtUser { first_seen: Some(days_before(1)), active_days: 9, ..brought(7, "b@c.d") },
            ErrorKind::Invalid,
            "more `active_days` than days",
        ),
    ] {
        let error = import(&desk, vec![ann.clone(), bad]).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(said), "{error}");
        assert_eq!(show(&desk, "ann@example.org").await.err().unwrap().kind, ErrorKind::NotFound);
    }
    assert!(desk.records().is_empty());
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_changes_nothing() {
    let desk = Desk::new().await;
    let ask =
        async |users| desk.ask(Request::UserImport(UserImport { users, dry_run: true })).await;
    let reply = ask(vec![brought(1, "ann@example.org")]).await.unwrap();
    assert!(matches!(reply, Reply::UsersImported { made: 1, known: 0 }));
    let again = ask(vec![brought(1, "a@b.c"), brought(2, "a@b.c")]).await.unwrap_err();
    assert!(again.message.contains("line 2"));
    assert_eq!(show(&desk, "ann@example.org").await.err().unwrap().kind, ErrorKind::NotFound);
    assert!(desk.records().is_empty());
}

#[tokio::test]
async fn an_import_has_its_bounds() {
    let desk = Desk::new().await;
    let users = |count: usize| -> Vec<_> {
        (0..count).map(|n| brought(n as u64, &format!("u{n}@example.org"))).collect()
    };
    assert_eq!(import(&desk, users(0)).await.unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(
        import(&desk, users(IMPORT_USERS_MAX + 1)).await.unwrap_err().kind,
        ErrorKind::Invalid
    );
    assert_eq!(import(&desk, users(IMPORT_USERS_MAX)).await.unwrap(), (IMPORT_USERS_MAX, 0));
}
