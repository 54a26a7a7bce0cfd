//! What accounts prove themselves with, sessions and flows, as they are stored.

use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, PublicId, SessionId};
use surgewall_core::principal::Network;
use surgewall_core::role::Role;
use surgewall_core::secret::SecretString;
use surgewall_store::admin::{Reply, Request, UserSet};
use surgewall_store::identity::{
    About, FactorKind, Factors, Flow, FlowKind, Identity as _, PASSKEYS_PER_ACCOUNT_MAX, Session,
    SessionListener, account_by_email, begin_flow, email_of, new_token, passkey_owner, session_of,
    session_row, take_flow, token_hash, try_flow,
};
use surgewall_store::people::StoreError;

use crate::accounts::Desk;
use crate::conversations::account;

async fn factors(desk: &Desk, of: AccountId) -> Factors<'_, surgewall_store::sqlite::Sqlite> {
    Factors::of(&desk.people, &desk.vault, of).await.unwrap()
}

#[tokio::test]
async fn a_password_and_a_totp_secret_replace_the_ones_before() {
    let desk = Desk::new().await;
    let (ada, bob) = (account(&desk, "ada@x.org").await, account(&desk, "bob@x.org").await);
    for hash in ["first", "second"] {
        factors(&desk, ada).await.set_password(hash, desk.now()).await.unwrap();
    }
    let own = factors(&desk, ada).await;
    assert_eq!(own.password().unwrap().unwrap().expose(), "second");
    assert!(factors(&desk, bob).await.password().unwrap().is_none());
    let secret = SecretString::new("secret".to_owned());
    own.set_totp(&secret, 7, desk.now()).await.unwrap();
    // A time step counts once, and never one before it.
    for (step, fits) in [(7, false), (8, true), (8, false), (6, false), (10, true), (9, false)] {
        let stepped = desk.people.step_totp(ada, step, desk.now()).await.unwrap();
        assert_eq!(stepped, fits, "{step}");
    }
    assert!(!desk.people.step_totp(bob, 11, desk.now()).await.unwrap());
    let totp = factors(&desk, ada).await.totp().unwrap().unwrap();
    assert_eq!((totp.secret.expose().as_str(), totp.step), ("secret", 10));
    own.clear(FactorKind::Totp).await.unwrap();
    assert!(factors(&desk, ada).await.totp().unwrap().is_none());
}

#[tokio::test]
async fn a_recovery_code_is_good_once_and_for_its_owner_only() {
    let desk = Desk::new().await;
    let (ada, bob) = (account(&desk, "ada@x.org").await, account(&desk, "bob@x.org").await);
    let own = factors(&desk, ada).await;
    own.set_recovery_codes(["one", "two"], desk.now()).await.unwrap();
    assert!(!factors(&desk, bob).await.take_recovery_code("one").await.unwrap());
    assert!(own.take_recovery_code("one").await.unwrap());
    assert!(!own.take_recovery_code("one").await.unwrap());
    assert_eq!(factors(&desk, ada).await.recovery_codes(), 1);
    own.set_recovery_codes(["three"], desk.now()).await.unwrap();
    assert!(!own.take_recovery_code("two").await.unwrap());
}

#[tokio::test]
async fn a_passkey_is_found_by_its_credential_and_belongs_to_one_account() {
    let desk = Desk::new().await;
    let (ada, bob) = (account(&desk, "ada@x.org").await, account(&desk, "bob@x.org").await);
    let (store, vault) = (&desk.people, &desk.vault);
    let own = factors(&desk, ada).await;
    assert!(own.add_passkey(b"credential", "{}", "Laptop", desk.now()).await.unwrap());
    let found = passkey_owner(store, vault, b"credential").await.unwrap().unwrap();
    assert_eq!((found.account, found.label.as_str(), found.used_at), (ada, "Laptop", None));
    assert!(passkey_owner(store, vault, b"other").await.unwrap().is_none());
    found.used(store, vault, "{\"counter\":2}", desk.now()).await.unwrap();
    let found = passkey_owner(store, vault, b"credential").await.unwrap().unwrap();
    assert_eq!((found.body.as_str(), found.used_at), ("{\"counter\":2}", Some(desk.now())));
    let taken = factors(&desk, bob).await.add_passkey(b"credential", "{}", "", desk.now()).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { what: "passkey" })));
    // An id of somebody else's removes nothing.
    let id = found.public_id.as_str();
    assert!(!store.remove_factor(bob, id).await.unwrap());
    assert!(store.remove_factor(ada, id).await.unwrap());
}

#[tokio::test]
async fn an_account_has_at_most_its_passkeys() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@x.org").await;
    for number in 0..=PASSKEYS_PER_ACCOUNT_MAX {
        let own = factors(&desk, ada).await;
        let id = number.to_be_bytes();
        let added = own.add_passkey(&id, "{}", "", desk.now()).await.unwrap();
        assert_eq!(added, number < PASSKEYS_PER_ACCOUNT_MAX, "{number}");
    }
}

fn session(desk: &Desk, account: AccountId, token: &str) -> Session {
    Session {
        id: SessionId::new(desk.now()),
        public_id: PublicId::random("session"),
        account,
        token_hash: token_hash(&desk.vault, token),
        listener: SessionListener::Admin,
        strong: true,
        created_at: desk.now(),
        authenticated_at: desk.now(),
        seen_at: desk.now(),
        about: About { browser: "Firefox".to_owned(), network: Network::from_u128(7) },
    }
}

