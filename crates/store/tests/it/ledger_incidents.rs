//! What the ledger tells of incidents.

use surgewall_core::decision::{Record, Refused};
use surgewall_core::id::PublicId;
use surgewall_core::incident::{
    CapacityChanged, ClassTotals, Counterfactual, IncidentEvent, Numbers, Rate, Reason, Step,
    Usual, Verdict,
};
use surgewall_store::ledger::read::{
    INCIDENT_LINES_MAX, INCIDENTS_MAX, Incident, Standing, Story, incident, incidents,
};

use crate::ledger_store::{START, Store, admitted, changed, settled};

fn id(name: &str) -> PublicId {
    PublicId::from_stored(format!("inc_{name}"))
}

fn event(name: &str, elapsed_s: u64, step: Step) -> IncidentEvent {
    let known = Rate { requests_milli: 31_000, work: 12_400 };
    let numbers = Numbers {
        window_s: 5,
        requests: 155,
        demand: known,
        known,
        capacity: Some(10_000),
        sequences: 40,
        ttft_percent: Some(120),
        usual: Usual { known: Some(known), ..Usual::default() },
        ..Numbers::default()
    };
    IncidentEvent {
        id: id(name),
        at: START.plus(std::time::Duration::from_secs(elapsed_s)),
        elapsed_s,
        step,
        verdict: Verdict::KnownDemand,
        also: vec![Verdict::RetryStorm],
        reasons: vec![Reason::KnownAboveCapacity],
        pool: "local".into(),
        observed: true,
        counterfactual: Counterfactual::of(&numbers),
        numbers,
        totals: [ClassTotals { offered: 7, refused: 1, ..ClassTotals::default() }; 4],
    }
}

fn recorded(name: &str, elapsed_s: u64, step: Step) -> Record {
    Record::Incident(Box::new(event(name, elapsed_s, step)))
}

fn closed() -> Step {
    let held = vec![(Verdict::KnownDemand, 90), (Verdict::Unclear, 4)];
    Step::Closed { calm_s: 60, held }
}

fn moved(to: u32) -> Record {
    let (pool, why) = ("local".to_owned(), "good window".to_owned());
    Record::Capacity(CapacityChanged { at: START, pool, from: 4, to, tokens: Some(9), why })
}

fn refused(code: &str, count: u64) -> Record {
    Record::Refused(Box::new(Refused {
        request_id: None,
        at: START,
        who: None,
        network: None,
        code: code.into(),
        rule: None,
        count,
    }))
}

async fn write(store: &Store, records: Vec<Record>) {
    let (ledger, _) = store.open();
    for record in records {
        ledger.append(record).await.unwrap();
    }
    ledger.shutdown().await.unwrap();
}

fn list(store: &Store) -> Vec<Incident> {
    let (found, findings) = incidents(&store.directory.ledger(), &store.vault).unwrap();
    assert_eq!(findings, []);
    found
}

fn story(store: &Store, name: &str) -> Option<Story> {
    incident(&store.directory.ledger(), &store.vault, &id(name)).unwrap().0
}

#[tokio::test]
async fn an_incident_is_told_with_what_stands_between_its_beginning_and_its_end() {
    let store = Store::new();
    let changing = Step::Changed { from: Verdict::Unclear };
    write(
        &store,
        vec![
            changed("door.start"),
            moved(8),
            moved(16),
            refused("before", 3),
            recorded("a", 0, Step::Opened),
            refused("overloaded", 2),
            admitted(1),
            moved(12),
            refused("overloaded", 5),
            changed("key.revoke"),
            recorded("a", 10, changing.clone()),
            settled(1, 5),
            recorded("a", 150, closed()),
            refused("after", 3),
            moved(13),
            changed("key.create"),
        ],
    )
    .await;
    let told = story(&store, "a").unwrap();
    let expected =
        [event("a", 0, Step::Opened), event("a", 10, changing), event("a", 150, closed())];
    assert_eq!(told.events, expected);
    assert_eq!(told.incident.standing, Standing::Closed);
    assert_eq!(told.incident.began, START);
    assert_eq!(told.refusals.into_iter().collect::<Vec<_>>(), [("overloaded".to_owned(), 7)]);
    let to = |moves: &[CapacityChanged]| moves.iter().map(|moved| moved.to).collect::<Vec<_>>();
    assert_eq!((to(&told.before), to(&told.capacity)), (vec![16], vec![12]));
    assert_eq!(told.changes, [(START, "key.revoke".to_owned())]);
    assert_eq!(list(&store), [told.incident]);
    assert_eq!(story(&store, "b"), None);
    // The sums do not mind the records that are no requests.
    let checked = store.verify();
    assert_eq!((checked.findings, checked.admitted), (vec![], Some(1)));
}

#[tokio::test]
async fn a_door_that_stops_cuts_its_incident_off() {
    let store = Store::new();
    let measured = || recorded("a", 20, Step::Measured);
    write(&store, vec![recorded("a", 0, Step::Opened), measured(), changed("door.stop")]).await;
    assert_eq!(list(&store)[0].standing, Standing::Open);
    assert_eq!(story(&store, "a").unwrap().changes.len(), 1);
    write(&store, vec![changed("door.start"), refused("later", 1)]).await;
    write(&store, vec![recorded("b", 0, Step::Opened)]).await;
    // Its door died, and the next one's first word is another incident.
    write(&store, vec![recorded("c", 70, Step::Measured)]).await;
    let found: Vec<_> = list(&store).into_iter().map(|i| (i.id, i.standing)).collect();
    let expected = [("a", Standing::CutOff), ("b", Standing::CutOff), ("c", Standing::Open)];
    assert_eq!(found, expected.map(|(name, standing)| (id(name), standing)));
    for (name, standing) in expected {
        let told = story(&store, name).unwrap();
        assert_eq!((told.incident.standing, told.refusals.len()), (standing, 0), "{name}");
        assert_eq!(told.incident.began, START, "{name}");
    }
}

#[tokio::test]
async fn lists_and_stories_are_bounded() {
    let store = Store::new();
    let mut records: Vec<_> =
        (0..=INCIDENTS_MAX).map(|n| recorded(&format!("{n}"), 1, closed())).collect();
    records.push(recorded("long", 0, Step::Opened));
    records.extend((0..INCIDENT_LINES_MAX).map(|_| recorded("long", 9, Step::Measured)));
    records.extend((0..=INCIDENT_LINES_MAX).map(|_| moved(5)));
    write(&store, records).await;
    let found = list(&store);
    assert_eq!(found.len(), INCIDENTS_MAX);
    assert_eq!(found[0].id, id("2"));
    let told = story(&store, "long").unwrap();
    assert_eq!((told.events.len(), told.capacity.len()), (INCIDENT_LINES_MAX, INCIDENT_LINES_MAX));
    assert_eq!(told.left_out, 2);
}
