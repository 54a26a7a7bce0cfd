//! `surgewall check exposure`: is a stranger answered?

use std::fmt::Write as _;

use surgewall_core::config::Config;
use surgewall_scan::exposure::limits::{Patience, TARGETS_MAX};
use surgewall_scan::exposure::{Report, Target, named};

use super::print;
use crate::cli::check::Format;
use crate::commands::exposure::own;
use crate::fault::{Fault, Verdict};
use crate::place::Place;

/// Looks at `targets`; without any, at what is this machine's own.
///
/// # Errors
/// A target cannot be meant, there are too many, or the configuration cannot be
/// read or meant.
pub(super) async fn check(
    place: &Place,
    targets: &[String],
    format: Format,
) -> Result<Verdict, Fault> {
    let report = if targets.is_empty() {
        read(&place.load()?.config).await
    } else {
        named(&parse(targets)?, Patience::default()).await
    };
    match print(format, &text(&report), &report, &report.findings)? {
        Verdict::Clean if report.is_unsure() => Ok(Verdict::CouldNotTell),
        verdict => Ok(verdict),
    }
}

/// The targets. One that cannot be meant is named by its place: it may hold a password.
fn parse(targets: &[String]) -> Result<Vec<Target>, Fault> {
    if targets.len() > TARGETS_MAX {
        return Err(Fault::new(format!("at most {TARGETS_MAX} targets at once")));
    }
    let parsed = targets.iter().enumerate().map(|(at, text)| {
        let during = |error| Fault::from(error).during(&format!("target {}", at + 1));
        text.parse::<Target>().map_err(during)
    });
    parsed.collect()
}

/// What is this machine's own, and what is configured.
pub(super) async fn read(config: &Config) -> Report {
    let listen = &config.listen;
    let ports = [listen.public, listen.admin, listen.status].map(|address| address.port());
    own(config, &ports).await
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    let width = report.seen.iter().map(|seen| seen.target.len()).max().unwrap_or(0);
    for seen in &report.seen {
        let name = seen.service.map_or("", |kind| kind.name);
        let (target, outcome) = (&seen.target, seen.outcome.as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{target:<width$}  {outcome:<13}  {name:<28}  {}", seen.evidence);
    }
    for note in &report.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_have_a_bound_and_a_bad_one_is_named_by_its_place() {
        let targets = |count: usize| vec!["h:1".to_owned(); count];
        assert_eq!(parse(&targets(TARGETS_MAX)).unwrap().len(), TARGETS_MAX);
        assert!(parse(&targets(TARGETS_MAX + 1)).is_err());
        let fault = parse(&["h".into(), "redis://u:hunter2@h".into()]).unwrap_err();
        assert!(fault.message().starts_with("target 2: a target names no user"), "{fault}");
        assert!(!fault.message().contains("hunter2"));
    }
}
