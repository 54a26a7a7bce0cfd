//! A signed copy served on another host. It verifies what it serves, and once it
//! has heard nothing new for a while it says so instead of staying green.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::Router;
use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::limits::Limits;

use super::bundle::{Copy, CopyError};
use super::document::Snapshot;
use super::view::View;
use crate::listen::{Bound, run_alone};
use crate::routes::status_page;
use crate::tasks::Tasks;
use crate::ticks::every;

/// A copy older than this is stale: two were missed.
pub const STALE_AFTER: Duration = Duration::from_secs(30);
/// By how much the two hosts' clocks may differ, once new copies were seen to come.
const CLOCKS_DIFFER_MAX: Duration = Duration::from_secs(600);
/// Between two looks at the directory.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How fresh the copy is that was taken last. Pure: both clocks are arguments.
#[derive(Clone, Copy, Debug)]
pub struct Freshness {
    made_at: Timestamp,
    taken: Instant,
    /// Whether it came while we watched: its source lived a moment ago, whatever
    /// its clock says.
    came: bool,
}

impl Freshness {
    /// A copy that lay there when we began to look.
    #[must_use]
    pub const fn found(made_at: Timestamp, now: Instant) -> Self {
        Self { made_at, taken: now, came: false }
    }

    /// A copy that came while we watched.
    #[must_use]
    pub const fn came(made_at: Timestamp, now: Instant) -> Self {
        Self { made_at, taken: now, came: true }
    }

    /// Since when nothing was heard of the source, if that is too long.
    #[must_use]
    pub fn stale_since(&self, wall: Timestamp, now: Instant) -> Option<Timestamp> {
        let age = wall.since(self.made_at);
        let unseen = now.saturating_duration_since(self.taken);
        let age_max = if self.came { CLOCKS_DIFFER_MAX } else { STALE_AFTER };
        (unseen > STALE_AFTER || age > age_max).then_some(self.made_at)
    }
}

/// A directory that is looked at, and what it held.
pub struct Replica {
    dir: PathBuf,
    key: Option<[u8; 32]>,
    clock: Clock,
    copy: Copy,
    freshness: Freshness,
    shown: Arc<ArcSwap<Snapshot>>,
    /// What was wrong at the last look, to be said once.
    fault: Option<String>,
}

impl Replica {
    /// The copy in `dir`, signed by `key`, or by the key that it names itself.
    ///
    /// # Errors
    /// It does not verify.
    pub fn open(dir: PathBuf, key: Option<[u8; 32]>, clock: Clock) -> Result<Self, CopyError> {
        let copy = Copy::read(&dir, key, None)?;
        // From now on no other key will do.
        let key = Some(copy.key);
        let freshness = Freshness::found(copy.made_at, clock.monotonic());
        let stale_since = freshness.stale_since(clock.now(), clock.monotonic());
        let shown = Arc::new(ArcSwap::from_pointee(snapshot(&copy, stale_since)));
        Ok(Self { dir, key, clock, copy, freshness, shown, fault: None })
    }

    /// The key that signs it.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.copy.key
    }

    /// The page as it is now.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.shown.load_full()
    }

    /// One look at the directory and the clocks.
    pub fn look(&mut self) {
        let taken = self.take();
        let stale_since = self.freshness.stale_since(self.clock.now(), self.clock.monotonic());
        if taken || self.shown.load().view().stale_since != stale_since {
            self.shown.store(Arc::new(snapshot(&self.copy, stale_since)));
        }
    }

    /// Takes a newer copy, if there is one that verifies.
    fn take(&mut self) -> bool {
        match Copy::read(&self.dir, self.key, Some(&self.copy)) {
            Ok(copy) if copy.sequence > self.copy.sequence => {
                self.freshness = Freshness::came(copy.made_at, self.clock.monotonic());
                self.copy = copy;
                self.fault = None;
                true
            }
            Ok(_) => false,
            Err(error) => {
                let fault = error.to_string();
                if self.fault.as_ref() != Some(&fault) {
                    tracing::warn!(%error, "the copy is not taken; the last good one is served");
                }
                self.fault = Some(fault);
                false
            }
        }
    }

    /// The router of its listener.
    pub fn router(&self) -> Router {
        status_page::router(&self.shown)
    }

    /// Serves it on `bound` until `tasks` drain.
    pub async fn serve(mut self, bound: Bound, tasks: Tasks) {
        let router = self.router();
        tasks.background(async move {
            let mut ticks = every(LOOK_INTERVAL);
            loop {
                ticks.tick().await;
                self.look();
            }
        });
        run_alone(bound, router, Limits::default(), tasks).await;
    }
}

fn snapshot(copy: &Copy, stale_since: Option<Timestamp>) -> Snapshot {
    let view = View { stale_since, ..copy.view.clone() };
    let copy = copy.clone();
    Snapshot::new(view, Arc::new(move |day| copy.minutes(day)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Timestamp = Timestamp::from_millis(1_000_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(u64::try_from(1_000_000_000 + seconds * 1_000).unwrap())
    }

    #[test]
    fn a_copy_is_fresh_as_long_as_new_ones_come() {
        let begin = Clock::System.monotonic();
        let after = |seconds| begin + Duration::from_secs(seconds);
        let found = Freshness::found(MADE, begin);
        for (wall, seconds, stale) in
            [(0, 0, false), (30, 0, false), (31, 0, true), (-500, 30, false), (-500, 31, true)]
        {
            let since = found.stale_since(at(wall), after(seconds));
            assert_eq!(since, stale.then_some(MADE), "{wall} {seconds}");
        }
        let came = Freshness::came(MADE, begin);
        for (wall, seconds, stale) in
            [(599, 5, false), (601, 5, true), (-4_000, 30, false), (10, 31, true)]
        {
            let since = came.stale_since(at(wall), after(seconds));
            assert_eq!(since, stale.then_some(MADE), "{wall} {seconds}");
        }
    }
}
