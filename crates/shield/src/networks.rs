//! How many connections and anonymous requests each network may have, and the
//! share of all connections that is kept for networks known to be good.

use std::collections::HashMap;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Network;

/// How long a network stays known after a credential from it was accepted.
pub const KNOWN_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Known networks in each of two generations; at the bound the older one is forgotten.
pub const KNOWN_NETWORKS_MAX: usize = 65_536;
/// The part of all connections that strangers cannot take: one in so many.
const KEPT_ONE_IN: u32 = 4;

/// The bounds, from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkLimits {
    /// Connections of one network on which no credential was accepted yet.
    pub connections_max: u32,
    /// Anonymous requests of one network in flight.
    pub requests_max: u32,
    /// Connections of all networks.
    pub total_max: u32,
}

/// Why a connection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptRefused {
    /// Its network has as many connections without a credential as it may.
    Network,
    /// What is left is kept for known networks.
    Kept,
    /// There is no room for anybody.
    Full,
}

/// One connection's place in the table, to be given back by [`NetworkTable::closed`].
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    network: Network,
    /// No credential was accepted on it yet.
    is_unproven: bool,
    /// Its network was not known when it came.
    is_stranger: bool,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    unproven: u32,
    anonymous: u32,
}

/// All networks that have something open, and those that are known.
pub struct NetworkTable {
    limits: NetworkLimits,
    tallies: HashMap<Network, Tally>,
    open: u32,
    strangers: u32,
    known: Known,
}

impl NetworkTable {
    /// An empty table.
    #[must_use]
    pub fn new(limits: NetworkLimits) -> Self {
        let known = Known::default();
        Self { limits, tallies: HashMap::new(), open: 0, strangers: 0, known }
    }

    /// Takes new bounds; what is open stays.
    pub fn set_limits(&mut self, limits: NetworkLimits) {
        self.limits = limits;
    }

    /// Connections open.
    #[must_use]
    pub fn open(&self) -> u32 {
        self.open
    }

    /// Takes a connection from `network`.
    ///
    /// # Errors
    /// Which bound is reached.
    pub fn accept(&mut self, network: Network, now: Timestamp) -> Result<Place, AcceptRefused> {
        let limits = self.limits;
        let is_stranger = !self.known.holds(network, now);
        if self.open >= limits.total_max {
            return Err(AcceptRefused::Full);
        }
        if is_stranger && self.strangers >= limits.total_max - limits.total_max / KEPT_ONE_IN {
            return Err(AcceptRefused::Kept);
        }
        if self.tally(network).unproven >= limits.connections_max {
            return Err(AcceptRefused::Network);
        }
        self.tallies.entry(network).or_default().unproven += 1;
        self.open += 1;
        self.strangers += u32::from(is_stranger);
        Ok(Place { network, is_unproven: true, is_stranger })
    }

    /// A credential was accepted on the connection: it no longer counts as
    /// unproven, and its network is known.
    pub fn authenticated(&mut self, place: &mut Place, now: Timestamp) {
        self.prove(place);
        self.known.note(place.network, now);
    }

    /// The connection ended.
    pub fn closed(&mut self, mut place: Place) {
        self.prove(&mut place);
        self.open = self.open.saturating_sub(1);
    }

    fn prove(&mut self, place: &mut Place) {
        if std::mem::take(&mut place.is_unproven) {
            self.change(place.network, |tally| tally.unproven = tally.unproven.saturating_sub(1));
        }
        if std::mem::take(&mut place.is_stranger) {
            self.strangers = self.strangers.saturating_sub(1);
        }
    }

    /// An anonymous request of `network` begins; to be ended by
    /// [`NetworkTable::leave_anonymous`].
    ///
    /// # Errors
    /// The bound, where it is reached.
    pub fn enter_anonymous(&mut self, network: Network) -> Result<(), u32> {
        if self.tally(network).anonymous >= self.limits.requests_max {
            return Err(self.limits.requests_max);
        }
        self.tallies.entry(network).or_default().anonymous += 1;
        Ok(())
    }

    /// An anonymous request of `network` ended.
    pub fn leave_anonymous(&mut self, network: Network) {
        self.change(network, |tally| tally.anonymous = tally.anonymous.saturating_sub(1));
    }

    fn tally(&self, network: Network) -> Tally {
        self.tallies.get(&network).copied().unwrap_or_default()
    }

