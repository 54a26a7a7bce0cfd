//! What the door does every so often, at the same moments: one waking of an idle
//! processor serves all of it.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Ticks at once, and from then on at whole multiples of `period` since the first
/// of all tickers was made. Ticks that were missed are not made up for.
///
/// # Panics
/// With a `period` of zero.
pub(crate) fn every(period: Duration) -> Interval {
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    let first = *FIRST.get_or_init(|| now);
    let into = now.saturating_duration_since(first).as_nanos() % period.as_nanos().max(1);
    let into = Duration::from_nanos(u64::try_from(into).unwrap_or(0));
    let mut ticks = interval_at(now.checked_sub(into).unwrap_or(now), period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tickers_made_at_different_times_tick_together() {
        let mut early = every(Duration::from_secs(1));
        early.tick().await;
        tokio::time::advance(Duration::from_millis(300)).await;
        let mut late = every(Duration::from_secs(1));
        let made = Instant::now();
        assert_eq!(
            late.tick().await.saturating_duration_since(made),
            Duration::ZERO,
            "the first is due at once"
        );
        let (one, other) = (early.tick().await, late.tick().await);
        assert_eq!(one, other);
        assert_eq!(one.saturating_duration_since(made), Duration::from_millis(700));
    }
}
