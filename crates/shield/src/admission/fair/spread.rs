//! How long the queues of a node's children are, as a histogram by powers of two:
//! enough to say how many requests go first, without asking each child.

/// Lengths up to 65,535 have their own step; longer ones share the last.
const STEPS: usize = 17;

/// Parts of a round, in which each child gets one request.
pub(super) const ROUND: u64 = 1 << 20;

/// Children that wait, by the length of their queues.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Spread {
    /// For each power of two, how many children, and their requests together.
    steps: [(u32, u32); STEPS],
}

impl Spread {
    /// A child's queue went from `from` requests to `to`.
    pub(super) fn change(&mut self, from: u32, to: u32) {
        if let Some((children, requests)) = step_of(from).and_then(|step| self.steps.get_mut(step))
        {
            *children -= 1;
            *requests -= from;
        }
        if let Some((children, requests)) = step_of(to).and_then(|step| self.steps.get_mut(step)) {
            *children += 1;
            *requests += to;
        }
    }

    /// Requests that the children get served while each gets at most `rounds` of them:
    /// both in parts of [`ROUND`].
    pub(super) fn served_in(&self, rounds: u64) -> u64 {
        let steps = self.steps.iter().filter(|(children, _)| *children > 0);
        let served = steps.map(|(children, requests)| {
            u64::from(*children).saturating_mul(rounds).min(u64::from(*requests) * ROUND)
        });
        served.sum()
    }
}

/// The step of a queue of `len` requests; none where it is empty.
fn step_of(len: u32) -> Option<usize> {
    Some((len.checked_ilog2()? as usize).min(STEPS - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_is_served_in_some_rounds() {
        let mut spread = Spread::default();
        for len in [1, 1, 10, 100_000] {
            spread.change(0, len);
        }
        spread.change(10, 11);
        let served = |rounds: u64| spread.served_in(rounds * ROUND) / ROUND;
        assert_eq!([served(0), served(1), served(5), served(1_000_000)], [0, 4, 12, 100_013]);
        assert_eq!(spread.served_in(ROUND / 2), 2 * ROUND);
        for len in [1, 1, 11, 100_000] {
            spread.change(len, 0);
        }
        assert_eq!(spread.served_in(1_000 * ROUND), 0);
    }
}
