//! Delays that grow with wrong passwords, for each pair of a network and an account.
//!
//! Nobody can lock another out: what a stranger does from elsewhere delays
//! nobody but the stranger. A pair's first tries are free; then each must wait
//! longer than the one before. Networks are only watched: one that fails with
//! many accounts (a list of leaked passwords, one try each) is told of, so that
//! the door can ask for work before it looks at a password from there, from
//! anybody who has not signed in there before.
//!
//! An attempt counts as failed until it is known to have succeeded: a thousand
//! that are sent at once find one counter, not none.
//!
//! The caller chooses what an account is here. With a secret cookie of a device
//! that signed in before mixed into the hash, not even a neighbour in the same
//! network can delay that device.

use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;

use crate::generations::Generations;

/// Attempts of one pair without a delay.
pub const FREE_ATTEMPTS: u32 = 4;
/// The delay after the last free attempt; it doubles with each further one.
pub const DELAY_FIRST: Duration = Duration::from_secs(2);
/// The longest delay.
pub const DELAY_MAX: Duration = Duration::from_secs(5 * 60);
/// A pair's failures are forgotten after so long without an attempt.
pub const FAILURES_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// A pair that signed in is known for so long.
pub const KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);
/// The window in which a network's failures are counted.
pub const NETWORK_WINDOW: Duration = Duration::from_secs(3_600);
/// Failures of a network within the window, from which on it asks for care.
pub const NETWORK_FAILURES_MAX: u32 = 60;
/// Pairs, and networks, in each of two generations; at the bound the older one is forgotten.
pub const ENTRIES_MAX: usize = 32_768;

/// An attempt must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many attempts. Please wait a moment before you try again.")]
pub struct Wait {
    /// How long from now.
    pub retry_after: Duration,
}

/// How to take an attempt that need not wait.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Care {
    /// As any.
    Usual,
    /// Many failed in its network lately, and this pair never signed in: ask for
    /// work, or for a code by mail, before its password is looked at.
    Suspicious,
}

/// What a network failed at within the last hour, for findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct NetworkFailures {
    /// Attempts that failed.
    pub failures: u32,
    /// How many accounts began to fail: as many as failures is somebody who tries a list.
    pub accounts: u32,
}

/// All pairs and networks that tried lately.
#[derive(Default)]
pub struct Delays {
    pairs: Generations<(Network, u128), Pair, ENTRIES_MAX>,
    networks: Generations<Network, Tally, ENTRIES_MAX>,
}

impl Delays {
    /// Nobody has failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an attempt may be made now; it counts as failed until
    /// [`Delays::succeeded`]. `account` is a hash of what was typed, also where
    /// there is no such account.
    ///
    /// # Errors
    /// How long to wait. An attempt that is refused counts for nothing.
    pub fn attempt(
        &mut self,
        network: Network,
        account: u128,
        now: Timestamp,
    ) -> Result<Care, Wait> {
        let mut pair = self.pairs.find(&(network, account)).unwrap_or_default().at(now);
        let retry_after = pair.wait(now);
        if !retry_after.is_zero() {
            return Err(Wait { retry_after });
        }
        let mut tally = self.networks.find(&network).unwrap_or_default().at(now);
        let is_calm = tally.recent(now).failures < NETWORK_FAILURES_MAX;
        let care = if is_calm || pair.is_known(now) { Care::Usual } else { Care::Suspicious };
        tally.this.failures = tally.this.failures.saturating_add(1);
        tally.this.accounts = tally.this.accounts.saturating_add(u32::from(pair.failed == 0));
        pair.failed = pair.failed.saturating_add(1);
        pair.before = pair.last;
        pair.last = now;
        self.pairs.put((network, account), pair);
        self.networks.put(network, tally);
        Ok(care)
    }

    /// The attempt that was let in at `at` was never judged: it counts for nothing.
    pub fn give_back(&mut self, network: Network, account: u128, at: Timestamp) {
        let Some(mut pair) = self.pairs.find(&(network, account)) else { return };
        let failed = pair.failed;
        pair.failed = failed.saturating_sub(1);
        // Where another came later, its wait stands.
        if pair.last == at {
            pair.last = pair.before;
        }
        self.pairs.put((network, account), pair);
        self.forgive(network, failed, at);
    }

    /// The attempt that was let in was right: it, and those of the pair before it, delay nobody.
    pub fn succeeded(&mut self, network: Network, account: u128, now: Timestamp) {
        let failed = self.pairs.find(&(network, account)).map_or(0, |pair| pair.failed);
        let known = Pair { failed: 0, last: now, before: now, succeeded: Some(now) };
        self.pairs.put((network, account), known);
        self.forgive(network, failed, now);
    }

