//! The report's sections, in the order in which they are read.

use std::fmt::Write as _;

use surgewall_core::figures::{count, duration, millis, rate, time};
use surgewall_core::incident::{Against, CapacityChanged, IncidentEvent, Numbers, Step, Verdict};
use surgewall_core::principal::Class;
use surgewall_store::ledger::read::Story;

use super::words;
use crate::show;
use crate::show::table::{Column, table};

/// Lines of one table that a person reads; JSON has all.
const LINES_MAX: usize = 40;

fn section(title: &str, body: &str) -> String {
    let body: String = body.lines().map(|line| format!("  {line}\n")).collect();
    format!("\n{title}\n{body}")
}

/// The verdict, and why.
pub(super) fn verdict(event: &IncidentEvent) -> String {
    let numbers = &event.numbers;
    let mut body = format!("{}\n", words::meaning(event.verdict));
    for reason in &event.reasons {
        let _ = writeln!(body, "- {}", words::reason(*reason));
    }
    let _ = writeln!(
        body,
        "At its worst ({} over {}): known demand {}, unknown demand {}, repeats {}.",
        requests_in_words(numbers.requests),
        duration(numbers.window_s),
        demand(numbers.known.requests_milli, numbers.known.work),
        demand(numbers.unknown.requests_milli, numbers.unknown.work),
        demand(numbers.repeated.requests_milli, numbers.repeated.work),
    );
    body += &could(numbers);
    let title = format!("Verdict: {}", words::verdict(event.verdict, &event.also));
    section(&title, &body)
}

fn requests_in_words(number: u64) -> String {
    if number == 1 { "1 request".to_owned() } else { format!("{} requests", count(number)) }
}

fn demand(requests_milli: u64, work: u64) -> String {
    if work == 0 && requests_milli == 0 {
        return "none".to_owned();
    }
    format!("{} requests/s ({} work/s)", rate(requests_milli), count(work))
}

/// What the servers could do, and how they did.
fn could(numbers: &Numbers) -> String {
    let mut text = match numbers.capacity {
        Some(work) => {
            let against = Against::of(numbers.demand, work);
            format!(
                "The servers could do {} with {}.",
                demand(against.capacity.requests_milli, work),
                requests_in_words(numbers.sequences.into()) + " at once",
            )
        }
        None => "What the servers could do is not known.".to_owned(),
    };
    if let (Some(known), Some(unknown)) = (numbers.usual.known, numbers.usual.unknown) {
        let _ = write!(
            text,
            " Usually known demand was {}, unknown demand {}.",
            demand(known.requests_milli, known.work),
            demand(unknown.requests_milli, unknown.work),
        );
    }
    if let Some(usual) = numbers.usual.capacity {
        let _ = write!(text, " Usually they did at least {} work/s.", count(usual));
    }
    for (what, percent) in [
        ("time to the first token", numbers.ttft_percent),
        ("time per token", numbers.tpot_percent),
    ] {
        if let Some(percent) = percent {
            let _ = write!(
                text,
                " Their {what} was {}% of the unloaded server's.",
                count(percent.into())
            );
        }
    }
    if numbers.faults > 0 {
        let _ = write!(text, " {} failed.", show::count(numbers.faults, "call"));
    }
    text + "\n"
}

/// What would have been otherwise.
pub(super) fn otherwise(event: &IncidentEvent) -> String {
    let title = "What would have been otherwise";
    let Some(would) = &event.counterfactual else {
        return section(
            title,
            "Not known: too few calls had ended to know what the servers can do.",
        );
    };
    let mut body = format!(
        "Known demand {}: without the unknown share we {}.\n",
        against(&would.known),
        been(&would.known),
    );
    let _ = writeln!(
        body,
        "All demand, each request sent once, {}: we {}.",
        against(&would.once),
        been(&would.once)
    );
    if let Some(usual) = &would.usual {
        let _ = writeln!(
            body,
            "The same, with the usual capacity, {}: we {}.",
            against(usual),
            been(usual)
        );
    }
    let sequences = requests_in_words(event.numbers.sequences.into());
    let _ = match would.sequences_more {
        0 => writeln!(
            body,
            "The {sequences} at once of then would have carried all, each sent once."
        ),
        more => writeln!(
            body,
            "{} more sequences beside the {} of then would have carried all, each request sent once, if each carried as much.",
            count(more),
            event.numbers.sequences,
        ),
    };
    body +=
        "It is judged in work; a capacity in requests is in requests as dear as those beside it.\n";
    section(title, &body)
}

