//! The acts of overload: a flood of strangers while established callers go on,
//! and whether the incident report tells it from too many users.

use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_core::files::read_text;
use surgewall_core::incident::Verdict;
use surgewall_testkit::engine::Settings;
use surgewall_testkit::load::{Outcome, Row};
use surgewall_testkit::traffic::{Arrival, Class, Patience, Scatter, Sizes, Traffic};
use tokio::time::{sleep, timeout};

use super::Size;
use super::acts::Played;
use super::load::people;
use super::load::plan::{Plan, Times};
use super::load::run::{Run, run};
use super::load::score::Books;
use super::stage::Stage;
use crate::fault::Fault;

/// Places of the act's engine: few, so that ten times its capacity is little work for the machine.
const PLACES: usize = 8;
/// Tokens of every prompt, and of every answer.
const TOKENS: (u32, u32) = (200, 60);
/// What strangers flood with, in capacities.
const FLOOD: f64 = 10.0;
/// What known callers ask for when they are too many, in capacities.
const CROWD: f64 = 3.0;
/// The door learns before either.
const WARM: Duration = Duration::from_secs(5);
/// For the answers under way after the flood.
const SETTLE: Duration = Duration::from_secs(6);
/// After too many users came nobody's answer is asked about.
const SETTLE_CROWD: Duration = Duration::from_secs(1);
/// Half of the strangers wait no longer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Accounts of each population.
const ACCOUNTS_MAX: u32 = 20;
/// Established requests that are served, of a thousand.
const SERVED_MIN: usize = 990;
/// Bytes of the queue that the act's door may have.
const QUEUE: &str = "[queue]\nbytes_max = 16777216\n";
/// From the onset to the first public word.
const NOTE_MAX: Duration = Duration::from_secs(60);
/// Between two looks at the status page.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// After the last request the page is given so long to say what it saw.
const NOTE_GRACE: Duration = Duration::from_secs(5);
/// By how much the door may grow under the flood, in KiB.
const GROWTH_KIB_MAX: u64 = 128 << 10;
/// Bytes of `/proc/PID/status`.
const STATUS_BYTES_MAX: u64 = 64 << 10;

/// What one of the two showed.
pub(super) struct Overload {
    plan: Plan,
    run: Run,
    books: Books,
    /// By how much the door's largest size grew, where the system tells.
    growth_kib: Option<u64>,
    /// When the status page first told of it, after the onset.
    noted: Option<Duration>,
}

/// Strangers at ten times the capacity, beside known callers who would fit.
pub(super) async fn strangers(size: Size) -> Result<Overload, Fault> {
    play(plan(FLOOD, size, SETTLE)).await
}

/// Known callers at three times the capacity, and no strangers.
pub(super) async fn crowd(size: Size) -> Result<Overload, Fault> {
    let mut plan = plan(CROWD, size, SETTLE_CROWD);
    plan.populations.retain(|one| one.class <= Class::Verified);
    let flood = plan.times.flooded().start;
    let phases = plan.populations.iter_mut().flat_map(|one| &mut one.phases);
    let mut flooded: Vec<_> = phases.filter(|phase| phase.from == flood).collect();
    let known: f64 = flooded.iter().map(|phase| phase.requests_per_s).sum();
    for phase in &mut flooded {
        phase.requests_per_s *= CROWD * plan.capacity_per_s / known;
    }
    play(plan).await
}

fn plan(multiple: f64, size: Size, settle: Duration) -> Plan {
    let engine = Settings { seqs_max: PLACES, ..Settings::default() };
    let (input, output) = TOKENS;
    let capacity_per_s = engine.requests_per_s(f64::from(input), f64::from(output));
    let flood = Duration::from_secs(size.flood_s);
    let times = Times { warm: WARM, flood, calm: Duration::ZERO, settle };
    let mut plan = Plan::new(engine, capacity_per_s, multiple, times, 1);
    for one in &mut plan.populations {
        one.sizes = Sizes::Fixed { input, output };
        one.scatter = Scatter::POISSON;
        if one.class > Class::Verified {
            one.patience = Patience { median: PATIENCE, ..one.patience };
        }
    }
    plan
}

async fn play(plan: Plan) -> Result<Overload, Fault> {
    let mut stage = Stage::before(plan.engine, QUEUE).await?;
    let keys = people::keys(&stage, &plan.populations, ACCOUNTS_MAX).await?;
    let before = largest_kib(&stage);
    let onset = plan.times.flooded().start;
    let (run, noted) = {
        let run = run(&stage, &plan, &keys, |_| {});
        let (mut run, mut noted) = (pin!(run), pin!(noted(&stage, onset)));
        let mut seen = None;
        let done = loop {
            tokio::select! {
                done = &mut run => break done?,
                at = &mut noted, if seen.is_none() => seen = Some(at?),
            }
        };
        if seen.is_none() {
            seen = timeout(NOTE_GRACE, noted).await.ok().transpose()?;
        }
        (done, seen)
    };
    let growth_kib = before.zip(largest_kib(&stage)).map(|(from, to)| to.saturating_sub(from));
    stage.stop().await?;
    let books = super::load::books(&stage)?;
    Ok(Overload { plan, run, books, growth_kib, noted })
}

