//! The lines that come from the requests themselves. Pure.

use std::time::Duration;

use surgewall_core::config::admission::Classes;
use surgewall_core::figures;
use surgewall_testkit::load::{Row, Spread};
use surgewall_testkit::traffic::{Arrival, Class, Traffic};

use super::{Line, Mark, UNDECIDED, number};
use crate::drill::load::plan::Plan;

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
pub(super) const ETA_WAITS_MIN: usize = 20;

/// A run as the score looks at it.
pub(super) struct Seen<'a> {
    plan: &'a Plan,
    rows: &'a [Row],
    /// What came during the flood.
    flooded: Vec<Arrival>,
    /// First tokens of known callers in the second half of the warm-up, in milliseconds.
    unloaded_ms: Spread,
}

impl<'a> Seen<'a> {
    pub(super) fn of(plan: &'a Plan, rows: &'a [Row]) -> Self {
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
    pub(super) fn goodput(&self) -> Line {
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
    pub(super) fn served(&self) -> Line {
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

    pub(super) fn first_token(&self) -> Line {
        let flood = self.plan.times.flooded();
        let rows = self.rows.iter().filter(|row| row.arrival.class == Class::Established);
        let firsts = rows.filter(|row| flood.contains(&row.arrival.at));
        let firsts: Vec<_> = firsts.filter_map(|row| row.first).map(millis).collect();
        let seen = Spread::of(&firsts);
        let bound = self.unloaded_ms.p99 + self.grace_ms();
        let unloaded = figures::millis(self.unloaded_ms.p99);
        let asked_for = self.flooded.iter().filter(|one| one.class == Class::Established);
        let part = 100.0 * self.work_s(asked_for) / (flood.end - flood.start).as_secs_f64();
        // The drill's door has the default shares; who asks for more waits like the others.
        let is_within = part <= 100.0 * Classes::default().established.share;
        let tells = seen.count > 0 && self.unloaded_ms.count > 0 && is_within;
        let more = if is_within {
            String::new()
        } else {
            format!(", but they asked for {part:.0} % of the capacity: more than their share")
        };
        Line {
            what: "established first token, p99",
            asked: format!(
                "at most {}: unloaded {unloaded} and {FIRST_PLACES} mean services of a place",
                figures::millis(bound)
            ),
            seen: format!("{} over {} requests{more}", figures::millis(seen.p99), seen.count),
            result: if tells { Mark::of(seen.p99 <= bound) } else { Mark::CouldNotTell },
        }
    }

    /// When known callers are served as before the flood again: from when on half
    /// of the requests of three seconds have their first token in time.
    pub(super) fn recovery(&self) -> Line {
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
    pub(super) fn etas(&self) -> Line {
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

fn known(rows: &[Row]) -> impl Iterator<Item = &Row> {
    rows.iter().filter(|row| row.arrival.class <= Class::Verified)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
