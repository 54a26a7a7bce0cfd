//! Each kind of record, and findings in each state, as the events that they
//! become: the mapping is a promise to whoever reads them.

use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{
    Admitted, Changed, Erased, Outcome, Progress, Record, Refused, Settled, Totals, Who,
};
use surgewall_core::finding::{ChangedBy, Confidence, Finding, FindingChanged, Severity, State};
use surgewall_core::id::{AccountId, GroupId, KeyId, PublicId, RequestId};
use surgewall_core::incident::{
    CapacityChanged, ClassTotals, IncidentEvent, Numbers, Reason, Step, Verdict,
};
use surgewall_core::principal::{Class, DelegatedUser, Network};
use surgewall_core::quota::Amounts;
use surgewall_core::usage::{Source as Counted, Usage};
use surgewall_store::findings::FindingView;
use surgewall_store::ocsf::{Names, OCSF_VERSION, Source, event};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Knows everybody whose id is small.
struct Book;

fn known(kind: &str, id: u128) -> Option<PublicId> {
    (id < 100).then(|| PublicId::from_stored(format!("{kind}_{id}")))
}

impl Names for Book {
    fn account(&mut self, id: AccountId) -> Option<PublicId> {
        known("user", id.as_u128())
    }
    fn key(&mut self, id: KeyId) -> Option<PublicId> {
        known("key", id.as_u128())
    }
    fn group(&mut self, id: GroupId) -> Option<PublicId> {
        known("group", id.as_u128())
    }
}

fn network() -> Network {
    Network::of([203, 0, 113, 7].into())
}

fn who(account: Option<u128>, key: Option<u128>) -> Who {
    Who {
        class: Class::Verified,
        key: key.map(KeyId::from_u128),
        account: account.map(AccountId::from_u128),
        group: account.map(|_| GroupId::from_u128(3)),
        user: key.map(|_| DelegatedUser(0xabc)),
        network: network(),
    }
}

fn amounts(input: u64, output: u64) -> Amounts {
    Amounts { input, output, money: 0 }
}

fn admitted(who: Who) -> Admitted {
    Admitted {
        request_id: RequestId::from_u128(7),
        at: NOW,
        who,
        route: "chat".to_owned(),
        dialect: "openai".to_owned(),
        model: "llama".to_owned(),
        reserved: amounts(10, 100),
        charges: Vec::new(),
        carried: surgewall_core::flow::Carried::default(),
        config: "0123456789abcdef".to_owned(),
    }
}

fn settled(outcome: Outcome) -> Settled {
    Settled {
        request_id: RequestId::from_u128(7),
        at: Timestamp::from_millis(NOW.millis() + 1_500),
        outcome,
        why: None,
        usage: Usage { input: 10, output: 40, ..Usage::default() },
        source: Counted::Upstream,
        cost: 125,
        reserved: amounts(10, 100),
        topped_up: Amounts::default(),
        settled: amounts(10, 40),
        refunded: amounts(0, 60),
        upstream: Some("local".to_owned()),
        went: surgewall_core::flow::Went::default(),
        attempts: 1,
        status: 200,
        first_byte_ms: Some(200),
        duration_ms: 1_500,
    }
}

fn incident(step: Step) -> Record {
    Record::Incident(Box::new(IncidentEvent {
        id: PublicId::from_stored("inc_a".to_owned()),
        at: NOW,
        elapsed_s: 5,
        step,
        verdict: Verdict::UnknownDemand,
        also: Vec::new(),
        reasons: vec![Reason::DemandAboveCapacity],
        pool: "local".to_owned(),
        observed: false,
        numbers: Numbers::default(),
        counterfactual: None,
        totals: [ClassTotals::default(); 4],
    }))
}

fn changed(action: &str, subject: Option<&str>, detail: Option<&str>) -> Record {
    let text = |text: &str| text.to_owned();
    let (subject, detail) = (subject.map(text), detail.map(text));
    Record::Changed(Changed { at: NOW, action: action.to_owned(), subject, detail })
}

fn record(record: Record, admitted: Option<Admitted>) -> Source {
    Source::Record { sequence: 42, record: Box::new(record), admitted: admitted.map(Box::new) }
}

fn view(state: State, seen: u64) -> Source {
    let finding = Finding::new(Severity::Critical, "exposure.redis.open", "redis at db:6379")
        .evidence("It answered PING without a login.")
        .advice("Set requirepass.");
    let confidence = Confidence::Likely;
    let note = (state == State::Acknowledged).then(|| "a test machine".to_owned());
    Source::Finding(Box::new(FindingView {
        id: PublicId::from_stored("fnd_a".to_owned()),
        finding: Finding { state, confidence, ..finding },
        producer: "exposure".to_owned(),
        first_seen: NOW,
        last_seen: NOW,
        seen,
        changed_at: NOW,
        changed_by: if note.is_some() { ChangedBy::Operator } else { ChangedBy::Producer },
        note,
        became: None,
    }))
}

