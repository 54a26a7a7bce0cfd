//! Doors for the tests of the words.

use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{
    CapacityChanged, Counterfactual, Numbers, Rate, Reason, Usual, Verdict,
};
use surgewall_core::principal::Class;
use surgewall_gateway::control::{
    ClassStatus, GateStatus, Judgement, Servers, Status as Door, UpstreamStatus,
};
use surgewall_store::findings::OpenFindings;

const NOW: u64 = 1_700_000_000_000;

fn before(seconds: u64) -> Timestamp {
    Timestamp::from_millis(NOW - seconds * 1_000)
}

fn class(class: Class, rates: [u64; 5], waiting: u64, longest_wait_ms: u64) -> ClassStatus {
    let [offered, admitted, queued, left, refused] = rates;
    ClassStatus {
        class,
        offered_per_s_milli: offered,
        admitted_per_s_milli: admitted,
        queued_per_s_milli: queued,
        left_per_s_milli: left,
        refused_per_s_milli: refused,
        slow_per_s_milli: refused / 100,
        shed_per_s_milli: 0,
        waiting,
        longest_wait_ms,
    }
}

fn servers(all: usize, available: usize, in_flight: usize) -> Servers {
    Servers { all, available, in_flight }
}

/// A gate that has learnt nothing and seen nobody.
fn fresh() -> GateStatus {
    GateStatus {
        running: 0,
        limit: 4,
        tokens: 0,
        tokens_limit: None,
        work_per_s: None,
        ttft_percent: None,
        tpot_percent: None,
        waiting_inside: 0,
        eta_held_percent: None,
        queued_bytes: 0,
        moved: None,
        window_ms: 5_000,
        classes: Class::ALL.map(|name| class(name, [0; 5], 0, 0)).into(),
    }
}

/// 400 work to a request.
fn each(requests: u64) -> Rate {
    Rate { requests_milli: requests * 1_000, work: requests * 400 }
}

fn numbers(known: u64, unknown: u64, repeated: u64, capacity: Option<u64>) -> Numbers {
    let (known, unknown, repeated) = (each(known), each(unknown), each(repeated));
    let demand = known.plus(unknown).plus(repeated);
    Numbers {
        window_s: 5,
        requests: demand.requests_milli * 5 / 1_000,
        demand,
        known,
        unknown,
        repeated,
        capacity: capacity.map(|requests| requests * 400),
        sequences: 40,
        ..Numbers::default()
    }
}

fn judged(verdict: Verdict, numbers: Numbers) -> Judgement {
    Judgement {
        verdict,
        upstream: Some("local".to_owned()),
        counterfactual: Counterfactual::of(&numbers),
        numbers,
        ..Judgement::default()
    }
}

/// A door without an upstream: only the model that is built in.
pub(super) fn alone() -> Door {
    let built_in = UpstreamStatus { servers: servers(1, 1, 0), gate: None };
    Door {
        at: before(0),
        pid: 7,
        config: "3f9a61c2".to_owned(),
        draining: false,
        observe: false,
        connections: 2,
        open_requests: 1,
        ledger_writable: true,
        ledger_sequence: 9,
        ledger_bytes: 2_048,
        keys: 3,
        accounts: 4,
        findings: OpenFindings::default(),
        judgement: Judgement::default(),
        upstreams: [("handbook".to_owned(), built_in)].into(),
    }
}

fn with(judgement: Judgement, servers: Servers, gate: GateStatus) -> Door {
    let upstream = UpstreamStatus { servers, gate: Some(gate) };
    let mut door = Door { judgement, ..alone() };
    door.upstreams.insert("local".to_owned(), upstream);
    door
}

/// All is well.
pub(super) fn normal() -> Door {
    let mut gate = fresh();
    gate.running = 8;
    gate.limit = 40;
    gate.work_per_s = Some(16_000);
    gate.ttft_percent = Some(104);
    gate.tpot_percent = Some(130);
    gate.classes[0] = class(Class::Established, [12_400, 12_200, 0, 0, 0], 0, 0);
    gate.classes[3] = class(Class::Anonymous, [600, 600, 0, 0, 0], 0, 0);
    with(judged(Verdict::Normal, numbers(12, 1, 0, Some(40))), servers(1, 1, 8), gate)
}

