//! What a gate learnt, kept over a restart.

use std::time::Duration;

use super::Gate;
use crate::admission::capacity::Learnt;
use crate::admission::weights::Weights;
use crate::admission::work::Work;

/// The longest time that is believed of a mean request: a day.
const REQUEST_MS_MAX: u64 = 86_400_000;
/// The most work that is believed of a mean request.
const REQUEST_WORK_MAX: u64 = 1 << 32;

impl<T, R> Gate<T, R> {
    /// What was learnt, if anything was.
    #[must_use]
    pub fn learnt(&self) -> Option<Learnt> {
        let learnt = self.capacity.learnt();
        if learnt.is_empty() {
            return None;
        }
        // Where nobody asked for more, the limit was not found: the one before still holds.
        let before = if self.capacity.is_seeking() { self.sequences_before } else { 0 };
        let weights = Some((self.weights.input, self.weights.output));
        let (sequences, speed) = (learnt.sequences.max(before), self.speed());
        Some(Learnt { sequences, speed, weights, ..learnt })
    }

    /// The mean work of a request, and the milliseconds in which one sequence does it.
    fn speed(&self) -> Option<(u64, u64)> {
        let mean = self.predictor.mean_work()?;
        let each_s = self.predictor.work_in(Duration::from_secs(1))?;
        let millis = u128::from(mean.0) * 1_000 / u128::from(each_s.0.max(1));
        Some((mean.0, u64::try_from(millis).unwrap_or(REQUEST_MS_MAX).max(1)))
    }

    /// Begins with what another process learnt. To be called once, before
    /// anybody arrives. Numbers that cannot be are left out.
    pub fn begin_with(&mut self, learnt: &Learnt) {
        self.sequences_before = learnt.sequences.min(self.terms.sequences_most());
        self.capacity.begin_with(learnt);
        let kept = learnt.weights.and_then(|(input, output)| Weights::kept(input, output));
        self.weights = kept.unwrap_or_default();
        if let Some((mean, millis)) = learnt.speed
            && (1..=REQUEST_WORK_MAX).contains(&mean)
            && (1..=REQUEST_MS_MAX).contains(&millis)
        {
            let mean = Work(mean);
            let took = Duration::from_millis(millis);
            self.predictor.served(mean, mean, took, learnt.sequences);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use surgewall_core::clock::Clock;
    use surgewall_core::principal::Class;

    use super::*;
    use crate::admission::capacity::End;
    use crate::admission::fair::{Lineage, Shares};
    use crate::admission::gate::{Arrived, Ask, Terms};

    fn terms(limit: Option<u32>) -> Terms {
        Terms {
            shares: Shares::default(),
            longest_wait: [Duration::from_secs(120); 4],
            headroom_permille: 0,
            queue_bytes_max: 1 << 20,
            sequences_max: limit,
            observe: false,
        }
    }

    fn gate(now: Instant, limit: Option<u32>) -> Gate<()> {
        Gate::new(now, terms(limit))
    }

    /// A gate that found out that `limit` go at once, 20 ms to the first token.
    fn taught(limit: u32) -> (Gate<()>, Instant) {
        let mut now = Clock::System.monotonic();
        let mut gate = gate(now, Some(limit));
        for _ in 0..64 {
            let mut begun = Vec::new();
            let ask = Ask {
                lineage: Lineage::new(Class::Verified, false, &[1]),
                principal: 1,
                model: 1,
                input: 100,
                cached: 0,
                output_max: 100,
                bytes: 1,
                repeated: false,
            };
            while let Arrived::Go(id) = gate.arrive(now, ask, || (), || 0) {
                gate.dispatched(now, id, true);
                begun.push(id);
            }
            now += Duration::from_millis(20);
            begun.iter().for_each(|id| gate.first_token(now, *id));
            now += Duration::from_millis(980);
            for id in begun {
                gate.finish(now, id, End::Completed, Some((100, 100)));
            }
            while let Some((id, ())) = gate.next(now) {
                gate.finish(now, id, End::Cancelled, None);
            }
            let _ = gate.tick(now, Duration::ZERO);
        }
        assert_eq!(gate.view().sequences, limit);
        (gate, now)
    }

    #[test]
    fn half_of_the_limit_is_begun_with_and_the_whole_is_remembered_until_its_end_is_found() {
        let (before, now) = taught(40);
        let learnt = before.learnt().unwrap();
        assert_eq!((learnt.sequences, learnt.first_token.as_slice()), (40, &[(6, 20_000)][..]));
        for (max, begins, remembers) in [(None, 20, 40), (Some(8), 8, 8), (Some(2), 2, 2)] {
            let mut after = gate(now, max);
            after.begin_with(&learnt);
            assert_eq!(after.view().sequences, begins, "{max:?}");
            let again = after.learnt().unwrap();
            assert_eq!((again.sequences, &again.first_token), (remembers, &learnt.first_token));
            assert_eq!(again.speed, learnt.speed, "300 of work in a second");
            assert!(after.tick(now + Duration::from_secs(1), Duration::ZERO).is_none(), "no move");
        }
    }

    #[test]
    fn a_server_that_changed_is_learnt_anew_from_its_first_samples() {
        let (before, now) = taught(40);
        let mut after = gate(now, None);
        let mut learnt = before.learnt().unwrap();
        learnt.first_token = vec![(6, 1)];
        after.begin_with(&learnt);
        for id in 0..3 {
            let load = crate::admission::capacity::Load { sequences: 1, tokens: 1 };
            after.capacity.dispatched(now, id, 100, load, true);
            after.capacity.first_token(now + Duration::from_millis(20), id);
            after.capacity.ended(now, id, End::Completed);
        }
        assert_eq!(after.learnt().unwrap().first_token, [(6, 20_000)]);
    }

    #[test]
    fn numbers_that_cannot_be_are_left_out() {
        let now = Clock::System.monotonic();
        let times = vec![(usize::MAX, u64::MAX), (3, 0), (20, u64::MAX), (21, 5)];
        for speed in [Some((0, 1)), Some((1, 0)), Some((u64::MAX, 1)), Some((1, u64::MAX)), None] {
            let mut gate = gate(now, None);
            gate.begin_with(&Learnt {
                sequences: u32::MAX,
                first_token: times.clone(),
                per_token: times.clone(),
                per_whole_token: times.repeat(1_000),
                speed,
                weights: Some((1, u32::MAX)),
            });
            let learnt = gate.learnt().unwrap();
            assert_eq!(learnt.speed, None, "{speed:?}");
            let usual = Weights::default();
            assert_eq!(learnt.weights, Some((usual.input, usual.output)));
            assert!(learnt.per_whole_token.len() <= 3);
            assert!(gate.view().sequences <= terms(None).sequences_most());
            for second in 1..10 {
                let _ = gate.tick(now + Duration::from_secs(second), Duration::ZERO);
            }
        }
        assert!(gate(now, None).learnt().is_none(), "nothing was learnt");
    }
}
