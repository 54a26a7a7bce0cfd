//! Which server of a pool gets the next request.
//!
//! Least outstanding requests per weight (nginx's `least_conn`): model servers
//! batch, so the number in flight is their load. One door sees the whole pool,
//! so it compares all servers rather than two at random (P2C, Mitzenmacher);
//! ties go by weighted chance, so that doors side by side do not march in step.

use surgewall_core::clock::Timestamp;

use crate::eject::{Breaker, Standing};

/// One server as the choice sees it.
#[derive(Clone, Debug)]
struct Server {
    weight: u32,
    in_flight: u32,
    is_up: bool,
    breaker: Breaker,
}

/// The servers of a pool, by position.
#[derive(Clone, Debug)]
pub struct Pool {
    servers: Vec<Server>,
}

/// How a request to a server ended, as far as it tells about the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It answered; an error of the client's own making counts as well.
    Good,
    /// It could not be reached, timed out, broke off, or answered 5xx.
    Bad,
    /// Nothing was learnt: the client left, or the server said it was busy.
    Unknown,
}

/// What is known of one server, for pages and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerState {
    /// Requests in flight.
    pub in_flight: u32,
    /// What the health check said last.
    pub is_up: bool,
    /// What it may be used for.
    pub standing: Standing,
}

impl Pool {
    /// Servers with these weights; 0 takes no requests.
    #[must_use]
    pub fn new(weights: &[u32]) -> Self {
        let server = |weight: &u32| Server {
            weight: *weight,
            in_flight: 0,
            is_up: true,
            breaker: Breaker::default(),
        };
        Self { servers: weights.iter().map(server).collect() }
    }

    /// Chooses a server for which `is_tried` is false and counts the request
    /// to it; [`Pool::end`] takes it back. `random` is any random number.
    ///
    /// A server that waits for its probe gets the request first. If nothing
    /// else is left, an ejected server is better than none, and one that a
    /// health check found silent is better than that: it may just have come back.
    #[must_use]
    pub fn pick(
        &mut self,
        now: Timestamp,
        random: u64,
        is_tried: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let usable = |position: usize, server: &Server| {
            server.is_up && server.weight > 0 && !is_tried(position)
        };
        let standing = |wanted: Standing| {
            let servers = self.servers.iter().enumerate();
            servers.filter(move |(position, server)| {
                usable(*position, server) && server.breaker.standing(now) == wanted
            })
        };
        let probe = standing(Standing::Probe).next().map(|(position, _)| position);
        let servers = || self.servers.iter().enumerate();
        let untried = |position: usize, server: &Server| server.weight > 0 && !is_tried(position);
        let chosen = probe
            .or_else(|| least(standing(Standing::Available), random))
            .or_else(|| least(servers().filter(|(at, server)| usable(*at, server)), random))
            .or_else(|| least(servers().filter(|(at, server)| untried(*at, server)), random))?;
        let server = self.servers.get_mut(chosen)?;
        server.breaker.begin(now);
        server.in_flight = server.in_flight.saturating_add(1);
        Some(chosen)
    }

    /// The request to `server` ended: to be called once for each pick. True if
    /// the server is ejected now.
    pub fn end(&mut self, server: usize, now: Timestamp, ended: Ended) -> bool {
        let may_eject = self.may_eject();
        let Some(server) = self.servers.get_mut(server) else { return false };
        server.in_flight = server.in_flight.saturating_sub(1);
        match ended {
            Ended::Good => server.breaker.success(now),
            Ended::Unknown => server.breaker.abandon(now),
            Ended::Bad => return server.breaker.failure(now, may_eject),
        }
        false
    }

    /// What a health check found. A server that comes up again is used at once.
    pub fn set_up(&mut self, server: usize, now: Timestamp, is_up: bool) {
        let Some(server) = self.servers.get_mut(server) else { return };
        if is_up && !server.is_up {
            server.breaker.restore(now);
        }
        server.is_up = is_up;
    }

    /// Never more than half of a pool is ejected: if all fail, the fault is
    /// likely elsewhere, and the rest could not carry the load.
    fn may_eject(&self) -> bool {
        let out = self.servers.iter().filter(|server| server.breaker.is_out()).count();
        (out + 1) * 2 <= self.servers.len()
    }

    /// Whether some server would take a request.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.servers.iter().any(|server| server.is_up && server.weight > 0)
    }

    /// All servers, by position.
    #[must_use]
    pub fn states(&self, now: Timestamp) -> Vec<ServerState> {
        let state = |server: &Server| ServerState {
            in_flight: server.in_flight,
            is_up: server.is_up,
            standing: server.breaker.standing(now),
        };
        self.servers.iter().map(state).collect()
    }
}

