//! Which refusals are recorded one by one, and which are only counted.
//!
//! A flood of refusals must not fill the disk: beyond a few per second of one
//! code to one network they become one counted record.

use std::collections::HashMap;

use surgewall_core::clock::Timestamp;
use surgewall_core::limits::{REFUSAL_NETWORKS_MAX, REFUSALS_RECORDED_PER_S_MAX};
use surgewall_core::principal::Network;

/// What to do with a refusal.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// Write it.
    Record,
    /// It was counted: [`RefusalCounter::flush`] tells of it.
    Counted,
}

/// Refusals that were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The refusal's stable code.
    pub code: &'static str,
    /// To which network; `None` for all networks past the bound together.
    pub network: Option<Network>,
    /// How many.
    pub count: u64,
}

#[derive(Default)]
struct Tally {
    second: u64,
    recorded: u32,
    counted: u64,
}

/// Counts refusals by code and network.
#[derive(Default)]
pub struct RefusalCounter {
    tallies: HashMap<(&'static str, Network), Tally>,
    /// By code, for networks beyond the bound. There are as many as codes.
    overflow: HashMap<&'static str, u64>,
}

impl RefusalCounter {
    /// Notes one refusal with `code` to `network`.
    pub fn note(&mut self, now: Timestamp, code: &'static str, network: Network) -> Note {
        let key = (code, network);
        if self.tallies.len() >= REFUSAL_NETWORKS_MAX && !self.tallies.contains_key(&key) {
            let count = self.overflow.entry(code).or_default();
            *count = count.saturating_add(1);
            return Note::Counted;
        }
        let tally = self.tallies.entry(key).or_default();
        if now.seconds() > tally.second {
            tally.second = now.seconds();
            tally.recorded = 0;
        }
        if tally.recorded < REFUSALS_RECORDED_PER_S_MAX {
            tally.recorded += 1;
            return Note::Record;
        }
        tally.counted = tally.counted.saturating_add(1);
        Note::Counted
    }

    /// Everything counted since the last flush. To be called once a second.
    #[must_use]
    pub fn flush(&mut self, now: Timestamp) -> Vec<Counted> {
        let mut out = Vec::new();
        for ((code, network), tally) in &mut self.tallies {
            let count = std::mem::take(&mut tally.counted);
            if count > 0 {
                out.push(Counted { code, network: Some(*network), count });
            }
        }
        // What is left of this second's recording must not be granted again.
        self.tallies.retain(|_, tally| tally.second == now.seconds());
        let overflow = self.overflow.drain();
        out.extend(overflow.map(|(code, count)| Counted { code, network: None, count }));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(number: u32) -> Network {
        Network::of(std::net::Ipv4Addr::from_bits(number << 8).into())
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn five_in_a_second_are_recorded_and_the_sixth_is_counted() {
        let mut counter = RefusalCounter::default();
        let notes: Vec<_> = (0..6).map(|i| counter.note(at(1_000 + i), "a", network(1))).collect();
        assert_eq!(notes[..5], [Note::Record; 5]);
        assert_eq!(notes[5], Note::Counted);
        assert_eq!(counter.note(at(1_999), "b", network(1)), Note::Record);
        assert_eq!(counter.note(at(1_999), "a", network(2)), Note::Record);
        let counted = Counted { code: "a", network: Some(network(1)), count: 1 };
        assert_eq!(counter.flush(at(1_999)), [counted]);
        assert_eq!(counter.note(at(1_999), "a", network(1)), Note::Counted);
        assert_eq!(counter.note(at(2_000), "a", network(1)), Note::Record);
        assert_eq!(counter.flush(at(3_000)), [counted]);
        assert!(counter.tallies.is_empty());
    }

    #[test]
    fn past_the_bound_networks_share_a_count() {
        let mut counter = RefusalCounter::default();
        let max = u32::try_from(REFUSAL_NETWORKS_MAX).unwrap();
        for number in 0..max {
            assert_eq!(counter.note(at(0), "a", network(number)), Note::Record);
        }
        assert_eq!(counter.note(at(0), "a", network(max)), Note::Counted);
        assert_eq!(counter.note(at(0), "a", network(max + 1)), Note::Counted);
        assert_eq!(counter.note(at(0), "a", network(0)), Note::Record);
        assert_eq!(counter.flush(at(0)), [Counted { code: "a", network: None, count: 2 }]);
    }

    #[test]
    fn no_refusal_is_lost() {
        let mut counter = RefusalCounter::default();
        let (mut recorded, mut counted) = (0, 0);
        for step in 0..10_000_u32 {
            // The clock also goes back now and then.
            let now = at(u64::from(step * 7 % 5_000));
            let note = counter.note(now, "a", network(step % 3));
            recorded += u64::from(note == Note::Record);
            if step % 97 == 0 {
                counted += counter.flush(now).iter().map(|c| c.count).sum::<u64>();
            }
        }
        counted += counter.flush(at(0)).iter().map(|c| c.count).sum::<u64>();
        assert_eq!(recorded + counted, 10_000);
    }
}
