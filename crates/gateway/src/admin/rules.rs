//! Rules: those of the configuration and those made on the door, in one list.

use surgewall_core::config::limits::RuleState;
use surgewall_core::figures::count;
use surgewall_core::role::Action;
use surgewall_store::rules::{RuleReply, RuleRequest, RuleView, Source};

use super::desk::{Asked, Desk, Done, Trouble};
use super::show;
use super::view::{Cell, Form, Table, Tone, View};

/// All of them.
pub(super) async fn list(desk: &Desk) -> Result<View, Trouble> {
    let RuleReply::All { rules } = desk.rule(RuleRequest::List).await? else {
        return Err(Trouble::unexpected());
    };
    let may = desk.may(Action::ChangeRules);
    let table = Table {
        heading: "",
        columns: &["Rule", "Kind", "It says", "State", "Held", "From", "Since", "Change"],
        rows: rules.iter().map(|rule| row(rule, may)).collect(),
        empty: "There is no rule.",
        next: None,
    };
    let lead = "A rule is off, in shadow (it counts what it would have done and changes nothing), or on. Those of the configuration are changed in its file.";
    Ok(View::new("Rules", lead).with(table))
}

fn row(rule: &RuleView, may: bool) -> Vec<Cell> {
    let id = match &rule.finding {
        Some(finding) => Cell::link(format!("/findings/{finding}"), &rule.id),
        None => Cell::code(&rule.id),
    };
    let held = rule.hits.map_or_else(Cell::none, |hits| {
        let (on, shadow) = (hits.refused + hits.narrowed, hits.would_refuse + hits.would_narrow);
        Cell::Text(format!("{} times, {} in shadow", count(on), count(shadow)))
    });
    let change = may && rule.source == Source::Door;
    vec![
        id,
        Cell::Text(rule.kind.clone()),
        Cell::Text(rule.says.clone()),
        state(rule.state),
        held,
        Cell::Text(rule.source.as_str().to_owned()),
        show::maybe(rule.changed_at),
        if change { buttons(rule) } else { Cell::Text(String::new()) },
    ]
}

fn state(state: RuleState) -> Cell {
    let tone = match state {
        RuleState::Off => Tone::Plain,
        RuleState::Shadow => Tone::Watch,
        RuleState::On => Tone::Good,
    };
    Cell::tag(state.as_str(), tone)
}

fn buttons(rule: &RuleView) -> Cell {
    let set = |state: RuleState, word| {
        let form = Form::button("/rules", word).hidden("do", "set").hidden("id", &rule.id);
        (state != rule.state).then(|| form.hidden("state", state.as_str()))
    };
    let sets =
        [set(RuleState::Shadow, "Shadow"), set(RuleState::On, "On"), set(RuleState::Off, "Off")];
    let remove = Form::button("/rules", "Remove").danger().hidden("do", "remove");
    let forms = sets.into_iter().flatten().chain([remove.hidden("id", &rule.id)]);
    Cell::Buttons(forms.collect())
}

/// Puts one into another state, or removes it.
pub(super) async fn set(desk: &Desk, asked: &Asked) -> Result<Done, Trouble> {
    let id = asked.field("id").unwrap_or("").to_owned();
    let request = match (asked.field("do"), asked.field("state")) {
        (Some("set"), Some("off")) => RuleRequest::Set { id, state: RuleState::Off },
        (Some("set"), Some("shadow")) => RuleRequest::Set { id, state: RuleState::Shadow },
        (Some("set"), Some("on")) => RuleRequest::Set { id, state: RuleState::On },
        (Some("remove"), _) => RuleRequest::Remove { id },
        _ => return Err(Trouble::nothing_there()),
    };
    desk.rule(request).await?;
    Ok(Done::to("/rules", "The rule was set."))
}
