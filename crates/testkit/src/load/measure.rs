//! What a run took: samples, and their percentiles.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// Kinds of errors that are told apart.
const ERROR_KINDS_MAX: usize = 16;
/// The beginning of a token of the double, before its digits.
const TOKEN: &[u8] = b"\"tok";

/// Samples in microseconds, for percentiles.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// The median.
    pub p50: u64,
    /// The 90th percentile.
    pub p90: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The largest.
    pub max: u64,
}

impl Spread {
    /// Of these samples.
    #[must_use]
    pub fn of(samples: &[u64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_unstable();
        // The nearest rank: the smallest sample that so many hundredths do not exceed.
        let rank = |hundredths: usize| {
            let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
            sorted.get(rank - 1).copied().unwrap_or(0)
        };
        Self { count: sorted.len(), p50: rank(50), p90: rank(90), p99: rank(99), max: rank(100) }
    }
}

/// What a run took, in microseconds.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// From the request's time to the first token, or to the whole body where it is no stream.
    pub first_us: Vec<u64>,
    /// From the request's time to the end of the body.
    pub total_us: Vec<u64>,
    /// Between two reads that hold tokens.
    pub gap_us: Vec<u64>,
    /// Tokens that came in one read with the one before.
    pub coalesced: u64,
    /// Requests sent, warm-up included.
    pub sent: u64,
    /// What failed, and how often.
    pub errors: BTreeMap<String, u64>,
}

impl Measured {
    /// Adds one answer.
    pub(super) fn add(&mut self, times: &Times) {
        self.first_us.push(times.first_us.unwrap_or(times.total_us));
        self.total_us.push(times.total_us);
        self.gap_us.extend(&times.gap_us);
        self.coalesced += times.coalesced;
    }

    /// Adds a failure.
    pub(super) fn fail(&mut self, why: String) {
        let known = self.errors.len() < ERROR_KINDS_MAX || self.errors.contains_key(&why);
        let why = if known { why } else { "other".to_owned() };
        *self.errors.entry(why).or_default() += 1;
    }

    /// Failures in all.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// The times of one answer, as its bytes come.
#[derive(Debug)]
pub(super) struct Times {
    begin: Instant,
    last: Option<Instant>,
    body: Vec<u8>,
    pub(super) tokens: u64,
    pub(super) first_us: Option<u64>,
    pub(super) total_us: u64,
    gap_us: Vec<u64>,
    coalesced: u64,
}

impl Times {
    pub(super) fn new(begin: Instant) -> Self {
        Self {
            begin,
            last: None,
            body: Vec::new(),
            tokens: 0,
            first_us: None,
            total_us: 0,
            gap_us: Vec::new(),
            coalesced: 0,
        }
    }

    /// Bytes of a stream that came at `now`.
    pub(super) fn bytes(&mut self, bytes: &[u8], now: Instant) {
        // A token may lie across two reads.
        let from = self.body.len().saturating_sub(TOKEN.len());
        self.body.extend_from_slice(bytes);
        let found = self.body[from..].windows(TOKEN.len() + 1);
        let found = found.filter(|w| w.starts_with(TOKEN) && w[TOKEN.len()].is_ascii_digit());
        let new = u64::try_from(found.count()).unwrap_or(0);
        if new == 0 {
            return;
        }
        self.tokens += new;
        self.coalesced += new - 1;
        match self.last.replace(now) {
            None => self.first_us = Some(micros(now - self.begin)),
            Some(last) => self.gap_us.push(micros(now - last)),
        }
    }

    /// The body ended at `now`.
    pub(super) fn end(&mut self, now: Instant) {
        self.total_us = micros(now - self.begin);
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let spread = Spread::of(&(1..=200).rev().collect::<Vec<_>>());
        assert_eq!((spread.p50, spread.p90, spread.p99, spread.max), (100, 180, 198, 200));
        assert_eq!(Spread::of(&[7]).p99, 7);
        assert_eq!(Spread::of(&[]).count, 0);
    }

    #[test]
    fn tokens_are_found_across_reads_and_usage_is_none() {
        let begin = Instant::now();
        let after = |ms| begin + Duration::from_millis(ms);
        let mut times = Times::new(begin);
        times.bytes(b"data: {\"content\":\"\"}\n\ndata: {\"content\":\"to", after(1));
        times.bytes(b"k0 \"}\n\n", after(2));
        times.bytes(b"{\"tok1 \"}{\"tok2 \"}", after(5));
        times.bytes(b"{\"tokens\":3}", after(6));
        times.end(after(7));
        assert_eq!((times.tokens, times.coalesced), (3, 1));
        assert_eq!((times.first_us, times.total_us), (Some(2_000), 7_000));
        assert_eq!(times.gap_us, [3_000]);
    }
}
