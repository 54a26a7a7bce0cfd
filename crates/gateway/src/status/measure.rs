//! What users got, counted where the door knows it: counters that requests add
//! to, and that the page reads once a second.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use surgewall_core::decision::Outcome;
use surgewall_core::refusal::Refusal;

use crate::sync::{read, write};

/// Upper bounds of times to the first byte, in milliseconds; past the last is one more.
pub const FIRST_MS: [u64; 14] =
    [50, 100, 200, 400, 800, 1_500, 3_000, 5_000, 10_000, 20_000, 40_000, 60_000, 90_000, 120_000];

/// What one request got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// An answer; milliseconds to its first byte, where that was measured.
    Answer(Option<u64>),
    /// None, for a reason that is the service's.
    Nothing,
}

impl Got {
    /// What a request that ended with `outcome` got; `None` where that says nothing
    /// of the service: the client left, or was ended for its own sake.
    #[must_use]
    pub const fn of_outcome(outcome: Outcome, first_ms: Option<u64>) -> Option<Self> {
        match outcome {
            Outcome::Completed => Some(Self::Answer(first_ms)),
            Outcome::UpstreamFailed
            | Outcome::UpstreamBroke
            | Outcome::Drained
            | Outcome::Failed
            | Outcome::Shed => Some(Self::Nothing),
            Outcome::ClientGone | Outcome::Crash | Outcome::Revoked | Outcome::SlowReader => None,
        }
    }

    /// What a request got that was refused before it was admitted; `None` where the
    /// reason is the caller's, and for those that are counted when they settle.
    #[must_use]
    pub const fn of_refusal(refusal: &Refusal) -> Option<Self> {
        match refusal {
            Refusal::Overloaded { .. }
            | Refusal::LedgerUnavailable { .. }
            | Refusal::Draining
            | Refusal::Internal { .. } => Some(Self::Nothing),
            _ => None,
        }
    }
}

/// Sums since the door started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Answers in time to callers that the door knows, and to its own probes.
    pub ok: u64,
    /// The same, late.
    pub slow: u64,
    /// The same, not given.
    pub failed: u64,
    /// Answers to callers without a credential.
    pub strangers_ok: u64,
    /// The same, not given.
    pub strangers_failed: u64,
    /// Answers by their time to the first byte: see [`FIRST_MS`].
    pub first: [u64; FIRST_MS.len() + 1],
}

impl Sums {
    /// What came since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut first = self.first;
        for (now, then) in first.iter_mut().zip(&earlier.first) {
            *now = now.saturating_sub(*then);
        }
        Self {
            ok: self.ok.saturating_sub(earlier.ok),
            slow: self.slow.saturating_sub(earlier.slow),
            failed: self.failed.saturating_sub(earlier.failed),
            strangers_ok: self.strangers_ok.saturating_sub(earlier.strangers_ok),
            strangers_failed: self.strangers_failed.saturating_sub(earlier.strangers_failed),
            first,
        }
    }

    /// With `more` of them.
    pub fn add(&mut self, more: &Self) {
        self.ok += more.ok;
        self.slow += more.slow;
        self.failed += more.failed;
        self.strangers_ok += more.strangers_ok;
        self.strangers_failed += more.strangers_failed;
        for (sum, more) in self.first.iter_mut().zip(&more.first) {
            *sum += more;
        }
    }

    /// All that was counted.
    #[must_use]
    pub const fn all(&self) -> u64 {
        self.ok + self.slow + self.failed + self.strangers_ok + self.strangers_failed
    }

    /// The bound within which `percent` of the answers came, in milliseconds; `None`
    /// where nothing was measured.
    #[must_use]
    pub fn first_ms(&self, percent: u64) -> Option<u64> {
        let all: u64 = self.first.iter().sum();
        if all == 0 {
            return None;
        }
        let rank = (all * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = self.first.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        let bound = at.and_then(|at| FIRST_MS.get(at));
        Some(bound.copied().unwrap_or(FIRST_MS[FIRST_MS.len() - 1] * 2))
    }
}

/// The counters of one component.
#[derive(Debug, Default)]
pub struct Meter {
    ok: AtomicU64,
    slow: AtomicU64,
    failed: AtomicU64,
    strangers_ok: AtomicU64,
    strangers_failed: AtomicU64,
    first: [AtomicU64; FIRST_MS.len() + 1],
}

impl Meter {
    /// A caller got this; an answer after `slow_ms` was late.
    pub fn note(&self, got: Got, is_stranger: bool, slow_ms: u64) {
        let one = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match (got, is_stranger) {
            (Got::Nothing, false) => one(&self.failed),
            (Got::Nothing, true) => one(&self.strangers_failed),
            (Got::Answer(first_ms), is_stranger) => {
                let late = first_ms.is_some_and(|first| first > slow_ms);
                one(match (is_stranger, late) {
                    (true, _) => &self.strangers_ok,
                    (false, true) => &self.slow,
                    (false, false) => &self.ok,
                });
                if let Some(first) = first_ms {
                    let at = FIRST_MS.iter().position(|bound| first <= *bound);
                    one(&self.first[at.unwrap_or(FIRST_MS.len())]);
                }
            }
        }
    }

