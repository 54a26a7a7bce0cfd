//! Effort: under pressure a stranger may do work to come sooner. It is a
//! currency and no wall: whoever does none waits longer, and nobody who is known
//! is asked for any. The shape is that of Tor's proposal 327: the order follows
//! verified effort, the effort that is worth doing follows the load, and in
//! peace it is nothing.
//!
//! A bid is `CHALLENGE:EFFORT:NONCE`. It holds where the first eight bytes of its
//! SHA-256, as a big-endian number, are at most 2^64 / EFFORT: about EFFORT
//! hashes are needed to find such a nonce. A challenge is for one network and
//! good for a minute at least; a bid is good once.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;
use surgewall_core::random;

use crate::sync::lock;

/// Milliseconds for which a challenge is good at least; at most it is twice that.
const SLOT_MS: u64 = 60_000;
/// Hashes that are worth one more part: about a second of a browser's script.
pub const EFFORT_UNIT: u32 = 1 << 16;
/// Parts that a request has at most, of which one needs no effort. More would
/// only serve machines that hash faster than browsers, which is by a factor of 67.
pub const PARTS_MAX: u8 = 8;
/// The most effort that is worth anything.
const EFFORT_MAX: u32 = EFFORT_UNIT * (PARTS_MAX as u32 - 1);
/// Bids remembered for each minute; past it none counts until the next minute.
pub const BIDS_MAX: usize = 65_536;
/// Bytes of a challenge's code.
const CODE_BYTES: usize = 12;

/// What is asked of strangers now, and who did it.
pub struct Efforts {
    key: hmac::Key,
    suggested: AtomicU32,
    spent: Mutex<[Spent; 2]>,
}

/// The bids on the challenges of one minute.
#[derive(Default)]
struct Spent {
    slot: u64,
    bids: HashSet<u64>,
}

impl Default for Efforts {
    fn default() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random::bytes::<32>());
        Self { key, suggested: AtomicU32::new(0), spent: Mutex::default() }
    }
}

impl Efforts {
    /// Hashes that are worth doing now; 0 in peace.
    #[must_use]
    pub fn suggested(&self) -> u32 {
        self.suggested.load(Ordering::Relaxed)
    }

    /// Once a second: whether strangers wait or are refused.
    pub fn tick(&self, pressure: bool) {
        let now = self.suggested();
        let next = if pressure {
            now.saturating_add(now / 4).clamp(EFFORT_UNIT, EFFORT_MAX)
        } else {
            now - now / 8
        };
        self.suggested.store(if next < EFFORT_UNIT { 0 } else { next }, Ordering::Relaxed);
    }

    /// The challenge for `network`.
    #[must_use]
    pub fn challenge(&self, now: Timestamp, network: Network) -> String {
        self.code(now.millis() / SLOT_MS, network)
    }

    /// How many parts of the order `bid` is worth: 1 for one that does not hold, is
    /// too late or came before.
    pub fn parts(&self, now: Timestamp, network: Network, bid: &str) -> u8 {
        let slot = now.millis() / SLOT_MS;
        let Some((challenge, effort, hash)) = read(bid) else { return 1 };
        let good = [slot, slot.saturating_sub(1)];
        let Some(slot) = good.into_iter().find(|slot| self.code(*slot, network) == challenge)
        else {
            return 1;
        };
        let paid = u8::try_from(effort / EFFORT_UNIT).unwrap_or(u8::MAX);
        let parts = paid.saturating_add(1).min(PARTS_MAX);
        if parts > 1 && self.spend(slot, hash) { parts } else { 1 }
    }

    /// Whether the bid was not made before.
    fn spend(&self, slot: u64, hash: u64) -> bool {
        let mut minutes = lock(&self.spent);
        // Two slots are good at a time: of the two that are remembered, the older one makes way.
        let [even, odd] = &mut *minutes;
        let spent = if slot.is_multiple_of(2) { even } else { odd };
        if spent.slot != slot {
            *spent = Spent { slot, bids: HashSet::new() };
        }
        spent.bids.len() < BIDS_MAX && spent.bids.insert(hash)
    }

