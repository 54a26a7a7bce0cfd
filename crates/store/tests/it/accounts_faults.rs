//! When a change goes wrong half-way: the caller leaves, the store fails, the
//! door is full, the file is no database.

use std::future::Future;
use std::sync::Mutex;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, KeyId};
use surgewall_core::principal::{Class, DelegatedUser};
use surgewall_core::refusal::CredentialFault;
use surgewall_store::admin::{
    AccountEnsure, ErrorKind, GroupCreate, KeyImport, Request, UserCreate, execute,
};
use surgewall_store::directory::{Bounds, Directory};
use surgewall_store::people::{
    AccountRow, Change, ConfigRow, GroupRow, KeyCounts, KeyRow, People, Pick, Seen, StoreError,
    UserSeen,
};
use surgewall_store::sqlite::Sqlite;

use crate::accounts::{Desk, key_named, named};

/// What happens to the next write.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// It is written, and the answer never comes.
    Stalls,
    /// It is written, and the answer is an error.
    Lies,
    /// It is not written.
    Fails,
}

/// A store whose writes go wrong.
struct Faulty {
    inner: Sqlite,
    fault: Mutex<Fault>,
}

impl People for Faulty {
    async fn write(&self, changes: &[Change]) -> Result<(), StoreError> {
        let fault = *self.fault.lock().unwrap();
        let failed = StoreError::Engine { doing: "writing", source: "disk full".into() };
        if matches!(fault, Fault::Fails) {
            return Err(failed);
        }
        self.inner.write(changes).await?;
        match fault {
            Fault::Stalls => std::future::pending().await,
            Fault::Lies => Err(failed),
            Fault::None | Fault::Fails => Ok(()),
        }
    }
    fn groups(&self, p: &Pick) -> impl Future<Output = Result<Vec<GroupRow>, StoreError>> + Send {
        self.inner.groups(p)
    }
    fn accounts(
        &self,
        p: &Pick,
    ) -> impl Future<Output = Result<Vec<AccountRow>, StoreError>> + Send {
        self.inner.accounts(p)
    }
    fn keys(&self, p: &Pick) -> impl Future<Output = Result<Vec<KeyRow>, StoreError>> + Send {
        self.inner.keys(p)
    }
    async fn key_counts(
        &self,
        account: AccountId,
        now: Timestamp,
        lately: Timestamp,
    ) -> Result<KeyCounts, StoreError> {
        self.inner.key_counts(account, now, lately).await
    }
    async fn write_key_uses(&self, uses: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        self.inner.write_key_uses(uses).await
    }
    async fn write_good_uses(
        &self,
        uses: &[(AccountId, Timestamp)],
    ) -> Result<Vec<AccountId>, StoreError> {
        self.inner.write_good_uses(uses).await
    }
    async fn write_users_seen(&self, users: &[UserSeen]) -> Result<(), StoreError> {
        self.inner.write_users_seen(users).await
    }
    async fn user_seen(&self, k: KeyId, u: DelegatedUser) -> Result<Option<Seen>, StoreError> {
        self.inner.user_seen(k, u).await
    }
    async fn users_first_seen(
        &self,
        after: (KeyId, DelegatedUser),
    ) -> Result<Vec<UserSeen>, StoreError> {
        self.inner.users_first_seen(after).await
    }
    async fn keep_config(&self, config: &ConfigRow) -> Result<(), StoreError> {
        self.inner.keep_config(config).await
    }
    async fn configs(&self) -> Result<Vec<ConfigRow>, StoreError> {
        self.inner.configs().await
    }
}

/// Asks under `fault`, and leaves when the store stalls.
async fn ask_under(desk: &Desk, fault: Fault, request: Request) -> String {
    let people = Faulty { inner: desk.people.clone(), fault: Mutex::new(fault) };
    let office = desk.office(&people);
    let asked = execute(&office, &desk.book, request);
    match tokio::time::timeout(std::time::Duration::from_secs(1), asked).await {
        Ok(answer) => answer.map_or_else(|error| error.to_string(), |reply| format!("{reply:?}")),
        Err(_) => "left".to_owned(),
    }
}

#[tokio::test]
async fn an_account_whose_client_left_half_way_is_there_for_the_next_one() {
    let desk = Desk::new().await;
    let ensure = Request::AccountEnsure(AccountEnsure {
        issuer: "i".to_owned(),
        subject: "s".to_owned(),
        class: Class::Verified,
        claimed: None,
        group: None,
        granted: None,
        email: None,
    });
    assert_eq!(ask_under(&desk, Fault::Stalls, ensure.clone()).await, "left");
    assert!(desk.directory.account_by_external("i", "s").is_none());
    assert_eq!(ask_under(&desk, Fault::None, ensure).await, "UserCreated");
    assert!(desk.directory.account_by_external("i", "s").is_some());
    assert_eq!(desk.records().iter().filter(|record| record.0 == "account.ensure").count(), 1);
}

#[tokio::test]
async fn a_revocation_whose_answer_was_lost_holds_when_it_is_asked_for_again() {
    for fault in [Fault::Stalls, Fault::Lies, Fault::Fails] {
        let desk = Desk::new().await;
        let (_, secret) = desk.key(key_named("k")).await;
        ask_under(&desk, fault, Request::KeyRevoke(named("k"))).await;
        desk.ask(Request::KeyRevoke(named("k"))).await.unwrap();
        assert_eq!(desk.find(&secret).await.unwrap_err(), CredentialFault::Revoked);
    }
}

#[tokio::test]
async fn a_change_that_failed_is_recorded_as_failed_and_changes_nothing() {
    let desk = Desk::new().await;
    let (_, secret) = desk.key(key_named("k")).await;
    let text = ask_under(&desk, Fault::Fails, Request::KeyRevoke(named("k"))).await;
    assert!(text.contains("disk full"), "{text}");
    assert!(desk.find(&secret).await.is_ok());
    let actions: Vec<_> = desk.records().into_iter().map(|record| record.0).collect();
    assert_eq!(actions[2..], ["key.revoke", "key.revoke.failed"]);
}

#[tokio::test]
async fn a_full_door_refuses_one_more_and_says_so() {
    let mut desk = Desk::new().await;
    let bounds = Bounds { keys_max: 1, accounts_max: 1, groups_max: 1 };
    desk.directory = Directory::new(desk.vault.clone(), bounds);
    let user = |email: &str| {
        Request::UserCreate(UserCreate { email: email.to_owned(), ..UserCreate::default() })
    };
    let group =
        |name: &str| Request::GroupCreate(GroupCreate { name: name.to_owned(), limits: vec![] });
    for (fits, full) in [
        (user("a@x.y"), user("b@x.y")),
        (group("a"), group("b")),
        (Request::KeyCreate(key_named("a")), Request::KeyCreate(key_named("b"))),
    ] {
        desk.ask(fits).await.unwrap();
        let error = desk.ask(full).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Full, "{error}");
    }
    let import =
        Request::KeyImport(KeyImport { keys: vec![key_named("c")], ..KeyImport::default() });
    assert_eq!(desk.ask(import).await.unwrap_err().kind, ErrorKind::Full);
}

#[tokio::test]
async fn garbage_is_no_database_and_stays_as_it_is() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("garbage.db");
    let garbage = "no database at all ".repeat(1_000);
    std::fs::write(&path, &garbage).unwrap();
    let error = Sqlite::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Engine { .. }), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), garbage);
    let missing = base.path().join("no/such/place.db");
    assert!(Sqlite::open(&missing).await.is_err());
}
