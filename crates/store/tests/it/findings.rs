//! The inbox of findings: reports, operators' changes, bounds, and what a leaked
//! database tells.

use std::sync::Arc;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::config::schema;
use surgewall_core::decision::Record;
use surgewall_core::finding::{ChangedBy, Confidence, Finding, FindingChanged, Severity, State};
use surgewall_store::admin::{AdminError, ErrorKind, Signed};
use surgewall_store::datadir::DataDir;
use surgewall_store::findings::{
    FINDINGS_MAX, FindingView, Inbox, InboxReply, InboxRequest, Report, SUBJECT_BYTES_MAX,
    TEXT_BYTES_MAX, To,
};
use surgewall_store::ledger::read::export;
use surgewall_store::ledger::{Ledger, LedgerOptions};
use surgewall_store::rules::RuleBook;
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;
use tempfile::TempDir;

pub(crate) const START: Timestamp = Timestamp::from_millis(1_760_000_000_000);

/// An inbox with a ledger, in a temporary directory.
pub(crate) struct Desk {
    pub(crate) base: TempDir,
    pub(crate) data: DataDir,
    pub(crate) vault: Vault,
    pub(crate) store: Arc<Sqlite>,
    pub(crate) inbox: Inbox<Sqlite>,
    pub(crate) rules: RuleBook<Sqlite>,
    pub(crate) ledger: Ledger,
    pub(crate) now: Timestamp,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let data = DataDir::open_or_create(&base.path().join("data")).unwrap();
        let vault = Vault::open_or_create(&data, Some(&base.path().join("master.key"))).unwrap();
        let store = Arc::new(Sqlite::open(&data.database()).await.unwrap());
        let clock = Clock::Manual(ManualClock::new(START));
        let options = LedgerOptions::new(&schema::Ledger::default(), clock);
        let (ledger, _) = Ledger::open(&data, &vault, options).unwrap();
        let inbox = Inbox::new(store.clone(), vault.clone());
        let rules = RuleBook::new(store.clone(), vault.clone());
        Self { base, data, vault, store, inbox, rules, ledger, now: START }
    }

    /// One second later, `report`; gives ids and states of what changed.
    pub(crate) async fn report(&mut self, report: Report) -> Vec<(String, State)> {
        self.later();
        let reported = self.inbox.report(&self.ledger, report, self.now).await.unwrap();
        assert_eq!(reported.left_out, 0);
        let pair = |view: FindingView| (view.finding.rule, view.finding.state);
        reported.changes.into_iter().map(pair).collect()
    }

    pub(crate) fn later(&mut self) {
        self.now = Timestamp::from_millis(self.now.millis() + 1_000);
    }

    pub(crate) async fn all(&self) -> Vec<FindingView> {
        self.list(&State::ALL).await
    }

    async fn list(&self, states: &[State]) -> Vec<FindingView> {
        let (mut views, mut after) = (Vec::new(), None);
        loop {
            let request = InboxRequest::List { states: states.to_vec(), after };
            let reply = self.inbox.ask(None, &self.rules, request, self.now).await.unwrap();
            let InboxReply::Page(page) = reply else { panic!("no page") };
            views.extend(page.rows);
            match page.next {
                Some(next) => after = Some(next.to_string()),
                None => return views,
            }
        }
    }

    pub(crate) async fn set(
        &mut self,
        id: &str,
        to: To,
        note: Option<&str>,
    ) -> Result<FindingView, AdminError> {
        self.later();
        let note = note.map(str::to_owned);
        let request = InboxRequest::Set { id: id.to_owned(), to, note };
        match self
            .inbox
            .ask(Some(Signed::machine(&self.ledger)), &self.rules, request, self.now)
            .await?
        {
            InboxReply::One(view) => Ok(*view),
            InboxReply::Page(_) => panic!("a page"),
        }
    }

    /// Every change of a state, as the ledger says it.
    pub(crate) async fn recorded(self) -> Vec<FindingChanged> {
        self.ledger.shutdown().await.unwrap();
        let mut recorded = Vec::new();
        let each = |_, record| {
            if let Record::Finding(changed) = record {
                recorded.push(changed);
            }
        };
        assert_eq!(export(&self.data.ledger(), &self.vault, each).unwrap(), []);
        recorded
    }
}

pub(crate) fn finding(severity: Severity, rule: &str, subject: &str) -> Finding {
    Finding::new(severity, rule, subject).evidence("It was seen.").advice("Change it.")
}

fn warning(rule: &str) -> Finding {
    finding(Severity::Warning, rule, "x")
}

