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

/// The same in a sentence.
const fn sentence(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Normal | Verdict::Unclear => "The models are busy.",
        Verdict::KnownDemand => "Many people use the service now.",
        Verdict::UnknownDemand => "Many strangers ask at once; signed-in people go first.",
        Verdict::UpstreamSlow => "The model's servers are slower than usual.",
        Verdict::RetryStorm => "Many requests are sent again and again.",
    }
}

/// A place in the line in words, with what is waited for.
pub(super) fn words(door: &Door, place: &Place) -> String {
    let why = sentence(lock(&door.recent).judged().verdict);
    let [low, high] = seconds(place);
    let (position, time) = (place.position, span(low, high));
    format!("You are number {position} in the line. Your turn comes {time}. {why}")
}

/// When that is, as people say it.
fn span(low_s: u64, high_s: u64) -> String {
    let (unit, low, high) = match high_s {
        0..=1 => return "in a moment".to_owned(),
        2..=90 => ("seconds", low_s, high_s),
        _ => ("minutes", low_s / 60, high_s.div_ceil(60)),
    };
    match low {
        0 => format!("within {high} {unit}"),
        low if low < high => format!("in about {low} to {high} {unit}"),
        _ => format!("in about {high} {unit}"),
    }
}

/// Position and time, as a page is told of them.
pub(super) fn place(reason: &str, place: &Place) -> Value {
    json!({"position": place.position, "eta_s": seconds(place), "reason": reason})
}

/// When its turn comes: the soonest and the latest, in seconds from now.
fn seconds(place: &Place) -> [u64; 2] {
    let high = place.eta.high.as_millis().div_ceil(1_000);
    [place.eta.low.as_secs(), u64::try_from(high).unwrap_or(u64::MAX).max(1)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seconds_is_told_as_people_say_it() {
        for (low, high, expected) in [
            (0, 1, "in a moment"),
            (0, 9, "within 9 seconds"),
            (9, 9, "in about 9 seconds"),
            (40, 90, "in about 40 to 90 seconds"),
            (40, 91, "within 2 minutes"),
            (61, 180, "in about 1 to 3 minutes"),
            (180, 180, "in about 3 minutes"),
        ] {
            assert_eq!(span(low, high), expected);
        }
    }
}
