//! How fast redaction is, by the CPU time of this thread:
//! `redaction_speed lines|classes|stream|whole FILE ROUNDS`. One line of JSON.

use std::error::Error;
use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use surgewall_guard::redact::Redactor;
use surgewall_guard::rules::RuleSet;

/// Characters of a piece of a stream: about a token.
const PIECE_CHARS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let how = arguments.next().unwrap_or_default();
    let text =
        surgewall_core::files::read_text(arguments.next().unwrap_or_default().as_ref(), 1 << 30)?;
    let rounds: u32 = arguments.next().unwrap_or_default().parse()?;
    let rules = RuleSet::builtin()?;
    rules.prepare()?;
    let redactor = Redactor::new(Arc::new(rules), &[7; 32]);
    if how == "stream" {
        writeln!(std::io::stdout(), "{}", stream(&redactor, &text))?;
        return Ok(());
    }
    let mut found = 0;
    let mut seconds = Vec::new();
    for _ in 0..=rounds {
        let begin = cpu_seconds();
        found = match how.as_str() {
            "lines" => text.lines().map(|line| black_box(redactor.redact(line)).found.len()).sum(),
            "classes" => text.lines().filter(|line| !redactor.classes(line).is_empty()).count(),
            "whole" => black_box(redactor.redact(&text)).found.len(),
            other => return Err(format!("no way {other}").into()),
        };
        seconds.push(cpu_seconds() - begin);
    }
    // The first round warms up.
    seconds.remove(0);
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| megabytes(text.len()) / seconds;
    let rates: Vec<f64> = seconds.iter().map(|one| rate(*one)).collect();
    let row = serde_json::json!({
        "bytes": text.len(),
        "found": found,
        "mb_per_cpu_second": rates[rates.len() / 2],
        "all": rates,
    });
    writeln!(std::io::stdout(), "{row}")?;
    Ok(())
}

/// A stream for each line: what a piece costs, and what is held back after it.
fn stream(redactor: &Redactor, text: &str) -> serde_json::Value {
    let (mut costs, mut held) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let mut stream = redactor.stream();
        let mut rest = line;
        while !rest.is_empty() {
            let (piece, after) =
                rest.split_at(rest.ceil_char_boundary(PIECE_CHARS.min(rest.len())));
            let begin = cpu_seconds();
            black_box(stream.push(piece));
            costs.push(1e6 * (cpu_seconds() - begin));
            held.push(stream.held_bytes());
            rest = after;
        }
        black_box(stream.finish());
    }
    costs.sort_by(f64::total_cmp);
    held.sort_unstable();
    let part = |count: usize, of: usize| (count * of / 1_000).min(count - 1);
    serde_json::json!({
        "pieces": costs.len(),
        "cost_us": {
            "p50": costs[part(costs.len(), 500)],
            "p99": costs[part(costs.len(), 990)],
            "p999": costs[part(costs.len(), 999)],
            "max": costs[costs.len() - 1],
        },
        "held_bytes": {
            "p50": held[part(held.len(), 500)],
            "p99": held[part(held.len(), 990)],
            "max": held[held.len() - 1],
        },
    })
}

/// The time of the processor that this thread had.
#[expect(clippy::cast_precision_loss, reason = "a benchmark's seconds need no more than 52 bits")]
fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

#[expect(clippy::cast_precision_loss, reason = "a benchmark's bytes need no more than 52 bits")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 * 1e-6
}
