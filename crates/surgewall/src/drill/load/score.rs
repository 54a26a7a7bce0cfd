//! What a run is worth: each line says what was asked, what was seen, and
//! whether it held. Pure.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;
use surgewall_core::incident::Verdict;
use surgewall_testkit::load::{Report, Row, Spread};
use surgewall_testkit::traffic::{Arrival, Class, Traffic};

use super::plan::Plan;
use crate::show::figures;

/// Useful work in percent of the capacity, up to ten times of it and beyond.
const GOODPUT_PERCENT: [f64; 2] = [93.0, 88.0];
/// Up to this multiple the first of them is asked for.
const GOODPUT_MULTIPLE: f64 = 10.0;
/// For the learnt limit to follow the flood, before goodput counts: this, or a
/// third of the flood where that is less.
const LEAD_MAX: Duration = Duration::from_secs(10);
/// Of established requests, in percent.
const SERVED_PERCENT: f64 = 99.9;
/// Added to the unloaded first token, in mean service times of one place.
const FIRST_PLACES: f64 = 4.0;
/// After the flood's end.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Requests of so long are looked at together for the recovery.
const RECOVERY_WINDOW: Duration = Duration::from_secs(3);
/// Of waits with a stated range, in percent.
const ETA_PERCENT: f64 = 80.0;
/// Fewer waits than this say nothing.
const ETA_WAITS_MIN: usize = 20;
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

/// A run as the score looks at it.
struct Seen<'a> {
    plan: &'a Plan,
    rows: &'a [Row],
    /// What came during the flood.
    flooded: Vec<Arrival>,
    /// First tokens of known callers in the second half of the warm-up, in milliseconds.
    unloaded_ms: Spread,
}

impl<'a> Seen<'a> {
    fn of(plan: &'a Plan, rows: &'a [Row]) -> Self {
        let flood = plan.times.flooded();
        let all = Traffic::new(plan.seed, plan.populations.clone(), flood.end);
        let flooded = all.filter(|arrival| arrival.at >= flood.start).collect();
        let warm = plan.times.warm / 2..plan.times.warm;
        let unloaded = known(rows).filter(|row| warm.contains(&row.arrival.at));
        let unloaded: Vec<_> = unloaded.filter_map(|row| row.first).map(millis).collect();
        Self { plan, rows, flooded, unloaded_ms: Spread::of(&unloaded) }
    }

