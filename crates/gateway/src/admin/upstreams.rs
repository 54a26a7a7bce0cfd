//! Upstreams: their servers, and the gate before each.

use surgewall_core::figures::{bytes, count, minute, rate};
use surgewall_core::incident::CapacityChanged;

use super::desk::Desk;
use super::view::{Cell, Facts, Table, Tone, View};
use crate::control::{GateStatus, UpstreamStatus};

/// Each of them.
pub(super) fn list(desk: &Desk) -> View {
    let status = desk.status();
    let lead =
        "What the door learnt of each pool of model servers, and why it last changed its mind.";
    let mut view = View::new("Upstreams", lead);
    for (name, upstream) in &status.upstreams {
        view = view.with(facts(name, upstream));
        if let Some(gate) = &upstream.gate {
            view = view.with(classes(gate));
        }
    }
    view
}

fn facts(name: &str, upstream: &UpstreamStatus) -> Facts {
    let servers = upstream.servers;
    let tone = if servers.available == servers.all {
        Tone::Good
    } else if servers.available == 0 {
        Tone::Bad
    } else {
        Tone::Watch
    };
    let facts = Facts::new("Upstream")
        .with("Name", Cell::code(name))
        .with(
            "Servers",
            Cell::tag(format!("{} of {} take calls", servers.available, servers.all), tone),
        )
        .with("In flight", servers.in_flight.to_string());
    let Some(gate) = &upstream.gate else { return facts };
    let percent =
        |value: Option<u64>| value.map_or("not known".to_owned(), |value| format!("{value} %"));
    facts
        .with("Running", format!("{} of {}", gate.running, gate.limit))
        .with("First token, of the unloaded server's", percent(gate.ttft_percent))
        .with("Per token, of the unloaded server's", percent(gate.tpot_percent))
        .with("Waits that ended as stated", percent(gate.eta_held_percent))
        .with("Waiting requests hold", bytes(gate.queued_bytes))
        .with("Capacity last moved", gate.moved.as_ref().map_or_else(|| "never".to_owned(), moved))
}

fn moved(moved: &CapacityChanged) -> String {
    format!("{} UTC, from {} to {}: {}", minute(moved.at), moved.from, moved.to, moved.why)
}

fn classes(gate: &GateStatus) -> Table {
    let rows = gate.classes.iter().map(|class| {
        vec![
            Cell::Text(class.class.to_string()),
            Cell::code(rate(class.offered_per_s_milli)),
            Cell::code(rate(class.admitted_per_s_milli)),
            Cell::code(rate(class.queued_per_s_milli)),
            Cell::code(rate(class.refused_per_s_milli)),
            Cell::code(count(class.waiting)),
            Cell::code(format!("{} s", class.longest_wait_ms / 1_000)),
        ]
    });
    Table {
        heading: "Requests a second, by class",
        columns: &[
            "Class",
            "Offered",
            "Admitted",
            "Queued",
            "Refused",
            "Waiting now",
            "Longest wait",
        ],
        rows: rows.collect(),
        empty: "",
        next: None,
    }
}
