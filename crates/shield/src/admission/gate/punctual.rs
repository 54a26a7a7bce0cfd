//! Who is let into the queue so late that nearly all of them are in time.
//!
//! The predicted wait is the most likely one: of those who are let in at the very
//! end of what their class may wait, every second one would come late, and what a
//! server does for it helps nobody. So the prediction is stretched before it is
//! held against the longest wait, by as much as leaves one in fifty late. The
//! stretch grows with each that was late and shrinks a little with each that was
//! not; where one in fifty is late, the two balance (the same steps as those of
//! the stated range: Gibbs and Candès 2021).

use std::time::Duration;

use surgewall_core::principal::Class;

/// The part of those who waited that may be late.
const LATE_PART: f64 = 0.02;
/// How far one wait moves the stretch, as a part of it.
const STEP: f64 = 0.1;
/// The stretch before anything is known: with usual errors of a prediction one in
/// ten is past it. A queue is as long as its class may wait before it teaches anything.
const STRETCH_START: f64 = 1.5;
/// The most by which a prediction is stretched.
const STRETCH_MAX: f64 = 3.0;
/// Seconds in which what was learnt fades to 1/e.
const MEMORY_S: f64 = 600.0;
/// A wait shorter than this part of the longest says nothing of the end of the queue.
const TELLING_PART: u32 = 3;

/// By how much the predicted waits of each class are stretched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Punctual([f64; 4]);

impl Punctual {
    /// Nothing is known yet.
    pub(super) const fn new() -> Self {
        Self([STRETCH_START; 4])
    }

    /// The wait that nearly nobody of `class` with this prediction is past.
    pub(super) fn stretched(&self, class: Class, eta: Duration) -> Duration {
        eta.mul_f64(self.0[class as usize])
    }

    /// One of `class`, which may wait for `longest`, had its turn after `waited`, or
    /// waits longer than that already.
    pub(super) fn observed(&mut self, class: Class, waited: Duration, longest: Duration) {
        let stretch = &mut self.0[class as usize];
        if waited > longest {
            *stretch *= 1.0 + STEP * (1.0 - LATE_PART);
        } else if waited > longest / TELLING_PART {
            *stretch *= 1.0 - STEP * LATE_PART;
        }
        *stretch = stretch.clamp(1.0, STRETCH_MAX);
    }

    /// Time goes by: what was learnt is no longer fresh.
    pub(super) fn tick(&mut self, elapsed: Duration) {
        let kept = (-elapsed.as_secs_f64() / MEMORY_S).exp();
        for stretch in &mut self.0 {
            *stretch = STRETCH_START + (*stretch - STRETCH_START) * kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(20);

    /// The part of waits around their prediction that is late, when the queue is
    /// always full: everybody is let in at the end of it.
    fn late_part(spread: f64) -> f64 {
        let mut punctual = Punctual::new();
        let mut late = 0.0;
        let mut state: u64 = 7;
        for turn in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let even = f64::from(u32::try_from(state >> 40).unwrap()) / f64::from(1 << 24);
            let eta = LONGEST.as_secs_f64() / punctual.0[Class::Anonymous as usize];
            let waited = Duration::from_secs_f64(eta * (1.0 + spread * (2.0 * even - 1.0)));
            punctual.observed(Class::Anonymous, waited, LONGEST);
            if turn >= 10_000 && waited > LONGEST {
                late += 1.0 / 10_000.0;
            }
        }
        late
    }

    #[test]
    fn few_are_late_however_wrong_the_predictions_are() {
        for spread in [0.1, 0.4, 0.8] {
            let late = late_part(spread);
            assert!((0.005..0.04).contains(&late), "{late} of {spread}");
        }
    }

    #[test]
    fn a_stretch_has_its_bounds_and_fades() {
        let mut punctual = Punctual::new();
        let eta = Duration::from_secs(10);
        for _ in 0..1_000 {
            punctual.observed(Class::New, LONGEST * 2, LONGEST);
        }
        assert_eq!(punctual.stretched(Class::New, eta), eta.mul_f64(STRETCH_MAX));
        assert_eq!(punctual.stretched(Class::Verified, eta), eta.mul_f64(STRETCH_START));
        punctual.tick(Duration::from_secs(86_400));
        assert_eq!(punctual.stretched(Class::New, eta), eta.mul_f64(STRETCH_START));
        for _ in 0..1_000 {
            punctual.observed(Class::New, LONGEST / 2, LONGEST);
        }
        assert_eq!(punctual.stretched(Class::New, eta), eta, "never less than predicted");
    }
}
