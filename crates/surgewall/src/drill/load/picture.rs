//! The chart of a run as a picture that needs no font and no script, light or
//! dark as the reader has it.

use std::fmt::Write as _;
use std::time::Duration;

use surgewall_core::incident::Verdict;
use surgewall_core::principal::Class;
use surgewall_gateway::control::ClassStatus;

use super::plan::Plan;
use super::run::Look;
use super::score::{Line, Mark};

const WIDTH: f64 = 920.0;
/// Where the panels begin and end.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 896.0;
const PANEL: f64 = 120.0;
const GAP: f64 = 44.0;
const TOP: f64 = 76.0;
/// The score's lines.
const LINE: f64 = 20.0;
/// By class, the most trusted first; the words always stand beside them.
const COLOURS: [&str; 4] = ["#2f81f7", "#3fb950", "#d29922", "#8b949e"];
const STYLE: &str = "<style>.page{fill:#fff;stroke:#d0d7de}text{fill:#1f2328}.dim{fill:#59636e}.axis{stroke:#d0d7de}.line{fill:none;stroke:#1f2328;stroke-width:1.5}.held{fill:#1a7f37}.missed{fill:#cf222e}.open{fill:#9a6700}.flood{fill:#cf222e;opacity:.07}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117;stroke:#30363d}text{fill:#e6edf3}.dim{fill:#9198a1}.axis{stroke:#30363d}.line{stroke:#e6edf3}.held{fill:#3fb950}.missed{fill:#f85149}.open{fill:#d29922}.flood{fill:#f85149;opacity:.12}}</style>\n";

/// The picture of a run and its score.
pub(super) fn svg(plan: &Plan, looks: &[Look], lines: &[Line]) -> String {
    let last = looks.last().map_or(Duration::ZERO, |look| Duration::from_millis(look.at_ms));
    let canvas = Canvas { seconds: plan.times.until().max(last).as_secs_f64().max(1.0) };
    let score = TOP + 3.0 * (PANEL + GAP) + 40.0;
    let count = f64::from(u32::try_from(lines.len()).unwrap_or(u32::MAX));
    let height = score + count * LINE + 12.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"12\" role=\"img\" aria-label=\"surgewall drill load\">\n{STYLE}\
         <rect class=\"page\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
        WIDTH - 1.0,
        height - 1.0
    );
    let title = format!(
        "surgewall drill load: a flood of {} times the capacity, {:.1} requests/s",
        plan.multiple, plan.capacity_per_s
    );
    text(&mut out, (LEFT, 28.0), "", &title);
    legend(&mut out);
    let tops = [0.0, 1.0, 2.0].map(|nth| TOP + nth * (PANEL + GAP));
    canvas.flood(&mut out, plan, tops[2] + PANEL);
    let rate =
        |of: fn(&ClassStatus) -> u64| move |look: &Look, class| milli(look.of_class(class, of));
    canvas.stack(
        &mut out,
        tops[0],
        "offered, requests/s",
        looks,
        rate(|one| one.offered_per_s_milli),
    );
    canvas.stack(
        &mut out,
        tops[1],
        "admitted, requests/s",
        looks,
        rate(|one| one.admitted_per_s_milli),
    );
    canvas.curve(&mut out, tops[2], "learnt limit, requests at once", looks, |look| {
        f64::from(look.limit)
    });
    canvas.verdicts(&mut out, tops[2] + PANEL + 18.0, looks);
    for (line, at) in lines.iter().zip(0_u32..) {
        let y = score + f64::from(at) * LINE;
        let class = match line.result {
            Mark::Held => "held",
            Mark::Missed => "missed",
            Mark::CouldNotTell => "open",
        };
        text(&mut out, (LEFT, y), class, line.result.as_str());
        text(&mut out, (LEFT + 116.0, y), "dim", line.what);
        text(&mut out, (LEFT + 344.0, y), "", &line.seen);
    }
    out + "</svg>\n"
}

/// The panels' common axis of time.
struct Canvas {
    seconds: f64,
}

impl Canvas {
    fn x(&self, seconds: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (seconds / self.seconds).clamp(0.0, 1.0)
    }

    fn x_of(&self, look: &Look) -> f64 {
        self.x(Duration::from_millis(look.at_ms).as_secs_f64())
    }