fn against(against: &Against) -> String {
    format!(
        "{} requests/s against capacity {}",
        rate(against.demand.requests_milli),
        match against.demand.requests_milli {
            // Of nothing no requests are as dear.
            0 => format!("{} work/s", count(against.capacity.work)),
            _ => rate(against.capacity.requests_milli),
        },
    )
}

const fn been(against: &Against) -> &'static str {
    if against.fits() { "would not have been overloaded" } else { "would have been overloaded" }
}

/// What happened when.
pub(super) fn timeline(story: &Story) -> String {
    let mut lines = Vec::new();
    for event in &story.events {
        let said = words::verdict(event.verdict, &event.also);
        let pool = show::plain(&event.pool);
        let line = match &event.step {
            Step::Opened => format!("it began at {pool}: {said}"),
            Step::Changed { from } if *from == event.verdict => {
                format!("{pool} is worst off now: {said}")
            }
            Step::Changed { from } => format!("{said} (before: {from}), at {pool}"),
            Step::Measured => continue,
            Step::Closed { calm_s, held } => {
                format!("it ended, after {} of calm; {}", duration(*calm_s), held_for(held))
            }
        };
        lines.push((event.at, line));
    }
    lines.extend(
        story.changes.iter().map(|(at, what)| (*at, format!("changed: {}", show::plain(what)))),
    );
    // Stable: events of one moment stay in the ledger's order.
    lines.sort_by_key(|(at, _)| *at);
    if lines.is_empty() {
        lines.push((
            story.incident.began,
            "it began; the ledger no longer has the event".to_owned(),
        ));
    }
    let lines: Vec<_> =
        lines.into_iter().map(|(at, line)| format!("{}  {line}\n", time(at))).collect();
    section("Timeline (UTC)", &abridged(&lines))
}

fn held_for(held: &[(Verdict, u64)]) -> String {
    let each =
        held.iter().map(|(verdict, seconds)| format!("{verdict} for {}", duration(*seconds)));
    each.collect::<Vec<_>>().join(", ")
}

/// The first and the last lines, if there are too many.
fn abridged(lines: &[String]) -> String {
    if lines.len() <= LINES_MAX {
        return lines.concat();
    }
    let half = LINES_MAX / 2;
    let (first, last) = (&lines[..half], &lines[lines.len() - half..]);
    let left_out = lines.len() - LINES_MAX;
    format!("{}... {left_out} more lines in --format json\n{}", first.concat(), last.concat())
}

/// Requests by class.
pub(super) fn requests(last: &IncidentEvent) -> String {
    let rows = Class::ALL.into_iter().zip(&last.totals).map(|(class, total)| {
        let counts = [
            total.offered,
            total.repeated,
            total.admitted,
            total.queued,
            total.left,
            total.refused,
        ];
        let mut row = vec![class.to_string()];
        row.extend(counts.map(count));
        row.push(millis(total.longest_wait_ms));
        row
    });
    let columns = [
        Column::Left("class"),
        Column::Right("offered"),
        Column::Right("of it again"),
        Column::Right("admitted"),
        Column::Right("queued"),
        Column::Right("left"),
        Column::Right("refused"),
        Column::Right("longest wait"),
    ];
    let title = match last.step {
        Step::Closed { .. } => "Requests while it lasted, the calm at its end included",
        _ => "Requests while it lasted",
    };
    section(title, &table(&columns, rows.collect()))
}

