//! Which server of a pool gets the next request.
//!
//! Least outstanding requests per weight (nginx's `least_conn`): model servers
//! batch, so the number in flight is their load. One door sees the whole pool,
//! so it compares all servers rather than two at random (P2C, Mitzenmacher);
//! ties go by weighted chance, so that doors side by side do not march in step.
//!
//! A request whose beginning some server may have in its cache goes where its
//! first token probably comes first: where least is to be read for it. But no
//! server gets more than a quarter above its share of the load for that: then it
//! goes to the next. These are consistent hashing's bounded loads (Mirrokni,
//! Thorup and Zadimoghaddam, SODA'18), with c = 1.25.

mod order;

use surgewall_core::clock::Timestamp;

use crate::affinity::Near;
use crate::eject::{Breaker, Standing};
pub(crate) use order::mix;
use order::{least, nearest};

/// One server as the choice sees it.
#[derive(Clone, Debug)]
struct Server {
    weight: u32,
    in_flight: u32,
    /// Tokens of prompts that it was given and has not begun to answer.
    reading: u64,
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

/// The server that was chosen for a request with a beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// The server.
    pub server: usize,
    /// Whether another was nearer and had too much load.
    pub passed_over: bool,
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
            reading: 0,
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
        self.pick_near(now, random, is_tried, &[]).map(|picked| picked.server)
    }

    /// As [`Pool::pick`], for a request that `near` (one for each server, by
    /// position) speaks for: of the servers that are available, it goes to the
    /// one that has least to read until its first token: what it was given and has
    /// not read, and what it does not know of this one.
    #[must_use]
    pub fn pick_near(
        &mut self,
        now: Timestamp,
        random: u64,
        is_tried: impl Fn(usize) -> bool,
        near: &[Near],
    ) -> Option<Picked> {
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
        let by_load = |server| Picked { server, passed_over: false };
        let chosen = probe
            .map(by_load)
            .or_else(|| nearest(standing(Standing::Available), near))
            .or_else(|| least(standing(Standing::Available), random).map(by_load))
            .or_else(|| {
                let rest = servers().filter(|(at, server)| usable(*at, server));
                least(rest, random).map(by_load)
            })
            .or_else(|| {
                let rest = servers().filter(|(at, server)| untried(*at, server));
                least(rest, random).map(by_load)
            })?;
        let server = self.servers.get_mut(chosen.server)?;
        server.breaker.begin(now);
        server.in_flight = server.in_flight.saturating_add(1);
        let unread = near.get(chosen.server).map_or(0, |near| near.unread);
        server.reading = server.reading.saturating_add(unread);
        Some(chosen)
    }

    /// `server` has read `tokens` that it was given and did not know, or never will.
    pub fn read(&mut self, server: usize, tokens: u64) {
        if let Some(server) = self.servers.get_mut(server) {
            server.reading = server.reading.saturating_sub(tokens);
        }
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

    fn near(known: &[usize]) -> Vec<Near> {
        // Without knowledge, the first one's turn comes first.
        let draws = (1_u32..).map(f64::from);
        let near = |(known, draw): (&usize, f64)| Near {
            known: *known,
            unread: 9 - u64::try_from(*known).unwrap(),
            draw,
        };
        known.iter().zip(draws).map(near).collect()
    }

    fn in_flight(pool: &Pool) -> Vec<u32> {
        pool.states(at(0)).iter().map(|state| state.in_flight).collect()
    }

    #[test]
    fn a_known_beginning_goes_where_most_of_it_is_known_as_long_as_the_load_allows() {
        let check = |known: &[usize], weights: &[u32], requests, loads: &[u32]| {
            let mut pool = Pool::new(weights);
            for _ in 0..requests {
                let picked = pool.pick_near(at(0), 0, |_| false, &near(known)).unwrap();
                pool.read(picked.server, near(known)[picked.server].unread);
                let state = &pool.servers[picked.server];
                let (total, all): (u32, u32) =
                    (in_flight(&pool).iter().sum(), weights.iter().sum());
                let share = f64::from(total) * f64::from(state.weight) / f64::from(all);
                assert!(f64::from(state.in_flight) < 1.25 * share + 1.0, "{:?}", in_flight(&pool));
            }
            assert_eq!(in_flight(&pool), loads, "{known:?} {weights:?}");
        };
        check(&[0, 9], &[1, 1], 2, &[0, 2]);
        check(&[0, 9], &[1, 1], 80, &[30, 50]);
        check(&[0, 3, 9], &[1, 1, 1], 120, &[20, 50, 50]);
        check(&[9, 0], &[1, 3], 80, &[25, 55]);
        // A beginning that all know is no reason to burden one; nor is weight 0 a server.
        check(&[4, 4], &[1, 1], 80, &[40, 40]);
        check(&[9, 0, 0], &[0, 1, 1], 80, &[0, 50, 30]);
        // Unknown: by the draw, and within the bound.
        check(&[0, 0, 0], &[1, 1, 1], 120, &[50, 50, 20]);
    }

    #[test]
    fn what_a_server_has_still_to_read_counts_as_much_as_what_it_knows() {
        let mut pool = Pool::new(&[1, 1]);
        let mut pick = |known: [usize; 2]| {
            let near = near(&known);
            let server = pool.pick_near(at(0), 0, |_| false, &near).unwrap().server;
            let _ = pool.end(server, at(0), Ended::Good);
            (server, near[server].unread)
        };
        assert_eq!(pick([9, 0]), (0, 0));
        assert_eq!(pick([5, 0]), (0, 4), "4 against 9 to read");
        assert_eq!(pick([4, 0]), (0, 5), "9 against 9: the one that knows more");
        assert_eq!(pick([4, 0]), (1, 9), "14 against 9");
        pool.read(0, 9);
        pool.read(1, u64::MAX);
        assert_eq!((pool.servers[0].reading, pool.servers[1].reading), (0, 0));
    }

    #[test]
    fn it_is_said_when_the_nearest_had_too_much_load() {
        let mut pool = Pool::new(&[1, 1]);
        let mut pick = || pool.pick_near(at(0), 0, |_| false, &near(&[9, 0])).unwrap();
        let picked = |server, passed_over| Picked { server, passed_over };
        assert_eq!(pick(), picked(0, false));
        assert_eq!(pick(), picked(0, false));
        assert_eq!(pick(), picked(1, true));
        // Nothing speaks for any: the least load.
        assert_eq!(pool.pick_near(at(0), 0, |_| false, &[]), Some(picked(1, false)));
    }

    #[test]
    fn nobody_goes_to_an_ejected_or_tried_server_for_its_cache() {
        let mut pool = Pool::new(&[1, 1]);
        let known = near(&[9, 0]);
        let tried = pool.pick_near(at(0), 0, |position| position == 0, &known);
        assert_eq!(tried, Some(Picked { server: 1, passed_over: false }));
        for _ in 0..3 {
            let server = pool.pick(at(0), 0, |position| position == 1).unwrap();
            let _ = pool.end(server, at(0), Ended::Bad);
        }
        for _ in 0..20 {
            assert_eq!(pool.pick_near(at(1), 0, |_| false, &known).unwrap().server, 1);
        }
        // It is back, and so is who was there.
        let probe = pool.pick_near(at(5), 0, |_| false, &known).unwrap().server;
        let _ = pool.end(probe, at(6), Ended::Good);
        assert_eq!(pool.pick_near(at(6), 0, |_| false, &known).unwrap().server, 0);
        pool.set_up(0, at(6), false);
        assert_eq!(pool.pick_near(at(6), 0, |_| false, &known).unwrap().server, 1);
    }
}