/// The server with the fewest requests per weight; among equals by weighted chance.
fn least<'a>(servers: impl Iterator<Item = (usize, &'a Server)>, random: u64) -> Option<usize> {
    let mut best: Option<(usize, &Server)> = None;
    let mut weights: u64 = 0;
    for (position, server) in servers {
        let order = best.map_or(std::cmp::Ordering::Less, |(_, best)| {
            // a/b < c/d as a*d < c*b, without division.
            let left = u64::from(server.in_flight) * u64::from(best.weight);
            left.cmp(&(u64::from(best.in_flight) * u64::from(server.weight)))
        });
        match order {
            std::cmp::Ordering::Greater => {}
            std::cmp::Ordering::Less => {
                weights = u64::from(server.weight);
                best = Some((position, server));
            }
            std::cmp::Ordering::Equal => {
                // Reservoir sampling: each equal stays with a chance of its share of the weight.
                weights += u64::from(server.weight);
                let drawn = mix(random.wrapping_add(weights)) % weights;
                if drawn < u64::from(server.weight) {
                    best = Some((position, server));
                }
            }
        }
    }
    best.map(|(position, _)| position)
}

/// SplitMix64's finaliser: independent draws from one random number.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000 + seconds * 1_000)
    }

    #[test]
    fn idle_servers_are_chosen_by_weight() {
        let mut pool = Pool::new(&[1, 3, 0, 6]);
        let mut counts = [0_u32; 4];
        for random in 0..10_000 {
            let server = pool.pick(at(0), random, |_| false).unwrap();
            counts[server] += 1;
            assert!(!pool.end(server, at(0), Ended::Good));
        }
        assert!((850..1_150).contains(&counts[0]), "{counts:?}");
        assert!((2_800..3_200).contains(&counts[1]), "{counts:?}");
        assert_eq!(counts[2], 0);
    }

    #[test]
    fn requests_in_flight_follow_the_weights() {
        let mut pool = Pool::new(&[1, 3]);
        for random in 0..400 {
            let _ = pool.pick(at(0), random, |_| false);
        }
        let in_flight: Vec<_> = pool.states(at(0)).iter().map(|state| state.in_flight).collect();
        assert_eq!(in_flight, [100, 300]);
    }

    #[test]
    fn never_more_than_half_of_a_pool_is_ejected() {
        for (servers, out_max) in [(1, 0), (2, 1), (3, 1), (5, 2)] {
            let mut pool = Pool::new(&vec![1; servers]);
            for random in 0..100 {
                let server = pool.pick(at(0), random, |_| false).unwrap();
                let _ = pool.end(server, at(0), Ended::Bad);
            }
            let out =
                pool.states(at(0)).iter().filter(|s| s.standing != Standing::Available).count();
            assert_eq!(out, out_max, "of {servers}");
        }
    }

    #[test]
    fn an_ejected_server_gets_one_probe_and_then_its_share() {
        let mut pool = Pool::new(&[1, 1]);
        for _ in 0..3 {
            let server = pool.pick(at(0), 0, |position| position == 1).unwrap();
            let _ = pool.end(server, at(0), Ended::Bad);
        }
        let picks: Vec<_> = (0..4).map(|random| pool.pick(at(1), random, |_| false)).collect();
        assert_eq!(picks, [Some(1); 4]);
        assert_eq!(pool.pick(at(5), 0, |_| false), Some(0), "the probe");
        assert_eq!(pool.pick(at(5), 0, |_| false), Some(1), "one probe only");
        let _ = pool.end(0, at(6), Ended::Good);
        assert_eq!(pool.pick(at(6), 0, |_| false), Some(0), "fewest in flight");
    }

    #[test]
    fn tried_and_downed_servers_are_left_out_and_an_ejected_one_is_better_than_none() {
        let mut pool = Pool::new(&[1, 1]);
        assert_eq!(pool.pick(at(0), 7, |position| position == 0), Some(1));
        assert_eq!(pool.pick(at(0), 7, |_| true), None);
        for _ in 0..3 {
            let _ = pool.pick(at(0), 0, |position| position == 1);
            let _ = pool.end(0, at(0), Ended::Bad);
        }
        pool.set_up(1, at(0), false);
        assert_eq!(pool.pick(at(1), 0, |_| false), Some(0));
        pool.set_up(0, at(1), false);
        assert!(!pool.is_available());
        // Both were found silent: one of them may just have come back.
        assert!(pool.pick(at(1), 0, |_| false).is_some());
        assert_eq!(pool.pick(at(1), 0, |position| position == 0), Some(1));
    }
}
