//! What an account may do for itself, and who may change whose: held in the same
//! turn as the change.

use surgewall_core::id::PublicId;
use surgewall_core::principal::{Class, ClassReason};
use surgewall_core::role::Role;
use surgewall_store::admin::{
    AccountEnsure, AdminError, Assign, ErrorKind, Foreign, Granted, GroupCreate,
    KEYS_KEPT_PER_ACCOUNT_MAX, KEYS_MADE_PER_HOUR_MAX, KEYS_PER_ACCOUNT_MAX, KeyCreate, KeyImport,
    KeysOf, Reply, Request, UserSet, UserView, VaultErase, Whose, execute_by,
};

use crate::accounts::{Desk, key_named, named};

async fn ask_by(desk: &Desk, by: &str, request: Request) -> Result<Reply, AdminError> {
    let by = PublicId::from_stored(by.to_owned());
    execute_by(&desk.office(&desk.people), &desk.book, Some(&by), request).await
}

/// The names of the keys of `account`, as listed.
async fn keys_of(desk: &Desk, account: &str, over: bool) -> Vec<String> {
    let asked = KeysOf { account: account.to_owned(), over };
    match desk.ask(Request::KeysOf(asked)).await.unwrap() {
        Reply::Keys(page) => page.rows.into_iter().map(|key| key.name).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_account_makes_so_many_keys_and_old_ones_neither_count_nor_hide_new_ones() {
    let desk = Desk::new().await;
    let ann = desk.user("ann@example.org").await;
    let own =
        |n: u64| KeyCreate { account: Some(ann.clone()), own: true, ..key_named(&format!("k{n}")) };
    let mut ids = Vec::new();
    for n in 0..KEYS_PER_ACCOUNT_MAX {
        ids.push(desk.key(own(n)).await.0);
    }
    let refused = desk.refused(Request::KeyCreate(own(99))).await;
    assert!(refused.contains("You have 50 keys"), "{refused}");
    // What is revoked makes room, but for so many in an hour.
    for n in KEYS_PER_ACCOUNT_MAX..KEYS_MADE_PER_HOUR_MAX {
        desk.ask(Request::KeyRevoke(named(&ids.remove(0)))).await.unwrap();
        ids.push(desk.key(own(n)).await.0);
    }
    desk.ask(Request::KeyRevoke(named(&ids.remove(0)))).await.unwrap();
    let refused = desk.refused(Request::KeyCreate(own(99))).await;
    assert!(refused.contains("Try again in an hour"), "{refused}");
    desk.pass(3_600);
    desk.key(own(KEYS_MADE_PER_HOUR_MAX)).await;
    let (working, over) = (keys_of(&desk, &ann, false).await, keys_of(&desk, &ann, true).await);
    assert_eq!((working.len(), over.len()), (50, 11));
    assert_eq!(working[0], "k60", "the newest first");
    // Thousands that are over do not hide those that work, and there is an end to them.
    let kept = u64::try_from(working.len() + over.len()).unwrap();
    let old = |n: u64| KeyCreate {
        account: Some(ann.clone()),
        expires_in: Some("1d".to_owned()),
        foreign: Some(Foreign::Sha256(format!("{n:064x}"))),
        ..key_named(&format!("old{n}"))
    };
    let keys = (kept..KEYS_KEPT_PER_ACCOUNT_MAX - 1).map(old).collect();
    desk.ask(Request::KeyImport(KeyImport { keys, ..KeyImport::default() })).await.unwrap();
    desk.pass(86_400);
    assert_eq!(keys_of(&desk, &ann, false).await, working);
    desk.ask(Request::KeyRevoke(named(&ids.remove(0)))).await.unwrap();
    desk.key(own(1_000)).await;
    desk.ask(Request::KeyRevoke(named(&ids.remove(0)))).await.unwrap();
    let refused = desk.refused(Request::KeyCreate(own(1_001))).await;
    assert!(refused.contains("The operator can"), "{refused}");
    // The operator is not held to it.
    desk.key(KeyCreate { own: false, ..own(1_001) }).await;
    let operators = KeyCreate { account: None, ..own(1_002) };
    assert!(desk.refused(Request::KeyCreate(operators)).await.contains("has an account"));
}

#[tokio::test]
async fn only_who_outranks_an_account_changes_it_and_its_owner_what_is_their_own() {
    let desk = Desk::new().await;
    let mut people = Vec::new();
    for role in [Role::User, Role::Admin, Role::Owner] {
        let id = desk.user(&format!("{role}@example.org")).await;
        let set = UserSet { user: id.clone(), role: Some(role), ..UserSet::default() };
        desk.ask(Request::UserSet(set)).await.unwrap();
        people.push(id);
    }
    let [user, admin, owner] = &people[..] else { panic!() };
    let make = |whose: &str, name: &str| {
        Request::KeyCreate(KeyCreate { account: Some(whose.to_owned()), ..key_named(name) })
    };
    let set = |whose: &str| {
        let limits = Some(Vec::new());
        Request::UserSet(UserSet { user: whose.to_owned(), limits, ..UserSet::default() })
    };
    let erase =
        |whose: &str| Request::VaultErase(VaultErase { whose: Whose::Account(whose.to_owned()) });
    for (by, whose, key, change) in [
        (user, user, true, false),
        (user, admin, false, false),
        (admin, user, true, true),
        (admin, admin, true, false),
        (admin, owner, false, false),
        (owner, admin, true, true),
        (owner, owner, true, true),
    ] {
        let case = format!("{by} and {whose}");
        let name = format!("{by} for {whose}");
        assert_eq!(ask_by(&desk, by, make(whose, &name)).await.is_ok(), key, "{case}");
        assert_eq!(ask_by(&desk, by, set(whose)).await.is_ok(), change, "{case}");
        assert_eq!(ask_by(&desk, by, erase(whose)).await.is_ok(), key, "{case}");
        let revoked = ask_by(&desk, by, Request::KeyRevoke(named(&name))).await;
        let expected = if key { None } else { Some(ErrorKind::NotFound) };
        assert_eq!(revoked.err().map(|error| error.kind), expected, "{case}");
    }
    let (of_owner, _) =
        desk.key(KeyCreate { account: Some(owner.clone()), ..key_named("the owner's") }).await;
    let revoke = || Request::KeyRevoke(named(&of_owner));
    let error = ask_by(&desk, admin, revoke()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotAllowed);
    // The last owner stays, but for whoever is on the machine itself.
    let suspend = || {
        let suspended = Some(true);
        Request::UserSet(UserSet { user: owner.clone(), suspended, ..UserSet::default() })
    };
    assert_eq!(ask_by(&desk, owner, suspend()).await.unwrap_err().kind, ErrorKind::Conflict);
    desk.ask(suspend()).await.unwrap();
    assert!(ask_by(&desk, owner, revoke()).await.is_err(), "who is suspended changes nothing");
    assert!(ask_by(&desk, owner, Request::KeyImport(KeyImport::default())).await.is_err());
}

#[tokio::test]
async fn what_is_granted_is_taken_back_and_what_was_given_by_hand_stays() {
    let desk = Desk::new().await;
    for name in ["staff", "guests"] {
        let group = GroupCreate { name: name.to_owned(), ..GroupCreate::default() };
        desk.ask(Request::GroupCreate(group)).await.unwrap();
    }
    let sign_in = async |role: Option<Role>, group: Option<&str>, claimed: Option<Class>| {
        let ensure = AccountEnsure {
            email: None,
            issuer: "i".to_owned(),
            subject: "s".to_owned(),
            class: Class::Verified,
            claimed,
            group: group.map(str::to_owned),
            granted: Some(Granted { role }),
        };
        let reply = desk.ask(Request::AccountEnsure(ensure)).await.unwrap();
        let Reply::UserCreated { id } = reply else { panic!("{reply:?}") };
        match desk.ask(Request::UserShow(named(id.as_str()))).await.unwrap() {
            Reply::User(user) => user,
            other => panic!("{other:?}"),
        }
    };
    let seen = |user: &UserView| (user.role, user.group.clone(), user.class, user.class_why);
    let nothing = (Role::User, None, Class::Verified, ClassReason::Issuer);
    let all = (Some(Role::Operator), Some("staff"), Some(Class::Established));
    let whole = (Role::Operator, Some("staff".to_owned()), Class::Established, ClassReason::Claim);
    for _ in 0..2 {
        assert_eq!(seen(&sign_in(all.0, all.1, all.2).await), whole);
        assert_eq!(seen(&sign_in(None, None, None).await), nothing);
    }
    // By hand, another role and group: they stay, whatever is granted.
    let user = sign_in(all.0, all.1, all.2).await;
    let by_hand = UserSet {
        user: user.id.to_string(),
        role: Some(Role::Auditor),
        group: Some(Assign::To("guests".to_owned())),
        ..UserSet::default()
    };
    desk.ask(Request::UserSet(by_hand)).await.unwrap();
    let kept = sign_in(None, None, None).await;
    assert_eq!((kept.role, kept.group.as_deref()), (Role::Auditor, Some("guests")));
    let kept = sign_in(Some(Role::Owner), None, None).await;
    assert_eq!(kept.role, Role::Auditor);
    // A token says less than a sign-in: what it does not name stays.
    let user = sign_in(None, Some("staff"), None).await;
    assert_eq!(user.group.as_deref(), Some("staff"));
    let token = AccountEnsure {
        email: None,
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        class: Class::Verified,
        claimed: None,
        group: None,
        granted: None,
    };
    desk.ask(Request::AccountEnsure(token)).await.unwrap();
    let desk = desk.restart().await;
    let Reply::User(user) = desk.ask(Request::UserShow(named(user.id.as_str()))).await.unwrap()
    else {
        panic!()
    };
    assert_eq!(user.group.as_deref(), Some("staff"));
}
