//! `report dataflow` on planted decisions, beside a door and on a copy.
#![expect(clippy::unwrap_used, reason = "a test without its ledger has failed")]

use std::process::Command;

use serde_json::Value;
use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::data::DataClass;
use surgewall_core::decision::{Admitted, Outcome, Record, Refused, Settled, Who};
use surgewall_core::digest::config_hash;
use surgewall_core::flow::{Carried, Observed, Went};
use surgewall_core::id::{KeyId, RequestId};
use surgewall_core::principal::{Class, DelegatedUser, Network};
use surgewall_core::quota::Amounts;
use surgewall_core::usage::{Source, Usage};
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::people::sealed::keep_config;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use crate::site::{ANY_PORTS, Site};

const START_MS: u64 = 1_790_000_000_000;

/// What an operator who wrote down all that can be written down wrote down.
fn declared() -> String {
    format!(
        r#"{ANY_PORTS}
[[upstream]]
name = "provider"
url = "https://api.example.com/v1"
models = ["big"]
provider = "Example <AI>"
legal_entity = "Example AI Ireland Ltd"
region = "eu"
retention_days = 30
trains_on_data = "no"
terms_source = "https://example.com/terms"
terms_date = "2026-11-01"

[data]
controller = "Our Clinic Ltd"
contact = "privacy@clinic.example"
purposes = ["answering staff's questions"]
legal_basis = "GDPR Art. 6(1)(f)"
region = "de"
retention = "backups for 30 days in the same building"

[[passport]]
model = "big"
maker = {{ value = "Example AI", status = "verified", source = "model card", date = "2026-11-01" }}
licence = {{ value = "proprietary", status = "verified", source = "contract", date = "2026-11-01" }}
training_data = {{ value = "not published", status = "claimed", source = "model card", date = "2026-11-01" }}
weights = {{ value = "big-2026-10", status = "claimed", source = "model card", date = "2026-11-01" }}
"#
    )
}

/// An upstream of which nobody said anything, and a rule.
fn undeclared() -> String {
    declared()
        + r#"
[[upstream]]
name = "somewhere"
url = "https://203.0.113.9/v1"

[telemetry]
otlp_endpoint = "http://collector.example:4318"
syslog = "udp://logs.example:514"

[[rule]]
id = "mail-stays"
kind = "residency"
state = "shadow"
classes = ["email"]
regions = ["eu"]
"#
}

fn admitted(n: u128, config: &str, model: &str, carried: Carried) -> Record {
    let key = KeyId::from_u128(7);
    Record::Admitted(Box::new(Admitted {
        request_id: RequestId::from_u128(n),
        at: at(n),
        who: Who {
            class: Class::Verified,
            key: Some(key),
            account: None,
            group: None,
            user: (n == 2).then_some(DelegatedUser(9)),
            network: Network::of([192, 0, 2, 1].into()),
        },
        route: "chat".into(),
        dialect: "openai".into(),
        model: model.into(),
        reserved: Amounts::default(),
        charges: Vec::new(),
        carried,
        config: config.into(),
    }))
}

fn at(n: u128) -> Timestamp {
    Timestamp::from_millis(START_MS + u64::try_from(n).unwrap() * 1_000)
}

fn settled(n: u128, upstream: Option<&str>, went: Went, outcome: Outcome) -> Record {
    Record::Settled(Box::new(Settled {
        request_id: RequestId::from_u128(n),
        at: at(n),
        outcome,
        why: None,
        usage: Usage::default(),
        source: Source::Upstream,
        cost: 0,
        reserved: Amounts::default(),
        topped_up: Amounts::default(),
        settled: Amounts::default(),
        refunded: Amounts::default(),
        upstream: upstream.map(str::to_owned),
        went,
        attempts: 1,
        status: 200,
        first_byte_ms: None,
        duration_ms: 5,
    }))
}

fn eu() -> Went {
    Went { region: Some("eu".into()), ..Went::default() }
}

fn email() -> Carried {
    Carried { classes: [DataClass::Email].into_iter().collect(), ..Carried::default() }
}

/// A site in whose data directory `records` are, and `kept` configurations, the newest last.
fn site(config: &str, kept: &[String], records: Vec<Record>) -> Site {
    let site = Site::with(config);
    site.stdout(&["admin", "group", "create", "--name", "course"], 0);
    let data = DataDir::open(&site.path("surgewall-data")).unwrap();
    let vault = Vault::open(&data, Some(&site.master_key())).unwrap();
    let options = LedgerOptions::new(&schema::Ledger::default(), Clock::System);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let people = Sqlite::open(&data.database()).await.unwrap();
        for (nth, text) in kept.iter().enumerate() {
            let when = Timestamp::from_millis(START_MS + nth as u64);
            keep_config(&people, &vault, &config_hash(text), text, when).await.unwrap();
        }
        people.close().await;
        let (ledger, _) = Ledger::open(&data, &vault, options).unwrap();
        for record in records {
            ledger.append(record).await.unwrap();
        }
        ledger.shutdown().await.unwrap();
    });
    site
}

