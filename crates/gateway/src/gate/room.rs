//! The room for sign-ups under way: so many in all, so many of one network. What
//! a flood of them can take is bounded here, so that it leaves the rest of the
//! door, and signing in above all, to those who have an account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use surgewall_core::config::gate::Gate as Section;
use surgewall_core::principal::Network;

use crate::sync::lock;

/// Who is in the room.
#[derive(Debug, Default)]
pub(super) struct Room {
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    all: u32,
    networks: HashMap<Network, u32>,
}

/// A seat in the room; given back on drop.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    network: Network,
}

impl Room {
    /// A seat for a sign-up from `network`, if there is one.
    pub(super) fn enter(self: &Arc<Self>, network: Network, section: &Section) -> Option<Seat> {
        let mut inside = lock(&self.inside);
        let of_network = inside.networks.get(&network).copied().unwrap_or(0);
        if inside.all >= section.in_flight || of_network >= section.network_in_flight {
            return None;
        }
        inside.all += 1;
        inside.networks.insert(network, of_network + 1);
        drop(inside);
        Some(Seat { room: self.clone(), network })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = lock(&self.room.inside);
        inside.all = inside.all.saturating_sub(1);
        match inside.networks.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                inside.networks.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_and_a_networks_part_of_it_have_an_end() {
        let section = Section { in_flight: 3, network_in_flight: 2, ..Section::default() };
        let room = Arc::new(Room::default());
        let network = |n: u8| Network::of(std::net::IpAddr::from([192, 0, n, 1]));
        let enter = |n| room.enter(network(n), &section);
        let (first, second) = (enter(1), enter(1));
        assert!(first.is_some() && second.is_some());
        assert!(enter(1).is_none(), "the network has its part");
        let third = enter(2);
        assert!(third.is_some());
        assert!(enter(3).is_none(), "the room is full");
        drop(first);
        assert!(enter(1).is_some(), "and was left at once");
        drop((second, third));
        assert!(lock(&room.inside).networks.is_empty() && lock(&room.inside).all == 0);
    }
}
