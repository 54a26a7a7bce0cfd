//! The order in which hashes run, their bounds, and that each attempt costs one.

use std::net::Ipv4Addr;
use std::sync::Mutex;

use tokio::sync::oneshot;

use super::*;

fn network(number: u32) -> Network {
    Network::of(Ipv4Addr::from_bits(number << 8).into())
}

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

fn limits(at_once: usize) -> HasherLimits {
    HasherLimits {
        at_once,
        waiting_max: 8,
        waiting_per_network_max: 4,
        wait_max: Duration::from_secs(60),
    }
}

fn hasher() -> Hasher {
    Hasher::new(Cost::LEAST, limits(1))
}

#[tokio::test]
async fn every_sign_in_attempt_is_exactly_one_call() {
    let hasher = hasher();
    let stored = hasher.hash(Purpose::SignUp, network(1), secret("right")).await.unwrap();
    let right = Verdict::Right { outdated: false };
    let cases = [
        ("right", Some(stored.clone()), right),
        ("wrong", Some(stored), Verdict::Wrong),
        ("right", None, Verdict::Wrong),
        ("", None, Verdict::Wrong),
        ("right", Some("no hash at all".to_owned()), Verdict::Wrong),
        ("right", Some("$argon2id$v=19$m=999999999,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc".to_owned()), Verdict::Wrong),
    ];
    for (password, stored, expected) in cases {
        let before = hasher.counts().calls;
        let verdict = hasher.verify(network(1), secret(password), stored.clone()).await;
        assert_eq!(verdict, Ok(expected), "{password} {stored:?}");
        assert_eq!(hasher.counts().calls, before + 1, "{password} {stored:?}");
    }
}

fn new(password: &str) -> NewPassword {
    let context = vec!["ann@example.org".to_owned()];
    NewPassword { password: secret(password), factors: Factors::Alone, context }
}

#[tokio::test]
async fn a_new_password_is_judged_before_it_is_hashed_and_in_the_same_turn() {
    let hasher = hasher();
    for (password, fault) in [
        ("too short", PasswordFault::TooShort { chars_min: 15 }),
        ("passwordpassword1", PasswordFault::Common),
        ("ann@example.org ann", PasswordFault::Context),
    ] {
        let taken = hasher.take(Purpose::SignUp, network(1), new(password)).await;
        assert_eq!(taken, Err(NotTaken::Fault(fault)), "{password}");
    }
    assert_eq!(hasher.counts().calls, 0, "nothing was hashed");
    let good = "stones under seven rivers";
    let stored = hasher.take(Purpose::SignUp, network(1), new(good)).await.unwrap();
    let verdict = hasher.verify(network(1), secret(good), Some(stored)).await;
    assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
    // Where no more can wait nobody is judged either: that is what bounds a flood.
    let full = Hasher::new(Cost::LEAST, HasherLimits { waiting_max: 1, ..limits(1) });
    let running = full.enter(Purpose::SignUp, network(2)).await.unwrap();
    let waiting = full.0.turns.enter(Purpose::SignUp, network(3)).unwrap();
    let refused = full.take(Purpose::SignUp, network(3), new("too short")).await;
    assert_eq!(refused, Err(NotTaken::Busy(Busy::Full)));
    drop((running, waiting));
}

#[tokio::test]
async fn a_hash_of_a_former_cost_is_told() {
    let former = hasher().hash(Purpose::Reset, network(1), secret("right")).await.unwrap();
    let cost = Cost { passes: 2, ..Cost::LEAST };
    let now = Hasher::new(cost, limits(1));
    let verdict = now.verify(network(1), secret("right"), Some(former)).await;
    assert_eq!(verdict, Ok(Verdict::Right { outdated: true }));
    let anew = now.hash(Purpose::SignIn, network(1), secret("right")).await.unwrap();
    let verdict = now.verify(network(1), secret("right"), Some(anew)).await;
    assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
}

/// Who waits with what, in the order in which they are given the only place.
async fn order_of(line: &[(Purpose, u32)]) -> Vec<(Purpose, u32)> {
    let turns = Turns::new(limits(1));
    let first = turns.enter(Purpose::SignUp, network(99)).unwrap().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiters = Vec::new();
    for (purpose, number) in line.iter().copied() {
        let turn = turns.enter(purpose, network(number)).unwrap();
        let order = Arc::clone(&order);
        waiters.push(async move {
            let permit = turn.await.unwrap();
            order.lock().unwrap().push((purpose, number));
            drop(permit);
        });
    }
    assert_eq!(turns.counts().0, 1);
    drop(first);
    let mut tasks = tokio::task::JoinSet::new();
    waiters.into_iter().for_each(|waiter| {
        tasks.spawn(waiter);
    });
    tasks.join_all().await;
    assert_eq!(turns.counts(), (0, [0; PURPOSES]));
    Arc::into_inner(order).unwrap().into_inner().unwrap()
}