    /// One attempt of a pair with `failed` ones was no failure of `network`.
    fn forgive(&mut self, network: Network, failed: u32, now: Timestamp) {
        if let Some(tally) = self.networks.find(&network).filter(|_| failed > 0) {
            let mut tally = tally.at(now);
            tally.this.failures = tally.this.failures.saturating_sub(1);
            tally.this.accounts = tally.this.accounts.saturating_sub(u32::from(failed == 1));
            self.networks.put(network, tally);
        }
    }

    /// What `network` failed at lately.
    #[must_use]
    pub fn network(&self, network: Network, now: Timestamp) -> NetworkFailures {
        self.networks.find(&network).unwrap_or_default().at(now).recent(now)
    }
}

#[derive(Clone, Copy, Default)]
struct Pair {
    /// Attempts since the last success.
    failed: u32,
    last: Timestamp,
    /// The attempt before the last one.
    before: Timestamp,
    succeeded: Option<Timestamp>,
}

impl Pair {
    /// This pair, without what is too old to count.
    fn at(self, now: Timestamp) -> Self {
        let is_old = now.since(self.last) >= FAILURES_KEPT;
        Self { failed: if is_old { 0 } else { self.failed }, ..self }
    }

    fn wait(&self, now: Timestamp) -> Duration {
        let Some(paid) = self.failed.checked_sub(FREE_ATTEMPTS) else { return Duration::ZERO };
        let delay = DELAY_FIRST.saturating_mul(1_u32.checked_shl(paid).unwrap_or(u32::MAX));
        delay.min(DELAY_MAX).saturating_sub(now.since(self.last))
    }

    fn is_known(&self, now: Timestamp) -> bool {
        self.succeeded.is_some_and(|at| now.since(at) < KNOWN_FOR)
    }
}

/// A network's failures in this window, and in the one before, which fades while this one fills.
#[derive(Clone, Copy, Default)]
struct Tally {
    since: Timestamp,
    this: NetworkFailures,
    before: NetworkFailures,
}

impl Tally {
    fn at(self, now: Timestamp) -> Self {
        let passed = now.since(self.since);
        if passed < NETWORK_WINDOW {
            self
        } else if passed < NETWORK_WINDOW * 2 {
            let since = self.since.plus(NETWORK_WINDOW);
            Self { since, this: NetworkFailures::default(), before: self.this }
        } else {
            Self { since: now, ..Self::default() }
        }
    }

