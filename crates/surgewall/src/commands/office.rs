//! Operations on people and keys: through the running door, or on the data
//! directory itself where none runs.

use std::sync::Arc;

use surgewall_core::clock::Clock;
use surgewall_core::decision::{Changed, Record};
use surgewall_gateway::control::{self, Answer, Question};
use surgewall_gateway::gate::meant;
use surgewall_gateway::operate::LedgerAudit;
use surgewall_gateway::status::{Asked, Told, ask_offline};
use surgewall_store::admin::{self, Office, Reply, Request};
use surgewall_store::conversations::purge_erased;
use surgewall_store::datadir::DataDir;
use surgewall_store::directory::Directory;
use surgewall_store::findings::{Inbox, InboxReply, InboxRequest};
use surgewall_store::gate::{Desk, GateReply, GateRequest};
use surgewall_store::identity::recover;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::rules::{RuleBook, RuleReply, RuleRequest};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use crate::fault::Fault;
use crate::place::{Place, key_file, lock};
use crate::show;

/// Carries out `request`, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn operate(place: &Place, request: Request) -> Result<Reply, Fault> {
    let data = data_for(place, &request)?;
    let question = Question::Admin(Box::new(request));
    if let Some(answer) = control::ask(&data.control_socket(), &question).await.map_err(broken)? {
        return match answer {
            Answer::Admin(reply) => Ok(*reply),
            Answer::Error { message } => Err(Fault::new(message)),
            _ => Err(unexpected()),
        };
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
    let vault = Vault::open_or_create(data, key_file(&config))?;
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
    if let Some(answer) = control::ask(&data.control_socket(), &question).await.map_err(broken)? {
        return match answer {
            Answer::Finding(reply) => Ok(reply),
            Answer::Error { message } => Err(Fault::new(message)),
            _ => Err(unexpected()),
        };
    }
    let Question::Finding(request) = question else { return Err(unexpected()) };
    let config = place.load()?.config;
    let _lock = lock(&data, "admin finding")?;
    let vault = Vault::open_or_create(&data, key_file(&config))?;
    let store = Arc::new(Sqlite::open(&data.database()).await?);
    let inbox = Inbox::new(store.clone(), vault.clone());
    let rules = RuleBook::new(store.clone(), vault.clone());
    rules.load().await?;
    let now = Clock::System.now();
    let reply = if request.changes() {
        let options = LedgerOptions::new(&config.ledger, Clock::System);
        let (ledger, _) = Ledger::open(&data, &vault, options)?;
        let reply = inbox.ask(Some(&ledger), &rules, request, now).await;
        let closed = ledger.shutdown().await;
        let reply = reply?;
        closed?;
        reply
    } else {
        inbox.ask(None, &rules, request, now).await?
    };
    store.close().await;
    Ok(reply)
}

/// Carries out `request` on the rules, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn rules(place: &Place, request: RuleRequest) -> Result<RuleReply, Fault> {
    let data = place.data()?;
    let question = Question::Rule(request);
    if let Some(answer) = control::ask(&data.control_socket(), &question).await.map_err(broken)? {
        return match answer {
            Answer::Rule(reply) => Ok(reply),
            Answer::Error { message } => Err(Fault::new(message)),
            _ => Err(unexpected()),
        };
    }
    let Question::Rule(request) = question else { return Err(unexpected()) };
    let config = place.load()?.config;
    let _lock = lock(&data, "admin rule")?;
    let vault = Vault::open_or_create(&data, key_file(&config))?;
    let store = Arc::new(Sqlite::open(&data.database()).await?);
    let rules = RuleBook::new(store.clone(), vault.clone());
    rules.load().await?;
    let now = Clock::System.now();
    let reply = if request.changes() {
        let options = LedgerOptions::new(&config.ledger, Clock::System);
        let (ledger, _) = Ledger::open(&data, &vault, options)?;
        let reply = rules.ask(Some(&ledger), &config, request, now).await;
        let closed = ledger.shutdown().await;
        let reply = reply?;
        closed?;
        reply
    } else {
        rules.ask(None, &config, request, now).await?
    };
    store.close().await;
    Ok(reply)
}

/// Carries out `request` on the gate, by the running door if there is one.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn gate(place: &Place, request: GateRequest) -> Result<GateReply, Fault> {
    let data = place.data()?;
    let question = Question::Gate(request);
    if let Some(answer) = control::ask(&data.control_socket(), &question).await.map_err(broken)? {
        return match answer {
            Answer::Gate(reply) => Ok(reply),
            Answer::Error { message } => Err(Fault::new(message)),
            _ => Err(unexpected()),
        };
    }
    let Question::Gate(request) = question else { return Err(unexpected()) };
    let config = place.load()?.config;
    meant(&config.gate, &request)?;
    let _lock = lock(&data, "admin gate")?;
    let vault = Vault::open_or_create(&data, key_file(&config))?;
    let store = Arc::new(Sqlite::open(&data.database()).await?);
    let now = Clock::System.now();
    let start = (config.gate.start_on(&config.listen), config.gate.start_reason());
    let desk = Desk::new(store.clone(), vault.clone(), start, now);
    desk.load().await?;
    let reply = if request.changes() {
        let options = LedgerOptions::new(&config.ledger, Clock::System);
        let (ledger, _) = Ledger::open(&data, &vault, options)?;
        let reply = desk.ask(Some(&ledger), request, now).await;
        let closed = ledger.shutdown().await;
        let reply = reply?;
        closed?;
        reply
    } else {
        desk.ask(None, request, now).await?
    };
    store.close().await;
    Ok(reply)
}

/// Carries out `asked` on what the status page tells, by the running door if there
/// is one. Whether it is on disk too.
///
/// # Errors
/// Why it was not carried out.
pub(crate) async fn tell(place: &Place, asked: Asked) -> Result<(Told, bool), Fault> {
    let data = place.data()?;
    let question = Question::Page(asked);
    if let Some(answer) = control::ask(&data.control_socket(), &question).await.map_err(broken)? {
        return match answer {
            Answer::Page { told, kept } => Ok((told, kept)),
            Answer::Error { message } => Err(Fault::new(message)),
            _ => Err(unexpected()),
        };
    }
    let Question::Page(asked) = question else { return Err(unexpected()) };
    let config = place.load()?.config;
    let _lock = lock(&data, "admin status")?;
    let (at, action, subject) = (Clock::System.now(), asked.action(), asked.subject());
    if let Some(action) = action {
        let vault = Vault::open_or_create(&data, key_file(&config))?;
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