/// Every event that there is, by name.
fn all() -> Vec<(&'static str, Source)> {
    let user = || who(Some(1), Some(2));
    let refused = |who: Option<Who>, network, request_id, count| {
        let code = "quota_exceeded".to_owned();
        let refused = Refused { request_id, at: NOW, who, network, code, rule: None, count };
        record(Record::Refused(Box::new(refused)), None)
    };
    let admit = |who| record(Record::Admitted(Box::new(admitted(who))), None);
    let settle = |outcome, of: Option<Who>| {
        record(Record::Settled(Box::new(settled(outcome))), of.map(admitted))
    };
    let change = |action, subject, detail| record(changed(action, subject, detail), None);
    let capacity = CapacityChanged {
        at: NOW,
        pool: "local".to_owned(),
        from: 4,
        to: 5,
        tokens: None,
        why: "good window".to_owned(),
    };
    let erased =
        Erased { at: NOW, subject: "user_1".to_owned(), keys: 2, signature: "00ff".to_owned() };
    vec![
        ("erased", record(Record::Erased(erased), None)),
        ("admitted", admit(user())),
        ("admitted_operators_key", admit(who(None, Some(2)))),
        ("admitted_anonymous", admit(who(None, None))),
        ("admitted_unknown", admit(who(Some(1_000), Some(2_000)))),
        ("settled", settle(Outcome::Completed, Some(user()))),
        ("settled_broken", settle(Outcome::UpstreamBroke, Some(user()))),
        ("settled_alone", settle(Outcome::Crash, None)),
        ("refused", refused(Some(user()), Some(network()), Some(RequestId::from_u128(7)), 1)),
        ("refused_counted", refused(None, None, None, 900)),
        ("changed_begun", change("key.create", Some("key_2"), Some("limits=requests=60/1m"))),
        ("changed_done", change("key.revoke.done", Some("key_2"), None)),
        ("changed_failed", change("user.set.failed", Some("user_1"), None)),
        ("changed_many", change("key.import", None, Some("keys=3"))),
        ("changed_config", change("config.reload", Some("0123456789abcdef"), None)),
        ("changed_start", change("door.start", None, None)),
        ("changed_stop", change("door.stop", None, None)),
        ("changed_other", change("vault.polish", None, None)),
        ("incident_opened", record(incident(Step::Opened), None)),
        ("incident_closed", record(incident(Step::Closed { calm_s: 60, held: Vec::new() }), None)),
        ("capacity", record(Record::Capacity(capacity), None)),
        ("finding_open", view(State::Open, 1)),
        ("finding_back", view(State::Open, 2)),
        ("finding_acknowledged", view(State::Acknowledged, 2)),
        ("finding_fixed", view(State::Fixed, 2)),
        ("lost", Source::Lost { events: 7, at: NOW }),
    ]
}

#[test]
fn every_kind_of_record_becomes_the_event_that_it_became_before() {
    for (name, source) in all() {
        let mut event = event(&source, &mut Book).unwrap();
        let version = event.pointer_mut("/metadata/product/version").unwrap();
        assert_eq!(version.take(), env!("CARGO_PKG_VERSION"));
        if let Some(version) = event.pointer_mut("/app/version") {
            version.take();
        }
        insta::assert_json_snapshot!(format!("ocsf_{name}"), event);
    }
}

#[test]
fn every_event_has_what_its_class_requires() {
    for (name, source) in all() {
        let event = event(&source, &mut Book).unwrap();
        let number =
            |field: &str| event[field].as_u64().unwrap_or_else(|| panic!("{name}: {field}"));
        assert_eq!(number("type_uid"), number("class_uid") * 100 + number("activity_id"), "{name}");
        assert_eq!(number("category_uid"), number("class_uid") / 1_000, "{name}");
        assert!((1..=6).contains(&number("severity_id")) && number("time") > 0, "{name}");
        assert_eq!(event["metadata"]["version"], OCSF_VERSION, "{name}");
        let required: &[&str] = match number("class_uid") {
            6003 => &["actor", "api", "src_endpoint"],
            6002 => &["app"],
            3004 => &["entity"],
            2004 => &["finding_info"],
            2005 => &["finding_info_list", "status_id"],
            0 => &["message"],
            other => panic!("{name} has class {other}"),
        };
        for field in required {
            assert!(!event[*field].is_null(), "{name} lacks {field}");
        }
        assert!(!holds_null_or_uuid(&event), "{name}: {event}");
    }
}

/// Whether anything in it is null, or an internal id.
fn holds_null_or_uuid(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().any(holds_null_or_uuid),
        Value::Array(values) => values.iter().any(holds_null_or_uuid),
        Value::String(text) => text.len() == 36 && text.matches('-').count() == 4,
        _ => false,
    }
}

#[test]
fn what_is_no_event_becomes_none() {
    let id = PublicId::from_stored("fnd_a".to_owned());
    let changed = FindingChanged {
        at: NOW,
        id,
        rule: "a".to_owned(),
        severity: Severity::Note,
        state: State::Open,
        by: ChangedBy::Producer,
        account: None,
    };
    let progress = Progress {
        request_id: RequestId::from_u128(7),
        used: Amounts::default(),
        topped_up: Amounts::default(),
    };
    for none in [
        Record::Finding(changed),
        Record::Progress { at: NOW, requests: vec![progress] },
        Record::Opened(Totals::default()),
        Record::Counters { counters: Vec::new() },
        Record::Reservations { reservations: Vec::new() },
    ] {
        assert!(event(&record(none.clone(), None), &mut Book).is_none(), "{none:?}");
    }
}
