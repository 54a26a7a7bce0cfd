//! Operations on people and keys: through the running door, or on the data
//! directory itself where none runs.

use std::sync::Arc;

use surgewall_core::clock::Clock;
use surgewall_core::config::Config;
use surgewall_core::decision::{Changed, Record};
use surgewall_gateway::control::{self, Answer, Question};
use surgewall_gateway::gate::meant;
use surgewall_gateway::operate::LedgerAudit;
use surgewall_gateway::status::{Asked, Told, ask_offline};
use surgewall_store::admin::{self, Office, Reply, Request, Signed};
use surgewall_store::conversations::purge_erased;
use surgewall_store::datadir::{DataDir, DirLock};
use surgewall_store::directory::Directory;
use surgewall_store::findings::{Inbox, InboxReply, InboxRequest};
use surgewall_store::gate::{Desk, GateReply, GateRequest};
use surgewall_store::identity::recover;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::rules::{RuleBook, RuleReply, RuleRequest};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use crate::fault::Fault;
use crate::place::{Place, lock};
use crate::show;

/// Carries out `request`, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn operate(place: &Place, request: Request) -> Result<Reply, Fault> {
    let data = data_for(place, &request)?;
    let question = Question::Admin(Box::new(request));
    match of_door(&data, &question).await? {
        Some(Answer::Admin(reply)) => return Ok(*reply),
        Some(_) => return Err(unexpected()),
        None => {}
    }
    let Question::Admin(request) = question else { return Err(unexpected()) };
    operate_offline(place, &data, *request).await
}

/// The data directory; what makes something may make it too.
fn data_for(place: &Place, request: &Request) -> Result<DataDir, Fault> {
    let makes = request.changes()
        && matches!(
            request,
            Request::UserCreate(_)
                | Request::UserImport(_)
                | Request::GroupCreate(_)
                | Request::KeyCreate(_)
                | Request::KeyImport(_)
        );
    if !makes || place.data_dir.join("store").exists() {
        return place.data();
    }
    let data = DataDir::open_or_create(&place.data_dir)?;
    show::err(&format!("made a new data directory: {}\n", data.path().display()));
    Ok(data)
}

async fn operate_offline(place: &Place, data: &DataDir, request: Request) -> Result<Reply, Fault> {
    let config = place.load()?.config;
    let _lock = lock(data, &format!("admin {}", request.action()))?;
    let vault = Vault::open_or_create(data, &config.vault)?;
    let people = Sqlite::open(&data.database()).await?;
    let directory = Directory::load(&people, vault.clone()).await?;
    let office = Office {
        people: &people,
        directory: &directory,
        vault: &vault,
        clock: &Clock::System,
        config: &config,
    };
    let reply = if request.changes() {
        let options = LedgerOptions::new(&config.ledger, Clock::System);
        let (ledger, _) = Ledger::open(data, &vault, options)?;
        let audit = LedgerAudit(&ledger);
        let reply = match &request {
            Request::UserRecover(asked) => recover(&office, &audit, asked).await,
            Request::UserClose(asked) => admin::close(&office, &audit, asked).await,
            _ => admin::execute(&office, &audit, request).await,
        };
        let closed = ledger.shutdown().await;
        let reply = reply?;
        closed?;
        if let Reply::Erased(view) = &reply
            && let Err(error) = purge_erased(&people, &vault, &view.receipt).await
        {
            show::err(&format!(
                "what was erased could not be removed and stays, unreadable: {error}\n"
            ));
        }
        reply
    } else {
        admin::execute(&office, &NoAudit, request).await?
    };
    people.close().await;
    Ok(reply)
}

/// Carries out `request` on the inbox of findings, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn inbox(place: &Place, request: InboxRequest) -> Result<InboxReply, Fault> {
    let data = place.data()?;
    let question = Question::Finding(request);
    match of_door(&data, &question).await? {
        Some(Answer::Finding(reply)) => return Ok(reply),
        Some(_) => return Err(unexpected()),
        None => {}
    }
    let Question::Finding(request) = question else { return Err(unexpected()) };
    let offline = Offline::open(&data, place.load()?.config, "admin finding").await?;
    let work = async |stores: &Offline<'_>, ledger: Option<&Ledger>| {
        let inbox = Inbox::new(stores.store.clone(), stores.vault.clone());
        let rules = RuleBook::new(stores.store.clone(), stores.vault.clone());
        rules.load().await?;
        Ok(inbox
            .ask(ledger.map(Signed::machine), &rules, request.clone(), Clock::System.now())
            .await?)
    };
    offline.run(request.changes(), work).await
}

/// Carries out `request` on the rules, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn rules(place: &Place, request: RuleRequest) -> Result<RuleReply, Fault> {
    let data = place.data()?;
    let question = Question::Rule(request);
    match of_door(&data, &question).await? {
        Some(Answer::Rule(reply)) => return Ok(reply),
        Some(_) => return Err(unexpected()),
        None => {}
    }
    let Question::Rule(request) = question else { return Err(unexpected()) };
    let offline = Offline::open(&data, place.load()?.config, "admin rule").await?;
    let work = async |stores: &Offline<'_>, ledger: Option<&Ledger>| {
        let rules = RuleBook::new(stores.store.clone(), stores.vault.clone());
        rules.load().await?;
        Ok(rules
            .ask(ledger.map(Signed::machine), &stores.config, request.clone(), Clock::System.now())
            .await?)
    };
    offline.run(request.changes(), work).await
}