#[tokio::test]
async fn what_was_told_stands_until_somebody_closes_it_and_only_so_much_of_it() {
    let mut desk = Desk::new().await;
    let told =
        |subject: &str| Report::told("stranger", finding(Severity::Warning, "a", subject), 2);
    desk.report(Report::new("config", vec![warning("config.anonymous")])).await;
    assert_eq!(desk.report(told("one")).await, [("a".to_owned(), State::Open)]);
    assert_eq!(desk.report(told("two")).await.len(), 1);
    // Told again it is the same one; a third one has no room.
    assert_eq!(desk.report(told("two")).await, []);
    let third = desk.inbox.report(&desk.ledger, told("three"), desk.now).await.unwrap();
    assert_eq!((third.left_out, third.changes), (1, vec![]));
    let states: Vec<_> = desk.all().await.into_iter().map(|view| view.finding.state).collect();
    assert_eq!(states, [State::Open; 3]);
    let one = desk.all().await[1].id.to_string();
    desk.set(&one, To::Fixed, None).await.unwrap();
    assert_eq!(desk.report(told("three")).await.len(), 1);
    let seen = desk.inbox.first_seen("a", &["two".to_owned(), "none".to_owned()]).await.unwrap();
    assert_eq!(seen, [Some(START.plus(std::time::Duration::from_secs(3))), None]);
}

#[tokio::test]
async fn a_finding_goes_from_open_to_fixed_and_back_and_the_ledger_says_each_step() {
    let mut desk = Desk::new().await;
    let new = |rules: &[&str]| Report::new("config", rules.iter().copied().map(warning).collect());
    let changed = desk.report(new(&["a", "b"])).await;
    assert_eq!(changed, [("a".to_owned(), State::Open), ("b".to_owned(), State::Open)]);
    assert_eq!(desk.report(new(&["b", "a"])).await, [], "nothing new");
    assert_eq!(desk.report(new(&["a"])).await, [("b".to_owned(), State::Fixed)]);
    let views = desk.all().await;
    let of = |rule: &str| views.iter().find(|view| view.finding.rule == rule).unwrap();
    let at = |seconds: u64| Timestamp::from_millis(START.millis() + seconds * 1_000);
    let (a, b) = (of("a"), of("b"));
    assert_eq!((a.first_seen, a.last_seen, a.seen, a.changed_at), (at(1), at(3), 3, at(1)));
    assert_eq!((b.first_seen, b.last_seen, b.seen, b.changed_at), (at(1), at(2), 2, at(3)));
    assert_eq!(b.changed_by, ChangedBy::Producer);
    let (a, b) = (a.id.to_string(), b.id.to_string());
    assert!(a.starts_with("fnd_"), "{a}");

    let seen = desk.set(&a, To::Acknowledged, Some(" we know ")).await.unwrap();
    let expected = (State::Acknowledged, ChangedBy::Operator, Some("we know"));
    assert_eq!((seen.finding.state, seen.changed_by, seen.note.as_deref()), expected);
    assert_eq!(desk.report(new(&["a", "b"])).await, [("b".to_owned(), State::Open)]);
    desk.set(&b, To::Fixed, None).await.unwrap();
    assert_eq!(desk.report(new(&["a", "b"])).await, [("b".to_owned(), State::Open)]);
    assert_eq!(desk.all().await.len(), 2, "the same finding is the same row");
    let counts = desk.inbox.counts();
    assert_eq!((counts.open.warning, counts.acknowledged, counts.fixed), (1, 1, 0));
    assert_eq!(desk.inbox.count().await.unwrap(), counts);

    let steps: Vec<_> =
        desk.recorded().await.into_iter().map(|c| (c.rule, c.state, c.by)).collect();
    let (producer, operator) = (ChangedBy::Producer, ChangedBy::Operator);
    let expected = [
        ("a", State::Open, producer),
        ("b", State::Open, producer),
        ("b", State::Fixed, producer),
        ("a", State::Acknowledged, operator),
        ("b", State::Open, producer),
        ("b", State::Fixed, operator),
        ("b", State::Open, producer),
    ];
    assert_eq!(steps, expected.map(|(rule, state, by)| (rule.to_owned(), state, by)));
}

#[tokio::test]
async fn what_gets_worse_is_open_again_and_what_gets_milder_is_not() {
    let mut desk = Desk::new().await;
    let seen = |severity| Report::new("config", vec![finding(severity, "a", "x")]);
    desk.report(seen(Severity::Warning)).await;
    let id = desk.all().await[0].id.to_string();
    desk.set(&id, To::Acknowledged, None).await.unwrap();
    assert_eq!(desk.report(seen(Severity::Note)).await, []);
    assert_eq!(desk.all().await[0].finding.severity, Severity::Note);
    assert_eq!(desk.report(seen(Severity::Critical)).await, [("a".to_owned(), State::Open)]);
}

