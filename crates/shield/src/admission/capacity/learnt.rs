//! What was learnt of a pool, to be begun with after a restart.

use super::baseline::GROUPS;
use super::types::Learnt;
use super::{Baseline, Capacity};

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
            weights: None,
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
