//! What a run is worth: each line says what was asked, what was seen, and
//! whether it held. Pure.

mod seen;
#[cfg(test)]
mod tests;

use std::ops::Range;

use serde::Serialize;
use surgewall_core::incident::Verdict;
use surgewall_testkit::load::{Report, Row};

use super::plan::Plan;
use seen::Seen;

/// Requests that are sent later than this, one of a hundred, make a load another one.
const LATE_MS_MAX: u64 = 100;
/// Other work on a core, before the run, that makes its figures another machine's.
const BUSY_PER_CORE_MAX: f64 = 0.5;
/// Multiples below which no incident is expected, and above which one is.
const UNDECIDED: Range<f64> = 0.85..1.25;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::drill) enum Mark {
    /// As asked.
    Held,
    /// Not as asked.
    Missed,
    /// The machine was too slow, or too little was seen.
    CouldNotTell,
}

impl Mark {
    pub(in crate::drill) const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Missed => "missed",
            Self::CouldNotTell => "could not tell",
        }
    }

    const fn of(holds: bool) -> Self {
        if holds { Self::Held } else { Self::Missed }
    }
}

/// One thing that was asked.
#[derive(Clone, Debug, Serialize)]
pub(in crate::drill) struct Line {
    pub(in crate::drill) what: &'static str,
    pub(in crate::drill) asked: String,
    pub(in crate::drill) seen: String,
    pub(in crate::drill) result: Mark,
}

/// What the door's ledger says of a run.
#[derive(Clone, Debug)]
pub(in crate::drill) struct Books {
    /// The verdicts of its incidents, in order.
    pub(in crate::drill) verdicts: Vec<Verdict>,
    /// Requests and tokens that agree, or what does not.
    pub(in crate::drill) sums: Result<String, String>,
}

/// The machine before a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::drill) struct Machine {
    /// Cores.
    pub(in crate::drill) cores: usize,
    /// Its load average, where it has one.
    pub(in crate::drill) load_before: Option<f64>,
}

impl Machine {
    /// Whether others used it so much that its figures are not its own.
    fn is_busy(self) -> bool {
        self.load_before.is_some_and(|load| load > BUSY_PER_CORE_MAX * number(self.cores))
    }
}

/// The score.
pub(in crate::drill) fn score(
    plan: &Plan,
    rows: &[Row],
    report: &Report,
    books: &Books,
    machine: Machine,
) -> Vec<Line> {
    let seen = Seen::of(plan, rows);
    let on_time = on_time(report, machine);
    let judged = |line: Line| match (line.result, on_time.result) {
        // What a slow machine misses, a fast one may hold.
        (Mark::Missed, Mark::CouldNotTell) => Line { result: Mark::CouldNotTell, ..line },
        _ => line,
    };
    let mut lines = vec![
        judged(seen.goodput()),
        judged(seen.served()),
        judged(seen.first_token()),
        judged(seen.recovery()),
        judged(seen.etas()),
        judged(verdict(plan, books)),
        sums(books),
    ];
    lines.push(on_time);
    lines
}

/// The verdict that a flood of strangers should have, or none.
fn verdict(plan: &Plan, books: &Books) -> Line {
    let mut found = books.verdicts.clone();
    found.dedup();
    let seen: Vec<_> = found.iter().map(ToString::to_string).collect();
    let is_flooded = plan.multiple >= UNDECIDED.end;
    let is_wrong =
        |one: &Verdict| !matches!(one, Verdict::UnknownDemand | Verdict::Unclear | Verdict::Normal);
    let result =
        if found.iter().any(is_wrong) || (plan.multiple < UNDECIDED.start && !found.is_empty()) {
            Mark::Missed
        } else if found.contains(&Verdict::UnknownDemand) || !is_flooded {
            Mark::Held
        } else if found.is_empty() {
            Mark::Missed
        } else {
            Mark::CouldNotTell
        };
    Line {
        what: "the door's verdict",
        asked: match plan.multiple {
            multiple if multiple < UNDECIDED.start => "no incident".to_owned(),
            _ if is_flooded => Verdict::UnknownDemand.to_string(),
            _ => format!("none, or {}", Verdict::UnknownDemand),
        },
        seen: if seen.is_empty() { "no incident".to_owned() } else { seen.join(", then ") },
        result,
    }
}

fn sums(books: &Books) -> Line {
    let (seen, result) = match &books.sums {
        Ok(seen) => (seen.clone(), Mark::Held),
        Err(seen) => (seen.clone(), Mark::Missed),
    };
    Line {
        what: "the ledger",
        asked: "it verifies; reserved = settled + refunded, nothing open".to_owned(),
        seen,
        result,
    }
}

/// Whether the load came as it was meant to: never missed, but it may spoil the rest.
fn on_time(report: &Report, machine: Machine) -> Line {
    let late = report.late_ms.p99;
    let unsent: u64 = report.populations.iter().map(|one| one.unsent).sum();
    let load = machine.load_before.map_or(String::new(), |load| {
        format!("; load average {load:.1} on {} cores before", machine.cores)
    });
    let is_slow = late > LATE_MS_MAX || unsent > 0 || machine.is_busy();
    Line {
        what: "the machine",
        asked: format!(
            "99 of 100 requests sent within {LATE_MS_MAX} ms; at most {BUSY_PER_CORE_MAX} of a core busy before"
        ),
        seen: format!("within {late} ms, {unsent} not sent{load}"),
        result: if is_slow { Mark::CouldNotTell } else { Mark::Held },
    }
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
