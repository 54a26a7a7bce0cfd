//! How a door does, for whoever operates it.
//!
//! The names of the fields are those of `surgewall status --format json` and stay.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::config::admission::AdmissionMode;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{CapacityChanged, Counterfactual, Numbers, Reason, Verdict};
use surgewall_core::principal::Class;
use surgewall_shield::admission::gate::View;
use surgewall_shield::verdict::{ClassTick, Flow};
use surgewall_store::findings::OpenFindings;

use crate::admission::Recent;
use crate::door::Door;
use crate::sync::lock;

/// How a door does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// When, by the door's clock.
    pub at: Timestamp,
    /// The process.
    pub pid: u32,
    /// The configuration in force.
    pub config: String,
    /// Whether it stops.
    pub draining: bool,
    /// Whether admission only observes: nobody waits and nobody is refused by it.
    pub observe: bool,
    /// Connections that are open.
    pub connections: usize,
    /// Requests whose reservation is open.
    pub open_requests: usize,
    /// Whether the ledger can be written.
    pub ledger_writable: bool,
    /// The ledger's last record.
    pub ledger_sequence: u64,
    /// Bytes of all segments.
    pub ledger_bytes: u64,
    /// Keys.
    pub keys: usize,
    /// Accounts.
    pub accounts: usize,
    /// Findings that are open.
    pub findings: OpenFindings,
    /// What is going on.
    pub judgement: Judgement,
    /// Each upstream.
    pub upstreams: BTreeMap<String, UpstreamStatus>,
}

/// What is going on, as judged in the last second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// With `unclear`: what it may be; else what adds to it.
    pub also: Vec<Verdict>,
    /// What it rests on.
    pub reasons: Vec<Reason>,
    /// The upstream that is worst off.
    pub upstream: Option<String>,
    /// That upstream's numbers.
    pub numbers: Numbers,
    /// What would be otherwise, where the upstream's capacity is known.
    pub counterfactual: Option<Counterfactual>,
    /// The incident that is open.
    pub incident: Option<PublicId>,
    /// When it opened.
    pub incident_at: Option<Timestamp>,
}

/// How one upstream does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Its servers.
    pub servers: Servers,
    /// The gate before it; a model of the door's own has none.
    pub gate: Option<GateStatus>,
}

/// The servers of one upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Servers {
    /// All of them.
    pub all: usize,
    /// Those that take calls now.
    pub available: usize,
    /// Requests in flight to them.
    pub in_flight: usize,
}

/// How the gate before an upstream stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateStatus {
    /// Requests that run.
    pub running: u32,
    /// Requests at once that the upstream is trusted with, as learnt.
    pub limit: u32,
    /// Tokens that the running requests hold or may come to hold.
    pub tokens: u64,
    /// Tokens at once, where they were ever scarce.
    pub tokens_limit: Option<u64>,
    /// Work per second that the limit does, once it is known.
    pub work_per_s: Option<u64>,
    /// Time to the first token, in percent of the unloaded server's.
    pub ttft_percent: Option<u64>,
    /// Time per output token, in percent of the unloaded server's.
    pub tpot_percent: Option<u64>,
    /// Requests that wait inside the servers, estimated.
    pub waiting_inside: u32,
    /// Percent of the waits that ended within the range that was stated.
    pub eta_held_percent: Option<u64>,
    /// Bytes of the requests that wait.
    pub queued_bytes: u64,
    /// The limit's last move since the start.
    pub moved: Option<CapacityChanged>,
    /// What the rates are means over, in milliseconds.
    pub window_ms: u64,
    /// By class, the most trusted first.
    pub classes: Vec<ClassStatus>,
}

/// How one class does at one upstream. Rates are in thousandths of a request
/// per second, over `window_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassStatus {
    /// The class.
    pub class: Class,
    /// Requests that arrived.
    pub offered_per_s_milli: u64,
    /// Requests that went on.
    pub admitted_per_s_milli: u64,
    /// Requests that had to wait; in observe mode, that would have had to.
    pub queued_per_s_milli: u64,
    /// Requests whose client left while they waited.
    pub left_per_s_milli: u64,
    /// Requests that were refused; in observe mode, that would have been.
    pub refused_per_s_milli: u64,
    /// Streams that were ended because their client did not keep up with the model.
    #[serde(default)]
    pub slow_per_s_milli: u64,
    /// Streams that were ended for somebody more trusted; in observe mode, that would have been.
    #[serde(default)]
    pub shed_per_s_milli: u64,
    /// Requests that wait now.
    pub waiting: u64,
    /// The longest wait in the window, ended or not, in milliseconds.
    pub longest_wait_ms: u64,
}

