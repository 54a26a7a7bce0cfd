//! What the gates learnt, kept over a restart: a door that was renewed in the
//! middle of a day need not find out again what its upstreams can do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use surgewall_core::config::schema::Upstream;
use surgewall_core::digest::hex;
use surgewall_shield::admission::capacity::Learnt;
use surgewall_store::kept::KeptFile;

use crate::door::Door;
use crate::sync::lock;

/// Keeps what the gates learnt.
#[derive(Debug)]
pub struct Keeper {
    file: KeptFile,
    /// What was written last: an idle door writes nothing.
    last: Mutex<Vec<u8>>,
}

/// What is kept of one pool.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptPool {
    /// A keyed hash of its servers and models: others begin anew under its name.
    servers: String,
    learnt: Learnt,
}

/// By the pool's name.
type Kept = BTreeMap<String, KeptPool>;

/// Begins with what `file` holds, and keeps what is learnt there from now on.
/// A file that is of no use is left aside, and replaced in time.
pub fn begin_with_kept(door: &Door, file: KeptFile) {
    let kept = read(&file);
    for (name, gate) in door.gates() {
        let Some(pool) = kept.get(&name) else { continue };
        if servers(door, &name).as_ref() == Some(&pool.servers) {
            gate.begin_with(&pool.learnt);
            let sequences = gate.view().sequences;
            tracing::info!(
                pool = name,
                sequences,
                learnt = pool.learnt.sequences,
                "begins with what was learnt"
            );
        } else {
            tracing::info!(pool = name, "its servers changed: what was learnt of them is not used");
        }
    }
    // A door begins once.
    let _ = door.kept.set(Keeper { file, last: Mutex::default() });
}

fn read(file: &KeptFile) -> Kept {
    let bytes = match file.read() {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Kept::new(),
        Err(error) => {
            tracing::warn!(%error, "the file of what was learnt is not used: all is learnt anew");
            return Kept::new();
        }
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|_| {
        tracing::warn!("the file of what was learnt makes no sense: all is learnt anew");
        Kept::new()
    })
}

/// Which servers and models the pool `name` has: nobody learns them from it.
fn servers(door: &Door, name: &str) -> Option<String> {
    let policy = door.policy();
    let pool = policy.pools.iter().find(|pool| pool.name() == name)?;
    let Upstream { url, servers, dialect, models, .. } = pool.section()?;
    let text = format!("{url:?} {servers:?} {dialect:?} {models:?}");
    Some(hex(&door.vault.keyed_hash("learnt", text.as_bytes())))
}

/// Writes what the gates learnt, if that changed. The door does so once a minute
/// and when it stops.
pub async fn keep(door: &Arc<Door>) {
    if door.kept.get().is_none() {
        return;
    }
    let door = door.clone();
    let written = tokio::task::spawn_blocking(move || write(&door)).await;
    if let Ok(Err(error)) = written {
        tracing::warn!(%error, "what was learnt could not be written");
    }
}

fn write(door: &Door) -> std::io::Result<()> {
    let Some(keeper) = door.kept.get() else { return Ok(()) };
    let learnt = door
        .gates()
        .into_iter()
        .filter_map(|(name, gate)| Some((servers(door, &name)?, gate.learnt()?, name)));
    let kept: Kept =
        learnt.map(|(servers, learnt, name)| (name, KeptPool { servers, learnt })).collect();
    let bytes = serde_json::to_vec(&kept)?;
    let mut last = lock(&keeper.last);
    if kept.is_empty() || *last == bytes {
        return Ok(());
    }
    keeper.file.write(&bytes)?;
    *last = bytes;
    Ok(())
}
