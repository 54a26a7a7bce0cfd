//! What a token that is written costs beside one that is read.
//!
//! A step of an engine takes a base, something for each token of a prompt that it
//! reads, and something for each sequence that it writes a token of (the linear
//! model that simulators of vLLM fit: BLIS; Vidur, Agrawal et al., MLSys'24). So
//! what a read token costs is how much later the first token of a longer prompt
//! comes, without load. What a written one costs is the time between two tokens,
//! over the sequences that shared it, when the server is full.

use super::Capacity;
use super::baseline::Baseline;

/// Samples after which the cost of a written token is believed.
const SAMPLES_MIN: u32 = 64;
/// Samples after which an old one weighs 1/e.
const MEMORY_SAMPLES: f64 = 512.0;

/// The time of a written token's own part of its step.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    micros: f64,
    samples: u32,
}

impl Written {
    /// `each` microseconds went by for a token of each of `sequences`.
    fn observe(&mut self, each: u64, sequences: u32) {
        self.samples = self.samples.saturating_add(1);
        let own = number(each) / f64::from(sequences.max(1));
        self.micros += (own - self.micros) / f64::from(self.samples).min(MEMORY_SAMPLES);
    }

    /// Microseconds for each token, once enough were seen.
    fn micros(self) -> Option<f64> {
        (self.samples >= SAMPLES_MIN).then_some(self.micros)
    }
}

impl Capacity {
    /// A token of each sequence took `each` microseconds. It tells what a full
    /// server does only where the limit is known and half of it runs.
    pub(super) fn learn_written(&mut self, each: u64) {
        let writing = self.flights.started();
        if !self.seeking && writing >= self.limits.sequences.div_ceil(2) {
            self.written.observe(each, writing);
        }
    }

    /// What a written token costs, in read ones; `None` until both are known.
    #[must_use]
    pub fn output_weight(&self) -> Option<f64> {
        let read = read_micros(&self.first_token)?;
        Some(self.written.micros()? / read)
    }
}

/// Microseconds for each token that is read: the slope of the line through the
/// times of prompts of different sizes (least squares). One size says nothing.
fn read_micros(first_token: &Baseline) -> Option<f64> {
    let seen: Vec<(f64, f64)> =
        first_token.sizes().map(|(tokens, micros)| (number(tokens), number(micros))).collect();
    let (least, most) = (seen.first()?.0, seen.last()?.0);
    if most < 4.0 * least {
        return None;
    }
    let count = number(u64::try_from(seen.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| seen.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = seen.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = seen.iter().map(|point| (point.0 - x).powi(2)).sum();
    Some(above / below).filter(|slope| *slope > 0.0)
}

#[expect(clippy::cast_precision_loss, reason = "an estimate; fifteen digits are enough")]
const fn number(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use surgewall_core::clock::Clock;

    use super::super::{CapacityConfig, End, Load};
    use super::*;

    const BASE: u64 = 12_600;
    const READ: u64 = 76;
    const WRITTEN: u64 = 67;

    fn capacity() -> (Capacity, Instant) {
        let now = Clock::System.monotonic();
        let config = CapacityConfig { max: 40, start: 40, ..CapacityConfig::default() };
        (Capacity::new(now, config), now)
    }

    /// A prompt of `input` tokens is read by an idle server.
    fn reads(capacity: &mut Capacity, now: Instant, id: u64, input: u64) {
        capacity.dispatched(now, id, input, Load { sequences: 1, tokens: input }, true);
        capacity.first_token(now + Duration::from_micros(BASE + READ * input), id);
        capacity.ended(now, id, End::Completed);
    }

    /// 40 sequences write a hundred tokens each.
    fn writes(capacity: &mut Capacity, now: Instant) {
        for id in 0..40 {
            let load = Load { sequences: u32::try_from(id).unwrap() + 1, tokens: 100 };
            capacity.dispatched(now, id, 100, load, true);
            capacity.first_token(now, id);
        }
        let step = Duration::from_micros(BASE + 40 * WRITTEN);
        for id in (0..40).cycle().take(4_000) {
            capacity.streamed(id, step, 1);
        }
    }

    #[test]
    fn the_ratio_of_an_engine_is_found() {
        let (mut capacity, now) = capacity();
        capacity.seeking = false;
        for (nth, input) in [100, 380, 760, 3_000].into_iter().cycle().take(40).enumerate() {
            reads(&mut capacity, now, 1_000 + u64::try_from(nth).unwrap(), input);
        }
        assert_eq!(capacity.output_weight(), None, "nothing was written under load");
        writes(&mut capacity, now);
        // (12,600 / 40 + 67) / 76
        let ratio = capacity.output_weight().unwrap();
        assert!((4.0..6.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn nothing_is_said_of_prompts_of_like_sizes_nor_while_the_limit_is_sought() {
        let (mut capacity, now) = capacity();
        capacity.seeking = false;
        for id in 1_000..1_040 {
            reads(&mut capacity, now, id, 150);
        }
        writes(&mut capacity, now);
        assert_eq!(capacity.output_weight(), None, "sizes that are too near");
        let (mut capacity, now) = self::capacity();
        for (nth, input) in [100, 3_000].into_iter().cycle().take(40).enumerate() {
            reads(&mut capacity, now, 1_000 + u64::try_from(nth).unwrap(), input);
        }
        writes(&mut capacity, now);
        assert_eq!(capacity.output_weight(), None, "the limit is sought");
    }
}
