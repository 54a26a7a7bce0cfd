//! Whatever happens to a pool, it stays usable and its counts come back to zero.

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use surgewall_core::clock::Timestamp;
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
}
