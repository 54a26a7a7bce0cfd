//! `surgewall admin finding`.

use surgewall_core::finding::{ChangedBy, Finding, State};
use surgewall_core::id::PublicId;
use surgewall_store::findings::{FindingView, InboxReply, InboxRequest, To};

use super::show::{minute, sheet};
use crate::cli::Shape;
use crate::cli::admin::finding::{Finding as Asked, List, Named, States};
use crate::cli::check::Format;
use crate::commands::office::{inbox, unexpected};
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show;

/// Carries out an operation on the inbox.
///
/// # Errors
/// Why it was not carried out.
pub(super) async fn finding(place: &Place, asked: Asked) -> Result<Verdict, Fault> {
    let (named, to, note) = match asked {
        Asked::List(asked) => return list(place, &asked).await,
        Asked::Show(Named { id, format }) => {
            return one(place, InboxRequest::Show { id }, format).await;
        }
        Asked::Acknowledge(asked) => (asked.named, To::Acknowledged, asked.note),
        Asked::Fix(named) => (named, To::Fixed, None),
        Asked::Reopen(named) => (named, To::Open, None),
        Asked::Rule(named) => (named, To::Rule, None),
    };
    one(place, InboxRequest::Set { id: named.id, to, note }, named.format).await
}

async fn one(place: &Place, request: InboxRequest, format: Shape) -> Result<Verdict, Fault> {
    let InboxReply::One(view) = inbox(place, request).await? else { return Err(unexpected()) };
    match format {
        Shape::Json => show::json(&view)?,
        Shape::Text => whole(&view),
    }
    Ok(Verdict::Clean)
}

async fn list(place: &Place, asked: &List) -> Result<Verdict, Fault> {
    let states = match asked.state {
        None => vec![State::Open, State::Acknowledged, State::Rule],
        Some(States::All) => State::ALL.to_vec(),
        Some(States::One(state)) => vec![state],
    };
    let mut views: Vec<FindingView> = Vec::new();
    let mut after = None;
    loop {
        let request = InboxRequest::List { states: states.clone(), after };
        let InboxReply::Page(page) = inbox(place, request).await? else {
            return Err(unexpected());
        };
        views.extend(page.rows);
        match page.next {
            Some(next) => after = Some(next.to_string()),
            None => break,
        }
    }
    views.sort_by_key(|view| std::cmp::Reverse(view.finding.severity));
    let findings: Vec<Finding> = views.iter().map(|view| view.finding.clone()).collect();
    match asked.format {
        Format::Text => {
            let blocks = views.iter().map(|view| block(view, show::is_colourful()));
            show::out(&blocks.collect::<String>());
            show::err(&format!("{} listed\n", show::count(views.len() as u64, "finding")));
        }
        Format::Json => show::json(&views)?,
        Format::Sarif => show::json(&show::sarif::inbox(&views))?,
    }
    Ok(Verdict::over(&findings))
}

/// One finding of a list: its id and state, then as `surgewall check` prints it.
fn block(view: &FindingView, colourful: bool) -> String {
    let state = view.finding.state.as_str();
    let times = format!("{} first, {} last", minute(view.first_seen), minute(view.last_seen));
    let head = format!("{}  {state}  seen {}: {times}\n", view.id, times_seen(view));
    let text = show::findings::text(std::slice::from_ref(&view.finding), colourful);
    let lines = text.lines().map(|line| format!("  {line}\n"));
    head + &lines.collect::<String>()
}

fn times_seen(view: &FindingView) -> String {
    if view.seen == 1 { "once".to_owned() } else { format!("{} times", view.seen) }
}

fn whole(view: &FindingView) {
    let finding = &view.finding;
    let by = match view.changed_by {
        ChangedBy::Producer => format!("by the check `{}`", view.producer),
        ChangedBy::Operator => "by an operator".to_owned(),
    };
    let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    sheet(&[
        ("id", view.id.to_string()),
        ("state", format!("{} since {}, {by}", finding.state.as_str(), minute(view.changed_at))),
        ("rule", finding.rule.clone()),
        ("subject", finding.subject.clone()),
        ("severity", finding.severity.as_str().to_owned()),
        ("confidence", finding.confidence.as_str().to_owned()),
        ("evidence", or_none(&finding.evidence)),
        ("advice", or_none(&finding.advice)),
        ("found by", view.producer.clone()),
        ("first seen", minute(view.first_seen)),
        ("last seen", format!("{}, {}", minute(view.last_seen), times_seen(view))),
        ("note", or_none(view.note.as_deref().unwrap_or_default())),
        ("became", or_none(view.became.as_ref().map_or("", PublicId::as_str))),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use surgewall_core::clock::Timestamp;
    use surgewall_core::finding::Severity;

    #[test]
    fn a_finding_of_a_list_says_its_id_and_state_first() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let view = FindingView {
            id: PublicId::from_stored("fnd_a".to_owned()),
            finding: Finding::new(Severity::Warning, "a.b", "x\n").evidence("seen"),
            producer: "config".to_owned(),
            first_seen: at,
            last_seen: at,
            seen: 2,
            changed_at: at,
            changed_by: ChangedBy::Producer,
            note: None,
            became: None,
        };
        assert_eq!(
            block(&view, false),
            "fnd_a  open  seen 2 times: 2023-11-14 22:13Z first, 2023-11-14 22:13Z last\n  \
             warning a.b: x\u{fffd}\n    seen\n"
        );
    }
}
