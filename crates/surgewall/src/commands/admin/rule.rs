//! `surgewall admin rule`.

use surgewall_store::rules::{Hits, RuleReply, RuleRequest, RuleView};

use super::show::{minute, sheet};
use crate::cli::Shape;
use crate::cli::admin::rule::{Named, Rule as Asked, Set};
use crate::commands::office::rules;
use crate::fault::{Fault, Verdict};
use crate::place::Place;
use crate::show;
use crate::show::table::{Column, table};

const COLUMNS: [Column; 6] = [
    Column::Left("id"),
    Column::Left("kind"),
    Column::Left("state"),
    Column::Left("from"),
    Column::Left("asks that"),
    Column::Left("since the start"),
];

/// Carries out an operation on the rules.
///
/// # Errors
/// Why it was not carried out.
pub(super) async fn rule(place: &Place, asked: Asked) -> Result<Verdict, Fault> {
    let (request, format) = match asked {
        Asked::List(asked) => (RuleRequest::List, asked.format),
        Asked::Show(Named { id, format }) => (RuleRequest::Show { id }, format),
        Asked::Set(Set { id, state, format }) => (RuleRequest::Set { id, state }, format),
        Asked::Remove(Named { id, format }) => (RuleRequest::Remove { id }, format),
    };
    match (rules(place, request).await?, format) {
        (RuleReply::All { rules }, Shape::Json) => show::json(&rules)?,
        (RuleReply::One { rule }, Shape::Json) => show::json(&rule)?,
        (RuleReply::All { rules }, Shape::Text) => {
            if !rules.is_empty() {
                show::out(&table(&COLUMNS, rules.iter().map(row).collect()));
            }
            show::err(&format!("{}\n", show::count(rules.len() as u64, "rule")));
        }
        (RuleReply::One { rule }, Shape::Text) => whole(&rule),
    }
    Ok(Verdict::Clean)
}

fn row(rule: &RuleView) -> Vec<String> {
    let RuleView { id, kind, state, source, says, hits, .. } = rule;
    let state = state.as_str().to_owned();
    vec![id.clone(), kind.clone(), state, source.as_str().to_owned(), says.clone(), did(*hits)]
}

/// What it did since the door was started.
fn did(hits: Option<Hits>) -> String {
    let Some(hits) = hits else { return "-".to_owned() };
    let Hits { refused, narrowed, would_refuse, would_narrow, redacted, would_redact } = hits;
    let parts = [
        (refused, "refused"),
        (narrowed, "sent elsewhere"),
        (would_refuse, "would have refused"),
        (would_narrow, "would have sent elsewhere"),
        (redacted, "redacted"),
        (would_redact, "would have redacted"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts.map(|(count, what)| format!("{what} {count}")).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn whole(rule: &RuleView) {
    let since = |at: Option<_>| at.map_or_else(|| "-".to_owned(), minute);
    let finding = rule.finding.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    sheet(&[
        ("id", rule.id.clone()),
        ("kind", rule.kind.clone()),
        ("state", rule.state.as_str().to_owned()),
        ("from", rule.source.as_str().to_owned()),
        ("asks that", rule.says.clone()),
        ("came of", finding),
        ("made", since(rule.created_at)),
        ("changed", since(rule.changed_at)),
        ("since the start", did(rule.hits)),
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rule_did_is_said_in_words() {
        let hits = |refused, would_refuse| Hits { refused, would_refuse, ..Hits::default() };
        for (hits, says) in [
            (None, "-"),
            (Some(hits(0, 0)), "nothing"),
            (Some(hits(0, 3)), "would have refused 3"),
            (Some(hits(1, 2)), "refused 1, would have refused 2"),
        ] {
            assert_eq!(did(hits), says);
        }
    }
}