/// Carries out `request` on the gate, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn gate(place: &Place, request: GateRequest) -> Result<GateReply, Fault> {
    let data = place.data()?;
    let question = Question::Gate(request);
    match of_door(&data, &question).await? {
        Some(Answer::Gate(reply)) => return Ok(reply),
        Some(_) => return Err(unexpected()),
        None => {}
    }
    let Question::Gate(request) = question else { return Err(unexpected()) };
    let config = place.load()?.config;
    meant(&config.gate, &request)?;
    let offline = Offline::open(&data, config, "admin gate").await?;
    let work = async |stores: &Offline<'_>, ledger: Option<&Ledger>| {
        let now = Clock::System.now();
        let (gate, listen) = (&stores.config.gate, &stores.config.listen);
        let start = (gate.start_on(listen), gate.start_reason());
        let desk = Desk::new(stores.store.clone(), stores.vault.clone(), start, now);
        desk.load().await?;
        Ok(desk.ask(ledger.map(Signed::machine), request.clone(), now).await?)
    };
    offline.run(request.changes(), work).await
}

/// Carries out `asked` on what the status page tells, by the running door if there
/// is one. Whether it is on disk too.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn tell(place: &Place, asked: Asked) -> Result<(Told, bool), Fault> {
    let data = place.data()?;
    let question = Question::Page(asked);
    match of_door(&data, &question).await? {
        Some(Answer::Page { told, kept }) => return Ok((told, kept)),
        Some(_) => return Err(unexpected()),
        None => {}
    }
    let Question::Page(asked) = question else { return Err(unexpected()) };
    let config = place.load()?.config;
    let _lock = lock(&data, "admin status")?;
    let (at, action, subject) = (Clock::System.now(), asked.action(), asked.subject());
    if let Some(action) = action {
        let vault = Vault::open_or_create(&data, &config.vault)?;
        let options = LedgerOptions::new(&config.ledger, Clock::System);
        let (ledger, _) = Ledger::open(&data, &vault, options)?;
        let changed = Changed { at, action: action.to_owned(), subject, detail: None };
        let recorded = ledger.append(Record::Changed(changed)).await;
        let closed = ledger.shutdown().await;
        recorded?;
        closed?;
    }
    Ok((ask_offline(&data, &config, asked, at)?, true))
}

/// What the running door answers; `None` where none runs.
async fn of_door(data: &DataDir, question: &Question) -> Result<Option<Answer>, Fault> {
    match control::ask(&data.control_socket(), question).await.map_err(broken)? {
        Some(Answer::Error { message }) => Err(Fault::new(message)),
        answer => Ok(answer),
    }
}

/// The stores of a data directory on which no door runs, locked.
struct Offline<'d> {
    data: &'d DataDir,
    config: Config,
    vault: Vault,
    store: Arc<Sqlite>,
    _lock: DirLock,
}

impl<'d> Offline<'d> {
    async fn open(data: &'d DataDir, config: Config, holder: &str) -> Result<Self, Fault> {
        let lock = lock(data, holder)?;
        let vault = Vault::open_or_create(data, &config.vault)?;
        let store = Arc::new(Sqlite::open(&data.database()).await?);
        Ok(Self { data, config, vault, store, _lock: lock })
    }

    /// Does `work`, with the ledger where it `changes` something, and closes what
    /// was opened.
    async fn run<T>(
        self,
        changes: bool,
        work: impl AsyncFnOnce(&Self, Option<&Ledger>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let reply = if changes {
            let options = LedgerOptions::new(&self.config.ledger, Clock::System);
            let (ledger, _) = Ledger::open(self.data, &self.vault, options)?;
            let reply = work(&self, Some(&ledger)).await;
            let closed = ledger.shutdown().await;
            let reply = reply?;
            closed?;
            reply
        } else {
            work(&self, None).await?
        };
        self.store.close().await;
        Ok(reply)
    }
}

/// For requests that change nothing, and so record nothing.
pub(crate) struct NoAudit;

impl admin::Audit for NoAudit {
    async fn record(&self, _: Record) -> Result<(), admin::AuditError> {
        Err(admin::AuditError("what only reads is not recorded".to_owned()))
    }
}

/// The conversation with a door broke off.
pub(crate) fn broken(error: std::io::Error) -> Fault {
    Fault::from(error)
        .during("the running door did not answer on its control socket")
        .hint("only the user who runs the door may speak to it; see its log")
}

/// The door answered something else than what was asked.
pub(crate) fn unexpected() -> Fault {
    Fault::new("the running door gave an answer that this version does not understand")
        .hint("use the same version of surgewall as the one that runs")
}
