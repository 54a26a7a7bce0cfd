//! What a time is without load, by the size of what it was measured on.

/// Sizes are grouped by powers of two; all larger ones share the last group.
pub(super) const GROUPS: usize = 21;
/// Unloaded samples that a group remembers.
const UNLOADED: usize = 8;
/// Loaded samples that must agree before they lower a baseline.
const LOADED: usize = 16;
/// The size of a group is extrapolated over so many doublings at most.
const DOUBLINGS_MAX: usize = 10;

/// The last `N` values.
#[derive(Clone, Debug)]
struct Ring<const N: usize> {
    values: [u64; N],
    next: usize,
    len: usize,
}

impl<const N: usize> Ring<N> {
    const EMPTY: Self = Self { values: [0; N], next: 0, len: 0 };

    fn push(&mut self, value: u64) {
        if let Some(slot) = self.values.get_mut(self.next) {
            *slot = value;
        }
        self.next = (self.next + 1) % N;
        self.len = (self.len + 1).min(N);
    }

    /// Scales all but the newest `fresh` values.
    fn scale_older(&mut self, fresh: usize, per_mille: u64) {
        for age in fresh + 1..=self.len {
            if let Some(value) = self.values.get_mut((self.next + N - age) % N) {
                *value = (value.saturating_mul(per_mille) / 1_000).max(1);
            }
        }
    }

    /// The value that `percent` of the others do not exceed.
    fn quantile(&self, percent: usize) -> Option<u64> {
        let mut values = self.values;
        let known = values.get_mut(..self.len)?;
        known.sort_unstable();
        known.get(self.len.checked_sub(1)? * percent / 100).copied()
    }
}

#[derive(Clone, Debug)]
struct Group {
    unloaded: Ring<UNLOADED>,
    loaded: Ring<LOADED>,
    /// Unloaded samples since the last mark.
    fresh: usize,
}

/// A baseline for each group of sizes, in microseconds.
#[derive(Clone, Debug)]
pub(super) struct Baseline {
    groups: Vec<Group>,
    percent: usize,
    loaded_percent: usize,
}

/// The group of a size.
pub(super) fn group_of(size: u64) -> usize {
    let doublings = size.max(1).ilog2();
    usize::try_from(doublings).unwrap_or(GROUPS).min(GROUPS - 1)
}

impl Baseline {
    /// A baseline that is the `percent` quantile of what is seen without load,
    /// and not above the `loaded_percent` quantile of what is seen under load.
    pub(super) fn new(percent: usize, loaded_percent: usize) -> Self {
        let group = Group { unloaded: Ring::EMPTY, loaded: Ring::EMPTY, fresh: 0 };
        Self { groups: vec![group; GROUPS], percent, loaded_percent }
    }

    pub(super) fn is_known(&self) -> bool {
        self.groups.iter().any(|group| group.unloaded.len > 0)
    }

    /// What was seen of a group itself.
    pub(super) fn known(&self, group: usize) -> Option<u64> {
        self.groups.get(group)?.unloaded.quantile(self.percent)
    }

    /// The sizes that were seen, by their groups' middles, and their times.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (u64, u64)> {
        let middle = |group: usize| (1_u64 << group) + (1 << group) / 2;
        (0..GROUPS).filter_map(move |group| Some((middle(group), self.known(group)?)))
    }

    /// What is expected without load. A group that was never seen is taken
    /// from its neighbour below, in proportion, or from the one above as it is:
    /// rather too long than too short.
    pub(super) fn expected(&self, group: usize) -> Option<u64> {
        let known = |index| self.known(index);
        known(group)
            .or_else(|| {
                let below = (0..group).rev().find_map(|index| Some((index, known(index)?)))?;
                let doublings = (group - below.0).min(DOUBLINGS_MAX);
                Some(below.1.saturating_mul(1 << doublings))
            })
            .or_else(|| (group + 1..GROUPS).find_map(known))
    }

    /// A sample without load: it is the baseline.
    pub(super) fn unloaded(&mut self, group: usize, micros: u64) {
        if let Some(group) = self.groups.get_mut(group) {
            group.unloaded.push(micros.max(1));
            group.fresh += 1;
        }
    }

    /// A sample under load never raises the baseline, but many that are
    /// clearly faster prove that it is too high, and are better than none.
    pub(super) fn loaded(&mut self, group: usize, micros: u64) {
        let (expected, percent) = (self.expected(group), self.loaded_percent);
        let Some(group) = self.groups.get_mut(group) else { return };
        group.loaded.push(micros.max(1));
        let seen = group.loaded.quantile(percent).filter(|_| group.loaded.len == LOADED);
        let Some(seen) = seen else { return };
        if expected.is_none_or(|expected| seen.saturating_mul(3) < expected.saturating_mul(2)) {
            for _ in 0..UNLOADED {
                group.unloaded.push(seen);
            }
        }
    }

    /// From here on samples are fresh.
    pub(super) fn mark(&mut self) {
        for group in &mut self.groups {
            group.fresh = 0;
        }
    }

    /// The server became slower as a whole: what was learnt before the mark takes so much longer.
    pub(super) fn scale(&mut self, per_mille: u64) {
        for group in &mut self.groups {
            let fresh = group.fresh;
            group.unloaded.scale_older(fresh, per_mille);
            group.loaded = Ring::EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_never_seen_is_taken_from_its_neighbour() {
        let mut baseline = Baseline::new(50, 50);
        assert_eq!(baseline.expected(8), None);
        baseline.unloaded(8, 100);
        for (group, expected) in [(0, 100), (8, 100), (9, 200), (11, 800), (20, 102_400)] {
            assert_eq!(baseline.expected(group), Some(expected), "{group}");
        }
        assert_eq!(group_of(0), 0);
        assert_eq!(group_of(256), 8);
        assert_eq!(group_of(511), 8);
        assert_eq!(group_of(u64::MAX), GROUPS - 1);
    }

    #[test]
    fn load_lowers_a_baseline_and_never_raises_it() {
        let mut baseline = Baseline::new(50, 50);
        baseline.unloaded(8, 100);
        for _ in 0..1_000 {
            baseline.loaded(8, 5_000);
        }
        assert_eq!(baseline.expected(8), Some(100));
        for _ in 0..LOADED {
            baseline.loaded(8, 90);
        }
        assert_eq!(baseline.expected(8), Some(100), "a little faster is chance");
        for _ in 0..LOADED {
            baseline.loaded(8, 50);
        }
        assert_eq!(baseline.expected(8), Some(50));
    }

    #[test]
    fn half_of_the_memory_turns_a_baseline() {
        let mut baseline = Baseline::new(50, 50);
        for _ in 0..100 {
            baseline.unloaded(3, 100);
        }
        for _ in 0..UNLOADED / 2 {
            baseline.unloaded(3, 1_000);
        }
        assert_eq!(baseline.expected(3), Some(100));
        baseline.unloaded(3, 1_000);
        assert_eq!(baseline.expected(3), Some(1_000));
        baseline.mark();
        baseline.unloaded(3, 4_000);
        baseline.scale(500);
        assert_eq!(baseline.expected(3), Some(500));
        for _ in 0..UNLOADED / 2 {
            baseline.unloaded(3, 4_000);
        }
        assert_eq!(baseline.expected(3), Some(4_000), "what is fresh is not scaled");
    }
}
