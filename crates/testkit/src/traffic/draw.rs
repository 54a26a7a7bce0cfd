//! Numbers of wanted distributions from a seeded source.

use crate::rng::Rng;

/// A quantile function as knots: `body` in equal steps from 0, then `tail`.
pub(super) struct Quantiles {
    pub(super) body: [f64; 32],
    pub(super) tail: [(f64, f64); 5],
}

impl Quantiles {
    /// The value at `quantile`, 0 to 1: between two knots the logarithm is linear.
    pub(super) fn at(&self, quantile: f64) -> f64 {
        let step = 1.0 / 32.0;
        let body = self.body.iter().scan(0.0, |at, value| {
            let knot = (*at, *value);
            *at += step;
            Some(knot)
        });
        let mut below = (0.0, self.body[0]);
        for knot in body.chain(self.tail) {
            if knot.0 > quantile {
                let part = (quantile - below.0) / (knot.0 - below.0);
                return below.1 * (knot.1 / below.1).powf(part);
            }
            below = knot;
        }
        below.1
    }
}

/// From 0 to below 1.
pub(super) fn unit(rng: &mut Rng) -> f64 {
    let bits = u32::try_from(rng.next_u64() >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// Normal with mean 0 and deviation 1 (Box and Muller).
pub(super) fn normal(rng: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - unit(rng)).ln()).sqrt();
    radius * (std::f64::consts::TAU * unit(rng)).cos()
}

/// Gamma with mean 1 (Marsaglia and Tsang, 2000).
pub(super) fn gamma(rng: &mut Rng, shape: f64) -> f64 {
    // Below 1 the method wants one more, and a power of a uniform to make up for it.
    let boost = if shape < 1.0 { (1.0 - unit(rng)).powf(1.0 / shape) } else { 1.0 };
    let d = if shape < 1.0 { shape + 1.0 } else { shape } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && (1.0 - unit(rng)).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return boost * d * v / shape;
        }
    }
}

/// A count from a number, at least 1.
pub(super) fn tokens(number: f64) -> u32 {
    // Tokens end far below; a text is the only conversion that cannot be lossy unseen.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of the type"
    )]
    let count = number.clamp(1.0, f64::from(u32::MAX)) as u32;
    count
}

#[cfg(test)]
mod tests {
    use super::super::fitted;
    use super::*;

    fn moments(mut draw: impl FnMut(&mut Rng) -> f64) -> (f64, f64) {
        let mut rng = Rng::new(7);
        let all: Vec<f64> = (0..200_000).map(|_| draw(&mut rng)).collect();
        let mean = all.iter().sum::<f64>() / 200_000.0;
        (mean, all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 200_000.0)
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let near = |(mean, variance): (f64, f64), wanted: (f64, f64)| {
            assert!((mean - wanted.0).abs() < 0.02, "{mean} for {wanted:?}");
            assert!((variance / wanted.1 - 1.0).abs() < 0.05, "{variance} for {wanted:?}");
        };
        near(moments(unit), (0.5, 1.0 / 12.0));
        near(moments(normal), (0.0, 1.0));
        for shape in [0.25, 0.991, 1.0, 4.0] {
            near(moments(|rng| gamma(rng, shape)), (1.0, 1.0 / shape));
        }
    }

    #[test]
    fn tokens_have_the_means_of_the_trace() {
        for (quantiles, mean, median, max) in [
            (fitted::INPUT_TOKENS, fitted::INPUT_TOKENS_MEAN, 1_020.0, 14_050.0),
            (fitted::OUTPUT_TOKENS, fitted::OUTPUT_TOKENS_MEAN, 129.0, 1_000.0),
        ] {
            let (drawn, _) = moments(|rng| quantiles.at(unit(rng)));
            assert!((drawn / mean - 1.0).abs() < 0.03, "{drawn} for {mean}");
            assert!((quantiles.at(0.5) - median).abs() < 1e-9);
            assert!((quantiles.at(1.0) - max).abs() < 1e-9);
        }
    }
}
