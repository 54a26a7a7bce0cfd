//! What is held, missed or left open, by runs made up for it.
use std::time::Duration;

use surgewall_testkit::engine::Settings;
use surgewall_testkit::load::{Eta, Outcome, PopulationReport, Spread};
use surgewall_testkit::traffic::{Arrival, Class, Traffic};

use super::*;
use crate::drill::load::plan::Times;

const QUIET: Machine = Machine { cores: 2, load_before: Some(0.1) };

fn plan(multiple: f64) -> Plan {
    let second = Duration::from_secs;
    let times = Times { warm: second(30), flood: second(60), calm: second(20), settle: second(1) };
    Plan::fitted(Settings::default(), multiple, times, 3)
}

/// Known callers are served at once; strangers are refused.
fn rows(plan: &Plan) -> Vec<Row> {
    let all = Traffic::new(plan.seed, plan.populations.clone(), plan.times.until());
    let row = |arrival: Arrival| {
        let served = arrival.class <= Class::Verified;
        Row {
            outcome: if served {
                Outcome::Whole
            } else {
                Outcome::Refused("503 overloaded".to_owned())
            },
            first: served.then_some(Duration::from_millis(200)),
            total: Duration::from_millis(if served { 3_000 } else { 2 }),
            tokens: 0,
            etas: Vec::new(),
            retry_after: None,
            arrival,
        }
    };
    all.map(row).collect()
}

fn report(late_ms: u64) -> Report {
    let populations: Vec<PopulationReport> = Vec::new();
    Report { measured_s: 1.0, populations, late_ms: Spread::of(&[late_ms]) }
}

fn books(verdicts: &[Verdict]) -> Books {
    Books { verdicts: verdicts.to_vec(), sums: Ok("all".to_owned()) }
}

fn marks(lines: &[Line]) -> Vec<Mark> {
    lines.iter().map(|line| line.result).collect()
}

fn of(lines: &[Line], what: &str) -> (Mark, String) {
    let line = lines.iter().find(|line| line.what == what).unwrap();
    (line.result, line.seen.clone())
}

#[test]
fn each_line_holds_or_is_missed_by_what_was_seen() {
    let plan = plan(10.0);
    let well = books(&[Verdict::Unclear, Verdict::UnknownDemand]);
    let mut rows = rows(&plan);
    let lines = score(&plan, &rows, &report(1), &well, QUIET);
    // Only known callers were served: the engine was not full, and nobody waited.
    assert_eq!(of(&lines, "goodput").0, Mark::Missed);
    assert_eq!(of(&lines, "established served").0, Mark::Held);
    assert_eq!(of(&lines, "established first token, p99").0, Mark::Held);
    assert_eq!(of(&lines, "recovery after the flood"), (Mark::Held, "0 s".to_owned()));
    assert_eq!(of(&lines, "stated waits").0, Mark::CouldNotTell);
    assert_eq!(of(&lines, "the door's verdict").0, Mark::Held);
    assert_eq!(of(&lines, "the ledger").0, Mark::Held);
    assert_eq!(of(&lines, "the machine").0, Mark::Held);
    // What comes for eight seconds after the flood is served late.
    let end = plan.times.flooded().end;
    let late = end..end + Duration::from_secs(8);
    for row in rows.iter_mut().filter(|row| late.contains(&row.arrival.at)) {
        row.first = row.first.map(|_| Duration::from_secs(5));
    }
    let lines = score(&plan, &rows, &report(1), &well, QUIET);
    assert_eq!(of(&lines, "recovery after the flood").0, Mark::Missed);
    // One established request of the flood is lost.
    let lost = rows.iter().position(|row| {
        row.arrival.class == Class::Established && plan.times.flooded().contains(&row.arrival.at)
    });
    rows.remove(lost.unwrap());
    let lines = score(&plan, &rows, &report(1), &well, QUIET);
    assert_eq!(of(&lines, "established served").0, Mark::Missed);
}

