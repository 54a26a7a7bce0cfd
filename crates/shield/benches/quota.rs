//! Instructions of a quota decision, with budgets that fail the run.
//!
//! `cargo bench -p surgewall-shield --features bench` (needs valgrind and
//! `gungraun-runner`). Counts do not depend on the machine's load, unlike time;
//! the time at a million keys is what `--example quota_million` prints.

#![expect(missing_docs, reason = "gungraun's macros write items without any")]

use std::hint::black_box;

use gungraun::{
    Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main,
};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::Id;
use surgewall_core::quota::{Amounts, Charge, LimitSpec, Meter, Subject};
use surgewall_shield::quota::{Enforcement, Limit, QuotaTable};

/// Keys in the table.
const KEYS: u64 = 50_000;
/// Decisions in one run.
const DECISIONS: u64 = 1_000;
/// Instructions to reserve on two limits, on average.
const RESERVE_BUDGET: u64 = 3_000;
/// Instructions to settle on two limits, on average.
const SETTLE_BUDGET: u64 = 1_400;

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

struct Setup {
    table: QuotaTable,
    limits: [LimitSpec; 2],
    charges: Vec<Vec<Charge>>,
}

fn limit(meter: Meter, window_s: u64) -> LimitSpec {
    LimitSpec { meter, max: 1_000_000_000, window_s, model: None }
}

fn reserve(setup: &mut Setup, key: u64) {
    let subject = Subject::Key(Id::from_u128(u128::from(key) << 64));
    let on = |spec| Limit { subject, spec, enforcement: Enforcement::On };
    let limits = [on(&setup.limits[0]), on(&setup.limits[1])];
    let amounts = Amounts { input: 50, output: 100, money: 0 };
    if let Ok(grant) = setup.table.reserve(START, &limits, "m", &amounts) {
        setup.charges.push(grant.charges);
    }
}

fn filled() -> Setup {
    let limits = [limit(Meter::TotalTokens, 86_400), limit(Meter::Requests, 60)];
    let mut setup = Setup { table: QuotaTable::default(), limits, charges: Vec::new() };
    for key in 0..KEYS {
        reserve(&mut setup, key);
    }
    setup
}

fn reserved() -> Setup {
    let mut setup = filled();
    setup.charges.truncate(usize::try_from(DECISIONS).unwrap_or(0));
    setup
}

#[library_benchmark(
    config = LibraryBenchmarkConfig::default().tool(
        Callgrind::default().hard_limits([(EventKind::Ir, RESERVE_BUDGET * DECISIONS)])
    )
)]
#[bench::two_limits(setup = filled)]
fn reserve_two_limits(mut setup: Setup) -> Setup {
    for key in 0..DECISIONS {
        reserve(black_box(&mut setup), key * 37 % KEYS);
    }
    setup
}

#[library_benchmark(
    config = LibraryBenchmarkConfig::default().tool(
        Callgrind::default().hard_limits([(EventKind::Ir, SETTLE_BUDGET * DECISIONS)])
    )
)]
#[bench::two_limits(setup = reserved)]
fn settle_two_limits(mut setup: Setup) -> Setup {
    let used = Amounts { input: 50, output: 10, money: 0 };
    for charges in &setup.charges {
        black_box(&mut setup.table).settle(charges, &used);
    }
    setup
}

library_benchmark_group!(name = quota, benchmarks = [reserve_two_limits, settle_two_limits]);
main!(library_benchmark_groups = quota);