/// How long after the onset, which comes `onset` after now, the status page tells of it.
async fn noted(stage: &Stage, onset: Duration) -> Result<Duration, Fault> {
    let begin = Clock::System.monotonic();
    loop {
        if stage.told().await?.as_array().is_some_and(|told| !told.is_empty()) {
            return Ok(begin.elapsed().saturating_sub(onset));
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// The door's largest size so far, in KiB; `None` where the system has no `/proc`.
fn largest_kib(stage: &Stage) -> Option<u64> {
    let path = PathBuf::from(format!("/proc/{}/status", stage.pid()?));
    let status = read_text(&path, STATUS_BYTES_MAX).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Established callers are served, everybody else is served, waits or is told
/// when to come again, memory is bounded, and the ledger agrees.
pub(super) fn held(flood: &Overload) -> Played {
    let rows = &flood.run.rows;
    let sent = sent(&flood.plan, |one| one.class == Class::Established);
    let whole = rows.iter().filter(|row| row.arrival.class == Class::Established);
    let whole = whole.filter(|row| row.outcome == Outcome::Whole).count();
    if whole * 1_000 < sent * SERVED_MIN {
        return Err(Fault::new(format!("only {whole} of {sent} established requests were served")));
    }
    if let Some(row) = rows.iter().find(|row| !is_fair(row)) {
        return Err(Fault::new(format!("a request ended with {:?}", row.outcome)));
    }
    if let Some(kib) = flood.growth_kib.filter(|kib| *kib > GROWTH_KIB_MAX) {
        return Err(Fault::new(format!("the door grew by {} MiB", kib >> 10)));
    }
    let sums = flood.books.sums.as_ref().map_err(Fault::new)?;
    let refused = rows.iter().filter(|row| matches!(row.outcome, Outcome::Refused(_))).count();
    let grown = flood
        .growth_kib
        .map_or("is not known here".to_owned(), |kib| format!("grew by {} MiB", kib >> 10));
    Ok(format!(
        "{whole} of {sent} established requests served at {FLOOD} times the capacity; of {} in all \
         {refused} refused, with a time to come again; memory {grown}; {sums} agree",
        self::sent(&flood.plan, |_| true)
    ))
}

/// Whether a request ended as one may in a flood.
fn is_fair(row: &Row) -> bool {
    match &row.outcome {
        Outcome::Whole | Outcome::Left => true,
        // Once a stream has its head, there is no place for a Retry-After.
        Outcome::Refused(why) if why == "200 overloaded" => true,
        Outcome::Refused(why) => why == "503 overloaded" && row.retry_after.is_some(),
        Outcome::Broken(_) => false,
    }
}

/// Requests that came, of those that `counts` says.
fn sent(plan: &Plan, counts: impl Fn(&Arrival) -> bool) -> usize {
    let all = Traffic::new(plan.seed, plan.populations.clone(), plan.times.until());
    all.filter(counts).count()
}

/// The incident report says which of the two it was, or that it is unclear.
pub(super) fn named(crowd: &Overload, flood: &Overload) -> Played {
    let users =
        cause(crowd, Verdict::KnownDemand).map_err(|fault| fault.during("too many users"))?;
    let strangers =
        cause(flood, Verdict::UnknownDemand).map_err(|fault| fault.during("a flood"))?;
    let mut latest = Duration::ZERO;
    for (overload, what) in [(crowd, "too many users"), (flood, "a flood")] {
        let fault = |why: &str| Fault::new(why).during(what);
        let noted = overload.noted.ok_or_else(|| fault("the status page told nothing of it"))?;
        if noted > NOTE_MAX {
            return Err(fault("the status page told of it later than after a minute"));
        }
        latest = latest.max(noted);
    }
    Ok(format!(
        "too many users: {users}; a flood of strangers: {strangers}; the status page told of both \
         within {} s of their beginning, by itself",
        latest.as_millis().div_ceil(1_000)
    ))
}

fn cause(overload: &Overload, right: Verdict) -> Played {
    let found = &overload.books.verdicts;
    match found.iter().find(|one| **one != right && **one != Verdict::Unclear) {
        Some(wrong) => Err(Fault::new(format!("the report says {wrong}"))),
        None if found.is_empty() => Err(Fault::new("there is no incident to report")),
        None if found.contains(&right) => Ok(right.to_string()),
        None => Ok(Verdict::Unclear.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(outcome: Outcome, retry_after: Option<Duration>) -> Row {
        let size = Size { burst: 1, kills: 1, flood_s: 5 };
        let plan = plan(FLOOD, size, SETTLE);
        let arrival = Traffic::new(1, plan.populations, plan.times.warm).next().unwrap();
        Row {
            arrival,
            outcome,
            first: None,
            total: Duration::ZERO,
            tokens: 0,
            etas: Vec::new(),
            retry_after,
        }
    }

    #[test]
    fn who_is_refused_is_told_when_to_come_again() {
        let soon = Some(Duration::from_secs(3));
        let refused = |why: &str| Outcome::Refused(why.to_owned());
        for (outcome, retry_after, fair) in [
            (Outcome::Whole, None, true),
            (Outcome::Left, None, true),
            (refused("503 overloaded"), soon, true),
            (refused("503 overloaded"), None, false),
            (refused("200 overloaded"), None, true),
            (refused("500 internal"), soon, false),
            (Outcome::Broken("stuck".to_owned()), None, false),
        ] {
            assert_eq!(is_fair(&row(outcome.clone(), retry_after)), fair, "{outcome:?}");
        }
    }
}
