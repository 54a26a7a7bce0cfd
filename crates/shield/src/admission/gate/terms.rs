//! What a gate is held to.

use std::time::Duration;

use surgewall_core::principal::Class;

use crate::admission::fair::Shares;

/// What the configuration says of one pool's gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Each class's guaranteed share.
    pub shares: Shares,
    /// Each class's longest predicted wait, in the order of [`Class::ALL`].
    pub longest_wait: [Duration; 4],
    /// The part of the capacity that only `established` may use, in thousandths.
    pub headroom_permille: u32,
    /// Bytes of all waiting requests of the pool.
    pub queue_bytes_max: u64,
    /// The operator's own bound on requests at once.
    pub sequences_max: Option<u32>,
    /// Whether everybody is let through.
    pub observe: bool,
}

/// Requests at once that no pool is given more of, where the operator says nothing.
const SEQUENCES_MAX: u32 = 65_536;

impl Terms {
    /// Requests at once that the pool is given at most.
    #[must_use]
    pub fn sequences_most(&self) -> u32 {
        self.sequences_max.unwrap_or(SEQUENCES_MAX)
    }

    /// The longest wait of `class`.
    #[must_use]
    pub const fn longest_wait(&self, class: Class) -> Duration {
        self.longest_wait[class as usize]
    }

    /// Sequences of `limit` that only `established` may use: at least one, and never all.
    #[must_use]
    pub fn headroom(&self, limit: u32) -> u32 {
        if self.headroom_permille == 0 {
            return 0;
        }
        let part = (u64::from(limit) * u64::from(self.headroom_permille)).div_ceil(1_000);
        u32::try_from(part).unwrap_or(limit).max(1).min(limit.saturating_sub(1))
    }

    /// Bytes that one more waiting request of `class` may take. Nobody who waits
    /// is sent away for another, so no class may fill what is guaranteed to a
    /// more trusted one.
    #[must_use]
    pub fn queue_room(&self, class: Class, queued: &[u64; 4]) -> u64 {
        let held: u64 = queued.iter().sum();
        let above = Class::ALL.into_iter().filter(|other| *other < class);
        let kept: u64 = above
            .map(|other| {
                let guaranteed = self.queue_bytes_max / 1_000 * u64::from(self.shares.of(other));
                guaranteed.saturating_sub(queued[other as usize])
            })
            .sum();
        self.queue_bytes_max.saturating_sub(held).saturating_sub(kept)
    }
}
