//! Admission decisions at a million principals and 50,000 queued, for
//! `benches/instructions.sh`: what is counted is the function `measured`, whose last
//! argument says how often it repeats.

use std::error::Error;
use std::hint::black_box;

use surgewall_core::principal::Class;
use surgewall_shield::admission::fair::{FairQueue, Lineage, Shares};
use surgewall_shield::admission::work::Work;

const PRINCIPALS: u64 = 1_000_000;
const QUEUED: u64 = 50_000;

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).unwrap_or_default().parse()?;
    let mut queue = FairQueue::new(Shares::default());
    for principal in 0..PRINCIPALS {
        // Of requests that run: each of them is ahead of the floor.
        queue.top_up(&of(principal), Work(work(principal).0 * 200));
    }
    for n in 0..QUEUED {
        let _ = queue.push(&of(n * 7_919 % PRINCIPALS), work(n), n);
    }
    measured(&mut queue, count);
    Ok(())
}

/// Queues a request, tells how many are before it, and takes the next one.
#[inline(never)]
fn measured(queue: &mut FairQueue<u64>, count: u64) {
    for n in 0..count {
        // Principals far from each other, as callers come.
        let handle = queue.push(&of(n * 104_729 % PRINCIPALS), work(n), n);
        let _ = black_box(queue.ahead(handle));
        let _ = black_box(queue.pop());
    }
}

/// An account and its key, in one of the classes.
fn of(principal: u64) -> Lineage {
    let class = Class::ALL[usize::try_from(principal % 4).unwrap_or(0)];
    let account = principal.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Lineage::new(class, false, &[account, account ^ 1])
}

fn work(n: u64) -> Work {
    Work(500 + n.wrapping_mul(2_654_435_761) % 4_000)
}
