//! How the door does: the verdict, its numbers, and what is to be looked at.

use axum::response::Response;
use surgewall_core::figures::{bytes, count, minute, rate};
use surgewall_core::incident::Verdict;

use super::desk::Desk;
use super::paper::json;
use super::view::{Cell, Facts, Section, Tone, View};
use crate::control::Status;

/// The page.
pub(super) fn view(desk: &Desk) -> View {
    let status = desk.status();
    View::new("Overview", lead(&status))
        .with(Section::Live)
        .with(verdict(&status))
        .with(door(&status))
}

/// The numbers as JSON.
pub(super) fn live(desk: &Desk) -> Response {
    json(&desk.status())
}

fn lead(status: &Status) -> String {
    if status.draining {
        return "The door stops: what runs is brought to its end.".to_owned();
    }
    if !status.ledger_writable {
        return "The ledger cannot be written, so no request is admitted. Look at the disk."
            .to_owned();
    }
    match status.judgement.verdict {
        Verdict::Normal => "Nobody has to wait for long and nobody is refused.".to_owned(),
        other => format!("The door's verdict of this second: {other}."),
    }
}

fn verdict(status: &Status) -> Facts {
    let judged = &status.judgement;
    let tone = if judged.verdict == Verdict::Normal { Tone::Good } else { Tone::Bad };
    let numbers = &judged.numbers;
    let facts = Facts::new("Verdict")
        .with("Now", Cell::tag(judged.verdict, tone))
        .with("Known demand, requests/s", rate(numbers.known.requests_milli))
        .with("Unknown demand, requests/s", rate(numbers.unknown.requests_milli))
        .with("Repeats, requests/s", rate(numbers.repeated.requests_milli));
    match (&judged.incident, judged.incident_at) {
        (Some(id), Some(at)) => facts
            .with("Incident", Cell::link(format!("/incidents/{id}"), id))
            .with("It began", format!("{} UTC", minute(at))),
        _ => facts.with("Incident", "none is open"),
    }
}

fn door(status: &Status) -> Facts {
    let open = &status.findings;
    let worst = if open.critical > 0 {
        Tone::Bad
    } else if open.warning > 0 {
        Tone::Watch
    } else {
        Tone::Good
    };
    let findings =
        format!("{} critical, {} warnings, {} notes", open.critical, open.warning, open.note);
    Facts::new("Door")
        .with("Open requests", count(status.open_requests as u64))
        .with("Connections", count(status.connections as u64))
        .with("Accounts", Cell::link("/users", count(status.accounts as u64)))
        .with("Keys", Cell::link("/keys", count(status.keys as u64)))
        .with("Open findings", Cell::tag(findings, worst))
        .with(
            "Ledger",
            format!("{} records, {}", count(status.ledger_sequence), bytes(status.ledger_bytes)),
        )
        .with("Admission", if status.observe { "observes only" } else { "decides" })
        .with("Configuration", Cell::link("/configuration", &status.config))
}
