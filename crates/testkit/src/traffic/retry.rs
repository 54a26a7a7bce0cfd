//! What clients do when they are refused.

use std::time::Duration;

use super::{Arrival, draw};
use crate::rng::Rng;

/// How often and when a client asks again, with the same body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Attempts after the first.
    pub max: u8,
    /// The first wait; each later one is twice as long.
    pub first: Duration,
    /// A wait at most.
    pub longest: Duration,
    /// Whether the server's `Retry-After` counts.
    pub listens: bool,
}

impl Retries {
    /// The client asks once.
    pub const NONE: Self =
        Self { max: 0, first: Duration::ZERO, longest: Duration::ZERO, listens: true };

    /// The official OpenAI and Anthropic SDKs: twice, after half a second and
    /// one, up to a quarter less; a `Retry-After` of up to a minute counts.
    pub const SDK: Self = Self {
        max: 2,
        first: Duration::from_millis(500),
        longest: Duration::from_secs(8),
        listens: true,
    };

    /// A loop around a client that listens to nobody.
    pub const STORM: Self = Self {
        max: 20,
        first: Duration::from_millis(200),
        longest: Duration::from_secs(1),
        listens: false,
    };

    /// A `Retry-After` above this is not waited for.
    pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

    /// The next attempt at what was refused at `now`, if there is one.
    #[must_use]
    pub fn next(
        &self,
        refused: &Arrival,
        now: Duration,
        retry_after: Option<Duration>,
        rng: &mut Rng,
    ) -> Option<Arrival> {
        if refused.attempt >= self.max {
            return None;
        }
        let told = retry_after.filter(|told| self.listens && *told <= Self::RETRY_AFTER_MAX);
        let wait = told.filter(|told| !told.is_zero()).unwrap_or_else(|| {
            let doubled = self.first.saturating_mul(1 << refused.attempt.min(20));
            doubled.min(self.longest).mul_f64(1.0 - draw::unit(rng) / 4.0)
        });
        Some(Arrival { at: now + wait, attempt: refused.attempt + 1, ..refused.clone() })
    }
}
