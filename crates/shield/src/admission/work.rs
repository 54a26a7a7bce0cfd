//! What a request costs the upstream, and how long its answer probably gets.
//!
//! Work is uncached input plus twice the output: the cost of the virtual token
//! counter (Sheng et al., OSDI'24), since a token that is written takes a step of
//! the engine for itself, and tokens that are read share one. How much more a
//! written one costs is fitted to each pool, in such a way that the mean request
//! stays as much work as before: all that is measured in work keeps its unit.
//!
//! The output is not known before. It is expected to be the caller's 90th
//! percentile for this model, learnt by [`Expected`] in 16 bytes for each pair.

use std::iter::Sum;

use super::weights::{WEIGHT_ONE, Weights};

/// Work in weighted tokens: with the usual weights, one is an uncached input token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Work(pub u64);

impl Work {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The work of `input` uncached tokens read and `output` tokens written.
    #[must_use]
    pub const fn of(weights: Weights, input: u64, output: u64) -> Self {
        let (read, written) = (weights.input as u64, weights.output as u64);
        let sum = input.saturating_mul(read).saturating_add(output.saturating_mul(written));
        Self(sum.div_ceil(WEIGHT_ONE as u64))
    }

    /// The sum, at most `u64::MAX`.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, at least nothing.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(works: I) -> Self {
        works.fold(Self::ZERO, Self::plus)
    }
}

/// The pairs of principal and model that [`Expected`] remembers: 2 MiB.
pub const EXPECTED_ENTRIES_MAX: usize = 131_072;

/// Output tokens expected where nothing was seen of the model yet.
pub const EXPECTED_DEFAULT_TOKENS: u64 = 512;

/// Entries that share a place: a pair is looked for in these only.
const WAYS: usize = 4;

/// An octave (a factor of two) in an entry's units.
const OCTAVE: u16 = 1 << 10;

/// The smallest step of an estimate.
const STEP_MIN: u16 = OCTAVE / 4;

/// How long answers get: the 90th percentile of output tokens for each pair of
/// principal and model, and of each model over all principals.
///
/// A percentile is followed by steps up and down in the logarithm of the tokens:
/// nine parts up when an answer was longer, one part down when it was not, so that
/// they balance where one answer in ten is longer (stochastic approximation:
/// Robbins and Monro, 1951; in one word of memory: Ma, Muthukrishnan and Sandler,
/// "Frugal streaming for estimating quantiles", 2013). The first steps are longer.
///
/// The table never grows. Where a place is full, its least seen entry loses one of
/// its answers, and at none its place: a flood of strangers displaces each other.
#[derive(Debug)]
pub struct Expected {
    /// Sets of [`WAYS`] entries.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Entry {
    key: u64,
    /// The logarithm of the tokens, to the base two, in [`OCTAVE`]s.
    log: u16,
    /// Answers seen, at most 255; none: the entry is free.
    seen: u8,
}

/// What one entry takes, in bytes.
pub const EXPECTED_ENTRY_BYTES: usize = size_of::<Entry>();

impl Default for Expected {
    fn default() -> Self {
        Self::new(EXPECTED_ENTRIES_MAX)
    }
}

impl Expected {
    /// Remembers at most `entries_max` pairs, and at least four.
    #[must_use]
    pub fn new(entries_max: usize) -> Self {
        let entries = (entries_max / WAYS).max(1) * WAYS;
        Self { entries: vec![Entry::default(); entries] }
    }

    /// The output tokens that a request is expected to use: what the principal's
    /// answers of this model rarely pass, or else what anybody's do, and never more
    /// than `max_tokens`.
    #[must_use]
    pub fn expected(&self, principal_hash: u64, model_hash: u64, max_tokens: u64) -> u64 {
        let known = self
            .find(pair(principal_hash, model_hash))
            .or_else(|| self.find(model_key(model_hash)))
            .map_or(EXPECTED_DEFAULT_TOKENS, |entry| tokens(entry.log));
        known.min(max_tokens)
    }

