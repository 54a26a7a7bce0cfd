//! What was learnt of a pool, to be begun with after a restart.

use serde::{Deserialize, Serialize};

use super::baseline::GROUPS;
use super::{Baseline, Capacity};

/// What is kept of a pool. It is where the next process begins, and no more:
/// one new sample weighs as much as all of a kept baseline, and of the limit
/// half is begun with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learnt {
    /// The limit of requests at once.
    pub sequences: u32,
    /// The time to the first token without load by the size of the prompt, in
    /// microseconds: `(group, time)`.
    pub first_token: Vec<(usize, u64)>,
    /// The time for each token without load, in microseconds.
    pub per_token: Vec<(usize, u64)>,
    /// The same of answers that come whole, by their size.
    pub per_whole_token: Vec<(usize, u64)>,
    /// The mean work of a request that ended, and the milliseconds in which one
    /// sequence does it.
    pub speed: Option<(u64, u64)>,
}

impl Learnt {
    /// Whether there is anything to begin with.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first_token.is_empty() && self.per_token.is_empty() && self.per_whole_token.is_empty()
    }
}

impl Capacity {
    /// What was learnt; the speed is not known here.
    #[must_use]
    pub fn learnt(&self) -> Learnt {
        let known = |baseline: &Baseline| {
            (0..GROUPS).filter_map(|group| Some((group, baseline.known(group)?))).collect()
        };
        Learnt {
            sequences: self.limits.sequences,
            first_token: known(&self.first_token),
            per_token: known(&self.per_token),
            per_whole_token: known(&self.per_whole_token),
            speed: None,
        }
    }

    /// Begins with what another process learnt: half of its limit, from where
    /// the end is sought again, and its baselines until there are own samples.
    pub fn begin_with(&mut self, learnt: &Learnt) {
        let half = (learnt.sequences / 2).max(self.limits.sequences);
        self.limits.sequences = half.min(self.config.max);
        self.known_good.sequences = self.limits.sequences;
        // Nobody moved it: it is where it begins.
        self.reported = self.limits;
        for (baseline, kept) in [
            (&mut self.first_token, &learnt.first_token),
            (&mut self.per_token, &learnt.per_token),
            (&mut self.per_whole_token, &learnt.per_whole_token),
        ] {
            for (group, micros) in kept.iter().take(GROUPS) {
                baseline.unloaded(*group, *micros);
            }
        }
    }
}
