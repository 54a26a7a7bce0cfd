//! A data flow report for people: as text, and as a page without scripts.

mod page;
pub(crate) mod words;

pub(crate) use page::html;

use std::fmt::Write as _;

use crate::commands::{DataflowLine as Line, DataflowReport as Report, DataflowSection as Section};
use crate::show::plain;

/// What the report is about, in a few lines.
fn head(report: &Report) -> Vec<String> {
    let since = report.since.as_deref().unwrap_or("the ledger's beginning");
    let until = report.until.as_deref().unwrap_or("now");
    let requests = report.requests.as_ref().map_or(0, |all| all.requests);
    let records = report.records.map_or_else(
        || "The ledger is empty.".to_owned(),
        |(first, last)| format!("Read from ledger records {first} to {last}."),
    );
    vec![
        format!("Requests that ended from {since} until {until}: {requests}."),
        records,
        format!(
            "Data directory {}; configuration {}: {}.",
            report.store,
            report.configuration,
            if report.was_in_force { "in force last" } else { "on disk, no door ran under it yet" },
        ),
        "Declared is what the operator wrote; observed is what the door saw. What is neither is UNKNOWN."
            .to_owned(),
    ]
}

/// The sections in the order in which they are read: the five questions, the
/// models and the rules.
fn sections(report: &Report) -> Vec<Section> {
    let mut sections = report.questions.clone();
    let models = report.models.iter().map(|model| {
        let mut line = Line::on(
            format!("`{}`: {}.", model.model, words::requests(model.evidence.requests)),
            &model.evidence,
        );
        let statements = model.statements().into_iter();
        line.details = statements.map(|(name, said)| words::statement(name, said)).collect();
        line
    });
    let rules = report.rules.iter().map(|rule| {
        let evidence = rule.refused.iter().chain(&rule.shadow);
        let mut line = Line::new(words::rule(rule), Vec::new());
        line.evidence =
            evidence.map(|seen| crate::commands::DataflowProof::Decisions(seen.clone())).collect();
        line
    });
    for (title, lines) in [
        ("Which models were used, and where do they come from?", models.collect::<Vec<_>>()),
        ("Which rules keep data in a region?", rules.collect()),
    ] {
        if !lines.is_empty() {
            sections.push(Section { title, lines });
        }
    }
    sections
}

/// The report for a terminal.
pub(crate) fn text(report: &Report) -> String {
    let mut text = "Data flow\n".to_owned();
    for line in head(report) {
        let _ = writeln!(text, "{}", plain(&line));
    }
    for section in sections(report) {
        let _ = writeln!(text, "\n{}", section.title);
        for Line { says, details, evidence } in &section.lines {
            let _ = writeln!(text, "  - {}", plain(says));
            for detail in details {
                let _ = writeln!(text, "      {}", plain(detail));
            }
            for proof in evidence {
                let _ = writeln!(text, "      [{}]", plain(&words::proof(proof)));
            }
        }
    }
    let _ = writeln!(text, "\nUNKNOWN");
    for (at, unknown) in report.unknown.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", at + 1, plain(&unknown.what));
        let _ = writeln!(text, "      To know it: {}", plain(&unknown.to_know));
        for proof in &unknown.evidence {
            let _ = writeln!(text, "      [{}]", plain(&words::proof(proof)));
        }
    }
    text
}
