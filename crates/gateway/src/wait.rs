//! Tickets that are good after a wait: for browsers that do no work.
//!
//! A ticket is bound to its network, good once, and not for ever. Waiting costs
//! nothing, so only so many may come that way.

use std::collections::HashSet;
use std::sync::Mutex;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;
use surgewall_core::random;
use surgewall_shield::gcra::{Gcra, Rate};

use crate::sync::lock;

/// Tickets remembered as used; past it none is good until they are forgotten.
const TICKETS_MAX: usize = 65_536;
/// Bytes of a ticket's code.
const CODE_BYTES: usize = 16;

/// What a ticket is held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// Seconds until it is good.
    pub(crate) wait_s: u32,
    /// Seconds that it is good then.
    pub(crate) good_s: u32,
    /// How many tickets are taken.
    pub(crate) rate: Rate,
}

impl Terms {
    /// Milliseconds until a ticket is good, and until it is not any more.
    fn millis(&self) -> (u64, u64) {
        let wait_ms = u64::from(self.wait_s) * 1_000;
        (wait_ms, wait_ms + u64::from(self.good_s) * 1_000)
    }
}

/// Gives tickets and takes them.
pub(crate) struct Waits {
    key: hmac::Key,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    rate: Gcra,
    /// The codes of tickets that were used, those of this span and of the last.
    codes: [HashSet<[u8; CODE_BYTES]>; 2],
    span: u64,
}

impl Used {
    fn holds(&self, code: &[u8; CODE_BYTES]) -> bool {
        self.codes.iter().any(|codes| codes.contains(code))
    }
}

impl Default for Waits {
    fn default() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>());
        Self { key, used: Mutex::default() }
    }
}

impl Waits {
    /// A ticket for somebody of `network`.
    pub(crate) fn ticket(&self, now: Timestamp, network: Network) -> String {
        let millis = now.millis();
        format!("{millis}:{}", URL_SAFE_NO_PAD.encode(self.code(millis, network)))
    }

    /// Whether the wait of `ticket` is over and it was not used before; it is now.
    pub(crate) fn take(
        &self,
        now: Timestamp,
        network: Network,
        ticket: &str,
        terms: &Terms,
    ) -> bool {
        let Some((given, code)) = self.given(network, ticket) else { return false };
        let (wait_ms, length_ms) = terms.millis();
        let waited = now.millis().saturating_sub(given);
        (wait_ms..length_ms).contains(&waited)
            && self.spend(now, given, length_ms, code, terms.rate)
    }

    /// Whether the wait of `ticket` goes on, or is over and it was not used.
    pub(crate) fn is_open(
        &self,
        now: Timestamp,
        network: Network,
        ticket: &str,
        terms: &Terms,
    ) -> bool {
        self.given(network, ticket).is_some_and(|(given, code)| {
            now.millis().saturating_sub(given) < terms.millis().1 && !lock(&self.used).holds(&code)
        })
    }

    /// When `ticket` was given, and its code, if this door gave it to `network`.
    fn given(&self, network: Network, ticket: &str) -> Option<(u64, [u8; CODE_BYTES])> {
        let (millis, code) = ticket.split_once(':')?;
        let (given, code) = (millis.parse().ok()?, URL_SAFE_NO_PAD.decode(code).ok()?);
        let expected = self.code(given, network);
        constant_time::verify_slices_are_equal(&code, &expected).ok()?;
        Some((given, expected))
    }

    /// Whether the ticket was not used before, and one more may come by waiting.
    fn spend(
        &self,
        now: Timestamp,
        given: u64,
        length_ms: u64,
        code: [u8; CODE_BYTES],
        rate: Rate,
    ) -> bool {
        let mut used = lock(&self.used);
        // A ticket is good in the span in which it was given or in the next one.
        let span = now.millis() / length_ms;
        if used.span != span {
            let last = std::mem::take(&mut used.codes[0]);
            used.codes[1] = if used.span + 1 == span { last } else { HashSet::new() };
            used.span = span;
        }
        debug_assert!(given / length_ms + 1 >= span);
        if used.holds(&code) || used.codes[0].len() >= TICKETS_MAX {
            return false;
        }
        used.rate.admit(now, rate).is_ok() && used.codes[0].insert(code)
    }

    fn code(&self, millis: u64, network: Network) -> [u8; CODE_BYTES] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&millis.to_be_bytes());
        context.update(network.to_string().as_bytes());
        let mut code = [0; CODE_BYTES];
        code.copy_from_slice(&context.sign().as_ref()[..CODE_BYTES]);
        code
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_040_000);

    fn later(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_ticket_is_good_after_its_wait_once_and_not_for_ever() {
        let terms =
            Terms { wait_s: 60, good_s: 900, rate: Rate::new(15, Duration::from_secs(60), 15) };
        let network = |n: u8| Network::of(std::net::IpAddr::from([192, 0, n, 1]));
        let waits = Waits::default();
        let good = |waits: &Waits, ticket: &str, n, at| waits.take(at, network(n), ticket, &terms);
        let ticket = waits.ticket(NOW, network(1));
        assert!(!good(&waits, &ticket, 1, later(59)));
        assert!(!good(&waits, &ticket, 2, later(60)), "another network's");
        assert!(good(&waits, &ticket, 1, later(60)));
        assert!(!good(&waits, &ticket, 1, later(61)), "once only");
        let other = waits.ticket(later(1), network(1));
        assert!(!good(&waits, &other, 1, later(1 + 60 + 900)), "too late");
        assert!(good(&waits, &other, 1, later(60 + 900)));
        assert!(!good(&Waits::default(), &other, 1, later(61)), "another door's");
        for bad in ["", "1", "x:y", "1760000040000:AAAA", &ticket.replace("17", "18")] {
            assert!(!good(&waits, bad, 1, later(60)), "{bad}");
        }
    }

    #[test]
    fn only_so_many_are_taken() {
        let terms = Terms { wait_s: 1, good_s: 9, rate: Rate::new(2, Duration::from_secs(60), 2) };
        let network = Network::of(std::net::IpAddr::from([192, 0, 2, 1]));
        let waits = Waits::default();
        let taken = [0, 1, 2].map(|n| {
            let given = Timestamp::from_millis(NOW.millis() + n);
            waits.take(later(2), network, &waits.ticket(given, network), &terms)
        });
        assert_eq!(taken, [true, true, false]);
    }
}
