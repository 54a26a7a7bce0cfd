//! What the door does for conversations by itself.

use std::sync::Arc;
use std::time::Duration;

use surgewall_store::admin::Reply;
use surgewall_store::conversations::{Conversations as _, purge_erased};
use surgewall_store::notices::Notices as _;

use crate::door::Door;
use crate::ticks::every;

/// How often what is over is removed.
const SWEEP_INTERVAL: Duration = Duration::from_secs(3_600);

/// After a crash: the last checkpoints of answers become partial messages. No
/// answer may begin before.
pub(crate) async fn keep_partial(door: &Door) {
    loop {
        match door.people.keep_partial(door.clock.now()).await {
            Ok(kept) if kept.is_empty() => return,
            Ok(kept) => {
                tracing::info!(answers = kept.len(), "kept what a crash left of answers");
                door.metrics.people.answers_kept(kept.len());
            }
            Err(error) => return tracing::error!(%error, "partial answers could not be kept"),
        }
    }
}

/// Removes temporary conversations and shares that are over.
pub(crate) async fn sweep(door: Arc<Door>) {
    let mut ticks = every(SWEEP_INTERVAL);
    loop {
        ticks.tick().await;
        if let Err(error) = door.people.sweep(door.clock.now()).await {
            tracing::warn!(%error, "conversations that are over could not be removed");
        }
        if let Err(error) = door.people.sweep_notices(door.clock.now()).await {
            tracing::warn!(%error, "old notices could not be removed");
        }
    }
}

/// After an erasure: rows that nobody can read any more go too.
pub(crate) async fn after(door: &Door, reply: &Reply) {
    let Reply::Erased(view) = reply else { return };
    if let Err(error) = purge_erased(door.people.as_ref(), &door.vault, &view.receipt).await {
        tracing::warn!(%error, "erased conversations could not be removed: they stay, unreadable");
    }
}
