//! When requests arrive.

use std::time::Duration;

use super::draw;
use super::fitted::{GAP_SHAPE, RATE_MEMORY, RATE_SIGMA};
use crate::rng::Rng;

/// For so long the rate stays as it is.
const WINDOW: Duration = Duration::from_secs(10);

/// How arrivals scatter around their rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scatter {
    /// The shape of the gamma gaps; 1 is Poisson, less is burstier.
    pub shape: f64,
    /// How far the logarithm of the rate strays from window to window.
    pub rate_sigma: f64,
    /// How much of that the next window keeps, 0 to below 1.
    pub rate_memory: f64,
    /// The part of the rate that comes and goes with the day, 0 to 1.
    pub day_amplitude: f64,
    /// How long a day is; a run of minutes can have a short one.
    pub day: Duration,
}

impl Scatter {
    /// Arrivals that know nothing of each other.
    pub const POISSON: Self = Self {
        shape: 1.0,
        rate_sigma: 0.0,
        rate_memory: 0.0,
        day_amplitude: 0.0,
        day: Duration::from_secs(86_400),
    };

    /// As fitted to the trace, which is too short to show a day.
    pub const FITTED: Self = Self {
        shape: GAP_SHAPE,
        rate_sigma: RATE_SIGMA,
        rate_memory: RATE_MEMORY,
        ..Self::POISSON
    };
}

/// From this time on, this many requests per second on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Since the start.
    pub from: Duration,
    /// Requests per second; 0 is silence.
    pub requests_per_s: f64,
}

/// The times of one population's arrivals: gamma gaps in a time that runs as
/// fast as the rate.
pub(super) struct Clock {
    scatter: Scatter,
    phases: Vec<Phase>,
    now: f64,
    window_ends: f64,
    stray: f64,
}

impl Clock {
    /// `phases` in the order of time.
    pub(super) fn new(scatter: Scatter, phases: Vec<Phase>, rng: &mut Rng) -> Self {
        let stray = scatter.rate_sigma * draw::normal(rng);
        Self { scatter, phases, now: 0.0, window_ends: WINDOW.as_secs_f64(), stray }
    }

    /// The next arrival before `until`.
    pub(super) fn next(&mut self, rng: &mut Rng, until: Duration) -> Option<Duration> {
        let mut gap = draw::gamma(rng, self.scatter.shape);
        while self.now < until.as_secs_f64() {
            let (rate, ends) = self.stretch();
            let expected = rate * (ends - self.now);
            if expected >= gap {
                self.now += gap / rate;
                let at = Duration::from_secs_f64(self.now);
                return (at < until).then_some(at);
            }
            gap -= expected;
            self.now = ends;
            if ends >= self.window_ends {
                self.next_window(rng);
            }
        }
        None
    }

    /// The rate now, and until when it holds.
    fn stretch(&self) -> (f64, f64) {
        let begun = self.phases.iter().rev().find(|phase| phase.from.as_secs_f64() <= self.now);
        let next = self.phases.iter().find(|phase| phase.from.as_secs_f64() > self.now);
        let ends = next.map_or(f64::INFINITY, |phase| phase.from.as_secs_f64());
        let mean = begun.map_or(0.0, |phase| phase.requests_per_s);
        (mean * self.factor(), ends.min(self.window_ends))
    }

    /// What the window and the day make of the mean rate; 1 on average.
    fn factor(&self) -> f64 {
        let scatter = &self.scatter;
        let turn = std::f64::consts::TAU * self.window_ends / scatter.day.as_secs_f64();
        let day = 1.0 + scatter.day_amplitude * turn.sin();
        // Minus half of the variance: the mean of a log-normal stays 1.
        day * (self.stray - scatter.rate_sigma.powi(2) / 2.0).exp()
    }

    fn next_window(&mut self, rng: &mut Rng) {
        let Scatter { rate_sigma, rate_memory, .. } = self.scatter;
        let fresh = rate_sigma * (1.0 - rate_memory.powi(2)).sqrt();
        self.stray = rate_memory * self.stray + fresh * draw::normal(rng);
        self.window_ends += WINDOW.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(scatter: Scatter, phases: &[(u64, f64)], until: u64) -> Vec<f64> {
        let phases = phases.iter().map(|(from, requests_per_s)| Phase {
            from: Duration::from_secs(*from),
            requests_per_s: *requests_per_s,
        });
        let mut rng = Rng::new(11);
        let mut clock = Clock::new(scatter, phases.collect(), &mut rng);
        let next = || clock.next(&mut rng, Duration::from_secs(until));
        std::iter::from_fn(next).map(|at| at.as_secs_f64()).collect()
    }

    #[test]
    fn phases_begin_and_end_where_they_should() {
        let times = arrivals(Scatter::POISSON, &[(0, 2.0), (100, 50.0), (200, 0.0)], 400);
        let during = |from: f64, to: f64| times.iter().filter(|at| (from..to).contains(at)).count();
        assert!((150..250).contains(&during(0.0, 100.0)), "{}", during(0.0, 100.0));
        assert!((4_700..5_300).contains(&during(100.0, 200.0)), "{}", during(100.0, 200.0));
        assert_eq!(during(200.0, 400.0), 0);
        assert!(times.is_sorted());
    }

    #[test]
    fn the_fitted_scatter_varies_as_the_trace_does() {
        // In the trace, the requests of a minute have a dispersion of 16 at 333 on average.
        let dispersion = |scatter| {
            let minutes = 2_000;
            let mut counts = vec![0.0_f64; minutes];
            for at in arrivals(scatter, &[(0, 5.53)], 60 * 2_000) {
                let minute = usize::try_from(draw::tokens(at / 60.0 + 1.0)).unwrap() - 1;
                counts[minute] += 1.0;
            }
            let mean = counts.iter().sum::<f64>() / 2_000.0;
            assert!((mean / 331.8 - 1.0).abs() < 0.05, "{mean}");
            counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 2_000.0 / mean
        };
        let (poisson, fitted) = (dispersion(Scatter::POISSON), dispersion(Scatter::FITTED));
        assert!((0.85..1.15).contains(&poisson), "{poisson}");
        assert!((11.0..21.0).contains(&fitted), "{fitted}");
    }
}
