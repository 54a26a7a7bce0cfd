//! How many prompts are found in caches, and what it does to the time to the
//! first token: prefix affinity beside round-robin and least load.
//!
//! `cargo run --release -p surgewall-shield --example prefix_affinity` lets the same
//! conversations come to four simulated engines under each of the three, at half
//! of what the engines could do without a cache and at nine tenths of it; once
//! with memory for many more conversations than there are, once with a sixteenth.
//! The choice is the door's own code, the engine the double's.

mod simulate;
mod workload;

use std::error::Error;
use std::io::Write as _;

use surgewall_testkit::engine::Settings;

use simulate::{Order, Outcome, run};
use workload::{ANSWER_MEAN, conversations, input_mean};

const SERVERS: u32 = 4;
const SEED: u64 = 1;
/// Of arrivals, in simulated seconds.
const SECONDS: u64 = 600;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:<9} {:<5} {:<16} {:>8} {:>7} {:>9} {:>9} {:>9} {:>8}",
        "memory", "load", "order", "requests", "cached", "p50 ms", "p99 ms", "mean ms", "busiest"
    )?;
    let ample = Settings { prefix_cache: true, ..Settings::default() };
    let scarce = Settings { kv_blocks: ample.kv_blocks / 16, ..ample };
    for (memory, settings) in [("ample", ample), ("scarce", scarce)] {
        for percent in [50_u32, 90] {
            let whole = settings.requests_per_s(input_mean(), ANSWER_MEAN) * f64::from(SERVERS);
            let coming = conversations(SEED, whole * f64::from(percent) / 100.0, SECONDS);
            let mut first = None;
            for order in [Order::RoundRobin, Order::LeastLoad, Order::Affinity] {
                let outcome = run(order, &coming, settings, SERVERS);
                let Outcome { requests, cached, p50, p99, mean, busiest } = outcome;
                let name = order.name();
                writeln!(
                    out,
                    "{memory:<9} {percent:<5} {name:<16} {requests:>8} {:>6.1}% {p50:>9.0} {p99:>9.0} {mean:>9.0} {busiest:>8.2}",
                    100.0 * cached
                )?;
                let base = *first.get_or_insert(outcome);
                if order == Order::Affinity {
                    writeln!(
                        out,
                        "{:<32} {:>8} {:>6.2}x {:>8.2}x {:>8.2}x {:>8.2}x",
                        "          affinity / round-robin",
                        "",
                        cached / base.cached,
                        p50 / base.p50,
                        p99 / base.p99,
                        mean / base.mean
                    )?;
                }
            }
        }
    }
    Ok(())
}