/// All that can go wrong in knowing, planted.
fn planted() -> Site {
    let (before, now) = (declared(), undeclared());
    let (old, new) = (config_hash(&before), config_hash(&now));
    let media = Carried { media: 1, ..email() };
    let shadow = Carried { shadow: vec!["mail-stays".into()], ..email() };
    let local = Went { observed: Some(Observed::Local), ..Went::default() };
    let refused = Refused {
        request_id: Some(RequestId::from_u128(8)),
        at: at(8),
        who: None,
        network: None,
        code: "residency".into(),
        rule: Some("gone-rule".into()),
        count: 1,
    };
    let records = vec![
        admitted(1, &old, "big", media),
        settled(1, Some("provider"), eu(), Outcome::Completed),
        admitted(2, &new, "big", Carried::default()),
        settled(2, Some("provider"), eu(), Outcome::Completed),
        admitted(3, &new, "hash:0011223344556677", shadow),
        settled(3, Some("somewhere"), Went::default(), Outcome::Completed),
        admitted(4, &new, "handbook", Carried::default()),
        settled(4, Some("handbook"), local, Outcome::Completed),
        admitted(5, "00000000deadbeef", "big", Carried::default()),
        settled(5, Some("forgotten"), eu(), Outcome::Completed),
        admitted(6, &new, "big", Carried::default()),
        settled(6, None, Went::default(), Outcome::Crash),
        admitted(7, &new, "big", Carried::default()),
        Record::Refused(Box::new(refused)),
    ];
    let site = site(&now, &[before, now.clone()], records);
    site.write("surgewall-data/strange.bin", "?");
    site
}

#[test]
fn the_five_questions_are_answered_and_what_is_not_known_is_listed() {
    let site = planted();
    let shown = |words: &[&str]| {
        let shown = site.shown(words).replace(&config_hash(&declared()), "HASH_BEFORE");
        shown.replace(&config_hash(&undeclared()), "HASH_NOW")
    };
    insta::assert_snapshot!("dataflow", shown(&["report", "dataflow"]));
    insta::assert_snapshot!("dataflow_html", shown(&["report", "dataflow", "--format", "html"]));
    let json: Value =
        serde_json::from_str(&site.stdout(&["report", "dataflow", "--format", "json"], 0)).unwrap();
    let find = |name: &str| -> &Value {
        let all = json["recipients"].as_array().unwrap();
        all.iter().find(|recipient| recipient["upstream"] == name).unwrap()
    };
    assert_eq!(find("provider")["legal_entity"], "Example AI Ireland Ltd");
    assert_eq!(find("provider")["evidence"]["requests"], 2);
    assert_eq!(find("somewhere")["provider"], Value::Null);
    assert_eq!(find("somewhere")["classes"]["email"], 1);
    assert_eq!(find("forgotten")["behind"], "gone");
    assert_eq!(find("handbook")["behind"], "built_in");
    let unknown = json["unknown"].to_string();
    for planted in ["somewhere", "203.0.113.9", "forgotten", "00000000deadbeef", "strange.bin"] {
        assert!(unknown.contains(planted), "{planted} is not listed as UNKNOWN: {unknown}");
    }
    for line in
        json["questions"].as_array().unwrap().iter().flat_map(|q| q["lines"].as_array().unwrap())
    {
        assert!(!line["evidence"].as_array().unwrap().is_empty(), "{line} stands on nothing");
    }
}

#[test]
fn what_is_declared_is_not_unknown() {
    let text = declared();
    let hash = config_hash(&text);
    let records = vec![
        admitted(1, &hash, "big", email()),
        settled(1, Some("provider"), eu(), Outcome::Completed),
    ];
    let site = site(&text, std::slice::from_ref(&text), records);
    let json: Value =
        serde_json::from_str(&site.stdout(&["report", "dataflow", "--format", "json"], 0)).unwrap();
    let unknown = json["unknown"].as_array().unwrap();
    // What no configuration can say remains.
    assert_eq!(unknown.len(), 2, "{unknown:?}");
    assert!(unknown.iter().all(|entry| entry["evidence"] == serde_json::json!([])));
    let shown = site.stdout(&["report", "dataflow"], 0);
    let (answers, _) = shown.split_once("\nUNKNOWN\n").unwrap();
    assert!(!answers.lines().skip(5).any(|line| line.contains("UNKNOWN")), "{answers}");
}

#[test]
fn it_is_made_of_a_period_beside_a_door_and_of_a_copy() {
    let site = planted();
    let period = ["--since", "2026-09-21T14:13:21Z", "--until", "2026-09-21T14:13:22Z"];
    let json: Value = serde_json::from_str(
        &site.stdout(&[&["report", "dataflow", "--format", "json"], &period[..]].concat(), 0),
    )
    .unwrap();
    assert_eq!(json["requests"]["requests"], 1, "{json}");
    // The test's binary has no traces.
    site.write("surgewall.toml", &declared());
    let door = site.serve(&[]);
    let beside = site.stdout(&["report", "dataflow"], 0);
    assert!(beside.contains("`somewhere`"), "{beside}");
    drop(door);
    let (from, to) = (site.path("surgewall-data"), site.path("copy"));
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    let copied = site.stdout(&["--data-dir", "copy", "report", "dataflow"], 0);
    assert!(copied.contains("`somewhere`"), "{copied}");
    std::fs::remove_file(site.master_key()).unwrap();
    let without = site.run(&["report", "dataflow"]);
    assert_eq!(without.status.code(), Some(2));
}

#[test]
fn a_data_directory_without_decisions_has_a_report_too() {
    let site = Site::new();
    site.stdout(&["admin", "group", "create", "--name", "course"], 0);
    insta::assert_snapshot!("dataflow_none", site.shown(&["report", "dataflow"]));
    let bad = site.run(&["report", "dataflow", "--since", "yesterday"]);
    assert_eq!(bad.status.code(), Some(2));
}
