//! The live chart of a run, on stderr: redrawn in place where a person looks,
//! a line every few seconds where none does.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use surgewall_core::config::env;
use surgewall_core::figures;
use surgewall_core::principal::Class;
use surgewall_gateway::control::ClassStatus;

use super::plan::Plan;
use super::run::Look;
use crate::show;

/// Columns of the lines over time.
const COLUMNS: usize = 60;
/// Seconds between two lines where nobody looks.
const PLAIN_EVERY_S: u64 = 5;
/// Heights of a column, lowest first.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A number of a look, in thousandths.
type Number = fn(&Look) -> u64;

/// The chart so far.
pub(super) struct Chart<'a> {
    plan: &'a Plan,
    looks: Vec<Look>,
    is_terminal: bool,
    colour: bool,
    /// Lines that stand on the terminal.
    drawn: usize,
}

impl<'a> Chart<'a> {
    /// On stderr as it is.
    pub(super) fn new(plan: &'a Plan) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let colour = is_terminal && env::read(env::NO_COLOR).is_none();
        Self { plan, looks: Vec::new(), is_terminal, colour, drawn: 0 }
    }

    /// Shows one more look.
    pub(super) fn add(&mut self, look: &Look) {
        self.looks.push(look.clone());
        if self.is_terminal {
            let text = frame(self.plan, &self.looks, self.colour);
            show::err(&over(&text, self.drawn));
            self.drawn = text.lines().count();
        } else if (look.at_ms / 1_000).is_multiple_of(PLAIN_EVERY_S) {
            show::err(&line(self.plan, look));
        }
    }
}

/// `text` over the `drawn` lines above the cursor.
fn over(text: &str, drawn: usize) -> String {
    let up = if drawn > 0 { format!("\x1b[{drawn}A\r") } else { String::new() };
    text.lines().fold(up, |all, line| all + line + "\x1b[K\n")
}

/// Which part of the run it is.
fn part(plan: &Plan, look: &Look) -> String {
    let flood = plan.times.flooded();
    let at = std::time::Duration::from_millis(look.at_ms);
    if at < flood.start {
        "calm, learning".to_owned()
    } else if at < flood.end {
        format!("flood, {} times the capacity", plan.multiple)
    } else if at < plan.times.until() {
        "calm again".to_owned()
    } else {
        "the last answers".to_owned()
    }
}

fn line(plan: &Plan, look: &Look) -> String {
    format!(
        "{:>3} s  {}: offered {}/s, admitted {}/s, queued {}/s, refused {}/s, waiting {}, limit {}, {}\n",
        look.at_ms / 1_000,
        part(plan, look),
        figures::rate(look.sum(|one| one.offered_per_s_milli)),
        figures::rate(look.sum(|one| one.admitted_per_s_milli)),
        figures::rate(look.sum(|one| one.queued_per_s_milli)),
        figures::rate(look.sum(|one| one.refused_per_s_milli)),
        look.sum(|one| one.waiting),
        look.limit,
        look.verdict,
    )
}

/// Everything at the newest look.
fn frame(plan: &Plan, looks: &[Look], colour: bool) -> String {
    let Some(look) = looks.last() else { return String::new() };
    let (bold, reset) = if colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
    let mut text = format!(
        "{bold}{}{reset}, second {}: {bold}{}{reset}\n\
         requests/s, means over 5 s  offered  admitted   queued  refused  waiting\n",
        part(plan, look),
        look.at_ms / 1_000,
        look.verdict,
    );
    for class in Class::ALL {
        let rate = |of: fn(&ClassStatus) -> u64| figures::rate(look.of_class(class, of));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<24} {:>8}  {:>8} {:>8} {:>8} {:>8}",
            class.as_str(),
            rate(|one| one.offered_per_s_milli),
            rate(|one| one.admitted_per_s_milli),
            rate(|one| one.queued_per_s_milli),
            rate(|one| one.refused_per_s_milli),
            look.of_class(class, |one| one.waiting),
        );
    }
    let rows: [(&str, Number); 4] = [
        ("offered", |look| look.sum(|one| one.offered_per_s_milli)),
        ("admitted", |look| look.sum(|one| one.admitted_per_s_milli)),
        ("refused", |look| look.sum(|one| one.refused_per_s_milli)),
        ("limit", |look| u64::from(look.limit) * 1_000),
    ];
    for (name, of) in rows {
        let values: Vec<_> = looks.iter().map(of).collect();
        let now = figures::rate(of(look));
        let _ = writeln!(text, "{name:>9} {now:>6}  {}", columns(&values));
    }
    text
}

