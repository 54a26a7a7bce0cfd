//! What strangers tell the operator: where to write to, a report by a form, a key
//! that they found. Each of it becomes a finding, and each way has its bounds: of
//! one network, of all, and of what may stand unread.

pub mod github;
pub(crate) mod intake;
pub(crate) mod keys;
pub mod security_txt;

use std::sync::Mutex;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;
use surgewall_shield::gate::Velocity;
use surgewall_shield::gcra::{Gcra, Rate};

use crate::sync::lock;
use crate::wait::Waits;

/// An hour, for rates.
const HOUR: Duration = Duration::from_secs(3_600);

/// What a door needs for it.
#[derive(Default)]
pub(crate) struct Disclosures {
    waits: Waits,
    reports: Pace,
    keys: Pace,
}

/// How fast something comes: of one network, and of all together.
#[derive(Default)]
struct Pace {
    networks: Mutex<Velocity>,
    all: Mutex<Gcra>,
}

impl Pace {
    /// Counts one of `network`, at most so many in an hour of one and of all.
    fn admit(
        &self,
        network: Network,
        now: Timestamp,
        (network_per_hour, per_hour): (u32, u32),
    ) -> Result<(), Duration> {
        let rate = |per_hour: u32| Rate::new(per_hour, HOUR, per_hour);
        lock(&self.networks).admit(network.as_u128(), now, rate(network_per_hour))?;
        lock(&self.all).admit(now, rate(per_hour))
    }
}

/// `text` as an operator can read it on any screen: without what moves a cursor or
/// turns the direction of writing; line ends stay.
fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let readable = |c: &char| *c == '\n' || !(c.is_control() || turns(*c));
    text.trim().replace("\r\n", "\n").chars().filter(readable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_stays_text() {
        assert_eq!(plain(" a\r\nb\u{1b}[2J\u{202e}c\t\u{7}é "), "a\nb[2Jcé");
    }

    #[test]
    fn one_network_and_all_have_their_pace() {
        let pace = Pace::default();
        let now = Timestamp::from_millis(1_760_000_000_000);
        let network = |n: u8| Network::of(std::net::IpAddr::from([192, 0, n, 1]));
        let admit = |n| pace.admit(network(n), now, (2, 3)).is_ok();
        assert_eq!([admit(1), admit(1), admit(1)], [true, true, false], "one network");
        assert_eq!([admit(2), admit(2)], [true, false], "all of them");
        let later = now.plus(Duration::from_secs(1_800));
        assert!(pace.admit(network(2), later, (2, 3)).is_ok());
    }
}
