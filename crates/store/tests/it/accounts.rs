//! What the tests of people share: a store in a temporary directory, the door's
//! picture of it, and a list in the ledger's place.

use std::sync::Mutex;
use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::{Config, parse};
use surgewall_core::decision::{Changed, Erased, Record};
use surgewall_core::principal::KeyRecord;
use surgewall_core::refusal::CredentialFault;
use surgewall_store::admin::{
    AdminError, Audit, AuditError, KeyCreate, Named, Office, Reply, Request, UserCreate, execute,
};
use surgewall_store::datadir::DataDir;
use surgewall_store::directory::Directory;
use surgewall_store::people::People;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;
use tempfile::TempDir;

/// The ledger's place: what was recorded, and whether it can be.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) records: Mutex<Vec<Changed>>,
    pub(crate) receipts: Mutex<Vec<Erased>>,
    pub(crate) full: Mutex<bool>,
}

impl Audit for Book {
    async fn record(&self, record: Record) -> Result<(), AuditError> {
        if *self.full.lock().unwrap() {
            return Err(AuditError("no space left on device".to_owned()));
        }
        match record {
            Record::Changed(changed) => self.records.lock().unwrap().push(changed),
            Record::Erased(receipt) => self.receipts.lock().unwrap().push(receipt),
            other => panic!("an operator's request recorded {other:?}"),
        }
        Ok(())
    }
}

/// A door's store, and an operator before it.
pub(crate) struct Desk {
    pub(crate) base: TempDir,
    pub(crate) vault: Vault,
    pub(crate) people: Sqlite,
    pub(crate) directory: Directory,
    pub(crate) clock: Clock,
    pub(crate) time: ManualClock,
    pub(crate) config: Config,
    pub(crate) book: Book,
}

pub(crate) const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap(), ManualClock::new(START)).await
    }

    async fn at(base: TempDir, time: ManualClock) -> Self {
        let data = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let vault = Vault::open_or_create(&data, Some(&base.path().join("master.key"))).unwrap();
        let people = Sqlite::open(&data.database()).await.unwrap();
        let directory = Directory::load(&people, vault.clone()).await.unwrap();
        let upstream =
            "[[upstream]]\nname=\"a\"\nurl=\"http://127.0.0.1:1/v1\"\nmodels=[\"tiny\"]\n";
        Self {
            base,
            vault,
            people,
            directory,
            clock: Clock::Manual(time.clone()),
            time,
            config: parse("t.toml", upstream).unwrap(),
            book: Book::default(),
        }
    }

    /// The door stops and starts again.
    pub(crate) async fn restart(self) -> Self {
        self.people.close().await;
        Self::at(self.base, self.time).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What an operation works with, over this desk's own store or one in its place.
    pub(crate) fn office<'a, P: People>(&'a self, people: &'a P) -> Office<'a, P> {
        Office {
            people,
            directory: &self.directory,
            vault: &self.vault,
            clock: &self.clock,
            config: &self.config,
        }
    }

    pub(crate) async fn ask(&self, request: Request) -> Result<Reply, AdminError> {
        // As it crosses the control socket.
        let json = serde_json::to_string(&request).unwrap();
        let request: Request = serde_json::from_str(&json).unwrap();
        let reply = execute(&self.office(&self.people), &self.book, request).await?;
        let json = serde_json::to_string(&reply).unwrap();
        Ok(serde_json::from_str(&json).unwrap())
    }

    /// Asks for what must be refused, and gives the operator's text.
    pub(crate) async fn refused(&self, request: Request) -> String {
        self.ask(request).await.unwrap_err().to_string()
    }

    pub(crate) async fn user(&self, email: &str) -> String {
        let asked = UserCreate { email: email.to_owned(), ..UserCreate::default() };
        match self.ask(Request::UserCreate(asked)).await.unwrap() {
            Reply::UserCreated { id } => id.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// A new key's public id and the key.
    pub(crate) async fn key(&self, asked: KeyCreate) -> (String, String) {
        match self.ask(Request::KeyCreate(asked)).await.unwrap() {
            Reply::KeyCreated { id, key: Some(key) } => (id.to_string(), key.0.expose().clone()),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn find(&self, credential: &str) -> Result<KeyRecord, CredentialFault> {
        let found = self.directory.find_key(credential, self.now()).await;
        found.map(|key| (*key).clone())
    }

    pub(crate) fn records(&self) -> Vec<(String, Option<String>, Option<String>)> {
        let records = self.book.records.lock().unwrap();
        records.iter().map(|r| (r.action.clone(), r.subject.clone(), r.detail.clone())).collect()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.time.advance(Duration::from_secs(seconds));
    }
}

pub(crate) fn named(name: &str) -> Named {
    Named { name: name.to_owned() }
}

pub(crate) fn key_named(name: &str) -> KeyCreate {
    KeyCreate { name: name.to_owned(), ..KeyCreate::default() }
}