/// `values` as columns, as high as the highest of them; the highest of those
/// that share a column.
fn columns(values: &[u64]) -> String {
    let top = values.iter().copied().max().unwrap_or(0).max(1);
    let each = values.len().div_ceil(COLUMNS).max(1);
    let highest = values.chunks(each).map(|part| part.iter().copied().max().unwrap_or(0));
    let height = |value: u64| {
        let steps = HEIGHTS.len() as u64 - 1;
        let at = u128::from(value) * u128::from(steps) / u128::from(top);
        usize::try_from(at).ok().and_then(|at| HEIGHTS.get(at)).copied().unwrap_or(' ')
    };
    highest.map(height).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use surgewall_core::incident::Verdict;
    use surgewall_testkit::engine::Settings;

    use super::*;
    use crate::drill::load::plan::Times;

    pub(in crate::drill) fn look(at_s: u64, offered: u64) -> Look {
        let of = |class| ClassStatus {
            class,
            offered_per_s_milli: offered * 1_000,
            admitted_per_s_milli: 1_500,
            queued_per_s_milli: 0,
            left_per_s_milli: 0,
            refused_per_s_milli: offered * 500,
            slow_per_s_milli: 0,
            shed_per_s_milli: 0,
            waiting: 7,
            longest_wait_ms: 0,
        };
        Look {
            at_ms: at_s * 1_000,
            classes: Class::ALL.map(of).to_vec(),
            limit: 40,
            running: 40,
            reasons: Vec::new(),
            verdict: if offered > 4 { Verdict::UnknownDemand } else { Verdict::Normal },
        }
    }

    pub(in crate::drill) fn plan() -> Plan {
        let second = Duration::from_secs;
        let times = Times { warm: second(3), flood: second(5), calm: second(3), settle: second(1) };
        Plan::fitted(Settings::default(), 10.0, times, 1)
    }

    #[test]
    fn a_frame_shows_classes_the_limit_and_the_verdict() {
        let looks: Vec<_> = [(0, 1), (1, 2), (4, 15), (5, 15)].map(|(s, n)| look(s, n)).into();
        insta::assert_snapshot!(frame(&plan(), &looks, false));
        assert!(
            frame(&plan(), &looks, true).contains("\x1b[1munknown demand above capacity\x1b[0m")
        );
        assert_eq!(frame(&plan(), &[], false), "");
        insta::assert_snapshot!(line(&plan(), &looks[3]));
    }

    #[test]
    fn a_frame_is_drawn_over_the_one_before() {
        assert_eq!(over("a\nb\n", 0), "a\x1b[K\nb\x1b[K\n");
        assert_eq!(over("a\n", 2), "\x1b[2A\ra\x1b[K\n");
    }

    #[test]
    fn columns_are_as_high_as_the_highest_and_never_too_many() {
        assert_eq!(columns(&[0, 1, 2, 7]), "▁▂▃█");
        assert_eq!(columns(&[]), "");
        assert_eq!(columns(&[0, 0]), "▁▁");
        for count in [59, 60, 61, 1_000] {
            let values: Vec<_> = (0..count).collect();
            assert!(columns(&values).chars().count() <= COLUMNS, "{count}");
        }
    }
}
