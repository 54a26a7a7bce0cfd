//! The time of one admission decision at a million principals and 50,000 queued.
//!
//! `cargo run --release -p surgewall-shield --example admission_million` prints
//! medians over batches of a decision (a request is queued, told how many are
//! before it, and the next one is taken), and the memory of an idle principal.

mod measure;

use std::error::Error;
use std::io::Write as _;

use surgewall_core::clock::Clock;
use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::{FairQueue, Lineage, Shares};
use surgewall_shield::admission::work::Work;

use measure::{median_ns, next, resident_bytes};

const PRINCIPALS: u64 = 1_000_000;
const QUEUED: u64 = 50_000;
const BATCHES: usize = 10_000;
/// Decisions in a batch: shorter than a time slice, so that most batches run whole.
const BATCH: u64 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout();
    let mut random = 88_172_645_463_325_252_u64;
    let before = resident_bytes();
    let mut queue: FairQueue<u64> = FairQueue::new(Shares::default());
    for principal in 0..PRINCIPALS {
        // Of requests that run: each of them is ahead of the floor.
        queue.top_up(&of(principal), Work(1_000 + next(&mut random) % 1_000_000));
    }
    let (idle, bytes) = (u64::try_from(queue.idle_entries())?, resident_bytes() - before);
    writeln!(out, "idle_entries {idle}  bytes_per_idle_entry {}", bytes / idle.max(1))?;
    for item in 0..QUEUED {
        let _ = queue.push(&of(next(&mut random) % PRINCIPALS), work(&mut random), item);
    }
    let clock = Clock::System;
    let (mut decisions, mut aheads, mut sum) = (Vec::new(), Vec::new(), 0_u64);
    for _ in 0..BATCHES {
        let arrivals: Vec<(Lineage, Work)> =
            (0..BATCH).map(|_| (of(next(&mut random) % PRINCIPALS), work(&mut random))).collect();
        let mut handles = Vec::with_capacity(arrivals.len());
        let begin = clock.monotonic();
        for (lineage, work) in &arrivals {
            let handle = queue.push(lineage, *work, 0);
            sum = sum.wrapping_add(queue.ahead(handle).total);
            sum = sum.wrapping_add(queue.pop().map_or(0, |next| next.work.0));
            handles.push(handle);
        }
        let middle = clock.monotonic();
        for handle in &handles {
            sum = sum.wrapping_add(queue.ahead(*handle).total);
        }
        aheads.push(clock.monotonic() - middle);
        decisions.push(middle - begin);
    }
    let (decision, ahead) = (median_ns(&mut decisions, BATCH)?, median_ns(&mut aheads, BATCH)?);
    let left = queue.idle_entries();
    writeln!(out, "queued {}  decision_ns {decision}  ahead_ns {ahead}", queue.len())?;
    writeln!(out, "idle_entries_after {left}  checksum {sum:016x}")?;
    Ok(())
}

/// An account and its key, in one of the classes.
fn of(principal: u64) -> Lineage {
    let class = Class::ALL[usize::try_from(principal % 4).unwrap_or(0)];
    let account = principal.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Lineage::new(class, false, &[account, account ^ 1])
}

fn work(random: &mut u64) -> Work {
    Work(500 + next(random) % 4_000)
}
