//! Quota decisions at a million keys, for `benches/instructions.sh`: what is
//! counted is the function `measured`, whose last argument says how often it repeats.

use std::error::Error;
use std::hint::black_box;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::Id;
use surgewall_core::quota::{Amounts, Charge, LimitSpec, Subject};
use surgewall_shield::quota::{Enforcement, Limit, QuotaTable};

const KEYS: u64 = 1_000_000;
const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn main() -> Result<(), Box<dyn Error>> {
    let count = std::env::args().nth(1).unwrap_or_default().parse()?;
    let specs = ["total_tokens=1000000000/1d".parse()?, "requests=100000/1m".parse()?];
    let mut table = QuotaTable::default();
    for key in 0..KEYS {
        reserve(&mut table, key, &specs[..1]);
    }
    measured(&mut table, &specs, count);
    Ok(())
}

/// Reserves on two limits, and settles.
#[inline(never)]
fn measured(table: &mut QuotaTable, specs: &[LimitSpec], count: u64) {
    for n in 0..count {
        // Keys far from each other, as callers come.
        let charges = reserve(table, n * 7_919 % KEYS, specs);
        table.settle(black_box(&charges), &Amounts { input: 50, output: 10, money: 0 });
    }
}

fn reserve(table: &mut QuotaTable, key: u64, specs: &[LimitSpec]) -> Vec<Charge> {
    let subject = Subject::Key(Id::from_u128(u128::from(key) << 64 | 1));
    let on = |spec| Limit { subject, spec, enforcement: Enforcement::On };
    let amounts = Amounts { input: 50, output: 100, money: 0 };
    let grant = match specs {
        [one] => table.reserve(START, &[on(one)], "m", &amounts),
        [one, two, ..] => table.reserve(START, &[on(one), on(two)], "m", &amounts),
        [] => return Vec::new(),
    };
    grant.map(|grant| grant.charges).unwrap_or_default()
}
