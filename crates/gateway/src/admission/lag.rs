//! How late the door itself is: the time that a task which is due waits for a
//! processor. Whatever it measures of a server in such a time is its own lateness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::ticks::every;

/// Between two measurements: each wakes a processor that may have nothing else to do.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);

/// The longest lateness since the last look.
#[derive(Debug, Default)]
pub(super) struct Lag(AtomicU64);

impl Lag {
    /// Measures for as long as the door runs.
    pub(super) async fn measure(&self) {
        let mut ticks = every(SAMPLE_INTERVAL);
        // The first is due at once, or was already.
        ticks.tick().await;
        loop {
            let due = ticks.tick().await;
            let late = Instant::now().saturating_duration_since(due);
            let micros = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
            self.0.fetch_max(micros, Ordering::Relaxed);
        }
    }

    /// The longest lateness since the last call.
    pub(super) fn take(&self) -> Duration {
        Duration::from_micros(self.0.swap(0, Ordering::Relaxed))
    }
}