/// How `door` does now.
pub(super) fn of(door: &Door) -> Status {
    let health = door.ledger.health();
    let policy = door.policy();
    let now = door.clock.now();
    let sizes = door.directory.sizes();
    let recent = lock(&door.recent);
    let upstreams = policy.pools.iter().map(|pool| {
        let name = pool.name().to_owned();
        let gate = pool.gate().map(|gate| self::gate(&gate.view(), &name, &recent));
        (name, UpstreamStatus { servers: pool.servers_now(now), gate })
    });
    Status {
        at: now,
        pid: std::process::id(),
        config: policy.hash.clone(),
        draining: door.tasks.is_draining(),
        observe: policy.config.admission.mode == AdmissionMode::Observe,
        connections: door.tasks.connections(),
        open_requests: door.open.count(),
        ledger_writable: health.writable,
        ledger_sequence: health.sequence,
        ledger_bytes: health.bytes,
        keys: sizes.keys,
        accounts: sizes.accounts,
        findings: door.findings.counts().open,
        judgement: judgement(&recent),
        upstreams: upstreams.collect(),
    }
}

fn judgement(recent: &Recent) -> Judgement {
    let judged = recent.judged();
    Judgement {
        verdict: judged.verdict,
        also: judged.also.clone(),
        reasons: judged.reasons.clone(),
        upstream: judged.pool.as_deref().map(str::to_owned),
        numbers: judged.numbers.clone(),
        counterfactual: judged.counterfactual,
        incident: judged.incident.clone(),
        incident_at: recent.incident_at(),
    }
}

fn gate(view: &View, pool: &str, recent: &Recent) -> GateStatus {
    let (elapsed, counts) = recent.counts(pool);
    let classes = Class::ALL.into_iter().zip(counts.iter().zip(&view.waiting));
    GateStatus {
        running: view.running.sequences,
        limit: view.sequences,
        tokens: view.running.tokens,
        tokens_limit: view.tokens,
        work_per_s: view.work_per_s.map(whole),
        ttft_percent: view.health.ttft_ratio.map(percent),
        tpot_percent: view.health.tpot_ratio.map(percent),
        waiting_inside: view.health.waiting,
        eta_held_percent: view.eta_held.map(|share| whole(share * 100.0)),
        queued_bytes: view.queued_bytes,
        moved: recent.moved(pool).cloned(),
        window_ms: millis(elapsed),
        classes: classes
            .map(|(class, (counts, now))| of_class(class, counts, *now, elapsed))
            .collect(),
    }
}

fn of_class(class: Class, counts: &ClassTick, now: Flow, elapsed: Duration) -> ClassStatus {
    let per_s_milli = |requests: u64| {
        let requests = u128::from(requests) * 1_000_000;
        let rate = requests.checked_div(elapsed.as_millis()).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    ClassStatus {
        class,
        offered_per_s_milli: per_s_milli(counts.offered.requests),
        admitted_per_s_milli: per_s_milli(counts.admitted),
        queued_per_s_milli: per_s_milli(counts.queued),
        left_per_s_milli: per_s_milli(counts.left),
        refused_per_s_milli: per_s_milli(counts.refused),
        slow_per_s_milli: per_s_milli(counts.slow),
        shed_per_s_milli: per_s_milli(counts.shed),
        waiting: now.requests,
        longest_wait_ms: counts.longest_wait_ms,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn percent(ratio: f32) -> u64 {
    whole(f64::from(ratio) * 100.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is below 0 or past the end becomes the nearest there is"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_of_the_window() {
        let flow = |requests| Flow { requests, work: 0 };
        let counts = ClassTick { offered: flow(31), refused: 1, ..ClassTick::default() };
        for (millis, offered, refused) in
            [(5_000, 6_200, 200), (1_003, 30_907, 997), (1, 31_000_000, 1_000_000), (0, 0, 0)]
        {
            let shown = of_class(Class::New, &counts, flow(7), Duration::from_millis(millis));
            let seen = (shown.offered_per_s_milli, shown.refused_per_s_milli, shown.waiting);
            assert_eq!(seen, (offered, refused, 7), "{millis} ms");
        }
    }

    #[test]
    fn ratios_are_percent_and_never_wrap() {
        for (ratio, shown) in [(1.0, 100), (0.0, 0), (-1.0, 0), (f32::NAN, 0), (2.404, 240)] {
            assert_eq!(percent(ratio), shown);
        }
        assert_eq!(percent(f32::INFINITY), u64::MAX);
    }
}
