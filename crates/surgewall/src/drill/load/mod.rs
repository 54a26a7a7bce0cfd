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
use crate::show;
use chart::Chart;
use plan::{Plan, Times};
use run::Run;
use score::{Books, Line, Machine, Mark};

/// Calm after the flood, or as long as the flood where that is shorter.
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
        calm: CALM.min(Duration::from_secs(asked.seconds)),
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

/// Two lines for each: what was seen, and below it what was asked.
fn text(lines: &[Line], colour: bool) -> String {
    let width = Mark::CouldNotTell.as_str().len();
    let line = |line: &Line| {
        let (paint, reset) = match line.result {
            _ if !colour => ("", ""),
            Mark::Held => ("\x1b[32m", "\x1b[0m"),
            Mark::Missed => ("\x1b[31m", "\x1b[0m"),
            Mark::CouldNotTell => ("\x1b[33m", "\x1b[0m"),
        };
        let Line { what, asked, seen, result } = line;
        let mark = result.as_str();
        format!("{paint}{mark:<width$}{reset}  {what}: {seen}\n{:<width$}  asked: {asked}\n", "")
    };
    lines.iter().map(line).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn line(result: Mark) -> Line {
        Line { what: "goodput", asked: "at least 93 %".into(), seen: "94.0 %".into(), result }
    }

    #[test]
    fn the_score_says_what_was_seen_and_what_was_asked() {
        let lines = [line(Mark::Held), line(Mark::CouldNotTell)];
        let shown = "held            goodput: 94.0 %\n                asked: at least 93 %\n\
                     could not tell  goodput: 94.0 %\n                asked: at least 93 %\n";
        assert_eq!(text(&lines, false), shown);
        assert!(text(&lines, true).starts_with("\x1b[32mheld          \x1b[0m  goodput"));
    }

    #[test]
    fn what_is_missed_weighs_more_than_what_cannot_be_told() {
        use Mark::{CouldNotTell, Held, Missed};
        for (marks, status) in [
            (&[Held, Held][..], Verdict::Clean),
            (&[Held, CouldNotTell], Verdict::CouldNotTell),
            (&[CouldNotTell, Missed, Held], Verdict::Findings),
        ] {
            let lines: Vec<_> = marks.iter().copied().map(line).collect();
            assert_eq!(verdict(&lines), status, "{marks:?}");
        }
    }
}