    /// Learns that an answer of `model_hash` to `principal_hash` had `output` tokens.
    /// One that was not `whole`, but cut where the caller asked for it, says nothing
    /// of other callers' answers.
    pub fn observe(&mut self, principal_hash: u64, model_hash: u64, output: u64, whole: bool) {
        let log = logarithm(output);
        self.learn(pair(principal_hash, model_hash), log);
        if whole {
            self.learn(model_key(model_hash), log);
        }
    }

    fn place(&self, key: u64) -> usize {
        let sets = self.entries.len() / WAYS;
        // The upper half of the product is even over the sets.
        let set = (u128::from(key) * (sets as u128)) >> 64;
        usize::try_from(set).unwrap_or(0) * WAYS
    }

    fn find(&self, key: u64) -> Option<&Entry> {
        let place = self.place(key);
        self.entries[place..place + WAYS].iter().find(|entry| entry.seen > 0 && entry.key == key)
    }

    fn learn(&mut self, key: u64, log: u16) {
        let place = self.place(key);
        let set = &mut self.entries[place..place + WAYS];
        if let Some(entry) = set.iter_mut().find(|entry| entry.seen > 0 && entry.key == key) {
            entry.step(log);
        } else if let Some(weakest) = set.iter_mut().min_by_key(|entry| entry.seen) {
            weakest.seen = weakest.seen.saturating_sub(1);
            if weakest.seen == 0 {
                *weakest = Entry { key, log, seen: 1 };
            }
        }
    }
}

impl Entry {
    fn step(&mut self, log: u16) {
        let step = (2 * OCTAVE / u16::from(self.seen)).max(STEP_MIN);
        self.log = if log > self.log {
            // Not past what was seen: one answer is no reason to expect longer ones.
            self.log.saturating_add(step / 10 * 9).min(log)
        } else {
            self.log.saturating_sub(step / 10).max(log)
        };
        self.seen = self.seen.saturating_add(1);
    }
}

