//! The status listener's own thread. What saturates the public listener (its
//! tasks, its connections, its locks) does not stand before the page: a thread
//! that sleeps most of the time is scheduled soon after it wakes.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::watch::watch;
use crate::door::Door;
use crate::listen::{Bound, Purpose, run};
use crate::routes::router;

/// For answers under way when the door closes.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// The status listener has no thread.
#[derive(Debug, thiserror::Error)]
#[error("the status listener's thread cannot be started: {0}")]
pub struct StatusError(#[from] io::Error);

/// Serves `bound` on a thread of its own until the door closes.
///
/// # Errors
/// The system has no thread or no descriptors left.
pub fn start(door: &Arc<Door>, bound: Bound) -> Result<(), StatusError> {
    door.status.listens_at(bound.address);
    let (listener, address) = (bound.listener.into_std()?, bound.address);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let door = door.clone();
    let thread = thread::Builder::new().name("status".to_owned());
    thread.spawn(move || {
        runtime.block_on(async {
            let listener = match TcpListener::from_std(listener) {
                Ok(listener) => listener,
                Err(error) => {
                    tracing::error!(%error, "the status listener cannot be served");
                    return;
                }
            };
            door.tasks.background(watch(door.clone()));
            let routes = router(&door, Purpose::Status);
            run(door.clone(), Purpose::Status, Bound { listener, address }, routes).await;
            let closed = async {
                door.tasks.closed().await;
                sleep(CLOSE_PATIENCE).await;
            };
            tokio::select! {
                () = door.tasks.connections_ended() => {}
                () = closed => {}
            }
        });
    })?;
    Ok(())
}