#[tokio::test]
async fn a_producer_closes_its_own_findings_only_and_none_that_it_could_not_look_at() {
    let mut desk = Desk::new().await;
    let on = |subject: &str| finding(Severity::Critical, "exposure.open", subject);
    desk.report(Report::new("config", vec![warning("a")])).await;
    desk.report(Report::new("exposure", vec![on("one:1"), on("two:2")])).await;
    let unsure = Report::new("exposure", Vec::new()).unsure(vec!["two:2".to_owned()]);
    assert_eq!(desk.report(unsure).await, [("exposure.open".to_owned(), State::Fixed)]);
    let standing = desk.list(&[State::Open]).await;
    let subjects: Vec<_> = standing.iter().map(|view| view.finding.subject.as_str()).collect();
    assert_eq!(subjects, ["x", "two:2"]);
    // Whoever sees it now is whose it is.
    desk.report(Report::new("other", vec![on("two:2")])).await;
    assert_eq!(desk.report(Report::new("exposure", Vec::new())).await, []);
    assert_eq!(desk.report(Report::new("other", Vec::new())).await.len(), 1);
}

#[tokio::test]
async fn two_sights_of_one_thing_are_one_finding_with_the_worse_severity() {
    let mut desk = Desk::new().await;
    let one = Finding::new(Severity::Warning, "a", "x").evidence("First.");
    let two = Finding::new(Severity::Critical, "a", "x").evidence("Second.");
    // The same bytes in another place are another finding.
    let others = [Finding::new(Severity::Note, "ax", ""), Finding::new(Severity::Note, "", "ax")];
    let findings = [vec![one.clone(), two.clone(), one, two], others.to_vec()].concat();
    desk.report(Report::new("config", findings)).await;
    let views = desk.all().await;
    assert_eq!(views.len(), 3);
    let view = views.iter().find(|view| view.finding.rule == "a").unwrap();
    let expected = (Severity::Critical, "Second. First.", 1);
    assert_eq!((view.finding.severity, &*view.finding.evidence, view.seen), expected);
}