/// Two words made one: the finalizer of splitmix64 over their mix.
const fn pair(principal_hash: u64, model_hash: u64) -> u64 {
    let mut word = principal_hash ^ model_hash.rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The key of a model over all principals.
const fn model_key(model_hash: u64) -> u64 {
    pair(!model_hash, model_hash)
}

/// The logarithm of `tokens` to the base two, in [`OCTAVE`]s, straight between powers.
fn logarithm(tokens: u64) -> u16 {
    let tokens = tokens.clamp(1, u64::from(u32::MAX));
    let whole = tokens.ilog2();
    let rest = ((tokens << 10) >> whole) - u64::from(OCTAVE);
    u16::try_from(u64::from(whole) * u64::from(OCTAVE) + rest).unwrap_or(u16::MAX)
}

/// The tokens whose logarithm is `log`, rounded up.
fn tokens(log: u16) -> u64 {
    let (whole, rest) = (log / OCTAVE, log % OCTAVE);
    (u64::from(OCTAVE + rest) << whole).div_ceil(u64::from(OCTAVE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_input_and_twice_the_output() {
        assert_eq!(Work::of(Weights::default(), 100, 20), Work(140));
        let other = Weights { input: 3 * WEIGHT_ONE, output: 10 * WEIGHT_ONE };
        assert_eq!(Work::of(other, 100, 20), Work(500));
        let most = Work::of(Weights::default(), u64::MAX, 1);
        assert_eq!(most, Work(u64::MAX.div_ceil(u64::from(WEIGHT_ONE))), "it does not wrap");
        assert_eq!(Work(3).minus(Work(5)), Work::ZERO);
        assert_eq!([Work(1), Work(2)].into_iter().sum::<Work>(), Work(3));
    }

    #[test]
    fn logarithms_come_back() {
        for tokens_in in [1, 2, 3, 100, 1_000, 4_096, 100_000, 1_000_000] {
            let back = tokens(logarithm(tokens_in));
            assert!(back.abs_diff(tokens_in) <= 1 + tokens_in / 500, "{tokens_in} {back}");
        }
        assert_eq!(logarithm(0), 0);
        assert!(tokens(logarithm(u64::MAX)) > u64::from(u32::MAX) / 2);
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(EXPECTED_ENTRY_BYTES, 16);
    }

    const MODEL: u64 = 7;

    /// Answers of a log-normal kind, about 30 to 3,000 tokens long.
    fn answers(count: usize) -> Vec<u64> {
        let mut random = 88_172_645_463_325_252_u64;
        let mut next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % 1_000
        };
        // The sum of uniform ones is nearly normal.
        (0..count).map(|_| (0..4).map(|_| next()).sum::<u64>()).map(tokens_of).collect()
    }

    fn tokens_of(sum: u64) -> u64 {
        tokens(u16::try_from(5 * u64::from(OCTAVE) + sum * 2).unwrap())
    }

    /// The part of `answers` that is longer than what was expected of it, and what
    /// was expected in the end.
    fn longer(answers: &[u64]) -> (f64, u64) {
        let (mut expected, mut over) = (Expected::new(64), 0);
        for answer in answers {
            over += u32::from(*answer > expected.expected(1, MODEL, u64::MAX));
            expected.observe(1, MODEL, *answer, true);
        }
        (f64::from(over) / answers.len() as f64, expected.expected(1, MODEL, u64::MAX))
    }

    #[test]
    fn one_answer_in_ten_is_longer_than_expected() {
        let (over, last) = longer(&answers(5_000));
        assert!((0.08..0.13).contains(&over), "{over}");
        let mut sorted = answers(5_000);
        sorted.sort_unstable();
        let (low, high) = (sorted[sorted.len() * 80 / 100], sorted[sorted.len() * 97 / 100]);
        assert!((low..high).contains(&last), "{low} {last} {high}");
        // Already after a few.
        assert!(longer(&answers(40)).0 < 0.3, "{:?}", longer(&answers(40)));
    }

    #[test]
    fn it_follows_a_caller_that_changes() {
        let mut expected = Expected::new(64);
        for (answer, count) in [(100, 300), (3_000, 30), (50, 400)] {
            (0..count).for_each(|_| expected.observe(1, MODEL, answer, true));
            let now = expected.expected(1, MODEL, u64::MAX);
            assert!(now.abs_diff(answer) <= answer / 4, "{answer} {now}");
        }
    }

    #[test]
    fn strangers_are_expected_to_be_like_others_and_nobody_past_its_maximum() {
        let mut expected = Expected::new(64);
        assert_eq!(expected.expected(1, MODEL, u64::MAX), EXPECTED_DEFAULT_TOKENS);
        assert_eq!(expected.expected(1, MODEL, 16), 16);
        expected.observe(1, MODEL, 40, true);
        assert_eq!(expected.expected(1, MODEL, u64::MAX), 40);
        assert_eq!(expected.expected(2, MODEL, u64::MAX), 40);
        assert_eq!(expected.expected(1, MODEL + 1, u64::MAX), EXPECTED_DEFAULT_TOKENS);
        assert_eq!(expected.expected(1, MODEL, 39), 39);
        assert_eq!(expected.expected(1, MODEL, 0), 0);
    }

    #[test]
    fn the_table_is_bounded_and_a_flood_displaces_itself() {
        let mut expected = Expected::new(EXPECTED_ENTRIES_MAX);
        assert_eq!(expected.entries.len(), EXPECTED_ENTRIES_MAX);
        let mut expected_small = Expected::new(1);
        assert_eq!(expected_small.entries.len(), WAYS);
        (0..200).for_each(|_| expected.observe(1, MODEL, 1_000, true));
        for stranger in 0..2 * EXPECTED_ENTRIES_MAX as u64 {
            expected.observe(1_000 + stranger, MODEL, 10, true);
        }
        assert_eq!(expected.entries.len(), EXPECTED_ENTRIES_MAX);
        assert_eq!(expected.expected(1, MODEL, u64::MAX), 1_000);
        // Where there is room for four, one and the model's own are still there.
        (0..200).for_each(|_| expected_small.observe(1, MODEL, 1_000, true));
        (0..100).for_each(|stranger| expected_small.observe(2 + stranger, MODEL, 1_000, true));
        assert_eq!(expected_small.entries.len(), WAYS);
        assert!(expected_small.find(pair(1, MODEL)).is_some_and(|entry| entry.seen > 100));
    }
}
