//! The inbox of findings.

use surgewall_core::finding::{Severity, State};
use surgewall_core::role::Action;
use surgewall_store::findings::{FindingView, InboxReply, InboxRequest, To};

use super::desk::{Asked, Desk, Done, Trouble};
use super::show;
use super::view::{Cell, Facts, Form, Table, Tone, View};

/// Those that are open and acknowledged, or all.
pub(super) async fn list(desk: &Desk, asked: &Asked) -> Result<View, Trouble> {
    let all = asked.query("state") == Some("all");
    let states = if all { State::ALL.to_vec() } else { vec![State::Open, State::Acknowledged] };
    let after = asked.query("after").map(str::to_owned);
    let InboxReply::Page(page) = desk.inbox(InboxRequest::List { states, after }).await? else {
        return Err(Trouble::unexpected());
    };
    let word = if all { "all" } else { "open" };
    let table = Table {
        heading: "",
        columns: &["Finding", "About", "Severity", "State", "Seen last"],
        rows: page.rows.iter().map(row).collect(),
        empty: "Nothing is to be looked at.",
        next: page.next.map(|id| format!("/findings?state={word}&after={id}")),
    };
    let choices = vec![
        ("open".to_owned(), "open and acknowledged".to_owned()),
        ("all".to_owned(), "all".to_owned()),
    ];
    let filter = Form::new("", "/findings", "Show").asks().choice("state", "State", choices, word);
    let lead = "What guards, scanners and checks concluded, the oldest first.";
    Ok(View::new("Findings", lead).with(filter).with(table))
}

fn row(view: &FindingView) -> Vec<Cell> {
    vec![
        Cell::link(format!("/findings/{}", view.id), &view.finding.rule),
        Cell::Text(view.finding.subject.clone()),
        severity(view.finding.severity),
        state(view.finding.state),
        show::at(view.last_seen),
    ]
}

fn severity(severity: Severity) -> Cell {
    let tone = match severity {
        Severity::Critical => Tone::Bad,
        Severity::Warning => Tone::Watch,
        Severity::Note => Tone::Plain,
    };
    Cell::tag(severity.as_str(), tone)
}

fn state(state: State) -> Cell {
    let tone = match state {
        State::Open => Tone::Watch,
        State::Acknowledged | State::Rule => Tone::Plain,
        State::Fixed => Tone::Good,
    };
    Cell::tag(state.as_str(), tone)
}

/// One finding.
pub(super) async fn one(desk: &Desk, id: &str) -> Result<View, Trouble> {
    let reply = desk.inbox(InboxRequest::Show { id: id.to_owned() }).await?;
    let InboxReply::One(view) = reply else { return Err(Trouble::unexpected()) };
    let finding = &view.finding;
    let facts = Facts::new("Finding")
        .with("About", finding.subject.clone())
        .with("Severity", severity(finding.severity))
        .with("Confidence", finding.confidence.as_str())
        .with("State", state(finding.state))
        .with("Evidence", finding.evidence.clone())
        .with("Advice", finding.advice.clone())
        .with("Found by", view.producer.clone())
        .with("Seen first", show::at(view.first_seen))
        .with("Seen last", show::at(view.last_seen))
        .with("Note", view.note.clone().unwrap_or_else(|| "-".to_owned()));
    let page =
        View::new(finding.rule.clone(), "What was seen, and what to do about it.").with(facts);
    Ok(page.maybe(desk.may(Action::ChangeRules).then(|| change(&view))))
}

fn change(view: &FindingView) -> Form {
    let choices = ["acknowledged", "fixed", "open", "rule"];
    let choices = choices.map(|word| (word.to_owned(), word.to_owned()));
    Form::new("Decide", format!("/findings/{}", view.id), "Set it")
        .choice("to", "State", choices.to_vec(), "acknowledged")
        .line("note", "Why", view.note.as_deref().unwrap_or(""))
}

/// Changes what becomes of one.
pub(super) async fn set(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let to = match asked.field("to") {
        Some("acknowledged") => To::Acknowledged,
        Some("fixed") => To::Fixed,
        Some("open") => To::Open,
        Some("rule") => To::Rule,
        _ => return Err(Trouble::invalid("the state is none")),
    };
    let note = asked.field("note").filter(|note| !note.trim().is_empty()).map(str::to_owned);
    let id = asked.id();
    desk.inbox(InboxRequest::Set { id: id.to_owned(), to, note }).await?;
    Ok(Done::to(format!("/findings/{id}"), "The finding was set."))
}
