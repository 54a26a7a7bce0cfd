//! A rule that was made on the door holds for the next request: in shadow it
//! counts, when it is on it bars, when it is gone nothing is kept back.

use surgewall_core::config::limits::RuleState;
use surgewall_core::finding::{Finding, Severity};
use surgewall_gateway::operate::rule;
use surgewall_store::admin::Signed;
use surgewall_store::findings::{InboxReply, InboxRequest, Report, To};
use surgewall_store::rules::{Hits, RuleReply, RuleRequest, RuleView};
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";

/// The rule that a finding about the upstream `a` becomes.
async fn ruled(door: &TestDoor) -> String {
    let open = Finding::new(Severity::Warning, "exposure.upstream", "upstream `a` at 10.0.0.5:1");
    let door = door.door();
    let reported = door.report(Report::new("exposure", vec![open])).await.unwrap();
    let request =
        InboxRequest::Set { id: reported.changes[0].id.to_string(), to: To::Rule, note: None };
    let asked = door
        .findings
        .ask(Some(Signed::machine(&door.ledger)), &door.rules, request, door.clock.now())
        .await;
    let InboxReply::One(view) = asked.unwrap() else { panic!("a page") };
    view.became.unwrap().to_string()
}

async fn one(door: &TestDoor, request: RuleRequest) -> RuleView {
    let signed = Signed::machine(&door.door().ledger);
    match rule(door.door(), signed, request).await.unwrap() {
        RuleReply::One { rule } => rule,
        RuleReply::All { .. } => panic!("all rules"),
    }
}

#[tokio::test]
async fn a_rule_of_a_finding_counts_in_shadow_bars_when_on_and_holds_for_the_next_request() {
    let (a, b) = (Double::start(Behaviour::default()), Double::start(Behaviour::default()));
    let served = |double: &Double| {
        double.requests().iter().filter(|seen| seen.path.ends_with("completions")).count()
    };
    let config = upstream("a", &a.url(), "models=[\"one\", \"both\"]")
        + &upstream("b", &b.url(), "models=[\"both\"]\nweight=1");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let ask = async |model: &str| client.post(PATH, &chat(model, "say 2", false)).await.unwrap();
    let id = ruled(&door).await;
    let set = |state| RuleRequest::Set { id: id.clone(), state };
    assert_eq!(ask("one").await.status, 200);
    let shown = one(&door, RuleRequest::Show { id: id.clone() }).await;
    assert_eq!((shown.state, shown.hits.unwrap().would_refuse), (RuleState::Shadow, 1));
    one(&door, set(RuleState::On)).await;
    let refused = ask("one").await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json().pointer("/error/code").unwrap(), "barred");
    for _ in 0..8 {
        assert_eq!(ask("both").await.status, 200);
    }
    assert_eq!((served(&a), served(&b)), (1, 8), "what is barred was given nothing more");
    let hits = one(&door, RuleRequest::Show { id: id.clone() }).await.hits.unwrap();
    let expected = Hits { refused: 1, narrowed: 8, would_refuse: 1, ..Hits::default() };
    assert_eq!(hits, expected);
    one(&door, set(RuleState::Off)).await;
    assert_eq!(ask("one").await.status, 200);
    one(&door, set(RuleState::On)).await;
    assert_eq!(ask("one").await.status, 403);
    one(&door, RuleRequest::Remove { id: id.clone() }).await;
    assert_eq!(ask("one").await.status, 200);
    let story = door.stop().await;
    story.check_conservation();
    let shadow: Vec<_> = story.admitted.iter().flat_map(|made| &made.carried.shadow).collect();
    assert_eq!((shadow, story.refused), (vec![&id], 2), "the ledger names the rule by its id");
}

#[tokio::test]
async fn a_bar_of_the_configuration_keeps_classes_from_an_upstream() {
    let (a, b) = (Double::start(Behaviour::default()), Double::start(Behaviour::default()));
    let config = upstream("a", &a.url(), "weight=1000")
        + &upstream("b", &b.url(), "")
        + "[[rule]]\nid=\"not-a\"\nkind=\"bar\"\nclasses=[\"email\"]\nupstreams=[\"a\"]\n";
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    for _ in 0..6 {
        let asked = chat("double", "write to ada@example.org", false);
        assert_eq!(client.post(PATH, &asked).await.unwrap().status, 200);
    }
    let served = a.requests().iter().filter(|seen| seen.path.ends_with("completions")).count();
    assert_eq!(served, 0);
    door.stop().await.check_conservation();
}