    fn recent(&self, now: Timestamp) -> NetworkFailures {
        let window_s = NETWORK_WINDOW.as_secs();
        let left_s = window_s.saturating_sub(now.since(self.since).as_secs());
        let sum = |this: u32, before: u32| {
            let faded = u64::from(before) * left_s / window_s;
            this.saturating_add(u32::try_from(faded).unwrap_or(u32::MAX))
        };
        NetworkFailures {
            failures: sum(self.this.failures, self.before.failures),
            accounts: sum(self.this.accounts, self.before.accounts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn network(number: u32) -> Network {
        Network::of(std::net::Ipv4Addr::from_bits(number << 8).into())
    }

    fn after(seconds: u64) -> Timestamp {
        START.plus(Duration::from_secs(seconds))
    }

    fn wait_s(delays: &mut Delays, number: u32, account: u128, now: Timestamp) -> Option<u64> {
        delays.attempt(network(number), account, now).err().map(|wait| wait.retry_after.as_secs())
    }

    #[test]
    fn delays_double_up_to_the_longest_and_a_refusal_counts_for_nothing() {
        let mut delays = Delays::new();
        let mut now = START;
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(wait_s(&mut delays, 1, 7, now), None);
        }
        for expected in [2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            for _ in 0..3 {
                assert_eq!(wait_s(&mut delays, 1, 7, now), Some(expected));
            }
            now = now.plus(Duration::from_secs(expected - 1));
            assert_eq!(wait_s(&mut delays, 1, 7, now), Some(1));
            now = now.plus(Duration::from_secs(1));
            assert_eq!(wait_s(&mut delays, 1, 7, now), None);
        }
        assert_eq!(wait_s(&mut delays, 1, 7, now.plus(FAILURES_KEPT)), None);
        assert_eq!(wait_s(&mut delays, 1, 7, now.plus(FAILURES_KEPT)), None, "all free again");
    }

    #[test]
    fn nobody_elsewhere_and_no_other_account_is_delayed() {
        let mut delays = Delays::new();
        while delays.attempt(network(1), 7, START).is_ok() {}
        assert_eq!(wait_s(&mut delays, 2, 7, START), None);
        assert_eq!(wait_s(&mut delays, 1, 8, START), None);
        assert!(wait_s(&mut delays, 1, 7, START).is_some());
    }

    #[test]
    fn an_attempt_that_was_never_judged_counts_for_nothing() {
        let mut delays = Delays::new();
        for _ in 0..1_000 {
            assert_eq!(wait_s(&mut delays, 1, 7, START), None);
            delays.give_back(network(1), 7, START);
        }
        assert_eq!(delays.network(network(1), START), NetworkFailures::default());
        while delays.attempt(network(1), 7, START).is_ok() {}
        // Nor does it begin the wait of the failures before anew.
        let now = after(2);
        assert_eq!(wait_s(&mut delays, 1, 7, now), None);
        delays.give_back(network(1), 7, now);
        assert_eq!(wait_s(&mut delays, 1, 7, now), None);
        // What came in between stands.
        let mut delays = Delays::new();
        for second in 0..4 {
            assert_eq!(wait_s(&mut delays, 1, 7, after(second)), None);
        }
        delays.give_back(network(1), 7, START);
        assert_eq!(wait_s(&mut delays, 1, 7, after(4)), None);
        assert_eq!(wait_s(&mut delays, 1, 7, after(4)), Some(2));
        delays.give_back(network(1), 8, START);
    }

    #[test]
    fn success_ends_the_delay() {
        let mut delays = Delays::new();
        while delays.attempt(network(1), 7, START).is_ok() {}
        let now = after(2);
        assert!(delays.attempt(network(1), 7, now).is_ok());
        delays.succeeded(network(1), 7, now);
        for _ in 0..FREE_ATTEMPTS {
            assert_eq!(wait_s(&mut delays, 1, 7, now), None);
        }
        assert_eq!(wait_s(&mut delays, 1, 7, now), Some(2));
    }

    #[test]
    fn a_network_that_tries_a_list_is_told_of_and_those_known_there_are_spared() {
        let mut delays = Delays::new();
        assert_eq!(delays.attempt(network(1), 1, START), Ok(Care::Usual));
        delays.succeeded(network(1), 1, START);
        assert_eq!(delays.network(network(1), START), NetworkFailures::default());
        for account in 0..u128::from(NETWORK_FAILURES_MAX) {
            assert_eq!(delays.attempt(network(1), 100 + account, START), Ok(Care::Usual));
        }
        let expected = NetworkFailures { failures: 60, accounts: 60 };
        assert_eq!(delays.network(network(1), START), expected);
        assert_eq!(delays.attempt(network(1), 999, START), Ok(Care::Suspicious));
        assert_eq!(delays.attempt(network(1), 1, START), Ok(Care::Usual));
        assert_eq!(delays.attempt(network(2), 999, START), Ok(Care::Usual));
        // It fades within the second hour.
        assert_eq!(delays.network(network(1), after(3_600 + 1_800)).failures, 31);
        assert_eq!(delays.network(network(1), after(7_200)), NetworkFailures::default());
    }

    #[test]
    fn what_was_forgotten_delays_nobody_and_the_newest_is_remembered() {
        let mut delays = Delays::new();
        while delays.attempt(network(1), 7, START).is_ok() {}
        let others = u128::try_from(2 * ENTRIES_MAX).unwrap();
        for account in 100..100 + others {
            let _ = delays.attempt(network(1), account, START);
        }
        assert_eq!(wait_s(&mut delays, 1, 7, START), None);
        while delays.attempt(network(1), 8, START).is_ok() {}
        assert_eq!(wait_s(&mut delays, 1, 8, START), Some(2));
    }

    proptest::proptest! {
        /// However attempts are spread over time, a pair gets no more of them than the delays allow.
        #[test]
        fn a_pair_never_gets_more_than_its_share(gaps_ms in proptest::collection::vec(0_u64..90_000, 1..200)) {
            let mut delays = Delays::new();
            let mut now = START;
            let mut let_in = 0;
            for gap in gaps_ms {
                now = now.plus(Duration::from_millis(gap));
                let_in += u32::from(delays.attempt(network(1), 7, now).is_ok());
            }
            let mut allowed = FREE_ATTEMPTS;
            let mut at = START;
            let mut delay = DELAY_FIRST;
            while at.plus(delay) <= now {
                at = at.plus(delay);
                delay = (delay * 2).min(DELAY_MAX);
                allowed += 1;
            }
            proptest::prop_assert!(let_in <= allowed, "{let_in} of {allowed}");
        }
    }
}
