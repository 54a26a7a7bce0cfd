//! `surgewall drill load`: a flood in multiples of an engine's capacity against
//! a door on loopback, with a live chart and a score.
//!
//! `plan` says who comes when, `people` makes their accounts, `run` sends them
//! and looks at the door; `score` judges, `chart` and `picture` show.

mod chart;
pub(super) mod people;
mod picture;
pub(super) mod plan;
pub(super) mod run;
pub(super) mod score;

use std::num::NonZero;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use surgewall_core::files::read_text;
use surgewall_core::incident::Verdict as Cause;
use surgewall_testkit::engine::Settings;

use super::stage::Stage;
use crate::cli::Shape;
use crate::cli::drill::Load;
use crate::fault::{Fault, Verdict};
use crate::show::{self, table};
use chart::Chart;
use plan::{Plan, Times};
use run::Run;
use score::{Books, Line, Machine, Mark};

/// Calm after the flood.
const CALM: Duration = Duration::from_secs(10);
/// For what is under way after the last arrival.
const SETTLE: Duration = Duration::from_secs(12);
/// Accounts of one population.
const ACCOUNTS_MAX: u32 = 1_000;
/// Bytes of `/proc/loadavg`.
const LOAD_AVERAGE_BYTES_MAX: u64 = 256;

/// Floods a door of its own and scores it.
///
/// # Errors
/// The stage cannot be set, the door died, or a file cannot be written.
pub(crate) async fn load(asked: &Load) -> Result<Verdict, Fault> {
    let times = Times {
        warm: Duration::from_secs(asked.warmup),
        flood: Duration::from_secs(asked.seconds),
        calm: CALM,
        settle: SETTLE,
    };
    let plan = Plan::fitted(Settings::default(), asked.multiple, times, asked.seed);
    let machine = machine();
    let mut stage = Stage::before(plan.engine, "").await?;
    let keys = people::keys(&stage, &plan.populations, ACCOUNTS_MAX).await?;
    let mut chart = Chart::new(&plan);
    let run = run::run(&stage, &plan, &keys, |look| chart.add(look)).await?;
    stage.stop().await?;
    let books = books(&stage)?;
    let lines = score::score(&plan, &run.rows, &run.report, &books, machine);
    if let Some(path) = &asked.picture {
        std::fs::write(path, picture::svg(&plan, &run.looks, &lines))
            .map_err(|error| Fault::new(format!("{}: {error}", path.display())))?;
    }
    match asked.format {
        Shape::Text => show::out(&text(&lines, show::is_colourful())),
        Shape::Json => show::json(&document(&plan, &run, &lines, machine))?,
    }
    Ok(verdict(&lines))
}

/// What the ledger says, once the door has stopped.
pub(super) fn books(stage: &Stage) -> Result<Books, Fault> {
    let seen = stage.verify()?;
    let stories = stage.incidents()?;
    let verdicts: Vec<Cause> =
        stories.iter().flat_map(|story| &story.events).map(|event| event.verdict).collect();
    let (reserved, settled, refunded) = (seen.reserved, seen.settled, seen.refunded);
    let agrees = reserved.is_some() && reserved == settled.zip(refunded).map(|(s, r)| s + r);
    let sums = if !seen.findings.is_empty() {
        Err(format!("{} findings", seen.findings.len()))
    } else if seen.open != Some(0) {
        Err(format!("{} requests stay open", seen.open_requests.unwrap_or(0)))
    } else if agrees {
        let requests = seen.admitted.unwrap_or(0);
        Ok(format!("{requests} requests, {} tokens", reserved.unwrap_or(0)))
    } else {
        Err(format!("reserved {reserved:?}, settled {settled:?}, refunded {refunded:?}"))
    };
    Ok(Books { verdicts, sums })
}

/// The machine as it is before the run.
pub(super) fn machine() -> Machine {
    let text = read_text(Path::new("/proc/loadavg"), LOAD_AVERAGE_BYTES_MAX).unwrap_or_default();
    Machine {
        cores: std::thread::available_parallelism().map_or(1, NonZero::get),
        load_before: text.split_whitespace().next().and_then(|load| load.parse().ok()),
    }
}

fn verdict(lines: &[Line]) -> Verdict {
    let any = |mark| lines.iter().any(|line| line.result == mark);
    if any(Mark::Missed) {
        Verdict::Findings
    } else if any(Mark::CouldNotTell) {
        Verdict::CouldNotTell
    } else {
        Verdict::Clean
    }
}

fn text(lines: &[Line], colour: bool) -> String {
    let row = |line: &Line| {
        vec![
            line.result.as_str().to_owned(),
            line.what.to_owned(),
            line.seen.clone(),
            format!("asked: {}", line.asked),
        ]
    };
    let columns = ["result", "what", "seen", ""].map(table::Column::Left);
    let shown = table::table(&columns, lines.iter().map(row).collect());
    if !colour {
        return shown;
    }
    let paint = |line: &str| {
        let marks = [(Mark::Held, 32), (Mark::Missed, 31), (Mark::CouldNotTell, 33)];
        let found = marks.iter().find_map(|(mark, code)| {
            let rest = line.strip_prefix(mark.as_str())?;
            Some(format!("\x1b[{code}m{}\x1b[0m{rest}\n", mark.as_str()))
        });
        found.unwrap_or_else(|| format!("{line}\n"))
    };
    shown.lines().map(paint).collect()
}

fn document(plan: &Plan, run: &Run, lines: &[Line], machine: Machine) -> serde_json::Value {
    json!({
        "multiple": plan.multiple,
        "capacity_per_s": plan.capacity_per_s,
        "seed": plan.seed,
        "warm_s": plan.times.warm.as_secs(),
        "flood_s": plan.times.flood.as_secs(),
        "calm_s": plan.times.calm.as_secs(),
        "machine": machine,
        "score": lines,
        "populations": run.report.populations,
        "late_ms": run.report.late_ms,
        "seconds": run.looks,
    })
}
