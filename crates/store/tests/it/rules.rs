//! A finding becomes a rule: in shadow first, recorded, sealed, and one.

use surgewall_core::config;
use surgewall_core::config::limits::RuleState;
use surgewall_core::decision::Record;
use surgewall_core::finding::{Severity, State};
use surgewall_store::admin::{AdminError, ErrorKind, Signed};
use surgewall_store::findings::{Report, To};
use surgewall_store::ledger::read::export;
use surgewall_store::rules::{RULES_MAX, RuleBook, RuleReply, RuleRequest, RuleView, Source};

use super::findings::{Desk, finding};

const CONFIG: &str = "[[upstream]]\nname=\"a\"\nurl=\"http://127.0.0.1:9/v1\"\nregion=\"eu\"\n\
    [[rule]]\nid=\"stay\"\nkind=\"residency\"\nregions=[\"eu\"]\n\
    [[rule]]\nid=\"not-a\"\nkind=\"bar\"\nstate=\"off\"\nclasses=[\"secret\"]\nupstreams=[\"a\"]\n\
    [[limits.quota]]\nper=\"key\"\nlimit=\"requests=60/1m\"\nstate=\"shadow\"\n";

async fn ask(desk: &Desk, request: RuleRequest) -> Result<Vec<RuleView>, AdminError> {
    let config = config::parse("t.toml", CONFIG).unwrap();
    let reply =
        desk.rules.ask(Some(Signed::machine(&desk.ledger)), &config, request, desk.now).await?;
    Ok(match reply {
        RuleReply::All { rules } => rules,
        RuleReply::One { rule } => vec![rule],
    })
}

fn exposed(name: &str) -> surgewall_core::finding::Finding {
    let subject = format!("upstream `{name}` at 10.0.0.5:9000");
    finding(Severity::Warning, "exposure.upstream", &subject)
}

/// A desk with one finding that became a rule: the ids of both.
async fn ruled() -> (Desk, String, String) {
    let mut desk = Desk::new().await;
    desk.report(Report::new("exposure", vec![exposed("a")])).await;
    let id = desk.all().await[0].id.to_string();
    let view = desk.set(&id, To::Rule, None).await.unwrap();
    assert_eq!(view.finding.state, State::Rule);
    (desk, id, view.became.unwrap().to_string())
}

#[tokio::test]
async fn a_finding_becomes_one_rule_in_shadow_and_the_list_has_all_of_them() {
    let (mut desk, finding, id) = ruled().await;
    let again = desk.set(&finding, To::Rule, None).await.unwrap();
    assert_eq!(again.became.unwrap().to_string(), id, "asked again it is the same rule");
    let all = ask(&desk, RuleRequest::List).await.unwrap();
    let shown: Vec<_> = all
        .iter()
        .map(|rule| (&*rule.id, &*rule.kind, rule.state, rule.source, &*rule.says))
        .collect();
    use RuleState::{Off, On, Shadow};
    assert_eq!(
        shown,
        [
            ("stay", "residency", On, Source::Configuration, "requests of everybody stay in eu"),
            ("not-a", "bar", Off, Source::Configuration, "requests with secret do not go to a"),
            (
                "limits.quota.1",
                "limit",
                Shadow,
                Source::Configuration,
                "requests=60/1m for each key"
            ),
            (&*id, "bar", Shadow, Source::Door, "requests of everybody do not go to a"),
        ]
    );
    assert_eq!(all[3].finding.as_ref().unwrap().as_str(), finding);
}

#[tokio::test]
async fn a_rule_is_set_and_removed_in_the_ledger_first_and_outlives_a_restart() {
    let (mut desk, _, id) = ruled().await;
    let set = |state| RuleRequest::Set { id: id.clone(), state };
    desk.later();
    assert_eq!(ask(&desk, set(RuleState::On)).await.unwrap()[0].state, RuleState::On);
    let changed = ask(&desk, RuleRequest::Show { id: id.clone() }).await.unwrap()[0].changed_at;
    assert_eq!(changed, Some(desk.now));
    ask(&desk, set(RuleState::On)).await.unwrap();
    // Another one reads what is stored, as the next start does.
    let next = RuleBook::new(desk.store.clone(), desk.vault.clone());
    assert!(next.current().is_empty());
    next.load().await.unwrap();
    assert_eq!(next.current(), desk.rules.current());
    assert_eq!((next.current()[0].bar.state, next.current().len()), (RuleState::On, 1));
    ask(&desk, RuleRequest::Remove { id: id.clone() }).await.unwrap();
    assert!(desk.rules.current().is_empty());
    let gone = ask(&desk, set(RuleState::Off)).await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    desk.ledger.shutdown().await.unwrap();
    let mut recorded = Vec::new();
    let each = |_, record| {
        if let Record::Changed(changed) = record {
            assert_eq!(changed.subject.as_deref(), Some(&*id));
            recorded.push((changed.action, changed.detail.unwrap_or_default()));
        }
    };
    assert_eq!(export(&desk.data.ledger(), &desk.vault, each).unwrap(), []);
    let recorded: Vec<_> = recorded.iter().map(|(a, d)| (a.as_str(), d.as_str())).collect();
    assert_eq!(
        recorded,
        [
            ("rule.create", "bar shadow by=operator"),
            ("rule.create.done", ""),
            ("rule.set", "bar on by=operator"),
            ("rule.set.done", ""),
            ("rule.remove", "bar on by=operator"),
            ("rule.remove.done", ""),
        ]
    );
}

#[tokio::test]
async fn what_cannot_be_done_to_a_rule_is_said() {
    let (desk, _, id) = ruled().await;
    for request in [
        RuleRequest::Set { id: "stay".into(), state: RuleState::Off },
        RuleRequest::Remove { id: "limits.quota.1".into() },
    ] {
        let error = ask(&desk, request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("stands in the configuration"), "{error}");
    }
    desk.ledger.clone().shutdown().await.unwrap();
    let error = ask(&desk, RuleRequest::Remove { id }).await.unwrap_err();
    assert_eq!((error.kind, desk.rules.current().len()), (ErrorKind::NotRecorded, 1));
}

#[tokio::test]
async fn rules_are_as_many_as_may_be_and_none_more() {
    let mut desk = Desk::new().await;
    let all = (0..=RULES_MAX).map(|n| exposed(&format!("u{n}"))).collect();
    desk.report(Report::new("exposure", all)).await;
    let ids: Vec<String> = desk.all().await.iter().map(|view| view.id.to_string()).collect();
    for id in &ids[..RULES_MAX] {
        desk.set(id, To::Rule, None).await.unwrap();
    }
    let full = desk.set(&ids[RULES_MAX], To::Rule, None).await.unwrap_err();
    assert!(full.message.contains("200 stored rules"), "{full}");
    let open = desk.all().await.iter().filter(|v| v.finding.state == State::Open).count();
    assert_eq!(open, 1, "no finding is called a rule that is none");
}
