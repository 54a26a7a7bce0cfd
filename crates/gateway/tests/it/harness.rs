//! A door on loopback with a data directory of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::config;
use surgewall_core::decision::{Admitted, Changed, Record, Settled};
use surgewall_core::finding::FindingChanged;
use surgewall_gateway::admission::begin_with_kept;
use surgewall_gateway::door::{Door, Parts};
use surgewall_gateway::operate::operate;
use surgewall_gateway::policy::Policy;
use surgewall_gateway::recording::Recording;
use surgewall_gateway::serve::{Listening, Sockets};
use surgewall_scan::ledger::{Verification, verify};
use surgewall_shield::quota::QuotaTable;
use surgewall_store::admin::{KeyCreate, Reply, Request};
use surgewall_store::datadir::DataDir;
use surgewall_store::directory::Directory;
use surgewall_store::kept::KeptFile;
use surgewall_store::ledger::read::export;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;
use surgewall_testkit::client::Client;

/// A door and everything it needs, gone when dropped.
pub(crate) struct TestDoor {
    listening: Option<Listening>,
    door: Arc<Door>,
    pub(crate) url: String,
    pub(crate) admin_url: String,
    pub(crate) status_url: String,
    data: PathBuf,
    vault: Vault,
    _dir: tempfile::TempDir,
}

/// The three listeners on free ports.
pub(crate) const LISTEN: &str =
    "[listen]\npublic=\"127.0.0.1:0\"\nadmin=\"127.0.0.1:0\"\nstatus=\"127.0.0.1:0\"\n";

/// One upstream of OpenAI's dialect at `url`.
pub(crate) fn upstream(name: &str, url: &str, more: &str) -> String {
    format!(
        "[[upstream]]\nname=\"{name}\"\nurl=\"{url}/v1\"\nhealth_interval_s=0\ngauges=\"off\"\n{more}\n"
    )
}

impl TestDoor {
    /// A door under `text`, to which [`LISTEN`] is added.
    pub(crate) async fn start(text: &str) -> Self {
        Self::start_at(text, Clock::System).await
    }

