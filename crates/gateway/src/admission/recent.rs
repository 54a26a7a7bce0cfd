//! The last seconds, kept for the live view.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::incident::CapacityChanged;
use surgewall_shield::verdict::{ClassTick, Judged, Tick};

/// Ticks that are kept: rates are means over so many seconds.
const KEPT_TICKS: usize = 5;

/// What happened in the last seconds, and what the judge says of it.
#[derive(Debug, Default)]
pub struct Recent {
    /// Newest last.
    ticks: VecDeque<Tick>,
    judged: Judged,
    incident_at: Option<Timestamp>,
    moved: BTreeMap<String, CapacityChanged>,
}

impl Recent {
    /// Another second.
    pub fn tick(&mut self, tick: Tick, judged: Judged) {
        if judged.incident != self.judged.incident {
            self.incident_at = judged.incident.as_ref().map(|_| tick.at);
        }
        self.judged = judged;
        self.moved.retain(|pool, _| tick.pools.iter().any(|seen| *seen.pool == **pool));
        if self.ticks.len() == KEPT_TICKS {
            self.ticks.pop_front();
        }
        self.ticks.push_back(tick);
    }

    /// A capacity moved.
    pub fn move_of(&mut self, moved: CapacityChanged) {
        self.moved.insert(moved.pool.clone(), moved);
    }

    /// What the judge says; `Normal` before the first second is over.
    pub const fn judged(&self) -> &Judged {
        &self.judged
    }

    /// When the open incident began.
    #[must_use]
    pub const fn incident_at(&self) -> Option<Timestamp> {
        self.incident_at
    }

    /// The last move of the capacity of `pool`.
    #[must_use]
    pub fn moved(&self, pool: &str) -> Option<&CapacityChanged> {
        self.moved.get(pool)
    }

    /// What happened at `pool`, by class, and in what time; what waits is that of now.
    #[must_use]
    pub fn counts(&self, pool: &str) -> (Duration, [ClassTick; 4]) {
        let mut elapsed = Duration::ZERO;
        let mut sums = [ClassTick::default(); 4];
        for tick in &self.ticks {
            let Some(seen) = tick.pools.iter().find(|seen| &*seen.pool == pool) else { continue };
            elapsed += tick.elapsed;
            for (sum, class) in sums.iter_mut().zip(&seen.classes) {
                add(sum, class);
            }
        }
        (elapsed, sums)
    }
}

fn add(sum: &mut ClassTick, class: &ClassTick) {
    for (sum, more) in [
        (&mut sum.offered.requests, class.offered.requests),
        (&mut sum.offered.work, class.offered.work),
        (&mut sum.repeated.requests, class.repeated.requests),
        (&mut sum.repeated.work, class.repeated.work),
        (&mut sum.admitted, class.admitted),
        (&mut sum.queued, class.queued),
        (&mut sum.left, class.left),
        (&mut sum.refused, class.refused),
        (&mut sum.slow, class.slow),
        (&mut sum.shed, class.shed),
    ] {
        *sum = sum.saturating_add(more);
    }
    sum.waiting = class.waiting;
    sum.longest_wait_ms = sum.longest_wait_ms.max(class.longest_wait_ms);
}

#[cfg(test)]
mod tests {
    use surgewall_core::id::PublicId;
    use surgewall_shield::verdict::{Flow, PoolTick};

    use super::*;

    fn tick(second: u64, pool: &str, offered: u64) -> Tick {
        let mut seen = PoolTick::idle(pool.into());
        seen.classes[3].offered = Flow { requests: offered, work: offered * 10 };
        seen.classes[3].longest_wait_ms = 100 * second;
        seen.classes[3].waiting.requests = second;
        Tick {
            at: Timestamp::from_millis(second * 1_000),
            elapsed: Duration::from_secs(1),
            observe: false,
            pools: vec![seen],
        }
    }

    #[test]
    fn only_the_last_seconds_count() {
        let mut recent = Recent::default();
        for second in 1..=7 {
            recent.tick(tick(second, "a", second), Judged::default());
        }
        let (elapsed, counts) = recent.counts("a");
        assert_eq!(elapsed, Duration::from_secs(5));
        assert_eq!(counts[3].offered, Flow { requests: 25, work: 250 });
        assert_eq!((counts[3].longest_wait_ms, counts[3].waiting.requests), (700, 7));
        assert_eq!(counts[0], ClassTick::default());
        assert_eq!(recent.counts("b"), (Duration::ZERO, [ClassTick::default(); 4]));
    }

    #[test]
    fn an_incident_keeps_its_beginning_and_a_pool_that_is_gone_its_moves_no_longer() {
        let mut recent = Recent::default();
        let moved = |pool: &str| CapacityChanged {
            at: Timestamp::default(),
            pool: pool.into(),
            from: 4,
            to: 8,
            tokens: None,
            why: String::new(),
        };
        recent.move_of(moved("a"));
        recent.move_of(moved("b"));
        let judged = |incident: Option<&str>| Judged {
            incident: incident.map(|id| PublicId::from_stored(id.into())),
            ..Judged::default()
        };
        for (second, incident, began) in [
            (1, None, None),
            (2, Some("inc_a"), Some(2)),
            (3, Some("inc_a"), Some(2)),
            (4, None, None),
        ] {
            recent.tick(tick(second, "a", 0), judged(incident));
            let began = began.map(|second: u64| Timestamp::from_millis(second * 1_000));
            assert_eq!(recent.incident_at(), began, "second {second}");
        }
        assert!(recent.moved("a").is_some() && recent.moved("b").is_none());
    }
}
