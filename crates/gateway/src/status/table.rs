//! The page as tables: every recorded minute of a day, and every day, as
//! comma-separated values, so that anyone can compute the bars again.

use std::fmt::Write as _;

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::figures;

use super::component::{ComponentId, State};
use super::history::{History, uptime};
use super::view::View;

/// The first line of a day's minutes.
pub(super) const MINUTES_HEAD: &str =
    "minute,component,state,answered,late,not_answered,first_byte_p50_ms,first_byte_p95_ms\n";
/// The first line of the days.
pub(super) const DAYS_HEAD: &str = "day,component,expected_minutes,recorded_minutes,up_minutes,degraded_minutes,partial_outage_minutes,major_outage_minutes,maintenance_minutes,uptime_percent\n";

/// `2024-12-24`.
#[must_use]
pub(super) fn date(day: u32) -> String {
    figures::day(Timestamp::from_millis(u64::from(day) * DAY_S * 1_000))
}

/// The day that `text` names as [`date`] writes it, if it is one.
#[must_use]
pub(super) fn day_of(text: &str, known: &[u32]) -> Option<u32> {
    known.iter().copied().find(|day| date(*day) == text)
}

/// The minutes of `day`, of all of these components.
#[must_use]
pub(super) fn minutes(history: &History, components: &[(ComponentId, &str)], day: u32) -> String {
    let mut out = MINUTES_HEAD.to_owned();
    for (id, name) in components {
        let name = field(name);
        for probe in history.of_day(*id, day) {
            let Some(state) = State::of_number(probe.state) else { continue };
            let at = Timestamp::from_millis(u64::from(probe.minute) * 60_000).to_string();
            // Writing to a String cannot fail.
            let _ = writeln!(
                out,
                "{}Z,{name},{},{},{},{},{},{}",
                at.get(..16).unwrap_or(""),
                state.as_str(),
                probe.ok,
                probe.slow,
                probe.failed,
                probe.first_p50_ms,
                probe.first_p95_ms,
            );
        }
    }
    out
}

/// Every day of the page.
#[must_use]
pub(super) fn days(view: &View) -> String {
    let mut out = DAYS_HEAD.to_owned();
    for component in &view.components {
        let name = field(&component.name);
        for day in component.days.iter().filter(|day| day.expected + day.maintenance > 0) {
            let _ = writeln!(
                out,
                "{},{name},{},{},{},{},{},{},{},{}",
                date(day.day),
                day.expected,
                day.recorded,
                day.up,
                day.degraded,
                day.partial,
                day.major,
                day.maintenance,
                percent(uptime(day.up, day.expected)),
            );
        }
    }
    out
}

/// `99.930`; nothing where nothing was expected.
#[must_use]
pub(super) fn percent(uptime: Option<u32>) -> String {
    uptime.map_or_else(String::new, |share| format!("{}.{:03}", share / 1_000, share % 1_000))
}

/// A field as RFC 4180 has it; one that a spreadsheet would take for a formula
/// begins with an apostrophe.
fn field(text: &str) -> String {
    let text =
        if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use surgewall_store::status::Probe;

    use super::*;
    use crate::status::history::DAY_MINUTES;
    use crate::status::view::samples;

    #[test]
    fn anyone_can_compute_the_days_again_from_the_minutes() {
        let id = ComponentId::of("API");
        let begin = 20_000 * DAY_MINUTES + 1_000;
        let mut history = History::default();
        for nth in (0..3_000_u32).filter(|nth| nth % 97 != 0) {
            let state = match nth {
                500..520 => State::Major,
                700..800 => State::Degraded,
                2_000..2_060 => State::Maintenance,
                2_500..2_510 => State::Partial,
                _ => State::Operational,
            };
            let probe = Probe {
                minute: begin + nth,
                component: id.0,
                state: state.number(),
                ..Probe::default()
            };
            history.push(probe);
        }
        let mut view = samples::view(vec![samples::component("API", Some(State::Operational))]);
        view.components[0].days = history.days(id);

        // As a stranger would, from the published minutes alone.
        let listed = history.recorded_days();
        let all: String =
            listed.iter().map(|day| minutes(&history, &[(id, "API")], *day)).collect();
        let rows = all.lines().filter(|line| !line.starts_with("minute"));
        let rows: Vec<Vec<&str>> = rows.map(|line| line.split(',').collect()).collect();
        let (first, last) = (rows[0][0], rows[rows.len() - 1][0]);
        let mut by_day: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
        for row in &rows {
            *by_day.entry(&row[0][..10]).or_default().entry(row[2]).or_default() += 1;
        }
        let minute_of_day = |stamp: &str| {
            stamp[11..13].parse::<u32>().unwrap() * 60 + stamp[14..16].parse::<u32>().unwrap()
        };
        let mut computed = DAYS_HEAD.to_owned();
        for (day, states) in &by_day {
            let from = if first.starts_with(day) { minute_of_day(first) } else { 0 };
            let to = if last.starts_with(day) { minute_of_day(last) + 1 } else { 1_440 };
            let count = |state: &str| states.get(state).copied().unwrap_or(0);
            let maintenance = count("under_maintenance");
            let expected = to - from - maintenance;
            let recorded = states.values().sum::<u32>() - maintenance;
            let degraded = count("degraded_performance");
            let up = count("operational") + degraded;
            let share = u64::from(up) * 100_000 / u64::from(expected);
            let _ = writeln!(
                computed,
                "{day},API,{expected},{recorded},{up},{degraded},{},{},{maintenance},{}.{:03}",
                count("partial_outage"),
                count("major_outage"),
                share / 1_000,
                share % 1_000,
            );
        }
        assert_eq!(days(&view), computed);
        assert!(by_day.len() >= 3);
    }

    #[test]
    fn fields_survive_what_operators_call_things() {
        for (name, expected) in [
            ("API", "API"),
            ("a, b", "\"a, b\""),
            ("the \"big\" one", "\"the \"\"big\"\" one\""),
            ("=1+1", "'=1+1"),
            ("-x, y", "\"'-x, y\""),
        ] {
            assert_eq!(field(name), expected);
        }
        assert_eq!(date(20_081), "2024-12-24");
        assert_eq!(day_of("2024-12-24", &[20_080, 20_081]), Some(20_081));
        for wrong in ["2024-12-25", "", "../words", "2024-12-24.csv"] {
            assert_eq!(day_of(wrong, &[20_081]), None, "{wrong}");
        }
    }
}
