//! `report incident` on data directories, beside a door and on a copy.
#![expect(clippy::unwrap_used, reason = "a test without its ledger has failed")]

use std::process::Command;

use serde_json::Value;
use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::Record;
use surgewall_core::id::PublicId;
use surgewall_core::incident::{
    CapacityChanged, ClassTotals, Counterfactual, IncidentEvent, Numbers, Rate, Reason, Step,
    Verdict,
};
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::vault::Vault;

use crate::site::{ANY_PORTS, Site};

fn event(id: &str, elapsed_s: u64, step: Step) -> Record {
    let known = Rate { requests_milli: 31_000, work: 12_400 };
    let unknown = Rate { requests_milli: 169_000, work: 67_600 };
    let numbers = Numbers {
        window_s: 5,
        requests: 1_000,
        demand: known.plus(unknown),
        known,
        unknown,
        capacity: Some(16_000),
        sequences: 40,
        in_flight: 40,
        ..Numbers::default()
    };
    Record::Incident(Box::new(IncidentEvent {
        id: PublicId::from_stored(id.to_owned()),
        at: Timestamp::from_millis(1_700_000_000_000 + elapsed_s * 1_000),
        elapsed_s,
        step,
        verdict: Verdict::UnknownDemand,
        also: Vec::new(),
        reasons: vec![Reason::DemandAboveCapacity, Reason::KnownFits],
        pool: "local".to_owned(),
        observed: false,
        counterfactual: Counterfactual::of(&numbers),
        numbers,
        totals: [ClassTotals { offered: 9, admitted: 8, refused: 1, ..ClassTotals::default() }; 4],
    }))
}

/// A site whose ledger has a closed incident and one whose door died.
fn site() -> Site {
    let site = Site::with(ANY_PORTS);
    site.stdout(&["admin", "group", "create", "--name", "course"], 0);
    let data = DataDir::open(&site.path("surgewall-data")).unwrap();
    let vault = Vault::open(&data, Some(&site.master_key())).unwrap();
    let options = LedgerOptions::new(&schema::Ledger::default(), Clock::System);
    let held = vec![(Verdict::UnknownDemand, 300)];
    let records = [
        event("inc_first", 0, Step::Opened),
        Record::Capacity(CapacityChanged {
            at: Timestamp::from_millis(1_700_000_002_000),
            pool: "local".to_owned(),
            from: 40,
            to: 36,
            tokens: None,
            why: "first tokens late".to_owned(),
        }),
        event("inc_first", 360, Step::Closed { calm_s: 60, held }),
        event("inc_second", 0, Step::Opened),
    ];
    let (ledger, _) = Ledger::open(&data, &vault, options).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for record in records {
            ledger.append(record).await.unwrap();
        }
        ledger.shutdown().await.unwrap();
    });
    site
}

#[test]
fn incidents_are_listed_and_told() {
    let site = site();
    insta::assert_snapshot!("incidents", site.shown(&["report", "incident"]));
    insta::assert_snapshot!("incident_first", site.shown(&["report", "incident", "inc_first"]));
    insta::assert_snapshot!("incident_none", site.shown(&["report", "incident", "inc_third"]));
    insta::assert_snapshot!("incident_many", site.shown(&["report", "incident", "inc_"]));
    let json = |words: &[&str]| -> Value {
        serde_json::from_str(&site.stdout(&[words, &["--format", "json"]].concat(), 0)).unwrap()
    };
    let listed = json(&["report", "incident"]);
    assert_eq!(listed["incidents"].as_array().unwrap().len(), 2);
    assert_eq!(listed["incidents"][1]["standing"], "open");
    let told = json(&["report", "incident", "first"]);
    let incident = &told["incident"];
    assert_eq!((&incident["id"], &incident["standing"]), (&"inc_first".into(), &"closed".into()));
    assert_eq!(incident["last"]["what"], "closed");
    assert_eq!(incident["events"].as_array().unwrap().len(), 2);
    assert_eq!(incident["capacity"][0]["to"], 36);
    assert_eq!(incident["last"]["counterfactual"]["sequences_more"], 160);
}

#[test]
fn a_door_that_starts_cuts_off_what_another_left_open_and_can_be_asked_beside_it() {
    let site = site();
    let door = site.serve(&[]);
    let listed = site.stdout(&["report", "incident", "last"], 0);
    assert!(listed.contains("The door stopped before its end."), "{listed}");
    drop(door);
}

#[test]
fn a_copy_is_read_and_without_the_master_key_nothing_is_told() {
    let site = site();
    let (from, to) = (site.path("surgewall-data"), site.path("copy"));
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    let told = site.stdout(&["--data-dir", "copy", "report", "incident", "last"], 0);
    assert!(told.contains("Incident inc_second"), "{told}");
    std::fs::remove_file(site.master_key()).unwrap();
    insta::assert_snapshot!("incident_without_key", site.shown(&["report", "incident", "last"]));
}

#[test]
fn a_ledger_without_an_incident_says_so() {
    let site = Site::new();
    site.stdout(&["admin", "group", "create", "--name", "course"], 0);
    insta::assert_snapshot!("incidents_none", site.shown(&["report", "incident"]));
    let listed = site.stdout(&["report", "incident", "--format", "json"], 0);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["incidents"], serde_json::json!([]));
}
