//! What is going on, in one or two sentences.

use surgewall_core::clock::Timestamp;
use surgewall_core::figures::{count, duration, rate};
use surgewall_core::incident::{Against, Numbers, Reason, Verdict};
use surgewall_gateway::control::{Judgement, Status as Door};

use super::page::{Page, Tone};
use crate::show::incident::words;

/// Writes the verdict, what it rests on, and what would be otherwise.
pub(super) fn write(page: &mut Page, door: &Door) {
    let judged = &door.judgement;
    let tone = if judged.verdict == Verdict::Normal { Tone::Good } else { Tone::Bad };
    page.line("verdict", tone, &words::verdict(judged.verdict, &judged.also));
    let Some(upstream) = &judged.upstream else {
        page.line("", Tone::Plain, "There is no upstream to judge.");
        return;
    };
    page.line("", Tone::Plain, &format!("At {upstream}: {}", demand(&judged.numbers)));
    let refused = judged.numbers.refused;
    if judged.verdict == Verdict::Normal && judged.incident.is_none() && refused > 0 {
        let would = if door.observe { "would have been" } else { "were" };
        let told = format!(
            "{refused} of them {would} refused; it is judged after three such seconds of five."
        );
        page.line("", Tone::Warning, &told);
    }
    if let Some(otherwise) = otherwise(judged) {
        page.line("", Tone::Plain, &otherwise);
    }
    if let Some(id) = &judged.incident {
        let open = judged.incident_at.map(|began| duration(seconds(began, door.at)));
        let open = open.map(|open| format!(", open for {open}")).unwrap_or_default();
        let calm = match judged.verdict {
            Verdict::Normal => "; it is calm now, and the incident ends after a calm minute",
            _ => "",
        };
        let told = format!("{id}{open}{calm}; `surgewall report incident last` tells it");
        page.line("incident", Tone::Warning, &told);
    }
}

/// Whole seconds from one moment to a later one.
pub(super) fn seconds(from: Timestamp, to: Timestamp) -> u64 {
    to.millis().saturating_sub(from.millis()) / 1_000
}

/// What is asked for, and what can be done.
fn demand(numbers: &Numbers) -> String {
    let window = duration(numbers.window_s);
    if numbers.requests == 0 {
        return format!("no request in the last {window}.");
    }
    let mut parts = vec![format!("known {}", rate(numbers.known.requests_milli))];
    parts.push(format!("unknown {}", rate(numbers.unknown.requests_milli)));
    if numbers.repeated.requests_milli > 0 {
        parts.push(format!("sent again {}", rate(numbers.repeated.requests_milli)));
    }
    let all = rate(numbers.demand.requests_milli);
    let demand = format!("demand {all} requests/s ({}) over {window}", parts.join(", "));
    match numbers.capacity {
        Some(work) => {
            let capacity = Against::of(numbers.demand, work).capacity;
            format!("{demand}, against capacity {}.", rate(capacity.requests_milli))
        }
        None => format!("{demand}; what the servers can do is not known yet."),
    }
}

/// The one thing that would be otherwise and tells the most.
fn otherwise(judged: &Judgement) -> Option<String> {
    if judged.verdict == Verdict::Unclear {
        return judged
            .reasons
            .iter()
            .rev()
            .find(|reason| is_doubt(**reason))
            .map(|reason| words::reason(*reason).to_owned());
    }
    let would = judged.counterfactual.as_ref()?;
    match judged.verdict {
        Verdict::Normal | Verdict::Unclear => None,
        Verdict::UnknownDemand => Some(format!(
            "Known demand alone is {}: without the unknown share we {}.",
            against(&would.known),
            be(&would.known),
        )),
        Verdict::RetryStorm => Some(format!(
            "Each request sent once, demand is {}: without the repeats we {}.",
            against(&would.once),
            be(&would.once),
        )),
        Verdict::UpstreamSlow if would.usual.is_some() => would.usual.as_ref().map(|usual| {
            format!("With the usual capacity it is {}: we {}.", against(usual), be(usual))
        }),
        Verdict::KnownDemand | Verdict::UpstreamSlow => Some(format!(
            "{} more requests at once beside the {} of now would carry all, if each carried as much.",
            count(would.sequences_more),
            judged.numbers.sequences,
        )),
    }
}

/// Whether it says why nothing surer can be said.
const fn is_doubt(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::DemandFits
            | Reason::TwoCauses
            | Reason::CausesTogether
            | Reason::TooNear
            | Reason::TooFewRequests
            | Reason::CapacityUnknown
    )
}

fn against(against: &Against) -> String {
    let (demand, capacity) = (against.demand.requests_milli, against.capacity.requests_milli);
    match demand {
        // Of nothing no requests are as dear.
        0 => format!("none against capacity {} work/s", count(against.capacity.work)),
        _ => format!("{} requests/s against capacity {}", rate(demand), rate(capacity)),
    }
}

const fn be(against: &Against) -> &'static str {
    if against.fits() { "would not be overloaded" } else { "would be overloaded all the same" }
}
