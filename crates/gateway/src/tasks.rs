//! The tracked task set: drain waits for what runs here, and a task that is
//! not here is cut off. Bare `tokio::spawn` is banned by lint.

use std::future::Future;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// The door's tasks and the two signals that end them.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    connections: TaskTracker,
    draining: CancellationToken,
    closing: CancellationToken,
}

impl Tasks {
    /// Runs a connection: drain waits for it.
    pub fn connection(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.connections.spawn(task);
    }

    /// Runs the door's own housekeeping until it closes: drain does not wait for it.
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns")]
    pub fn background(&self, task: impl Future<Output = ()> + Send + 'static) {
        let closing = self.closing.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// No new connection, no new request: idle connections close at once.
    pub fn drain(&self) {
        self.draining.cancel();
        self.connections.close();
    }

    /// The time to drain is over: running streams end with an error event.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Whether the door is stopping.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Whether running streams have to end.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Resolves when the door begins to stop.
    pub fn drained(&self) -> WaitForCancellationFutureOwned {
        self.draining.clone().cancelled_owned()
    }

    /// Resolves when running streams have to end.
    pub fn closed(&self) -> WaitForCancellationFutureOwned {
        self.closing.clone().cancelled_owned()
    }

    /// Resolves when every connection has ended; only after [`Tasks::drain`].
    pub async fn connections_ended(&self) {
        self.connections.wait().await;
    }

    /// Connections that run now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }
}