    fn code(&self, slot: u64, network: Network) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&slot.to_be_bytes());
        context.update(network.to_string().as_bytes());
        URL_SAFE_NO_PAD.encode(&context.sign().as_ref()[..CODE_BYTES])
    }
}

/// The challenge, the effort and the hash of a bid that was worked for.
fn read(bid: &str) -> Option<(&str, u32, u64)> {
    let (challenge, rest) = bid.split_once(':')?;
    let (effort, _) = rest.split_once(':')?;
    let effort = effort.parse().ok().filter(|effort| *effort > 0)?;
    let hash = hash(bid);
    (hash <= u64::MAX / u64::from(effort)).then_some((challenge, effort, hash))
}

fn hash(bid: &str) -> u64 {
    let digest = digest::digest(&digest::SHA256, bid.as_bytes());
    let first = digest.as_ref().first_chunk().copied();
    u64::from_be_bytes(first.unwrap_or([0xff; 8]))
}

/// Does the work: a bid on `challenge`.
#[must_use]
pub fn bid(challenge: &str, effort: u32) -> String {
    let mut bids = (0..u64::MAX).map(|nonce| format!("{challenge}:{effort}:{nonce}"));
    bids.find(|bid| read(bid).is_some()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_000_000);

    fn network(n: u32) -> Network {
        Network::of(std::net::Ipv4Addr::from_bits(n << 8).into())
    }

    #[test]
    fn a_bid_is_worth_its_effort_once_for_its_network_and_its_time() {
        let efforts = Efforts::default();
        let later = |ms| Timestamp::from_millis(NOW.millis() + ms);
        let made = |effort| bid(&efforts.challenge(NOW, network(1)), effort);
        for (effort, parts) in [
            (EFFORT_UNIT - 1, 1),
            (EFFORT_UNIT, 2),
            (3 * EFFORT_UNIT - 1, 3),
            (EFFORT_MAX, PARTS_MAX),
        ] {
            let bid = made(effort);
            assert_eq!(efforts.parts(NOW, network(2), &bid), 1, "another network's");
            assert_eq!(efforts.parts(later(2 * SLOT_MS), network(1), &bid), 1, "too late");
            assert_eq!(efforts.parts(later(SLOT_MS), network(1), &bid), parts, "{effort}");
            assert_eq!(efforts.parts(NOW, network(1), &bid), 1, "a second time");
        }
    }

    #[test]
    fn what_was_not_worked_for_is_worth_nothing() {
        let efforts = Efforts::default();
        let challenge = efforts.challenge(NOW, network(1));
        let idle = (0..).map(|n| format!("{challenge}:{EFFORT_UNIT}:{n}"));
        let idle = idle.into_iter().find(|bid| read(bid).is_none()).unwrap();
        let other = bid("someone-elses", EFFORT_UNIT);
        let none = format!("{challenge}:0:0");
        let far = format!("{challenge}:99999999999:0");
        for bad in ["", ":", "::", "a", &challenge, &idle, &other, &none, &far, "\u{1f980}:1:1"] {
            assert_eq!(efforts.parts(NOW, network(1), bad), 1, "{bad}");
        }
    }

    #[test]
    fn past_the_limit_bids_count_for_nothing_until_the_next_minute() {
        let efforts = Efforts::default();
        for hash in 0..BIDS_MAX as u64 {
            assert!(efforts.spend(4, hash));
        }
        assert!(!efforts.spend(4, u64::MAX), "one past the limit");
        assert!(efforts.spend(5, u64::MAX) && efforts.spend(6, u64::MAX));
    }

    #[test]
    fn in_peace_nothing_is_asked_and_under_pressure_more_and_more_up_to_a_bound() {
        let efforts = Efforts::default();
        efforts.tick(false);
        assert_eq!(efforts.suggested(), 0);
        efforts.tick(true);
        assert_eq!(efforts.suggested(), EFFORT_UNIT);
        (0..60).for_each(|_| efforts.tick(true));
        assert_eq!(efforts.suggested(), EFFORT_MAX);
        (0..60).for_each(|_| efforts.tick(false));
        assert_eq!(efforts.suggested(), 0);
    }
}
