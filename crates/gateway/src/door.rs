//! The door's shared state: what every request, listener and task can reach.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use arc_swap::{ArcSwap, ArcSwapOption};
use futures_util::future::BoxFuture;
use surgewall_core::clock::Clock;
use surgewall_core::config::limits::Limits;
use surgewall_core::decision::{Changed, Record, Refused};
use surgewall_core::finding::Finding;
use surgewall_core::principal::Network;
use surgewall_core::refusal::Level;
use surgewall_shield::networks::{NetworkLimits, NetworkTable};
use surgewall_shield::quota::QuotaTable;
use surgewall_shield::refusals::{Note, RefusalCounter};
use surgewall_shield::repeats::Repeats;
use surgewall_store::directory::Directory;
use surgewall_store::findings::{Inbox, InboxError, Report, Reported};
use surgewall_store::ledger::read::Story;
use surgewall_store::ledger::{AppendError, Ledger};
use surgewall_store::ocsf::Export;
use surgewall_store::rules::RuleBook;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::admission::effort::Efforts;
use crate::admission::{self, Keeper, PoolGate, Recent};
use crate::chat::Chat;
use crate::disclosure::Disclosures;
use crate::estimates::Estimates;
use crate::gate::Gate;
use crate::identity::Identity;
use crate::metrics::Metrics;
use crate::notices::{Kind, Touched};
use crate::notify::Notify;
use crate::open::OpenRequests;
use crate::policy::Policy;
use crate::recording::Recording;
use crate::refuse::Refused as Answered;
use crate::session::Sessions;
use crate::status::Board;
use crate::status::measure::Got;
use crate::subscribe::Subscribe;
use crate::sync::lock;
use crate::tasks::Tasks;
use crate::trace::Tracer;

/// Everything behind the listeners.
pub struct Door {
    /// Time.
    pub clock: Clock,
    policy: ArcSwap<Policy>,
    /// Who may come in.
    pub directory: Directory,
    /// Where people and keys are kept.
    pub people: Arc<Sqlite>,
    /// Seals and hashes.
    pub vault: Vault,
    /// Decisions.
    pub ledger: Ledger,
    /// What checks concluded, and what became of it.
    pub findings: Inbox<Sqlite>,
    /// The rules that were made on the door, beside those of the configuration.
    pub rules: RuleBook<Sqlite>,
    /// Where decisions and findings go as events, if they go anywhere.
    pub events: OnceLock<Export>,
    /// The ports of the public and the admin listener, once they are bound.
    pub ports: OnceLock<(u16, u16)>,
    /// What the program around the door does for its pages, once it is there.
    pub program: OnceLock<Box<dyn Program>>,
    /// The operator's records, if there are any.
    pub recording: Option<Recording>,
    /// Quotas' counters.
    pub quota: Mutex<QuotaTable>,
    /// Connections and anonymous requests by network.
    pub networks: Mutex<NetworkTable>,
    refusals: Mutex<RefusalCounter>,
    gates: Mutex<HashMap<String, Arc<PoolGate>>>,
    /// Keeps what the gates learnt, where that is kept.
    pub kept: OnceLock<Keeper>,
    /// What happened in the last seconds, and what the judge says of it.
    pub recent: Mutex<Recent>,
    /// Which requests were sent before.
    pub repeats: Mutex<Repeats>,
    /// Who may make an account.
    pub gate: Gate,
    /// What strangers tell the operator.
    pub(crate) disclosures: Disclosures,
    /// What strangers do to come sooner.
    pub efforts: Efforts,
    /// Corrections of token estimates, by model.
    pub estimates: Estimates,
    /// Requests whose reservation is open.
    pub open: OpenRequests,
    /// Counters and histograms.
    pub metrics: Metrics,
    /// Answers of the chat.
    pub chat: Chat,
    /// Where traces begin.
    pub tracer: Tracer,
    /// What signing in needs.
    pub identity: Identity,
    /// Who is signed in.
    pub sessions: Sessions,
    /// What the status page is made from.
    pub status: Board,
    /// Who asks to be told of what the status page tells.
    pub subscribe: Subscribe,
    /// Whom the open incident touched.
    pub touched: Touched,
    /// Whom the door tells, if anybody.
    pub notify: OnceLock<Notify>,
    /// Connections and housekeeping.
    pub tasks: Tasks,
    connections_max: u32,
    /// Room for request bodies, in KiB.
    pub bodies: Arc<Semaphore>,
    tls: ArcSwapOption<TlsAcceptor>,
}

