//! How evenly clients are served, beside round-robin and first come, first served.
//!
//! `cargo run --release -p surgewall-shield --example fairness` runs the workloads of
//! the virtual token counter's paper (OSDI'24, section 5) on a simulated engine:
//! two clients that overload it, one that comes and goes, and Poisson arrivals with
//! short and long requests; then one person with a thousand young accounts.
//! The gap is the largest difference in service that two clients got over any time
//! in which both waited; the bound is the paper's, 2 x max(w_in x L_in, w_out x M).

mod engine;
mod order;
mod workloads;

use std::error::Error;
use std::io::Write as _;

use engine::{Outcome, run};
use order::{Arrivals, Fair, Order, Turns};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{:<44} {:<12} {:>10} {:>10} {:>8}  service by client",
        "workload", "order", "gap", "bound", "within"
    )?;
    for workload in workloads::all() {
        for (name, order) in orders() {
            let outcome = run(&workload, order);
            let within = if outcome.gap <= outcome.bound { "yes" } else { "no" };
            let Outcome { gap, bound, service } = outcome;
            let total = service.iter().sum::<u64>().max(1);
            let parts: Vec<String> = service
                .iter()
                .map(|part| format!("{}%", (part * 1_000 / total + 5) / 10))
                .collect();
            writeln!(
                out,
                "{:<44} {name:<12} {gap:>10} {bound:>10} {within:>8}  {}",
                workload.name,
                parts.join(" ")
            )?;
        }
    }
    Ok(())
}

fn orders() -> [(&'static str, Box<dyn Order>); 3] {
    [
        ("surgewall", Box::new(Fair::default())),
        ("round-robin", Box::new(Turns::default())),
        ("first-come", Box::new(Arrivals::default())),
    ]
}
