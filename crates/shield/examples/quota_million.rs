//! The time of one quota decision at a million keys.
//!
//! `cargo run --release -p surgewall-shield --example quota_million` prints
//! medians over batches, and the memory of a counter.

mod measure;

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::id::Id;
use surgewall_core::quota::{Amounts, LimitSpec, Subject};
use surgewall_shield::quota::{Enforcement, Limit, QuotaTable};

use measure::{median_ns, next, resident_bytes};

const KEYS: u64 = 1_000_000;
const BATCHES: usize = 2_000;
/// Decisions in a batch: shorter than a time slice, so that most batches run whole.
const BATCH: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let limits: [LimitSpec; 2] =
        ["total_tokens=1000000000/1d".parse()?, "requests=100000/1m".parse()?];
    let clock = Clock::System;
    let start = Timestamp::from_millis(1_790_000_000_000);
    let mut out = std::io::stdout();
    let before = resident_bytes();
    let mut table = QuotaTable::default();
    for key in 0..KEYS {
        let _ = table.reserve(start, &[on(key, &limits[0])], "m", &Amounts::default());
        reserve(&mut table, start, &[on(key, &limits[0])]);
    }
    let per_counter = (resident_bytes() - before) / u64::try_from(table.len())?.max(1);
    writeln!(out, "counters {}  bytes_per_counter {per_counter}", table.len())?;
    let mut random = 88_172_645_463_325_252_u64;
    for count in [1, 2] {
        let (mut reserved, mut settled) = (Vec::new(), Vec::new());
        for batch in 0..BATCHES {
            let now = start.plus(Duration::from_millis(u64::try_from(batch)? * 10));
            let keys: Vec<u64> = (0..BATCH).map(|_| next(&mut random) % KEYS).collect();
            let mut grants = Vec::with_capacity(keys.len());
            let begin = clock.monotonic();
            for key in keys {
                let both = [on(key, &limits[0]), on(key, &limits[1])];
                grants.push(reserve(&mut table, now, &both[..count]));
            }
            let middle = clock.monotonic();
            for charges in &grants {
                table.settle(charges, &Amounts { input: 10, output: 10, money: 0 });
            }
            settled.push(clock.monotonic() - middle);
            reserved.push(middle - begin);
        }
        let (reserve, settle) = (median_ns(&mut reserved, BATCH)?, median_ns(&mut settled, BATCH)?);
        writeln!(out, "limits {count}  reserve_ns {reserve}  settle_ns {settle}")?;
    }
    Ok(())
}

fn on(key: u64, spec: &LimitSpec) -> Limit<'_> {
    // A key's id has its time in its upper half.
    let id = (1_790_000_000_000_u128 << 80) | u128::from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    Limit { subject: Subject::Key(Id::from_u128(id)), spec, enforcement: Enforcement::On }
}

fn reserve(
    table: &mut QuotaTable,
    now: Timestamp,
    limits: &[Limit<'_>],
) -> Vec<surgewall_core::quota::Charge> {
    let amounts = Amounts { input: 50, output: 100, money: 0 };
    table.reserve(now, limits, "m", &amounts).map(|grant| grant.charges).unwrap_or_default()
}