#[tokio::test]
async fn sessions_survive_a_restart_and_end() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@x.org").await;
    let (one, two) = (session(&desk, ada, "one"), session(&desk, ada, "two"));
    let row = |session: &Session| session_row(&desk.vault, session).unwrap();
    desk.people.put_session(&row(&one), &[]).await.unwrap();
    // The second one takes the place of the first.
    desk.people.put_session(&row(&two), &[one.id]).await.unwrap();
    let later = desk.now().plus(Duration::from_secs(60));
    for at in [later, desk.now()] {
        desk.people.write_seen(&[(two.id, at)]).await.unwrap();
    }
    let desk = desk.restart().await;
    let rows = desk.people.sessions(0).await.unwrap();
    let read: Vec<_> = rows.into_iter().map(|row| session_of(&desk.vault, row).unwrap()).collect();
    assert_eq!(read, [Session { seen_at: later, ..two.clone() }]);
    desk.people.end_sessions(&[two.id]).await.unwrap();
    assert!(desk.people.sessions(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_flow_bears_its_tries_and_is_good_once_and_for_a_while() {
    let desk = Desk::new().await;
    let (store, vault, start) = (&desk.people, &desk.vault, desk.now());
    let lasts = Duration::from_secs(60);
    let flow = Flow { kind: FlowKind::Reset, account: None, tries_max: 2, lasts };
    let begin = || async {
        let token = new_token();
        let begun = begin_flow(store, vault, (flow, &token), &"body", start).await;
        assert!(begun.unwrap());
        token
    };
    let tried = |token: SecretString, kind, at: Timestamp| async move {
        try_flow::<_, String>(store, vault, (kind, token.expose()), at).await.unwrap()
    };
    let token = begin().await;
    assert_eq!(tried(token.clone(), FlowKind::SignUp, start).await, None);
    for body in [Some("body".to_owned()), Some("body".to_owned()), None] {
        assert_eq!(tried(token.clone(), FlowKind::Reset, start).await, body);
    }
    let over = start.plus(Duration::from_secs(60));
    let token = begin().await;
    assert_eq!(tried(token.clone(), FlowKind::Reset, over).await, None);
    assert!(!take_flow(store, vault, (FlowKind::Reset, token.expose()), over).await.unwrap());
    for fits in [true, false] {
        let taken = take_flow(store, vault, (FlowKind::Reset, token.expose()), start).await;
        assert_eq!(taken.unwrap(), fits);
    }
}

#[tokio::test]
async fn of_what_an_account_asked_for_the_last_counts_and_each_kind_has_its_room() {
    let desk = Desk::new().await;
    let (store, vault, start) = (&desk.people, &desk.vault, desk.now());
    let begin = async |kind, account: Option<u128>| {
        let (token, account) = (new_token(), account.map(AccountId::from_u128));
        let flow = Flow { kind, account, tries_max: 2, lasts: Duration::from_secs(60) };
        begin_flow(store, vault, (flow, &token), &"body", start).await.unwrap().then_some(token)
    };
    let lives = async |kind, token: &SecretString| {
        take_flow(store, vault, (kind, token.expose()), start).await.unwrap()
    };
    let (kind, other) = (FlowKind::Reset, FlowKind::SetUp);
    let first = begin(kind, Some(1)).await.unwrap();
    let second = begin(kind, Some(2)).await.unwrap();
    let of_operator = begin(other, Some(1)).await.unwrap();
    let again = begin(kind, Some(1)).await.unwrap();
    assert!(!lives(kind, &first).await, "it was replaced");
    assert!(lives(kind, &again).await && lives(kind, &second).await);
    assert!(lives(other, &of_operator).await);
    // The operator's links: as many as there is room for, whatever else waits.
    for _ in 0..FlowKind::SetUp.waiting_max() {
        assert!(begin(other, None).await.is_some());
    }
    assert!(begin(other, None).await.is_none());
    assert!(begin(kind, Some(1)).await.is_some());
}

#[tokio::test]
async fn a_role_is_given_recorded_and_kept() {
    let desk = Desk::new().await;
    let ada = account(&desk, "ada@x.org").await;
    assert_eq!(desk.directory.account(ada).unwrap().role, Role::User);
    assert!(!desk.people.has_owner().await.unwrap());
    let set = UserSet { user: "ada@x.org".into(), role: Some(Role::Owner), ..UserSet::default() };
    let Reply::User(view) = desk.ask(Request::UserSet(set)).await.unwrap() else { panic!() };
    assert_eq!(view.role, Role::Owner);
    let noted = desk.book.records.lock().unwrap().iter().any(|record| {
        record.action == "user.set" && record.detail.as_deref() == Some("role=owner")
    });
    assert!(noted);
    let desk = desk.restart().await;
    assert_eq!(desk.directory.account(ada).unwrap().role, Role::Owner);
    assert!(desk.people.has_owner().await.unwrap());
    let row = account_by_email(&desk.people, &desk.vault, " ADA@X.org ").await.unwrap().unwrap();
    assert_eq!(email_of(&desk.vault, &row).unwrap().as_deref(), Some("ada@x.org"));
    let nobody = account_by_email(&desk.people, &desk.vault, "no address").await.unwrap();
    assert!(nobody.is_none());
}
