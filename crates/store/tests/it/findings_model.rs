//! Random reports and operators' changes, held against a model of the inbox in
//! a few lines; and the ledger says the same.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use surgewall_core::finding::{ChangedBy, Severity, State};
use surgewall_store::findings::{FindingView, Report, To};

use crate::findings::{Desk, finding};

const PRODUCERS: [&str; 2] = ["one", "two"];

/// A rule and a subject, each of a few.
type Thing = (u8, u8);

#[derive(Clone, Debug)]
enum Op {
    /// A producer sees these things, and cannot tell about these subjects.
    Look { producer: usize, sees: BTreeMap<Thing, usize>, unsure: std::collections::BTreeSet<u8> },
    /// An operator does this to a thing, where it is known.
    Set { thing: Thing, to: To },
}

fn thing() -> impl Strategy<Value = Thing> {
    (0..3_u8, 0..2_u8)
}

fn op() -> impl Strategy<Value = Op> {
    let look = (0..PRODUCERS.len(), btree_map(thing(), 0..3_usize, 0..5), btree_set(0..2_u8, 0..2));
    let to = prop::sample::select(vec![To::Acknowledged, To::Fixed, To::Open, To::Rule]);
    prop_oneof![
        3 => look.prop_map(|(producer, sees, unsure)| Op::Look { producer, sees, unsure }),
        2 => (thing(), to).prop_map(|(thing, to)| Op::Set { thing, to }),
    ]
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Known {
    producer: usize,
    severity: usize,
    state: State,
    by: ChangedBy,
    seen: u64,
}

/// The inbox, in plain words.
#[derive(Default)]
struct Model {
    things: BTreeMap<Thing, Known>,
    changes: usize,
}

impl Model {
    fn put(&mut self, thing: Thing, known: Known) {
        let before = self.things.insert(thing, known).map(|known| known.state);
        self.changes += usize::from(before != Some(known.state));
    }

    fn look(&mut self, producer: usize, sees: &BTreeMap<Thing, usize>, unsure: &[u8]) {
        let by = ChangedBy::Producer;
        for (thing, severity) in sees {
            let new = Known { producer, severity: *severity, state: State::Open, by, seen: 1 };
            let known = self.things.get(thing).map_or(new, |known| {
                let worse = *severity > known.severity;
                let reopened =
                    known.state == State::Fixed || (worse && known.state == State::Acknowledged);
                let (state, by) =
                    if reopened { (State::Open, by) } else { (known.state, known.by) };
                Known { producer, severity: *severity, state, by, seen: known.seen + 1 }
            });
            self.put(*thing, known);
        }
        for (thing, known) in self.things.clone() {
            let looked = known.producer == producer && !unsure.contains(&thing.1);
            if looked && known.state != State::Fixed && !sees.contains_key(&thing) {
                self.put(thing, Known { state: State::Fixed, by, ..known });
            }
        }
    }

    /// Whether it can be done.
    fn set(&mut self, thing: Thing, to: To) -> bool {
        let known = self.things[&thing];
        let state = match (to, known.state) {
            (To::Acknowledged, State::Open | State::Acknowledged) => State::Acknowledged,
            (To::Fixed, _) => State::Fixed,
            (To::Open, _) => State::Open,
            _ => return false,
        };
        if state != known.state {
            self.put(thing, Known { state, by: ChangedBy::Operator, ..known });
        }
        true
    }
}

fn thing_of(view: &FindingView) -> Thing {
    let number = |text: &str| text.parse().unwrap();
    (number(&view.finding.rule), number(&view.finding.subject))
}

async fn run(ops: Vec<Op>) {
    let (mut desk, mut model) = (Desk::new().await, Model::default());
    for op in ops {
        match op {
            Op::Look { producer, sees, unsure } => {
                let findings = sees.iter().map(|((rule, subject), severity)| {
                    finding(Severity::ALL[*severity], &rule.to_string(), &subject.to_string())
                });
                let report = Report::new(PRODUCERS[producer], findings.collect())
                    .unsure(unsure.iter().map(u8::to_string).collect());
                let before = model.changes;
                model.look(producer, &sees, &unsure.into_iter().collect::<Vec<_>>());
                assert_eq!(desk.report(report).await.len(), model.changes - before);
            }
            Op::Set { thing, to } if model.things.contains_key(&thing) => {
                let views = desk.all().await;
                let id = views.iter().find(|view| thing_of(view) == thing).unwrap().id.to_string();
                assert_eq!(desk.set(&id, to, None).await.is_ok(), model.set(thing, to), "{to:?}");
            }
            Op::Set { .. } => {}
        }
        let seen = desk.all().await.into_iter().map(|view| {
            let known = Known {
                producer: PRODUCERS.iter().position(|name| *name == view.producer).unwrap(),
                severity: Severity::ALL.iter().position(|s| *s == view.finding.severity).unwrap(),
                state: view.finding.state,
                by: view.changed_by,
                seen: view.seen,
            };
            (thing_of(&view), known)
        });
        assert_eq!(seen.collect::<BTreeMap<_, _>>(), model.things);
    }
    let states: BTreeMap<_, _> =
        desk.all().await.into_iter().map(|view| (view.id, view.finding.state)).collect();
    let recorded = desk.recorded().await;
    assert_eq!(recorded.len(), model.changes);
    let last: BTreeMap<_, _> =
        recorded.into_iter().map(|change| (change.id, change.state)).collect();
    assert_eq!(last, states, "the ledger alone says how each finding stands");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_inbox_does_as_its_model_does(ops in vec(op(), 1..16)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(ops));
    }
}