    fn flood(&self, out: &mut String, plan: &Plan, bottom: f64) {
        let flood = plan.times.flooded();
        let (from, to) = (self.x(flood.start.as_secs_f64()), self.x(flood.end.as_secs_f64()));
        let (width, height) = (to - from, bottom - TOP);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "<rect class=\"flood\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }

    /// A panel's frame; the number at its top is `top`.
    fn frame(&self, out: &mut String, y: f64, title: &str, top: f64) {
        let bottom = y + PANEL;
        let _ = writeln!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {bottom}H{RIGHT}M{LEFT} {y}H{RIGHT}\" stroke-dasharray=\"2 3\"/>"
        );
        text(out, (LEFT, y - 7.0), "dim", title);
        let end = |out: &mut String, y: f64, words: &str| {
            let _ = writeln!(
                out,
                "<text class=\"dim\" x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{words}</text>",
                LEFT - 6.0
            );
        };
        end(out, y + 4.0, &format!("{top:.0}"));
        end(out, bottom + 4.0, "0");
    }

    /// Areas of the classes, one upon the other.
    fn stack(
        &self,
        out: &mut String,
        y: f64,
        title: &str,
        looks: &[Look],
        of: impl Fn(&Look, Class) -> f64,
    ) {
        let sums = looks.iter().map(|look| Class::ALL.iter().map(|class| of(look, *class)).sum());
        let top = sums.fold(1.0_f64, f64::max).ceil();
        self.frame(out, y, title, top);
        let height = |value: f64| y + PANEL - PANEL * value / top;
        let mut below = vec![0.0; looks.len()];
        for (class, colour) in Class::ALL.into_iter().zip(COLOURS) {
            let mut upper = String::new();
            let mut lower = Vec::new();
            for (look, base) in looks.iter().zip(&mut below) {
                let x = self.x_of(look);
                lower.push(format!("{x:.1},{:.1} ", height(*base)));
                *base += of(look, class);
                let _ = write!(upper, "{x:.1},{:.1} ", height(*base));
            }
            let lower: String = lower.into_iter().rev().collect();
            let _ = writeln!(
                out,
                "<polygon fill=\"{colour}\" points=\"{upper}{}\"/>",
                lower.trim_end()
            );
        }
    }

    fn curve(
        &self,
        out: &mut String,
        y: f64,
        title: &str,
        looks: &[Look],
        of: impl Fn(&Look) -> f64,
    ) {
        let top = looks.iter().map(&of).fold(1.0_f64, f64::max);
        self.frame(out, y, title, top);
        let mut points = String::new();
        for look in looks {
            let height = y + PANEL - PANEL * of(look) / top;
            let _ = write!(points, "{:.1},{height:.1} ", self.x_of(look));
        }
        let _ = writeln!(out, "<polyline class=\"line\" points=\"{}\"/>", points.trim_end());
    }

    /// The door's verdict, where it changes.
    fn verdicts(&self, out: &mut String, y: f64, looks: &[Look]) {
        let mut last: Option<Verdict> = None;
        let mut free_from = 0.0;
        for look in looks {
            let x = self.x_of(look);
            if last == Some(look.verdict) || x < free_from {
                continue;
            }
            last = Some(look.verdict);
            let words = look.verdict.to_string();
            // About eight units to a sign; the next words do not run into these.
            let width = 8.0 * f64::from(u32::try_from(words.len()).unwrap_or(u32::MAX));
            let x = x.min((RIGHT - width).max(free_from));
            free_from = x + width;
            text(out, (x, y), "dim", &words);
        }
    }
}

fn legend(out: &mut String) {
    for ((class, colour), nth) in Class::ALL.into_iter().zip(COLOURS).zip(0_u32..) {
        let x = LEFT + 130.0 * f64::from(nth);
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"38\" width=\"10\" height=\"10\" fill=\"{colour}\"/>"
        );
        text(out, (x + 16.0, 47.0), "dim", class.as_str());
    }
}

/// Words of the drill's own: nothing in them needs escaping.
fn text(out: &mut String, (x, y): (f64, f64), class: &str, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(out, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{words}</text>");
}

fn milli(thousandths: u64) -> f64 {
    u32::try_from(thousandths).map_or(f64::MAX, f64::from) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::load::chart::tests::{look, plan};

    #[test]
    fn the_picture_has_all_classes_the_verdicts_and_the_score_and_stays_in_its_frame() {
        let looks: Vec<_> =
            (0..14).map(|at| look(at, if (3..8).contains(&at) { 15 } else { 1 })).collect();
        let line =
            |what, result| Line { what, asked: String::new(), seen: "1 s".to_owned(), result };
        let lines = [line("goodput", Mark::Held), line("recovery", Mark::CouldNotTell)];
        let svg = svg(&plan(), &looks, &lines);
        for words in [
            "established",
            "anonymous",
            "unknown demand above capacity",
            "goodput",
            "could not tell",
        ] {
            assert!(svg.contains(words), "{words}");
        }
        let numbers =
            svg.split(&['"', ' ', ',', '\n'][..]).filter_map(|word| word.parse::<f64>().ok());
        assert!(numbers.clone().count() > 200);
        assert!(numbers.clone().all(|number| (0.0..=WIDTH).contains(&number)), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 8);
    }
}
