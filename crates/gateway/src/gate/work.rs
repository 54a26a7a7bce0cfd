//! The step `work`: the browser finds a nonce, or waits instead.
//!
//! Bids are those of the anonymous queue (see [`crate::admission::effort`]) under a
//! key of the gate's own: bound to the network, good for a minute or two, and
//! once. What is asked stands still within a minute, so that nobody works for a
//! price that has risen meanwhile.
//!
//! A browser without a script is given a ticket that is good after a wait. Waiting
//! costs nothing, so only a part of the sign-ups can come that way.

use std::sync::Mutex;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::gate::Gate as Section;
use surgewall_core::principal::Network;
use surgewall_shield::gcra::Rate;

use crate::admission::effort::{EFFORT_UNIT, Efforts, PARTS_MAX};
use crate::sync::lock;
use crate::wait::{Terms, Waits};

/// The most parts of work that a sign-up costs: about as many seconds.
pub(super) const UNITS_MAX: u32 = PARTS_MAX as u32 - 1;
/// A ticket is good for this long after its wait.
const TICKET_GOOD_S: u32 = 900;
/// What a ticket begins with.
const TICKET: &str = "wait:";
/// One in so many sign-ups a minute may be one that waited.
const WAITED_PART: u32 = 4;

/// Work that is asked for, or a wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkAsked {
    /// What the work is bound to.
    pub challenge: String,
    /// Hashes to do: see [`crate::admission::effort::bid`].
    pub effort: u32,
    /// The ticket that is good after a wait, for a browser that does not work.
    pub ticket: String,
    /// The wait in seconds.
    pub wait_s: u32,
}

impl WorkAsked {
    /// What the person reads.
    #[must_use]
    pub fn public_words(&self) -> String {
        format!(
            "Many people want an account right now. Your browser works for a few seconds first; without a script, please wait {} seconds and then continue.",
            self.wait_s
        )
    }
}

/// What is asked for, and what was used.
pub(super) struct Works {
    efforts: Efforts,
    waits: Waits,
    asked: Mutex<Asked>,
}

/// The parts that are asked for, by the minute.
#[derive(Debug)]
struct Asked {
    minute: u64,
    now: u32,
    before: u32,
}

impl Default for Works {
    fn default() -> Self {
        Self {
            efforts: Efforts::default(),
            waits: Waits::default(),
            asked: Mutex::new(Asked { minute: 0, now: 1, before: 1 }),
        }
    }
}

impl Works {
    /// Once a second: how many parts a sign-up is to cost. It counts from the next
    /// minute on.
    pub(super) fn tick(&self, now: Timestamp, units: u32) {
        let mut asked = lock(&self.asked);
        let minute = now.seconds() / 60;
        if minute != asked.minute {
            let units = units.clamp(1, UNITS_MAX);
            *asked = Asked { minute, now: units, before: asked.now };
        }
    }

    /// What is asked of a browser of `network`.
    pub(super) fn ask(&self, now: Timestamp, network: Network, section: &Section) -> WorkAsked {
        let units = lock(&self.asked).now;
        WorkAsked {
            challenge: self.efforts.challenge(now, network),
            effort: units * EFFORT_UNIT,
            ticket: format!("{TICKET}{}", self.waits.ticket(now, network)),
            wait_s: section.wait_s,
        }
    }

    /// Whether `work` is a bid that is worth enough, or a ticket whose wait is over.
    pub(super) fn done(
        &self,
        now: Timestamp,
        network: Network,
        work: &str,
        section: &Section,
    ) -> bool {
        if let Some(ticket) = work.strip_prefix(TICKET) {
            return self.waits.take(now, network, ticket, &terms(section));
        }
        let least = {
            let asked = lock(&self.asked);
            asked.now.min(asked.before)
        };
        u32::from(self.efforts.parts(now, network, work)) > least
    }

    /// Whether `work` is a ticket whose wait goes on, or is over and was not used.
    pub(super) fn waits(
        &self,
        now: Timestamp,
        network: Network,
        work: &str,
        section: &Section,
    ) -> bool {
        let ticket = work.strip_prefix(TICKET);
        ticket.is_some_and(|ticket| self.waits.is_open(now, network, ticket, &terms(section)))
    }
}

