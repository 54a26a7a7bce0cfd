//! `surgewall status serve`: a signed copy of the status page, and the key of it.

use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::digest::hex;
use surgewall_gateway::listen::bind;
use surgewall_gateway::status::Replica;
use surgewall_gateway::status::bundle::{CopyError, unhex};
use surgewall_gateway::tasks::Tasks;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::cli::status::Serve;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show;

/// For answers under way when it stops.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Serves the copy until a signal ends it.
///
/// # Errors
/// It does not verify, or the address cannot be had.
pub(super) async fn serve(asked: &Serve) -> Result<Verdict, Fault> {
    let key = asked.key.as_deref().map(|text| {
        unhex::<32>(text.trim()).ok_or_else(|| {
            Fault::new("--key is no public key: it has 64 hex digits")
                .hint("on the door's machine `surgewall status key` prints it")
        })
    });
    let key = key.transpose()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let replica = Replica::open(asked.bundle.clone(), key, Clock::System).map_err(|error| {
        let hint = match &error {
            CopyError::Io { .. } => "BUNDLE is the directory that status.bundle_dir names",
            CopyError::Changed { .. } => "if it is being copied right now, try again in a moment",
            _ => "bring a whole copy, and the key that `surgewall status key` prints on the door's machine",
        };
        Fault::from(error).hint(hint)
    })?;
    if key.is_none() {
        show::err(&format!(
            "the copy says itself that {} signed it; name that key with --key to hold it to it\n",
            hex(replica.key())
        ));
    }
    let bound = bind(asked.listen)?;
    show::out(&format!("ready status=http://{}\n", bound.address));
    let tasks = Tasks::default();
    let serving = replica.serve(bound, tasks.clone());
    tokio::select! {
        () = serving => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tasks.drain();
    let _ = timeout(CLOSE_PATIENCE, tasks.connections_ended()).await;
    tasks.close();
    Ok(Verdict::Clean)
}

/// Prints the public half of the key that signs copies.
pub(super) fn key(place: &Place) -> Result<Verdict, Fault> {
    let config = place.load()?.config;
    let key = vault(&place.data()?, &config)?.verifying_key();
    show::out(&format!("{}\n", hex(&key)));
    Ok(Verdict::Clean)
}