    fn work_s<'b>(&self, arrivals: impl Iterator<Item = &'b Arrival>) -> f64 {
        let work = |one: &Arrival| {
            self.plan.engine.work_s(f64::from(one.input_tokens), f64::from(one.output_tokens))
        };
        arrivals.map(work).sum()
    }

    /// Useful work that ended during the flood, beside what the engine can do in that time.
    fn goodput(&self) -> Line {
        let flood = self.plan.times.flooded();
        let lead = LEAD_MAX.min((flood.end - flood.start) / 3);
        let window = flood.start + lead..flood.end;
        let seconds = (window.end - window.start).as_secs_f64();
        let within = |row: &&Row| window.contains(&(row.arrival.at + row.total));
        let useful = self.rows.iter().filter(|row| row.is_useful()).filter(within);
        let done = 100.0 * self.work_s(useful.map(|row| &row.arrival)) / seconds;
        let offered = self.flooded.iter().filter(|one| window.contains(&one.at));
        let offered = self.work_s(offered) / seconds;
        let [near, far] = GOODPUT_PERCENT;
        let part = if self.plan.multiple <= GOODPUT_MULTIPLE { near } else { far };
        let asked = part * offered.min(1.0);
        Line {
            what: "goodput",
            asked: format!("at least {asked:.0} % of the engine's capacity"),
            seen: format!("{done:.1} %, at {offered:.1} times the capacity offered"),
            result: Mark::of(done >= asked),
        }
    }

    /// Established requests of the flood that were served.
    fn served(&self) -> Line {
        let established = |arrival: &Arrival| arrival.class == Class::Established;
        let asked = self.flooded.iter().filter(|one| established(one)).count();
        let flood = self.plan.times.flooded();
        let useful = self.rows.iter().filter(|row| {
            established(&row.arrival) && flood.contains(&row.arrival.at) && row.is_useful()
        });
        let useful = useful.count();
        let percent = 100.0 * number(useful) / number(asked.max(1));
        Line {
            what: "established served",
            asked: format!("at least {SERVED_PERCENT} %"),
            seen: format!("{percent:.1} %: {useful} of {asked}"),
            result: if asked == 0 {
                Mark::CouldNotTell
            } else {
                Mark::of(percent >= SERVED_PERCENT)
            },
        }
    }

    /// Four mean service times of one of the engine's places, in milliseconds.
    fn grace_ms(&self) -> u64 {
        Duration::try_from_secs_f64(FIRST_PLACES / self.plan.capacity_per_s).map_or(0, millis)
    }

    fn first_token(&self) -> Line {
        let flood = self.plan.times.flooded();
        let rows = self.rows.iter().filter(|row| row.arrival.class == Class::Established);
        let firsts = rows.filter(|row| flood.contains(&row.arrival.at));
        let firsts: Vec<_> = firsts.filter_map(|row| row.first).map(millis).collect();
        let seen = Spread::of(&firsts);
        let bound = self.unloaded_ms.p99 + self.grace_ms();
        let unloaded = figures::millis(self.unloaded_ms.p99);
        let tells = seen.count > 0 && self.unloaded_ms.count > 0;
        Line {
            what: "established first token, p99",
            asked: format!(
                "at most {}: unloaded {unloaded} and {FIRST_PLACES} mean services of a place",
                figures::millis(bound)
            ),
            seen: format!("{} over {} requests", figures::millis(seen.p99), seen.count),
            result: if tells { Mark::of(seen.p99 <= bound) } else { Mark::CouldNotTell },
        }
    }

    /// When known callers are served as before the flood again: from when on half
    /// of the requests of three seconds have their first token in time.
    fn recovery(&self) -> Line {
        let bound = self.unloaded_ms.p50 + self.grace_ms();
        let (end, until) = (self.plan.times.flooded().end, self.plan.times.until());
        let is_well = |from: Duration| {
            let window = from..from + RECOVERY_WINDOW;
            let rows = known(self.rows).filter(|row| window.contains(&row.arrival.at));
            let firsts: Vec<_> = rows.map(|row| row.first.map_or(u64::MAX, millis)).collect();
            (!firsts.is_empty()).then(|| Spread::of(&firsts).p50 <= bound)
        };
        let starts = (0_u32..).map(|step| Duration::from_secs(1) * step);
        let starts = starts.take_while(|after| end + *after + RECOVERY_WINDOW <= until);
        let looks: Vec<_> =
            starts.filter_map(|after| Some((after, is_well(end + after)?))).collect();
        let well = looks.iter().find(|(_, is_well)| *is_well).map(|(after, _)| *after);
        let (seen, result) = match well {
            _ if looks.is_empty() || self.unloaded_ms.count == 0 => {
                ("too few requests came after it".to_owned(), Mark::CouldNotTell)
            }
            Some(after) => (format!("{} s", after.as_secs()), Mark::of(after <= RECOVERY_MAX)),
            None => ("not before the run's end".to_owned(), Mark::Missed),
        };
        Line {
            what: "recovery after the flood",
            asked: format!("within {} s", RECOVERY_MAX.as_secs()),
            seen,
            result,
        }
    }

    /// Of the first range that each waiting request was told, whether its turn came within.
    fn etas(&self) -> Line {
        let first = |row: &Row| {
            let eta = row.etas.first()?;
            let ((low, high), actual) = (eta.between_s?, eta.actual_s?);
            Some((low..=high).contains(&actual))
        };
        let told: Vec<_> = self.rows.iter().filter_map(first).collect();
        let held = told.iter().filter(|held| **held).count();
        let percent = 100.0 * number(held) / number(told.len().max(1));
        Line {
            what: "stated waits",
            asked: format!("at least {ETA_PERCENT} % within their range"),
            seen: format!("{percent:.0} %: {held} of {} that had their turn", told.len()),
            result: if told.is_empty() && self.plan.multiple < UNDECIDED.start {
                // Nobody was meant to wait.
                Mark::Held
            } else if told.len() < ETA_WAITS_MIN {
                Mark::CouldNotTell
            } else {
                Mark::of(percent >= ETA_PERCENT)
            },
        }
    }
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

fn known(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.arrival.class <= Class::Verified)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use surgewall_testkit::engine::Settings;
    use surgewall_testkit::load::{Eta, Outcome, PopulationReport};

    use super::*;
    use crate::drill::load::plan::Times;

    const QUIET: Machine = Machine { cores: 2, load_before: Some(0.1) };

    fn plan(multiple: f64) -> Plan {
        let second = Duration::from_secs;
        let times =
            Times { warm: second(30), flood: second(60), calm: second(20), settle: second(1) };
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
            row.arrival.class == Class::Established
                && plan.times.flooded().contains(&row.arrival.at)
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
        let told = |rows: &[Row]| {
            of(&score(&plan, rows, &report(1), &books(&[]), QUIET), "stated waits").0
        };
        assert_eq!(told(&rows), Mark::Missed);
        rows[39].etas[0].actual_s = Some(4.0);
        assert_eq!(told(&rows), Mark::Held);
        assert_eq!(told(&rows[..ETA_WAITS_MIN - 1]), Mark::CouldNotTell);
    }
}