/// What the program around a door does for the admin page: what the command
/// line does too, and where it is written once.
pub trait Program: Send + Sync {
    /// The report of an incident, as `surgewall report incident` prints it.
    fn tell(&self, story: &Story) -> String;

    /// Puts the configuration `text` in force, as if its file said so; `Err` is
    /// why not, in an operator's words.
    fn put_in_force<'a>(
        &'a self,
        door: &'a Door,
        text: &'a str,
    ) -> BoxFuture<'a, Result<(), String>>;
}

/// What a door is made of.
pub struct Parts {
    /// Time.
    pub clock: Clock,
    /// What the configuration means.
    pub policy: Policy,
    /// Who may come in.
    pub directory: Directory,
    /// Where people and keys are kept.
    pub people: Arc<Sqlite>,
    /// Seals and hashes.
    pub vault: Vault,
    /// Decisions.
    pub ledger: Ledger,
    /// The operator's records, if there are any.
    pub recording: Option<Recording>,
    /// Counters as the ledger recovered them.
    pub quota: QuotaTable,
    /// How many connections the door may hold.
    pub connections_max: u32,
}

impl Door {
    /// A door that holds `parts`; it listens nowhere yet.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let limits = &parts.policy.config.limits;
        let bodies_bytes_max = limits.bodies_bytes_max;
        let networks = NetworkTable::new(network_limits(limits, parts.connections_max));
        let metrics = Metrics::new();
        let repeats = Repeats::new(parts.clock.monotonic());
        let (people, vault) = (parts.people.clone(), parts.vault.clone());
        let gate = Gate::new(&parts.policy, people, vault, parts.clock.now());
        let (config, key) = (&parts.policy.config, parts.vault.verifying_key());
        let status = Board::new(config, key, parts.clock.now());
        let door = Arc::new(Self {
            clock: parts.clock,
            policy: ArcSwap::from_pointee(parts.policy),
            directory: parts.directory,
            findings: Inbox::new(parts.people.clone(), parts.vault.clone()),
            rules: RuleBook::new(parts.people.clone(), parts.vault.clone()),
            events: OnceLock::new(),
            ports: OnceLock::new(),
            program: OnceLock::new(),
            people: parts.people,
            vault: parts.vault,
            ledger: parts.ledger,
            recording: parts.recording,
            quota: Mutex::new(parts.quota),
            networks: Mutex::new(networks),
            refusals: Mutex::new(RefusalCounter::default()),
            gates: Mutex::default(),
            kept: OnceLock::new(),
            recent: Mutex::default(),
            repeats: Mutex::new(repeats),
            gate,
            disclosures: Disclosures::default(),
            efforts: Efforts::default(),
            estimates: Estimates::default(),
            open: OpenRequests::default(),
            chat: Chat::default(),
            tracer: Tracer::new(&metrics),
            metrics,
            identity: Identity::default(),
            sessions: Sessions::default(),
            status,
            subscribe: Subscribe::default(),
            touched: Touched::default(),
            notify: OnceLock::new(),
            tasks: Tasks::default(),
            connections_max: parts.connections_max,
            bodies: Arc::new(Semaphore::new(body_room_kib(bodies_bytes_max))),
            tls: ArcSwapOption::empty(),
        });
        door.attach_gates(&door.policy());
        door
    }

    /// Puts each pool's gate before it. A gate belongs to a name: what it
    /// learnt, and who waits at it, outlives a change of the configuration.
    fn attach_gates(&self, policy: &Policy) {
        // Left in place meanwhile: whoever looks at a second without pools forgets what is usual.
        let mut before = lock(&self.gates).clone();
        let mut gates = HashMap::new();
        for pool in policy.pools.iter() {
            let Some(section) = pool.section() else { continue };
            let terms = admission::terms(&policy.config, section.sequences_max);
            let gate = before.remove(pool.name());
            let gate =
                gate.unwrap_or_else(|| Arc::new(PoolGate::new(self.clock.clone(), terms.clone())));
            gate.set_terms(terms);
            pool.attach(gate.clone());
            gates.insert(pool.name().to_owned(), gate);
        }
        *lock(&self.gates) = gates;
    }

    /// Every pool's gate, by its name.
    #[must_use]
    pub fn gates(&self) -> Vec<(String, Arc<PoolGate>)> {
        lock(&self.gates).iter().map(|(name, gate)| (name.clone(), gate.clone())).collect()
    }

    /// The policy of this moment. A request keeps the one it began with.
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.load_full()
    }

    /// Puts a new policy in force for the next request. What it holds of the
    /// listeners' addresses stays as it was: they stay where they are.
    pub fn replace_policy(&self, mut policy: Policy) {
        policy.stay_at(&self.policy());
        let limits = network_limits(&policy.config.limits, self.connections_max);
        lock(&self.networks).set_limits(limits);
        self.attach_gates(&policy);
        self.policy.store(Arc::new(policy));
    }

    /// What the public listener's next connection speaks TLS with, if it does.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<TlsAcceptor>> {
        self.tls.load_full()
    }

    /// Puts a certificate and its key in force for the next connection.
    pub fn replace_tls(&self, acceptor: Option<TlsAcceptor>) {
        self.tls.store(acceptor.map(Arc::new));
    }

    /// Writes a change to the ledger.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub async fn record_change(
        &self,
        action: &str,
        subject: Option<String>,
    ) -> Result<u64, AppendError> {
        let at = self.clock.now();
        let changed = Changed { at, action: action.to_owned(), subject, detail: None };
        self.ledger.append(Record::Changed(changed)).await
    }

    /// Puts what one producer sees into the inbox: see [`Inbox::report`]. The log
    /// says which findings changed, not what was seen.
    ///
    /// # Errors
    /// The store failed, or the ledger cannot record it: nothing was changed.
    pub async fn report(&self, report: Report) -> Result<Reported, InboxError> {
        let producer = report.producer;
        let reported = self.findings.report(&self.ledger, report, self.clock.now()).await?;
        for view in &reported.changes {
            let Finding { rule, severity, state, .. } = &view.finding;
            let (severity, state) = (severity.as_str(), state.as_str());
            tracing::info!(producer, id = %view.id, rule, severity, state, "a finding changed");
            if let Some(notify) = self.notify.get() {
                notify.finding(self, view);
            }
        }
        if reported.left_out > 0 {
            tracing::warn!(producer, left_out = reported.left_out, "the inbox of findings is full");
        }
        Ok(reported)
    }

    /// Counts, logs and records one refusal. Beyond a few per second of one
    /// kind from one network, only the count is recorded: a flood of refusals
    /// must not fill the disk.
    pub fn note_refusal(&self, refused: &Answered) {
        let row = refused.refusal.row();
        self.metrics.refused(row.code);
        if let Some(got) = Got::of_refusal(&refused.refusal) {
            let is_stranger =
                refused.who.is_none_or(|who| who.key.is_none() && who.account.is_none());
            self.status.meters.api.note(got, is_stranger, u64::MAX);
            if let Some(account) = refused.who.and_then(|who| who.account) {
                self.touched.note(account, Kind::Refused);
            }
        }
        let now = self.clock.now();
        let note = lock(&self.refusals).note(now, row.code, refused.network);
        if note == Note::Counted {
            return;
        }
        log(refused, row.level);
        self.ledger.append_detached(Record::Refused(Box::new(Refused {
            request_id: Some(refused.request_id),
            at: now,
            who: refused.who,
            network: Some(refused.network),
            code: row.code.to_owned(),
            rule: refused.refusal.rule().map(str::to_owned),
            count: 1,
        })));
    }

    /// Writes the refusals that were only counted: once a second.
    pub fn flush_refusals(&self) {
        let at = self.clock.now();
        let counted = lock(&self.refusals).flush(at);
        for entry in counted {
            self.record_counted(at, entry.code, entry.network, entry.count);
        }
    }

    fn record_counted(
        &self,
        at: surgewall_core::clock::Timestamp,
        code: &str,
        network: Option<Network>,
        count: u64,
    ) {
        let code = code.to_owned();
        let refused = Refused { request_id: None, at, who: None, network, code, rule: None, count };
        self.ledger.append_detached(Record::Refused(Box::new(refused)));
    }
}

fn body_room_kib(bytes_max: u64) -> usize {
    usize::try_from(bytes_max >> 10).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)
}

fn network_limits(limits: &Limits, connections_max: u32) -> NetworkLimits {
    NetworkLimits {
        connections_max: limits.network_connections_max,
        requests_max: limits.network_requests_max,
        total_max: connections_max,
    }
}

fn log(refused: &Answered, level: Level) {
    let Answered { request_id, network, refusal, .. } = refused;
    let code = refusal.row().code;
    // The operator's message is the refusal's own Display; the stranger gets public_text.
    match level {
        Level::Debug => tracing::debug!(%request_id, %network, code, reason = %refusal, "refused"),
        Level::Info => tracing::info!(%request_id, %network, code, reason = %refusal, "refused"),
        Level::Warn => tracing::warn!(%request_id, %network, code, reason = %refusal, "refused"),
        Level::Error => tracing::error!(%request_id, %network, code, reason = %refusal, "refused"),
    }
}