    /// The sums of now.
    #[must_use]
    pub fn sums(&self) -> Sums {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut first = [0; FIRST_MS.len() + 1];
        for (sum, counter) in first.iter_mut().zip(&self.first) {
            *sum = value(counter);
        }
        Sums {
            ok: value(&self.ok),
            slow: value(&self.slow),
            failed: value(&self.failed),
            strangers_ok: value(&self.strangers_ok),
            strangers_failed: value(&self.strangers_failed),
            first,
        }
    }
}

/// The counters of all components.
#[derive(Debug, Default)]
pub struct Meters {
    /// Model calls.
    pub api: Meter,
    /// The chat's page and calls.
    pub chat: Meter,
    /// The pages of signing in and up.
    pub sign_in: Meter,
    upstreams: RwLock<HashMap<String, Arc<Meter>>>,
}

impl Meters {
    /// Counts calls to these upstreams, and to no other.
    pub fn of_upstreams<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let before = read(&self.upstreams).clone();
        let kept =
            names.map(|name| (name.to_owned(), before.get(name).cloned().unwrap_or_default()));
        *write(&self.upstreams) = kept.collect();
    }

    /// The counters of an upstream, if it is public.
    #[must_use]
    pub fn upstream(&self, name: &str) -> Option<Arc<Meter>> {
        read(&self.upstreams).get(name).cloned()
    }

    /// A page answered on `path` with `status`. Those of the API are counted elsewhere.
    pub fn page(&self, path: &str, status: http::StatusCode) {
        let meter = match path {
            "/" => &self.chat,
            _ if path.starts_with("/app/") => &self.chat,
            _ if path.starts_with("/sign-in") || path.starts_with("/sign-up") => &self.sign_in,
            _ => return,
        };
        let got = if status.is_server_error() { Got::Nothing } else { Got::Answer(None) };
        meter.note(got, false, u64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_got_is_counted_by_who_they_are() {
        let meter = Meter::default();
        for (got, is_stranger) in [
            (Got::Answer(Some(1_000)), false),
            (Got::Answer(Some(1_001)), false),
            (Got::Answer(Some(9_999_999)), true),
            (Got::Nothing, false),
            (Got::Nothing, true),
            (Got::Answer(None), false),
        ] {
            meter.note(got, is_stranger, 1_000);
        }
        let sums = meter.sums();
        assert_eq!((sums.ok, sums.slow, sums.failed), (2, 1, 1));
        assert_eq!((sums.strangers_ok, sums.strangers_failed, sums.all()), (1, 1, 6));
        meter.note(Got::Nothing, false, 1_000);
        let since = meter.sums().since(&sums);
        assert_eq!((since.failed, since.all()), (1, 1));
    }

    #[test]
    fn a_quantile_is_the_bound_within_which_so_many_came() {
        let meter = Meter::default();
        assert_eq!(meter.sums().first_ms(50), None);
        for first in [50, 51, 100, 130_000] {
            meter.note(Got::Answer(Some(first)), false, u64::MAX);
        }
        let sums = meter.sums();
        for (percent, bound) in
            [(0, 50), (25, 50), (26, 100), (75, 100), (76, 240_000), (100, 240_000)]
        {
            assert_eq!(sums.first_ms(percent), Some(bound), "{percent} %");
        }
    }

    #[test]
    fn an_upstream_that_is_not_public_is_not_counted() {
        let meters = Meters::default();
        meters.of_upstreams(["a"].into_iter());
        meters.upstream("a").unwrap().note(Got::Nothing, false, 0);
        meters.of_upstreams(["b", "a"].into_iter());
        assert_eq!(meters.upstream("a").unwrap().sums().failed, 1, "it keeps its count");
        meters.of_upstreams(["b"].into_iter());
        assert!(meters.upstream("a").is_none());
    }

    #[test]
    fn pages_count_for_what_they_are_part_of() {
        let meters = Meters::default();
        for (path, status) in [
            ("/", 200),
            ("/app/me", 503),
            ("/sign-in", 404),
            ("/sign-up/x", 500),
            ("/v1/models", 500),
            ("/signal", 500),
        ] {
            meters.page(path, http::StatusCode::from_u16(status).unwrap());
        }
        let counts = |meter: &Meter| (meter.sums().ok, meter.sums().failed);
        assert_eq!(counts(&meters.chat), (1, 1));
        assert_eq!(counts(&meters.sign_in), (1, 1));
        assert_eq!(meters.api.sums().all(), 0);
    }
}