#[test]
fn a_full_engine_is_all_of_its_capacity() {
    let plan = plan(10.0);
    let mut rows = rows(&plan);
    // All of the known, and every twenty-fifth of the strangers: about all that it can do.
    let work = |row: &Row| {
        plan.engine
            .work_s(f64::from(row.arrival.input_tokens), f64::from(row.arrival.output_tokens))
    };
    let mut done = 0.0;
    for row in &mut rows {
        row.outcome = if done + work(row) <= row.arrival.at.as_secs_f64() {
            done += work(row);
            Outcome::Whole
        } else {
            Outcome::Left
        };
        row.total = Duration::ZERO;
    }
    let lines = score(&plan, &rows, &report(1), &books(&[]), QUIET);
    assert_eq!(of(&lines, "goodput").0, Mark::Held, "{}", of(&lines, "goodput").1);
}

#[test]
fn the_verdict_is_right_missing_wrong_or_unclear() {
    use Verdict::{Normal, Unclear, UnknownDemand, UpstreamSlow};
    for (multiple, found, mark) in [
        (10.0, &[UnknownDemand][..], Mark::Held),
        (10.0, &[Unclear, UnknownDemand, Normal], Mark::Held),
        (10.0, &[UnknownDemand, UpstreamSlow], Mark::Missed),
        (10.0, &[], Mark::Missed),
        (10.0, &[Unclear], Mark::CouldNotTell),
        (1.0, &[], Mark::Held),
        (1.0, &[UnknownDemand], Mark::Held),
        (1.0, &[UpstreamSlow], Mark::Missed),
        (0.5, &[], Mark::Held),
        (0.5, &[UnknownDemand], Mark::Missed),
    ] {
        let seen = verdict(&plan(multiple), &books(found)).result;
        assert_eq!(seen, mark, "{multiple} {found:?}");
    }
}

#[test]
fn a_slow_machine_misses_nothing() {
    let plan = plan(10.0);
    let wrong = books(&[Verdict::UpstreamSlow]);
    let none = [];
    for (late_ms, machine, slow) in [
        (LATE_MS_MAX, QUIET, false),
        (LATE_MS_MAX + 1, QUIET, true),
        (1, Machine { load_before: Some(1.0), ..QUIET }, false),
        (1, Machine { load_before: Some(1.1), ..QUIET }, true),
        (1, Machine { load_before: None, ..QUIET }, false),
    ] {
        let lines = score(&plan, &none, &report(late_ms), &wrong, machine);
        assert_eq!(!marks(&lines).contains(&Mark::Missed), slow, "{late_ms} {machine:?}");
    }
    let broken = Books { sums: Err("1 finding".to_owned()), ..wrong };
    let lines = score(&plan, &none, &report(LATE_MS_MAX + 1), &broken, QUIET);
    assert_eq!(of(&lines, "the ledger").0, Mark::Missed);
}

#[test]
fn a_stated_wait_holds_when_the_turn_comes_within_its_first_range() {
    let plan = plan(10.0);
    let mut rows = rows(&plan);
    rows.truncate(40);
    for (row, at) in rows.iter_mut().zip(0_u32..) {
        let eta = |actual_s| Eta {
            position: 1,
            said_s: 5.0,
            between_s: Some((4.0, 6.0)),
            actual_s: Some(actual_s),
        };
        // The second is right and does not count.
        row.etas = vec![eta(if at < 31 { 6.0 } else { 6.1 }), eta(5.0)];
    }
    let told =
        |rows: &[Row]| of(&score(&plan, rows, &report(1), &books(&[]), QUIET), "stated waits").0;
    assert_eq!(told(&rows), Mark::Missed);
    rows[39].etas[0].actual_s = Some(4.0);
    assert_eq!(told(&rows), Mark::Held);
    assert_eq!(told(&rows[..seen::ETA_WAITS_MIN - 1]), Mark::CouldNotTell);
}
