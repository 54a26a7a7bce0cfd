//! `surgewall serve`: the door from its start to its end.

mod exposure;
mod inbox;
mod owner;
mod reload;
mod start;
mod watch;

use std::time::Duration;

use surgewall_gateway::serve::Listening;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::start::Started;
use self::watch::Watch;
use crate::commands::check::of_door;
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::{logs, show};

/// For calls in other threads that nobody waits for any more.
const STRAGGLERS: Duration = Duration::from_secs(2);

/// Serves until a signal ends it.
///
/// # Errors
/// The door refuses to start: the text says why and what to do.
pub(crate) fn serve(place: &Place) -> Result<Verdict, Fault> {
    let loaded = place.load()?;
    logs::start(loaded.config.telemetry.log, "info,sqlx=warn")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        // Before anything that a signal would leave half done.
        let mut signals = Signals::new()?;
        let findings = of_door(place, &loaded);
        let started = start::start(place, loaded).await?;
        let around = reload::Around { place: place.clone() };
        // A new door has none yet.
        let _ = started.listening.door().program.set(Box::new(around));
        inbox::begin(started.listening.door(), findings).await;
        show::out(&ready(&started.listening));
        owner::invite(started.listening.door()).await;
        exposure::watch(&started.listening);
        attend(place, &started.listening, &mut signals).await;
        Ok(stop(started, &mut signals).await)
    });
    runtime.shutdown_timeout(STRAGGLERS);
    served
}

/// The signals that a door hears.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> Result<Self, Fault> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// Resolves when the door is to stop.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The one line on stdout: whoever started the door waits for it.
fn ready(listening: &Listening) -> String {
    let scheme = if listening.tls { "https" } else { "http" };
    let Listening { public, admin, status, .. } = listening;
    format!("ready public={scheme}://{public} admin=http://{admin} status=http://{status}\n")
}

/// Reloads on SIGHUP and when the file changes, until the door is to stop.
async fn attend(place: &Place, listening: &Listening, signals: &mut Signals) {
    let mut watch = Watch::new(place.config_file());
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return,
            _ = signals.interrupt.recv() => return,
            _ = signals.reload.recv() => watch.take(),
            () = watch.changed() => {}
        }
        reload::reload(place, listening.door()).await;
    }
}

/// Drains and closes; a second signal ends it at once, and what is open then
/// settles at the next start.
async fn stop(started: Started, signals: &mut Signals) -> Verdict {
    let Started { listening, people, socket, lock } = started;
    let stopped = listening.door().record_change("door.stop", None).await;
    if let Err(error) = stopped {
        tracing::warn!(%error, "the stop could not be recorded");
    }
    let verdict = tokio::select! {
        () = listening.stop() => {
            tracing::info!("stopped");
            Verdict::Clean
        }
        () = signals.stop() => {
            tracing::warn!("stopped at once: what was open settles where it stood, at the latest at the next start");
            Verdict::CouldNotTell
        }
    };
    people.close().await;
    // One that stays is no error: the next door replaces it.
    let _ = std::fs::remove_file(socket);
    drop(lock);
    verdict
}