#[tokio::test]
async fn long_texts_are_cut_and_stay_what_they_are_known_by() {
    let mut desk = Desk::new().await;
    let subject = "s".repeat(SUBJECT_BYTES_MAX);
    let long = |subject: &str| {
        let text = "t".repeat(TEXT_BYTES_MAX + 1);
        Finding::new(Severity::Note, "a", subject).evidence(text.clone()).advice(text)
    };
    let (one, two) = (format!("{subject}1"), format!("{subject}2"));
    for _ in 0..2 {
        let findings = vec![long(&subject), long(&one), long(&two)];
        desk.report(Report::new("config", findings)).await;
    }
    let views = desk.all().await;
    assert_eq!(views.len(), 3);
    for view in &views {
        let Finding { subject, evidence, advice, .. } = &view.finding;
        assert!(subject.len() <= SUBJECT_BYTES_MAX && view.seen == 2);
        assert!(evidence.len() <= TEXT_BYTES_MAX && evidence.ends_with('…') && advice == evidence);
    }
    assert!(views.iter().any(|view| view.finding.subject == subject), "at the limit it is whole");
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_changes_nothing() {
    let mut desk = Desk::new().await;
    desk.report(Report::new("config", vec![warning("config.anonymous")])).await;
    let id = desk.all().await[0].id.to_string();
    let error = desk.set(&id, To::Rule, None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.starts_with("no rule can be made of a finding of `config.anonymous`"));
    let error = desk.set("fnd_no", To::Fixed, None).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let error = desk.set(&id, To::Acknowledged, Some(" ")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    desk.set(&id, To::Fixed, None).await.unwrap();
    let error = desk.set(&id, To::Acknowledged, None).await.unwrap_err();
    assert_eq!(
        (error.kind, &*error.message),
        (ErrorKind::Conflict, "the finding is fixed, and so cannot become acknowledged")
    );
    let unrecorded = InboxRequest::Set { id: id.clone(), to: To::Open, note: None };
    let error = desk.inbox.ask(None, &desk.rules, unrecorded, desk.now).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotRecorded);
    // What changes nothing is no change.
    desk.set(&id, To::Fixed, None).await.unwrap();
    assert_eq!(desk.recorded().await.len(), 2);
}

#[tokio::test]
async fn nothing_changes_that_the_ledger_cannot_record() {
    let mut desk = Desk::new().await;
    desk.report(Report::new("config", vec![warning("a")])).await;
    desk.ledger.clone().shutdown().await.unwrap();
    let report = Report::new("config", vec![warning("b")]);
    let error = desk.inbox.report(&desk.ledger, report, desk.now).await.unwrap_err();
    assert!(error.to_string().starts_with("the ledger cannot record it"), "{error}");
    let views = desk.all().await;
    assert_eq!((views.len(), views[0].finding.state), (1, State::Open));
    // A report that changes no state needs no record.
    let same = Report::new("config", vec![warning("a")]);
    desk.inbox.report(&desk.ledger, same, desk.now).await.unwrap();
    assert_eq!(desk.all().await[0].seen, 2);
}

#[tokio::test]
async fn the_inbox_has_room_for_its_limit_and_not_one_more_and_fixed_ones_make_room() {
    let mut desk = Desk::new().await;
    let many = |severity, from: u32, to: u32| {
        (from..to).map(|at| finding(severity, "a", &at.to_string())).collect::<Vec<_>>()
    };
    let notes = many(Severity::Note, 0, FINDINGS_MAX);
    desk.report(Report::new("many", notes)).await;
    assert_eq!(desk.inbox.counts().open.note, u64::from(FINDINGS_MAX));
    // One past it, and the mildest is left out.
    let two = vec![finding(Severity::Note, "b", "x"), finding(Severity::Critical, "b", "y")];
    let one_gone = many(Severity::Note, 1, FINDINGS_MAX);
    desk.report(Report::new("many", one_gone)).await;
    assert_eq!(desk.inbox.counts().fixed, 1);
    desk.later();
    let report = Report::new("other", two);
    let reported = desk.inbox.report(&desk.ledger, report, desk.now).await.unwrap();
    assert_eq!(reported.left_out, 1);
    assert_eq!(reported.changes[0].finding.severity, Severity::Critical);
    let counts = desk.inbox.counts();
    assert_eq!((counts.standing(), counts.fixed), (u64::from(FINDINGS_MAX), 0));
}

#[tokio::test]
async fn of_fixed_findings_the_oldest_go_first() {
    let mut desk = Desk::new().await;
    for rules in [&["a", "b", "c"][..], &["a", "b"], &["b"]] {
        let findings = rules.iter().copied().map(warning).collect();
        desk.report(Report::new("config", findings)).await;
    }
    use surgewall_store::findings::Findings as _;
    let kept = async |rows_max| {
        desk.store.write_findings(&[], rows_max).await.unwrap();
        let rules = desk.all().await.into_iter().map(|view| view.finding.rule);
        let mut rules: Vec<_> = rules.collect();
        rules.sort();
        rules.concat()
    };
    assert_eq!(kept(3).await, "abc");
    assert_eq!(kept(2).await, "ab", "c was fixed before a");
    assert_eq!(kept(0).await, "b", "what is not fixed stays");
}

#[tokio::test]
async fn a_leaked_database_tells_nothing_of_what_was_found() {
    let mut desk = Desk::new().await;
    let words = ["canary-rule", "canary-host.example:6379", "canary evidence", "canary advice"];
    let [rule, subject, evidence, advice] = words;
    let told = Finding {
        confidence: Confidence::Likely,
        ..Finding::new(Severity::Critical, rule, subject).evidence(evidence).advice(advice)
    };
    desk.report(Report::new("canary-producer", vec![told.clone()])).await;
    let view = desk.all().await.remove(0);
    assert_eq!(view.finding, told);
    desk.set(view.id.as_str(), To::Acknowledged, Some("canary note")).await.unwrap();
    let Desk { base: _base, data, store, ledger, .. } = desk;
    ledger.shutdown().await.unwrap();
    let search = |when: &str| {
        for file in files(data.path()) {
            let bytes = std::fs::read(&file).unwrap();
            for word in words.into_iter().chain(["canary"]) {
                let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
                assert!(!found, "{when}: {word} in {}", file.display());
            }
        }
    };
    search("beside the write-ahead log");
    store.close().await;
    search("closed");
}

fn files(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    all.filter(|path| path.is_file()).collect()
}

#[tokio::test]
async fn a_finding_that_was_moved_to_another_row_does_not_open() {
    let mut desk = Desk::new().await;
    desk.report(Report::new("config", vec![warning("a"), warning("b")])).await;
    use surgewall_store::findings::{FindingPick, Findings as _};
    let states = State::ALL.to_vec();
    let pick = FindingPick::Page { states, after: 0, rows_max: 9 };
    let mut rows = desk.store.findings(&pick).await.unwrap();
    rows[0].body = rows[1].body.clone();
    desk.store.write_findings(&rows, FINDINGS_MAX).await.unwrap();
    let list = InboxRequest::List { states: State::ALL.to_vec(), after: None };
    let error = desk.inbox.ask(None, &desk.rules, list, desk.now).await.unwrap_err();
    assert!(error.message.contains("does not open"), "{error}");
}
