//! Measurements of the machine at hand, at the real cost of a hash. They assert
//! no time: `cargo test -p surgewall-identity --test it measured -- --ignored --nocapture`.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::principal::Network;
use surgewall_core::secret::SecretString;
use surgewall_identity::hasher::{Hasher, HasherLimits, Purpose, Verdict};
use surgewall_identity::password::Cost;
use tokio::task::JoinSet;

const FLOODERS: u32 = 200;
const SIGN_INS: usize = 200;

fn network(number: u32) -> Network {
    Network::of(Ipv4Addr::from_bits(number << 8).into())
}

fn secret(text: &str) -> SecretString {
    SecretString::new(text.to_owned())
}

async fn timed(hasher: &Hasher, stored: Option<String>, password: &str) -> Duration {
    let began = Clock::System.monotonic();
    let verdict = hasher.verify(network(9_999), secret(password), stored).await;
    assert!(verdict.is_ok(), "{verdict:?}");
    Clock::System.monotonic() - began
}

fn line(what: &str, times: &mut [Duration]) {
    times.sort();
    let at =
        |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.1} ms, p95 {:.1} ms, most {:.1} ms", at(50), at(95), at(100));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn sign_in_while_two_hundred_flood_sign_up() {
    let hasher = Hasher::new(Cost::DEFAULT, HasherLimits::default());
    let stored = hasher.hash(Purpose::SignUp, network(0), secret("right")).await.unwrap();
    let mut quiet = Vec::new();
    for _ in 0..SIGN_INS {
        quiet.push(timed(&hasher, Some(stored.clone()), "right").await);
    }
    line("alone", &mut quiet);
    let goes_on = Arc::new(AtomicBool::new(true));
    let mut flood = JoinSet::new();
    for number in 0..FLOODERS {
        let (hasher, goes_on) = (hasher.clone(), Arc::clone(&goes_on));
        flood.spawn(async move {
            while goes_on.load(Ordering::Relaxed) {
                let _ = hasher.hash(Purpose::SignUp, network(number), secret("flood")).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut flooded = Vec::new();
    for _ in 0..SIGN_INS {
        flooded.push(timed(&hasher, Some(stored.clone()), "right").await);
    }
    goes_on.store(false, Ordering::Relaxed);
    line("while 200 flood sign-up", &mut flooded);
    let counts = hasher.counts();
    println!("{} hashes, {} waited for one", counts.calls, counts.waiting.iter().sum::<usize>());
    flood.abort_all();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn an_unknown_account_beside_a_wrong_password() {
    let hasher = Hasher::new(Cost::DEFAULT, HasherLimits::default());
    let stored = hasher.hash(Purpose::SignUp, network(0), secret("right")).await.unwrap();
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for _ in 0..SIGN_INS {
        wrong.push(timed(&hasher, Some(stored.clone()), "wrong").await);
        unknown.push(timed(&hasher, None, "wrong").await);
    }
    // How often the unknown one took longer: one in two, if nothing can be told from it.
    let longer =
        wrong.iter().flat_map(|one| unknown.iter().map(move |other| usize::from(other > one)));
    let share = longer.sum::<usize>() * 1_000 / (SIGN_INS * SIGN_INS);
    line("wrong password", &mut wrong);
    line("unknown account", &mut unknown);
    println!("the unknown account took longer in {share} of 1000 pairs");
    let verdict = hasher.verify(network(1), secret("right"), Some(stored)).await;
    assert_eq!(verdict, Ok(Verdict::Right { outdated: false }));
}
