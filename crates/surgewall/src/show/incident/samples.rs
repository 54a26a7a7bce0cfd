//! Incidents for the tests of their words.

use std::collections::BTreeMap;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{
    CapacityChanged, ClassTotals, Counterfactual, IncidentEvent, Numbers, Rate, Reason, Step,
    Usual, Verdict,
};
use surgewall_store::ledger::read::{Incident, Standing, Story};

use super::words;

const BEGAN: u64 = 1_700_000_000_000;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(BEGAN + seconds * 1_000)
}

/// 400 work to a request.
fn rate(requests: u64) -> Rate {
    Rate { requests_milli: requests * 1_000, work: requests * 400 }
}

fn numbers(known: u64, unknown: u64, repeated: u64, capacity: Option<u64>) -> Numbers {
    let (known, unknown, repeated) = (rate(known), rate(unknown), rate(repeated));
    Numbers {
        window_s: 5,
        requests: 1_155,
        demand: known.plus(unknown).plus(repeated),
        known,
        unknown,
        repeated,
        refused: 812,
        capacity: capacity.map(|requests| requests * 400),
        sequences: 40,
        in_flight: 40,
        waiting: 310,
        longest_wait_ms: 19_700,
        ended: 200,
        ..Numbers::default()
    }
}

fn event(
    id: &str,
    elapsed_s: u64,
    step: Step,
    verdict: Verdict,
    numbers: Numbers,
) -> IncidentEvent {
    IncidentEvent {
        id: PublicId::from_stored(id.to_owned()),
        at: at(elapsed_s),
        elapsed_s,
        step,
        verdict,
        also: Vec::new(),
        reasons: vec![Reason::DemandAboveCapacity, Reason::KnownFits],
        pool: "local".to_owned(),
        observed: false,
        counterfactual: Counterfactual::of(&numbers),
        numbers,
        totals: [
            [10_230, 12, 10_230, 4_100, 3, 0],
            [800, 0, 790, 300, 2, 8],
            [0; 6],
            [54_000, 70, 2_100, 9_000, 400, 44_500],
        ]
        .map(|[offered, repeated, admitted, queued, left, refused]| ClassTotals {
            offered,
            repeated,
            admitted,
            queued,
            left,
            refused,
            longest_wait_ms: queued * 2,
        }),
    }
}

fn story(standing: Standing, events: Vec<IncidentEvent>) -> Story {
    let last = events.last().cloned().unwrap();
    Story {
        incident: Incident { id: last.id.clone(), standing, began: at(0), last },
        events,
        before: Vec::new(),
        capacity: Vec::new(),
        refusals: BTreeMap::new(),
        changes: Vec::new(),
        left_out: 0,
    }
}

fn moved(seconds: u64, from: u32, to: u32, tokens: Option<u64>, why: &str) -> CapacityChanged {
    CapacityChanged {
        at: at(seconds),
        pool: "local".to_owned(),
        from,
        to,
        tokens,
        why: why.to_owned(),
    }
}

/// Strangers, then repeats, then the end.
pub(crate) fn flood(id: &str) -> Story {
    let flood = numbers(31, 200, 0, Some(40));
    let retried = numbers(30, 5, 60, Some(40));
    let held = vec![(Verdict::UnknownDemand, 300), (Verdict::RetryStorm, 45)];
    let mut changed = event(
        id,
        300,
        Step::Changed { from: Verdict::UnknownDemand },
        Verdict::RetryStorm,
        retried.clone(),
    );
    changed.reasons = vec![Reason::DemandAboveCapacity, Reason::FitsWithoutRepeats];
    let mut events = vec![
        event(id, 0, Step::Opened, Verdict::UnknownDemand, flood.clone()),
        event(id, 10, Step::Measured, Verdict::UnknownDemand, flood.clone()),
        changed,
        event(id, 405, Step::Closed { calm_s: 60, held }, Verdict::UnknownDemand, flood),
    ];
    if let Some(last) = events.last_mut() {
        last.also = vec![Verdict::RetryStorm];
        last.numbers.usual =
            Usual { known: Some(rate(20)), unknown: Some(rate(2)), capacity: Some(14_000) };
        last.counterfactual = Counterfactual::of(&last.numbers);
    }
    let mut story = story(Standing::Closed, events);
    story.capacity = vec![
        moved(2, 40, 36, None, "first tokens late"),
        moved(9, 36, 37, Some(90_000), "good window"),
    ];
    story.refusals = [("overloaded".to_owned(), 44_508), ("quota_exceeded".to_owned(), 3)].into();
    story.changes = vec![(at(120), "key.revoke".to_owned())];
    story
}

/// Nobody can tell, and the door stopped.
pub(crate) fn unclear(id: &str) -> Story {
    let mut event = event(id, 0, Step::Opened, Verdict::Unclear, numbers(2, 0, 0, None));
    event.also = vec![Verdict::UpstreamSlow];
    event.reasons = vec![Reason::TokensSlow, Reason::CapacityUnknown];
    story(Standing::CutOff, vec![event])
}

/// Slow servers, observed only; the beginning is lost, and it goes on.
pub(crate) fn slow(id: &str) -> Story {
    let mut numbers = numbers(18, 2, 0, Some(4));
    numbers.ttft_percent = Some(910);
    numbers.tpot_percent = Some(1_000);
    numbers.faults = 1;
    numbers.usual = Usual { known: Some(rate(18)), unknown: Some(rate(2)), capacity: Some(8_100) };
    let events = (0..60).map(|tens| {
        let mut event =
            event(id, 70 + tens * 10, Step::Measured, Verdict::UpstreamSlow, numbers.clone());
        event.observed = true;
        event.reasons =
            vec![Reason::DemandAboveCapacity, Reason::CapacityFell, Reason::FitsUsualCapacity];
        event
    });
    let mut story = story(Standing::Open, events.collect());
    story.before = vec![moved(0, 39, 40, None, "good window")];
    story
}

/// Every fixed sentence.
pub(crate) fn every_sentence() -> String {
    let verdicts = Verdict::ALL.map(|verdict| {
        let not_known = words::not_known_of(verdict).unwrap_or("-");
        format!("{verdict}\n  {}\n  {not_known}\n", words::meaning(verdict))
    });
    let reasons = [
        Reason::DemandAboveCapacity,
        Reason::DemandFits,
        Reason::KnownAboveCapacity,
        Reason::KnownFits,
        Reason::UnknownAboveCapacity,
        Reason::FitsWithoutRepeats,
        Reason::KnownGrew,
        Reason::UnknownGrew,
        Reason::NothingGrew,
        Reason::CapacityFell,
        Reason::FitsUsualCapacity,
        Reason::FirstTokensLate,
        Reason::TokensSlow,
        Reason::CallsFail,
        Reason::NothingServed,
        Reason::TwoCauses,
        Reason::CausesTogether,
        Reason::TooNear,
        Reason::TooFewRequests,
        Reason::CapacityUnknown,
    ];
    let reasons = reasons.map(|reason| format!("{reason:?}: {}\n", words::reason(reason)));
    verdicts.concat() + &reasons.concat()
}