/// What a ticket of the gate is held to.
fn terms(section: &Section) -> Terms {
    let per_min = (section.sign_ups_per_min / WAITED_PART).max(1);
    let rate = Rate::new(per_min, Duration::from_secs(60), per_min);
    Terms { wait_s: section.wait_s, good_s: TICKET_GOOD_S, rate }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::effort::bid;

    const NOW: Timestamp = Timestamp::from_millis(1_760_000_040_000);

    fn network(n: u8) -> Network {
        Network::of(std::net::IpAddr::from([192, 0, n, 1]))
    }

    fn later(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_bid_is_worth_what_was_asked_when_it_was_begun() {
        let (works, section) = (Works::default(), Section::default());
        works.tick(NOW, 1);
        let asked = works.ask(NOW, network(1), &section);
        assert_eq!(asked.effort, EFFORT_UNIT);
        let cheap = bid(&asked.challenge, asked.effort);
        assert!(!works.done(NOW, network(2), &cheap, &section), "another network's");
        works.tick(later(60), 3);
        assert_eq!(works.ask(later(60), network(1), &section).effort, 3 * EFFORT_UNIT);
        assert!(works.done(later(60), network(1), &cheap, &section), "begun a minute ago");
        assert!(!works.done(later(60), network(1), &cheap, &section), "once only");
        works.tick(later(120), 3);
        let challenge = works.ask(later(120), network(1), &section).challenge;
        assert!(!works.done(later(120), network(1), &bid(&challenge, EFFORT_UNIT), &section));
        assert!(works.done(later(120), network(1), &bid(&challenge, 3 * EFFORT_UNIT), &section));
        works.tick(later(180), 99);
        let most = works.ask(later(180), network(1), &section).effort;
        assert_eq!(most, UNITS_MAX * EFFORT_UNIT);
    }

    #[test]
    fn a_ticket_is_good_after_its_wait_once() {
        let (works, section) = (Works::default(), Section::default());
        let ticket = works.ask(NOW, network(1), &section).ticket;
        let good = |seconds, ticket: &str| works.done(later(seconds), network(1), ticket, &section);
        assert!(!good(59, &ticket));
        assert!(!good(60, ticket.trim_start_matches(TICKET)), "no bid");
        assert_eq!([good(60, &ticket), good(60, &ticket)], [true, false]);
        let late = works.ask(later(1), network(1), &section).ticket;
        assert!(!good(61 + u64::from(TICKET_GOOD_S), &late));
    }

    #[test]
    fn a_ticket_is_waited_with_until_it_is_used_or_too_old() {
        let (works, section) = (Works::default(), Section::default());
        let ticket = works.ask(NOW, network(1), &section).ticket;
        let waits = |seconds, n| works.waits(later(seconds), network(n), &ticket, &section);
        assert_eq!([waits(0, 1), waits(60 + 899, 1), waits(60 + 900, 1)], [true, true, false]);
        assert!(!waits(0, 2), "another network's");
        assert!(!works.waits(NOW, network(1), "a:65536:1", &section), "a bid is no ticket");
        assert!(works.done(later(60), network(1), &ticket, &section));
        assert!(!waits(61, 1), "used");
    }

    #[test]
    fn only_a_part_of_the_sign_ups_comes_by_waiting() {
        let section = Section { sign_ups_per_min: 8, ..Section::default() };
        let works = Works::default();
        let tickets: Vec<_> = (0..4).map(|n| works.ask(NOW, network(n), &section).ticket).collect();
        let came = |seconds: u64| {
            let at = later(seconds);
            let come = |(n, ticket): (usize, &String)| {
                works.done(at, network(u8::try_from(n).unwrap()), ticket, &section)
            };
            tickets.iter().enumerate().map(come).collect::<Vec<_>>()
        };
        assert_eq!(came(60), [true, true, false, false]);
        assert_eq!(came(89), [false, false, false, false], "half a minute is not over");
        assert_eq!(came(90), [false, false, true, false]);
        assert_eq!(came(120), [false, false, false, true]);
    }
}