    /// Changes a network's tally and forgets it when nothing is left: the map
    /// holds no more networks than there are connections and requests.
    fn change(&mut self, network: Network, change: impl FnOnce(&mut Tally)) {
        let Some(tally) = self.tallies.get_mut(&network) else { return };
        change(tally);
        if tally.unproven == 0 && tally.anonymous == 0 {
            self.tallies.remove(&network);
        }
    }
}

/// Networks from which a credential was accepted, in two generations: the
/// older is forgotten when the newer is full or a day old.
#[derive(Default)]
struct Known {
    newer: HashMap<Network, Timestamp>,
    older: HashMap<Network, Timestamp>,
    turned_at: Timestamp,
}

impl Known {
    fn holds(&self, network: Network, now: Timestamp) -> bool {
        let at = self.newer.get(&network).or_else(|| self.older.get(&network));
        at.is_some_and(|at| now.since(*at) < KNOWN_FOR)
    }

    fn note(&mut self, network: Network, now: Timestamp) {
        let is_full = self.newer.len() >= KNOWN_NETWORKS_MAX && !self.newer.contains_key(&network);
        if is_full || now.since(self.turned_at) >= KNOWN_FOR {
            self.older = std::mem::take(&mut self.newer);
            self.turned_at = now;
        }
        self.newer.insert(network, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn network(number: u32) -> Network {
        Network::of(std::net::Ipv4Addr::from_bits(number << 8).into())
    }

    fn table(total_max: u32) -> NetworkTable {
        NetworkTable::new(NetworkLimits { connections_max: 3, requests_max: 2, total_max })
    }

    #[test]
    fn a_network_has_its_connections_until_one_is_proven_or_closed() {
        let mut table = table(100);
        let mut places: Vec<_> = (0..3).map(|_| table.accept(network(1), NOW).unwrap()).collect();
        assert_eq!(table.accept(network(1), NOW), Err(AcceptRefused::Network));
        assert!(table.accept(network(2), NOW).is_ok());
        table.authenticated(&mut places[0], NOW);
        table.authenticated(&mut places[0], NOW);
        let fourth = table.accept(network(1), NOW).unwrap();
        assert_eq!(table.accept(network(1), NOW), Err(AcceptRefused::Network));
        table.closed(fourth);
        assert!(table.accept(network(1), NOW).is_ok());
    }

    #[test]
    fn a_quarter_is_kept_for_networks_that_authenticated_within_a_day() {
        let mut table = table(8);
        let mut first = table.accept(network(0), NOW).unwrap();
        table.authenticated(&mut first, NOW);
        let strangers: Vec<_> =
            (1..7).map(|number| table.accept(network(number), NOW).unwrap()).collect();
        assert_eq!(table.accept(network(7), NOW), Err(AcceptRefused::Kept));
        let day = NOW.plus(KNOWN_FOR);
        assert_eq!(table.accept(network(0), day), Err(AcceptRefused::Kept));
        let second = table.accept(network(0), NOW).unwrap();
        assert_eq!(table.accept(network(0), NOW), Err(AcceptRefused::Full));
        for place in strangers.into_iter().chain([first, second]) {
            table.closed(place);
        }
        assert_eq!((table.open, table.strangers, table.tallies.len()), (0, 0, 0));
    }

    #[test]
    fn anonymous_requests_are_bounded_per_network() {
        let mut table = table(8);
        assert_eq!(table.enter_anonymous(network(1)), Ok(()));
        assert_eq!(table.enter_anonymous(network(1)), Ok(()));
        assert_eq!(table.enter_anonymous(network(1)), Err(2));
        assert_eq!(table.enter_anonymous(network(2)), Ok(()));
        table.leave_anonymous(network(1));
        assert_eq!(table.enter_anonymous(network(1)), Ok(()));
        table.set_limits(NetworkLimits { requests_max: 0, ..table.limits });
        assert_eq!(table.enter_anonymous(network(3)), Err(0));
        for _ in 0..9 {
            table.leave_anonymous(network(1));
            table.leave_anonymous(network(2));
        }
        assert!(table.tallies.is_empty());
    }

    #[test]
    fn known_networks_are_bounded_and_the_newest_are_kept() {
        let mut known = Known { turned_at: NOW, ..Known::default() };
        let max = u32::try_from(KNOWN_NETWORKS_MAX).unwrap();
        for number in 0..=2 * max {
            known.note(network(number), NOW);
        }
        assert!(known.newer.len() + known.older.len() <= 2 * KNOWN_NETWORKS_MAX);
        assert!(known.holds(network(2 * max), NOW) && known.holds(network(max), NOW));
        assert!(!known.holds(network(0), NOW));
    }
}