    /// As [`TestDoor::start`], at the time of `clock`.
    pub(crate) async fn start_at(text: &str, clock: Clock) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), text, clock).await
    }

    /// Stops, and starts again under `text` on the same data directory; `between`
    /// is told where that is.
    pub(crate) async fn restart(mut self, text: &str, between: impl FnOnce(&Path)) -> Self {
        self.halt().await;
        between(&self.data);
        Self::start_in(self._dir, text, Clock::System).await
    }

    async fn start_in(dir: tempfile::TempDir, text: &str, clock: Clock) -> Self {
        let data = dir.path().join("data");
        let text = format!("{LISTEN}{text}");
        let config = config::parse("test.toml", &text).unwrap();
        let directory = DataDir::open_or_create(&data).unwrap();
        let vault =
            Vault::open_or_create(&directory, Some(&dir.path().join("master.key"))).unwrap();
        let options = LedgerOptions::new(&config.ledger, clock.clone());
        let (ledger, recovered) = Ledger::open(&directory, &vault, options).unwrap();
        let people = Arc::new(Sqlite::open(&directory.database()).await.unwrap());
        let mut quota = QuotaTable::default();
        quota.restore(&recovered.counters);
        let sockets = Sockets::bind(&config.listen).unwrap();
        let policy = Policy::new(config.clone(), &text, None, clock.now()).unwrap();
        let rules = policy.rules.clone();
        let recording =
            Recording::open(&directory, &vault, &ledger, &config.vault, clock.clone(), rules);
        let recording = recording.await.unwrap();
        let door = Door::new(Parts {
            policy,
            clock,
            directory: Directory::load(people.as_ref(), vault.clone()).await.unwrap(),
            people,
            vault: vault.clone(),
            ledger,
            recording,
            quota,
            connections_max: 4_096,
        });
        door.rules.load().await.unwrap();
        begin_with_kept(&door, KeptFile::new(&directory, vault.clone()));
        door.status.begin(&directory, 120, door.clock.now());
        let listening = Listening::start(door.clone(), sockets).await.unwrap();
        Self {
            url: format!("http://{}", listening.public),
            admin_url: format!("http://{}", listening.admin),
            status_url: format!("http://{}", listening.status),
            listening: Some(listening),
            door,
            data,
            vault,
            _dir: dir,
        }
    }

    pub(crate) fn door(&self) -> &Arc<Door> {
        &self.door
    }

    /// A client without a credential.
    pub(crate) fn stranger(&self) -> Client {
        Client::new(&self.url)
    }

    /// Carries out an operator's request.
    pub(crate) async fn operate(&self, request: Request) -> Reply {
        operate(&self.door, request).await.unwrap()
    }

    /// A new key.
    pub(crate) async fn key(&self, asked: KeyCreate) -> String {
        match self.operate(Request::KeyCreate(asked)).await {
            Reply::KeyCreated { key: Some(key), .. } => key.0.expose().clone(),
            other => panic!("{other:?}"),
        }
    }

    /// A client with a new key without limits.
    pub(crate) async fn client(&self) -> Client {
        self.client_again("test").await
    }

    /// The same, with a key of another name: names outlive a restart.
    pub(crate) async fn client_again(&self, name: &str) -> Client {
        let key = self.key(KeyCreate { name: name.into(), ..KeyCreate::default() }).await;
        self.stranger().with_key(&key)
    }

    /// Waits until no reservation is open.
    pub(crate) async fn settled(&self) {
        for _ in 0..500 {
            if self.door.open.count() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} reservations are still open", self.door.open.count());
    }

    /// Stops the door; what it wrote can be read.
    pub(crate) async fn halt(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.stop().await;
        }
    }

    /// Where it keeps things, and what opens them.
    pub(crate) fn store(&self) -> (DataDir, Vault) {
        (DataDir::open(&self.data).unwrap(), self.vault.clone())
    }

    /// Stops the door and reads its ledger.
    pub(crate) async fn stop(mut self) -> Story {
        self.halt().await;
        let directory = DataDir::open(&self.data).unwrap();
        let mut story = Story {
            verification: verify(&directory.ledger(), Some(&self.vault)).unwrap(),
            admitted: Vec::new(),
            settled: Vec::new(),
            changed: Vec::new(),
            findings: Vec::new(),
            refused: 0,
        };
        export(&directory.ledger(), &self.vault, |_, record| match record {
            Record::Admitted(admitted) => story.admitted.push(*admitted),
            Record::Settled(settled) => story.settled.push(*settled),
            Record::Changed(changed) => story.changed.push(changed),
            Record::Finding(changed) => story.findings.push(changed),
            Record::Refused(refused) => story.refused += refused.count,
            _ => {}
        })
        .unwrap();
        story
    }
}

/// What the ledger tells after a door was stopped.
pub(crate) struct Story {
    pub(crate) verification: Verification,
    pub(crate) admitted: Vec<Admitted>,
    pub(crate) settled: Vec<Settled>,
    pub(crate) changed: Vec<Changed>,
    pub(crate) findings: Vec<FindingChanged>,
    pub(crate) refused: u64,
}

impl Story {
    /// The conservation law, request by request and in the sums.
    pub(crate) fn check_conservation(&self) {
        assert!(self.verification.findings.is_empty(), "{:?}", self.verification.findings);
        assert_eq!(self.admitted.len(), self.settled.len(), "each admission settles once");
        for admitted in &self.admitted {
            let mut own = self.settled.iter().filter(|s| s.request_id == admitted.request_id);
            let settled = own.next().unwrap_or_else(|| panic!("{admitted:?} never settled"));
            assert!(own.next().is_none(), "{} settled twice", admitted.request_id);
            let bound = admitted.reserved.plus(&settled.topped_up);
            assert_eq!(bound, settled.settled.plus(&settled.refunded), "{settled:?}");
        }
        let v = &self.verification;
        assert_eq!(v.open, Some(0));
        assert_eq!(v.reserved, Some(v.settled.unwrap() + v.refunded.unwrap()));
    }

    /// The settlement of the one request that there was.
    pub(crate) fn only(&self) -> &Settled {
        assert_eq!(self.settled.len(), 1, "{:?}", self.settled);
        &self.settled[0]
    }
}
