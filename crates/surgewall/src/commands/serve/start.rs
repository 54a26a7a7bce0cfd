//! From a configuration to a door that listens: each step may refuse, and says
//! why.

use std::path::PathBuf;
use std::sync::Arc;

use surgewall_core::clock::Clock;
use surgewall_core::config::Config;
use surgewall_gateway::admission::begin_with_kept;
use surgewall_gateway::control;
use surgewall_gateway::door::{Door, Parts};
use surgewall_gateway::listen::raise_descriptor_limit;
use surgewall_gateway::listen::tls::acceptor;
use surgewall_gateway::notify::Notify;
use surgewall_gateway::policy::Policy;
use surgewall_gateway::recording::Recording;
use surgewall_gateway::serve::{ListenError, Listening, Sockets};
use surgewall_shield::quota::{COUNTERS_MAX, QuotaTable};
use surgewall_store::admin::Office;
use surgewall_store::datadir::{DataDir, DirLock};
use surgewall_store::directory::Directory;
use surgewall_store::kept::KeptFile;
use surgewall_store::ledger::{Ledger, LedgerOptions, Recovered, Tap};
use surgewall_store::ocsf::{Export, StoredNames};
use surgewall_store::people::sealed::keep_config;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;
use tokio::runtime::Handle;

use crate::commands::stored::first_unpriced;
use crate::fault::Fault;
use crate::place::{Loaded, Place, lock};

/// A door that listens, and what has to be closed after it.
pub(super) struct Started {
    /// The door.
    pub(super) listening: Listening,
    /// Its database.
    pub(super) people: Arc<Sqlite>,
    /// Its control socket.
    pub(super) socket: PathBuf,
    /// The lock on its data directory, held to the end.
    pub(super) lock: DirLock,
}

/// Starts the door.
///
/// # Errors
/// Why it refuses to start.
pub(super) async fn start(place: &Place, loaded: Loaded) -> Result<Started, Fault> {
    let Loaded { config, text, file } = loaded;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        config = %file.map_or_else(|| "defaults".to_owned(), |file| file.display().to_string()),
        data = %place.data_dir.display(),
        "starting"
    );
    let connections_max = connections(&config);
    // What the configuration alone can refuse comes before anything is made.
    let policy = Policy::new(config.clone(), &text, None, Clock::System.now())?;
    config.listen.tls.as_ref().map(acceptor).transpose().map_err(ListenError::from)?;
    let data = DataDir::open_or_create(&place.data_dir)?;
    let lock = lock(&data, "serve")?;
    let vault = Vault::open_or_create(&data, &config.vault)?;
    let sockets = Sockets::bind(&config.listen).map_err(|error| {
        Fault::from(error).hint(
            "another program listens there, or the address is not this machine's; change [listen]",
        )
    })?;
    let people = Arc::new(Sqlite::open(&data.database()).await?);
    let directory = Directory::load(people.as_ref(), vault.clone()).await?;
    refuse_unpriced(&people, &directory, &vault, &config).await?;
    let notify = Notify::new(&config.notify)?;
    let events = events(&config, &data, &people, &notify)?;
    let mut options = LedgerOptions::new(&config.ledger, Clock::System);
    options.tap = events.clone().map(|events| Arc::new(events) as Arc<dyn Tap>);
    let (ledger, recovered) = Ledger::open(&data, &vault, options)?;
    say_recovered(&recovered);
    let mut quota = QuotaTable::new(COUNTERS_MAX);
    quota.restore(&recovered.counters);
    keep_config(people.as_ref(), &vault, &policy.hash, &text, Clock::System.now()).await?;
    let clock = Clock::System;
    let (kept, rules) = (&config.vault, policy.rules.clone());
    let recording = Recording::open(&data, &vault, &ledger, kept, clock.clone(), rules).await?;
    let door = Door::new(Parts {
        clock,
        policy,
        directory,
        people: people.clone(),
        vault: vault.clone(),
        ledger,
        recording,
        quota,
        connections_max,
    });
    // Before the first request that they hold for.
    door.rules.load().await?;
    if let Some(events) = events {
        door.findings.export_to(events.clone());
        // A new door has none yet.
        let _ = door.events.set(events);
    }
    // A new door has nobody to tell yet.
    let _ = door.notify.set(notify);
    begin_with_kept(&door, KeptFile::new(&data, vault));
    door.status.begin(&data, config.status.retention_days, Clock::System.now());
    door.record_change("door.start", None).await?;
    let listening = Listening::start(door.clone(), sockets).await?;
    let socket = data.control_socket();
    door.tasks.background(control::listen(door.clone(), control::open(&socket)?));
    Ok(Started { listening, people, socket, lock })
}

/// How many connections the door may hold, from the descriptor limit unless
/// the configuration says it.
fn connections(config: &Config) -> u32 {
    let (descriptors, derived) = raise_descriptor_limit();
    let (connections_max, from) = match config.limits.connections_max {
        0 => (derived, "the descriptor limit"),
        configured => (configured, "limits.connections_max"),
    };
    if connections_max > derived {
        tracing::warn!(
            connections_max,
            descriptors,
            "limits.connections_max is more than the descriptors allow: raise LimitNOFILE or ulimit -n"
        );
    }
    tracing::info!(descriptors, connections_max, from, "connection limit");
    connections_max
}

/// Where decisions and findings are written as events, if they are.
fn events(
    config: &Config,
    data: &DataDir,
    people: &Arc<Sqlite>,
    notify: &Notify,
) -> Result<Option<Export>, Fault> {
    let names = || Box::new(StoredNames::new(people.clone(), Handle::current()));
    let mut export = Export::default();
    if let Some(path) = &config.telemetry.ocsf_file {
        let to_file = export.to_file(path, data, names(), Clock::System);
        export = to_file.map_err(|error| Fault::from(error).during("telemetry.ocsf_file"))?;
    }
    if let Some(server) = &config.telemetry.syslog {
        export = export.to_syslog(server.clone(), names(), Clock::System)?;
    }
    if let Some(taker) = notify.ocsf_taker(|| Clock::System.now()) {
        export = export.to_taker(taker, names(), Clock::System)?;
    }
    Ok((!export.is_empty()).then_some(export))
}

/// Refuses money limits that nothing could count.
async fn refuse_unpriced(
    people: &Sqlite,
    directory: &Directory,
    vault: &Vault,
    config: &Config,
) -> Result<(), Fault> {
    let office = Office { people, directory, vault, clock: &Clock::System, config };
    match first_unpriced(&office).await? {
        None => Ok(()),
        Some(unpriced) => Err(unpriced.fault()),
    }
}

fn say_recovered(recovered: &Recovered) {
    let open = recovered.open.len();
    if open > 0 {
        tracing::warn!(
            requests = open,
            "the last door died with requests open: each is settled at its last checkpoint"
        );
    }
    let totals = &recovered.totals;
    tracing::info!(
        admitted = totals.admitted,
        settled_tokens = totals.settled,
        counters = recovered.counters.len(),
        "ledger opened"
    );
}
