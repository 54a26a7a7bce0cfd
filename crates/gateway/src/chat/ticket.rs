//! A ticket: where an answer stands that waits, when its turn comes, and what
//! it waits for.

use serde_json::{Value, json};
use surgewall_core::clock::Timestamp;
use surgewall_core::incident::Verdict;
use surgewall_shield::admission::gate::Place;

use super::job::{Ended, Job, Standing};
use crate::door::Door;
use crate::sync::lock;

/// What an answer waits for, in a word or two.
const fn reason(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Normal | Verdict::Unclear => "capacity",
        Verdict::KnownDemand => "many people",
        Verdict::UnknownDemand => "many strangers",
        Verdict::UpstreamSlow => "upstream slow",
        Verdict::RetryStorm => "many retries",
    }
}

/// Position and time, as a page is told of them.
pub(super) fn place(reason: &str, place: &Place) -> Value {
    let low = place.eta.low.as_secs();
    let high = place.eta.high.as_millis().div_ceil(1_000);
    let high = u64::try_from(high).unwrap_or(u64::MAX).max(1);
    json!({"position": place.position, "eta_s": [low, high], "reason": reason})
}

/// What strangers and known callers wait for now.
pub(super) fn reason_now(door: &Door) -> &'static str {
    reason(lock(&door.recent).judged().verdict)
}

/// The ticket of `job`.
pub(super) fn of(door: &Door, job: &Job) -> Value {
    let since: Timestamp = job.since;
    let (state, told) = match job.standing() {
        Standing::Queued(told) => ("queued", told),
        Standing::Running => ("running", None),
        Standing::Ended(Ended::Done(_)) => ("done", None),
        Standing::Ended(Ended::Failed(_)) => ("failed", None),
    };
    let mut ticket = match told {
        Some(told) => place(reason_now(door), &told),
        None => json!({"position": null, "eta_s": null, "reason": null}),
    };
    ticket["state"] = state.into();
    ticket["since"] = since.millis().into();
    ticket
}
