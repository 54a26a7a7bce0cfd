//! The door itself.

use surgewall_core::figures::bytes;
use surgewall_gateway::control::Status as Door;
use surgewall_store::findings::OpenFindings;

use super::page::{Page, Tone};
use crate::show;

/// Writes what holds for the whole door.
pub(super) fn write(page: &mut Page, door: &Door) {
    let (tone, state) = match door.draining {
        true => (Tone::Warning, "draining: it takes no new requests"),
        false => (Tone::Plain, "serving"),
    };
    page.line(
        "door",
        tone,
        &format!("{state}, process {}, configuration {}", door.pid, door.config),
    );
    if door.observe {
        page.line(
            "admission",
            Tone::Warning,
            "it only observes: nobody waits and nobody is refused by it; \"would\" is what it would have done",
        );
    }
    page.line(
        "requests",
        Tone::Plain,
        &format!(
            "{} in flight, {}",
            door.open_requests,
            show::count(door.connections as u64, "connection")
        ),
    );
    let (tone, ledger) = match door.ledger_writable {
        true => (Tone::Plain, "writable"),
        false => (Tone::Bad, "NOT writable: new requests are refused"),
    };
    let records = show::count(door.ledger_sequence, "record");
    page.line("ledger", tone, &format!("{ledger}; {records}, {}", bytes(door.ledger_bytes)));
    let (keys, accounts) = (door.keys as u64, door.accounts as u64);
    let people = format!("{}, {}", show::count(keys, "key"), show::count(accounts, "account"));
    page.line("people", Tone::Plain, &people);
    findings(page, &door.findings);
}

/// Writes how many findings are open, if any is.
fn findings(page: &mut Page, open: &OpenFindings) {
    if open.all() == 0 {
        return;
    }
    let tone = match (open.critical, open.warning) {
        (0, 0) => Tone::Plain,
        (0, _) => Tone::Warning,
        _ => Tone::Bad,
    };
    let OpenFindings { critical, warning, note } = open;
    page.line(
        "findings",
        tone,
        &format!("{} open: {critical} critical, {warning} warning, {note} note", open.all()),
    );
}