/// Strangers ask for more than there is.
pub(super) fn flood() -> Door {
    let mut gate = fresh();
    gate.running = 40;
    gate.limit = 40;
    gate.tokens = 81_000;
    gate.tokens_limit = Some(90_000);
    gate.work_per_s = Some(16_000);
    gate.ttft_percent = Some(240);
    gate.tpot_percent = Some(180);
    gate.waiting_inside = 3;
    gate.queued_bytes = 12 << 20;
    gate.moved = Some(CapacityChanged {
        at: before(12),
        pool: "local".to_owned(),
        from: 44,
        to: 40,
        tokens: Some(90_000),
        why: "about 4 requests wait inside the server: first tokens take 2.4 times as long as without load".to_owned(),
    });
    gate.classes = vec![
        class(Class::Established, [21_000, 21_000, 9_000, 0, 0], 4, 350),
        class(Class::Verified, [10_000, 9_800, 6_000, 0, 0], 11, 2_100),
        class(Class::New, [0, 0, 0, 0, 0], 0, 0),
        class(Class::Anonymous, [200_000, 9_200, 20_000, 1_200, 170_400], 295, 19_700),
    ];
    let judgement = Judgement {
        incident: Some(PublicId::from_stored("inc_7Qd0Yw3mXk1bVtR5a".to_owned())),
        incident_at: Some(before(150)),
        ..judged(Verdict::UnknownDemand, numbers(31, 200, 0, Some(40)))
    };
    let mut door = with(judgement, servers(2, 1, 40), gate);
    door.open_requests = 350;
    door.connections = 612;
    door
}

/// The same, only observed.
pub(super) fn observed() -> Door {
    let mut door = Door { observe: true, ..flood() };
    for upstream in door.upstreams.values_mut() {
        if let Some(gate) = &mut upstream.gate {
            gate.queued_bytes = 0;
            for class in &mut gate.classes {
                class.admitted_per_s_milli = class.offered_per_s_milli;
                class.waiting = 0;
                class.longest_wait_ms = 0;
            }
        }
    }
    door
}

/// It stops, its upstream is away and its disk is full.
pub(super) fn draining() -> Door {
    let mut door = with(judged(Verdict::Normal, numbers(0, 0, 0, None)), servers(1, 0, 1), fresh());
    door.draining = true;
    door.ledger_writable = false;
    door
}

/// Every verdict, each with what would be otherwise.
pub(super) fn verdicts() -> Vec<Door> {
    let mut slow = numbers(31, 2, 0, Some(10));
    slow.usual = Usual { capacity: Some(18_000), ..Usual::default() };
    let unclear = Judgement {
        also: vec![Verdict::UnknownDemand, Verdict::UpstreamSlow],
        reasons: vec![Reason::DemandAboveCapacity, Reason::TwoCauses],
        ..judged(Verdict::Unclear, numbers(20, 40, 0, Some(40)))
    };
    let unknown_capacity = Judgement {
        reasons: vec![Reason::CapacityUnknown],
        ..judged(Verdict::Unclear, numbers(2, 0, 0, None))
    };
    let calm = Judgement {
        incident: Some(PublicId::from_stored("inc_a".to_owned())),
        incident_at: Some(before(400)),
        ..judged(Verdict::Normal, numbers(31, 2, 0, Some(40)))
    };
    let mut first_second = numbers(19, 22, 0, Some(40));
    first_second.refused = 5;
    [
        judged(Verdict::Normal, first_second),
        judged(Verdict::KnownDemand, numbers(60, 2, 0, Some(40))),
        judged(Verdict::UnknownDemand, numbers(41, 200, 0, Some(40))),
        judged(Verdict::UnknownDemand, numbers(0, 200, 0, Some(40))),
        judged(Verdict::RetryStorm, numbers(30, 5, 60, Some(40))),
        judged(Verdict::UpstreamSlow, slow),
        judged(Verdict::UpstreamSlow, numbers(31, 2, 0, Some(10))),
        unclear,
        unknown_capacity,
        calm,
    ]
    .map(|judgement| with(judgement, servers(1, 1, 0), fresh()))
    .into()
}
