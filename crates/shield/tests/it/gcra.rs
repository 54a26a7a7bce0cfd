//! In any time `t`, at most `rate * t + burst` are admitted.

use std::time::Duration;

use proptest::prelude::{prop_assert, proptest};
use surgewall_core::clock::Timestamp;
use surgewall_shield::gcra::{Gcra, Rate};

const START: u64 = 1_790_000_000_000;

proptest! {
    #[test]
    fn no_span_admits_more_than_its_rate_and_the_burst(
        gaps in proptest::collection::vec(0..300_u64, 1..150),
        count in 1..50_u32, per_ms in 1..2_000_u64, burst in 1..20_u32,
    ) {
        let rate = Rate::new(count, Duration::from_millis(per_ms), burst);
        let (mut limiter, mut now, mut admitted) = (Gcra::default(), START, Vec::new());
        for gap in gaps {
            now += gap;
            if limiter.admit(Timestamp::from_millis(now), rate).is_ok() {
                admitted.push(now);
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, to) in admitted.iter().enumerate().skip(first) {
                let number = u64::try_from(last - first).unwrap() + 1;
                let allowed = (to - from) * u64::from(count) / per_ms + u64::from(burst);
                prop_assert!(number <= allowed, "{number} in {} ms", to - from);
            }
        }
    }

    #[test]
    fn a_refused_one_is_admitted_when_it_was_told(
        gaps in proptest::collection::vec(0..50_u64, 1..100), count in 1..50_u32, burst in 1..5_u32,
        back in 0..7_200_000_u64,
    ) {
        let rate = Rate::new(count, Duration::from_secs(1), burst);
        let (mut limiter, mut now) = (Gcra::default(), START);
        for gap in gaps {
            now += gap;
            let _ = limiter.admit(Timestamp::from_millis(now), rate);
        }
        // The clock goes back: nothing is granted anew, and the wait is still short.
        let mut at = Timestamp::from_millis(now - back);
        if let Err(wait) = limiter.admit(at, rate) {
            prop_assert!(wait <= Duration::from_secs(1));
            at = at.plus(wait + Duration::from_millis(1));
            prop_assert!(limiter.admit(at, rate).is_ok());
        }
    }
}
