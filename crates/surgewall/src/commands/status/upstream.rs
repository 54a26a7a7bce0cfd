//! One upstream: its servers, what the door learnt of them, and who gets how much.

use std::fmt::Write as _;

use surgewall_core::figures::{bytes, count, duration, millis, rate};
use surgewall_core::incident::CapacityChanged;
use surgewall_gateway::control::{ClassStatus, GateStatus, Servers, Status as Door};

use super::page::{Page, Tone};
use super::verdict::seconds;
use crate::show;
use crate::show::table::Column;

/// Writes one upstream that has a gate.
pub(super) fn write(page: &mut Page, door: &Door, name: &str, servers: Servers, gate: &GateStatus) {
    let (tone, state) = state(servers);
    page.line("upstream", tone, &format!("{name}: {state}, {} in flight", servers.in_flight));
    page.line("capacity", Tone::Plain, &capacity(gate));
    page.line("speed", Tone::Plain, &speed(gate));
    let moved = gate.moved.as_ref();
    page.line(
        "last move",
        Tone::Plain,
        &moved.map_or_else(unmoved, |moved| self::moved(moved, door)),
    );
    classes(page, gate, door.observe);
}

/// Writes which models the door answers itself, in one line.
pub(super) fn write_built_in(page: &mut Page, door: &Door) {
    let names = door.upstreams.iter().filter(|(_, upstream)| upstream.gate.is_none());
    let names: Vec<_> = names.map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        page.line("built in", Tone::Plain, &names.join(", "));
    }
}

fn state(servers: Servers) -> (Tone, String) {
    let all = show::count(servers.all as u64, "server");
    match servers.available {
        0 => (Tone::Bad, format!("down, {all}")),
        some if some == servers.all => (Tone::Plain, format!("up, {all}")),
        some => (Tone::Warning, format!("{some} of {all} up")),
    }
}

fn capacity(gate: &GateStatus) -> String {
    let mut text = format!("{} of {} at once", gate.running, gate.limit);
    // Writing to a String cannot fail.
    if let Some(limit) = gate.tokens_limit {
        let _ = write!(text, ", {} of {} tokens", count(gate.tokens), count(limit));
    }
    if let Some(work) = gate.work_per_s {
        let _ = write!(text, ", {} work/s", count(work));
    }
    let waiting: u64 = gate.classes.iter().map(|class| class.waiting).sum();
    if waiting > 0 {
        let _ = write!(text, "; {} wait ({})", count(waiting), bytes(gate.queued_bytes));
    }
    text
}

fn speed(gate: &GateStatus) -> String {
    let times = |percent: u64| format!("{}.{} times", percent / 100, percent / 10 % 10);
    let mut parts = Vec::new();
    if let Some(percent) = gate.ttft_percent {
        parts.push(format!("first tokens take {}", times(percent)));
    }
    if let Some(percent) = gate.tpot_percent {
        parts.push(format!("each further token {}", times(percent)));
    }
    if parts.is_empty() {
        return "not known yet".to_owned();
    }
    let mut text = parts.join(", ") + " as long as without load";
    if gate.waiting_inside > 0 {
        let _ = write!(text, "; about {} wait inside", gate.waiting_inside);
    }
    text
}

fn unmoved() -> String {
    "none since the start".to_owned()
}

/// The last move of the capacity, and why.
fn moved(moved: &CapacityChanged, door: &Door) -> String {
    let mut text = if moved.from == moved.to {
        format!("still {} at once", moved.to)
    } else {
        format!("{} to {} at once", moved.from, moved.to)
    };
    if let Some(tokens) = moved.tokens {
        let _ = write!(text, " and {} tokens", count(tokens));
    }
    let ago = match seconds(moved.at, door.at) {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", duration(seconds)),
    };
    let _ = write!(text, ", {ago}: {}", moved.why);
    text
}

fn classes(page: &mut Page, gate: &GateStatus, observe: bool) {
    if gate.classes.iter().all(is_idle) {
        let window = duration(gate.window_ms.saturating_add(500) / 1_000);
        page.line("requests", Tone::Plain, &format!("none in the last {window}"));
        return;
    }
    let rows = gate.classes.iter().map(|class| {
        let waits = if observe { rate(class.queued_per_s_milli) } else { count(class.waiting) };
        vec![
            class.class.to_string(),
            rate(class.offered_per_s_milli),
            rate(class.admitted_per_s_milli),
            rate(class.refused_per_s_milli),
            rate(class.left_per_s_milli),
            rate(class.slow_per_s_milli.saturating_add(class.shed_per_s_milli)),
            waits,
            millis(class.longest_wait_ms),
        ]
    });
    let (refused, waits) =
        if observe { ("would refuse/s", "would wait/s") } else { ("refused/s", "waiting") };
    let columns = [
        Column::Left("class"),
        Column::Right("offered/s"),
        Column::Right("admitted/s"),
        Column::Right(refused),
        Column::Right("left/s"),
        Column::Right("cut/s"),
        Column::Right(waits),
        Column::Right("longest wait"),
    ];
    page.table(&columns, rows.collect());
}

/// Whether nothing happened and nobody waits.
const fn is_idle(class: &ClassStatus) -> bool {
    class.offered_per_s_milli == 0
        && class.admitted_per_s_milli == 0
        && class.left_per_s_milli == 0
        && class.slow_per_s_milli == 0
        && class.shed_per_s_milli == 0
        && class.waiting == 0
}
