//! Where more requests at once bring nothing, seen from answers that come whole.
//!
//! Such an answer shows no first token, so a queue inside the server shows only
//! as a longer latency, and so does honest sharing of the server. But at the
//! plateau twice as many at once take twice as long, and below it they do not.

/// Limits are told apart by a quarter of a doubling.
const STEPS: usize = 64;
const STEPS_PER_DOUBLING: usize = 4;
/// A doubling that makes each answer take so much longer brings less than a fifth, per mille.
const NO_GAIN_PER_MILLE: u64 = 1_700;

/// Below this limit a doubling costs little and the samples are few.
const LIMIT_MIN: u32 = 8;
/// The part by which the lower of two compared times is taken back after each verdict.
const FORGOTTEN_PART: u64 = 16;

/// The usual time per token of whole answers, over the baseline, by the limit.
#[derive(Clone, Debug)]
pub(super) struct Plateau {
    ratio_at: [u64; STEPS],
}

impl Plateau {
    pub(super) const fn new() -> Self {
        Self { ratio_at: [0; STEPS] }
    }

    /// Notes a window's median and gives how much longer answers take than at
    /// half of the limit, per mille, where that shows that nothing is gained.
    pub(super) fn judge(&mut self, limit: u32, ratio: u64) -> Option<u64> {
        let step = step_of(limit);
        let before = *self.ratio_at.get(step)?;
        if before > 0 && (ratio / 2 > before || ratio < before / 2) {
            // The same limit, another speed: the server changed, and all else with it.
            for at in &mut self.ratio_at {
                *at = at.saturating_mul(ratio) / before;
            }
        }
        let slot = self.ratio_at.get_mut(step)?;
        *slot = if *slot == 0 { ratio } else { slot.saturating_mul(3).saturating_add(ratio) / 4 };
        let ratio = *self.ratio_at.get(step)?;
        let half = self.ratio_at.get_mut(step.checked_sub(STEPS_PER_DOUBLING)?)?;
        let longer = ratio.saturating_mul(1_000).checked_div(*half)?;
        if longer <= NO_GAIN_PER_MILLE || limit < LIMIT_MIN {
            return None;
        }
        // A few lucky answers must not hold the limit down for ever.
        *half = half.saturating_add(*half / FORGOTTEN_PART);
        Some(longer)
    }
}

fn step_of(limit: u32) -> usize {
    let steps = u128::from(limit.max(1)).pow(4).ilog2();
    usize::try_from(steps).unwrap_or(STEPS).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_plateau_a_doubling_takes_twice_as_long() {
        let mut plateau = Plateau::new();
        for limit in 1..=40 {
            assert_eq!(plateau.judge(limit, 1_000 + u64::from(limit)), None, "{limit}");
        }
        let past = (41..=80).find(|limit| plateau.judge(*limit, u64::from(*limit) * 26).is_some());
        assert!(past.is_some_and(|limit| limit > 60), "{past:?}");
    }

    #[test]
    fn one_lucky_answer_does_not_hold_the_limit_down_for_ever() {
        let mut plateau = Plateau::new();
        assert_eq!(plateau.judge(10, 100), None);
        let verdicts = (0..100).filter(|_| plateau.judge(20, 500).is_some()).count();
        assert!((1..50).contains(&verdicts), "{verdicts}");
    }

    #[test]
    fn a_server_that_became_slower_is_not_taken_for_a_plateau() {
        let mut plateau = Plateau::new();
        for limit in 1..=40 {
            assert_eq!(plateau.judge(limit, 1_000), None);
        }
        for _ in 0..100 {
            assert_eq!(plateau.judge(40, 5_000), None);
        }
        assert_eq!(plateau.judge(u32::MAX, 5_000), None);
        assert_eq!(plateau.judge(0, 5_000), None);
    }
}