#[tokio::test]
async fn sign_in_goes_before_reset_before_sign_up_and_networks_take_turns() {
    use Purpose::{Reset, SignIn, SignUp};
    let line = [
        (SignUp, 1),
        (SignUp, 1),
        (SignUp, 2),
        (Reset, 1),
        (SignIn, 7),
        (SignIn, 7),
        (SignIn, 7),
        (SignIn, 8),
    ];
    let expected = [
        (SignIn, 7),
        (SignIn, 8),
        (SignIn, 7),
        (SignIn, 7),
        (Reset, 1),
        (SignUp, 1),
        (SignUp, 2),
        (SignUp, 1),
    ];
    assert_eq!(order_of(&line).await, expected);
}

#[tokio::test]
async fn the_queue_is_bounded_in_all_and_for_each_network() {
    let turns = Turns::new(limits(1));
    let running = turns.enter(Purpose::SignUp, network(9)).unwrap().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(turns.enter(Purpose::SignUp, network(1)).unwrap());
    }
    assert_eq!(turns.enter(Purpose::SignUp, network(1)).err(), Some(Busy::Full));
    for number in 2..6 {
        waiting.push(turns.enter(Purpose::SignUp, network(number)).unwrap());
    }
    // The queue is full: the newest of the longest line gives way to who has none.
    for number in 6..9 {
        waiting.push(turns.enter(Purpose::SignUp, network(number)).unwrap());
    }
    let gave_way = |turn: &mut oneshot::Receiver<Permit>| turn.try_recv().is_err();
    assert!(waiting[1..4].iter_mut().all(gave_way), "three of the first network's four");
    // One waits of each: there is no longer line than one's own would be.
    for number in [2, 9] {
        let entered = turns.enter(Purpose::SignUp, network(number));
        assert_eq!(entered.err(), Some(Busy::Full), "{number}");
    }
    // A full queue of sign-ups takes no place from a sign-in.
    waiting.push(turns.enter(Purpose::SignIn, network(1)).unwrap());
    assert_eq!(turns.counts(), (1, [1, 0, 8]));
    // Who leaves makes room at once.
    waiting.remove(0);
    assert!(turns.enter(Purpose::SignUp, network(1)).is_ok());
    drop(waiting);
    drop(running);
    assert_eq!(turns.counts(), (0, [0; PURPOSES]));
}

#[tokio::test]
async fn a_permit_that_comes_too_late_is_given_on() {
    let turns = Turns::new(limits(1));
    let running = turns.enter(Purpose::SignIn, network(1)).unwrap().await.unwrap();
    let left = turns.enter(Purpose::SignIn, network(1)).unwrap();
    let stays = turns.enter(Purpose::SignIn, network(1)).unwrap();
    // `left` is given the place, and leaves without having looked.
    drop(running);
    drop(left);
    let permit = stays.await.unwrap();
    assert_eq!(turns.counts().0, 1);
    drop(permit);
    assert_eq!(turns.counts().0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends() {
    let hasher = hasher();
    let running = hasher.0.turns.enter(Purpose::SignIn, network(1)).unwrap().await.unwrap();
    let waited = hasher.verify(network(2), secret("x"), None).await;
    assert_eq!(waited, Err(Busy::Waited));
    assert_eq!((hasher.counts().calls, hasher.counts().refused), (0, 1));
    drop(running);
    assert_eq!(hasher.verify(network(2), secret("x"), None).await, Ok(Verdict::Wrong));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    /// Whatever comes and goes: never more than `at_once` places are out, and all come back.
    #[test]
    fn places_are_conserved(
        at_once in 1_usize..4,
        steps in proptest::collection::vec((0_u8..3, 0_u32..5, 0_usize..6), 1..80),
    ) {
        let turns = Turns::new(limits(at_once));
        let mut waiting = Vec::new();
        let mut running = Vec::new();
        for (what, number, at) in steps {
            let purpose = [Purpose::SignIn, Purpose::Reset, Purpose::SignUp][usize::from(what)];
            match at {
                0..=2 => waiting.extend(turns.enter(purpose, network(number))),
                3 if !waiting.is_empty() => drop(waiting.remove(at % waiting.len())),
                4 => for turn in &mut waiting {
                    running.extend(turn.try_recv());
                },
                _ => drop(running.pop()),
            }
            let (out, waits) = turns.counts();
            proptest::prop_assert!(out <= at_once && running.len() <= out);
            proptest::prop_assert!(out == at_once || waits == [0; PURPOSES], "a free place and a queue");
        }
        drop((waiting, running));
        proptest::prop_assert_eq!(turns.counts(), (0, [0; PURPOSES]));
    }
}
