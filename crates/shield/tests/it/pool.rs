//! Whatever happens to a pool, it stays usable and its counts come back to zero.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use surgewall_core::clock::Timestamp;
use surgewall_shield::affinity::Near;
use surgewall_shield::eject::Standing;
use surgewall_shield::pick::{Ended, Pool};

proptest! {
    #[test]
    fn a_pool_whose_servers_are_up_always_has_one(
        weights in proptest::collection::vec(1..5_u32, 1..8),
        steps in proptest::collection::vec((0..3_000_u64, any::<u64>(), 0..3_u8), 1..300),
    ) {
        let mut pool = Pool::new(&weights);
        let (mut now, mut open) = (1_790_000_000_000, Vec::new());
        for (passed, random, what) in steps {
            now += passed;
            let at = Timestamp::from_millis(now);
            let picked = pool.pick(at, random, |_| false);
            prop_assert!(picked.is_some_and(|server| server < weights.len()));
            open.extend(picked);
            if random % 3 > 0 {
                let ended = [Ended::Good, Ended::Bad, Ended::Unknown][usize::from(what)];
                let _ = pool.end(open.swap_remove(usize::from(what) % open.len()), at, ended);
            }
            let states = pool.states(at);
            let out = states.iter().filter(|state| state.standing != Standing::Available).count();
            prop_assert!(out * 2 <= weights.len(), "{out} of {}", weights.len());
        }
        for server in open {
            let _ = pool.end(server, Timestamp::from_millis(now), Ended::Good);
        }
        for state in pool.states(Timestamp::from_millis(now)) {
            prop_assert_eq!(state.in_flight, 0);
        }
    }

    #[test]
    fn whatever_a_server_knows_its_load_stays_within_the_bound(
        weights in proptest::collection::vec(1..5_u32, 1..8),
        steps in proptest::collection::vec((any::<u64>(), 0..4_u8), 1..300),
    ) {
        let mut pool = Pool::new(&weights);
        let (now, mut open) = (Timestamp::from_millis(1_790_000_000_000), Vec::new());
        let all: u64 = weights.iter().copied().map(u64::from).sum();
        for (random, what) in steps {
            let near: Vec<_> = (0_u32..).zip(&weights).map(|(server, _)| {
                let known = usize::from(u8::try_from((random >> server) & 0x3).unwrap());
                let unread = (random.rotate_left(server) & 0xffff) * u64::from(known == 0);
                Near { known, unread, draw: f64::from(server) }
            }).collect();
            let picked = pool.pick_near(now, random, |_| false, &near).unwrap();
            let states = pool.states(now);
            let in_flight: u64 = states.iter().map(|state| u64::from(state.in_flight)).sum();
            let bound = (5 * in_flight * u64::from(weights[picked.server])).div_ceil(4 * all);
            prop_assert!(u64::from(states[picked.server].in_flight) <= bound, "{:?}", states);
            open.push((picked.server, near[picked.server].unread));
            if what > 0 {
                let at = usize::from(what) % open.len();
                let (server, unread) = open.swap_remove(at);
                pool.read(server, unread);
                let _ = pool.end(server, now, Ended::Good);
            }
        }
        for (server, unread) in open {
            pool.read(server, unread);
            let _ = pool.end(server, now, Ended::Good);
        }
        // Nothing is left that would speak against anyone: the draw alone decides.
        let near: Vec<_> = (0_u32..).zip(&weights).map(|(server, weight)| {
            Near { known: 0, unread: 0, draw: f64::from(server * weight) }
        }).collect();
        prop_assert_eq!(pool.pick_near(now, 0, |_| false, &near).map(|picked| picked.server), Some(0));
    }
}
