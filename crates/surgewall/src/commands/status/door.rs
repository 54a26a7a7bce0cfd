//! The door itself.

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

/// A size in words.
pub(super) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} bytes");
    }
    let at = (usize::try_from(bytes.ilog2()).unwrap_or(0) / 10).clamp(1, UNITS.len());
    let tenths = (u128::from(bytes) * 10) >> (10 * at);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[at - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (size, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), shown);
        }
    }
}