/// Demand and capacity over time.
pub(super) fn measured(story: &Story) -> String {
    let shown = story.events.iter().filter(|event| !matches!(event.step, Step::Closed { .. }));
    let rows = shown.map(|event| {
        let numbers = &event.numbers;
        let capacity = numbers.capacity.map(|work| Against::of(numbers.demand, work).capacity);
        vec![
            time(event.at),
            show::plain(&event.pool),
            rate(numbers.known.requests_milli),
            rate(numbers.unknown.requests_milli),
            rate(numbers.repeated.requests_milli),
            capacity.map_or_else(|| "?".to_owned(), |capacity| rate(capacity.requests_milli)),
            numbers.sequences.to_string(),
            numbers.in_flight.to_string(),
            count(numbers.waiting),
            millis(numbers.longest_wait_ms),
        ]
    });
    let columns = [
        Column::Left("time"),
        Column::Left("upstream"),
        Column::Right("known"),
        Column::Right("unknown"),
        Column::Right("again"),
        Column::Right("capacity"),
        Column::Right("at once"),
        Column::Right("running"),
        Column::Right("waiting"),
        Column::Right("longest wait"),
    ];
    let shown = table(&columns, rows.collect());
    let mut lines: Vec<_> = shown.lines().map(|line| format!("{line}\n")).collect();
    let head = lines.remove(0);
    section("Demand and capacity over time, in requests per second", &(head + &abridged(&lines)))
}

/// What the door did.
pub(super) fn door(story: &Story) -> String {
    let totals = &story.incident.last.totals;
    let sum =
        |of: fn(&surgewall_core::incident::ClassTotals) -> u64| totals.iter().map(of).sum::<u64>();
    let (queued, refused, left) = (sum(|t| t.queued), sum(|t| t.refused), sum(|t| t.left));
    let longest = totals.iter().map(|total| total.longest_wait_ms).max().unwrap_or(0);
    let mut body = if story.incident.last.observed {
        format!(
            "Admission only observed. It would have let {} wait and refused {}; it let everybody through.\n",
            requests_in_words(queued),
            count(refused),
        )
    } else {
        let waited = match queued {
            0 => "Nobody had to wait".to_owned(),
            _ => format!(
                "It let {} wait (the longest: {}; {} left before their turn)",
                requests_in_words(queued),
                millis(longest),
                count(left),
            ),
        };
        format!(
            "{waited}. It refused {} because the servers were full or away.\n",
            requests_in_words(refused),
        )
    };
    if !story.refusals.is_empty() {
        let codes = story
            .refusals
            .iter()
            .map(|(code, sum)| format!("{} {}", show::plain(code), count(*sum)));
        let _ = writeln!(
            body,
            "Refusals of every kind, by code: {}.",
            codes.collect::<Vec<_>>().join(", ")
        );
    }
    if story.left_out > 0 {
        let _ = writeln!(
            body,
            "{} more records are in the ledger and not in this report.",
            count(story.left_out)
        );
    }
    section("What the door did", &body)
}

/// How the learnt capacities moved.
pub(super) fn capacity(story: &Story) -> String {
    if story.capacity.is_empty() {
        let held = "The learnt capacity did not move.\n".to_owned();
        let before = story
            .before
            .iter()
            .map(|moved| format!("{} stood at {}.\n", show::plain(&moved.pool), at_once(moved)));
        return section("Learnt capacity", &(held + &before.collect::<String>()));
    }
    let lines = story.capacity.iter().map(|moved| {
        format!(
            "{}  {}: {} to {}: {}\n",
            time(moved.at),
            show::plain(&moved.pool),
            moved.from,
            at_once(moved),
            show::plain(&moved.why),
        )
    });
    section("Learnt capacity, in requests at once", &abridged(&lines.collect::<Vec<_>>()))
}

fn at_once(moved: &CapacityChanged) -> String {
    let tokens = moved.tokens.map(|tokens| format!(" and {} tokens", count(tokens)));
    format!("{}{}", moved.to, tokens.unwrap_or_default())
}

/// What is not known.
pub(super) fn not_known(story: &Story, worst: &IncidentEvent) -> String {
    let mut body = String::new();
    let special = words::not_known_of(worst.verdict);
    for line in special.into_iter().chain(words::NOT_KNOWN) {
        let _ = writeln!(body, "- {line}");
    }
    let usual = &worst.numbers.usual;
    if usual.known.is_none() || usual.capacity.is_none() {
        body += "- How it usually is: the door had not seen enough calm before to say what grew.\n";
    }
    if !matches!(story.events.first().map(|event| &event.step), Some(Step::Opened)) {
        body += "- Its beginning: the ledger no longer has it.\n";
    }
    section("What is not known", &body)
}
