//! Incidents, as the ledger tells them.

use std::sync::Arc;

use surgewall_core::figures::{count, rate};
use surgewall_core::id::PublicId;
use surgewall_core::incident::Verdict;
use surgewall_store::ledger::read::{Incident, Standing, incident, incidents};

use super::desk::{Desk, Trouble};
use super::show;
use super::view::{Cell, Facts, Table, Text, Tone, View};

/// All of them, the newest first.
pub(super) async fn list(desk: &Desk) -> Result<View, Trouble> {
    let (directory, vault) = desk.ledger_files();
    let (found, damage) = desk.reading(move || incidents(&directory, &vault)).await?;
    let table = Table {
        heading: "",
        columns: &["Incident", "Began", "State", "Upstream", "Refused", "Verdict"],
        rows: found.iter().rev().map(row).collect(),
        empty: "There was none, as far as the ledger goes back.",
        next: None,
    };
    let view = View::new(
        "Incidents",
        "A time in which somebody had to wait or was refused, and the verdict on why.",
    );
    let torn = Facts::new("The ledger").with(
        "Damage",
        Cell::tag(format!("{} places: see `surgewall check ledger`", damage.len()), Tone::Bad),
    );
    Ok(view.with(table).maybe((!damage.is_empty()).then_some(torn)))
}

fn row(incident: &Incident) -> Vec<Cell> {
    let refused: u64 = incident.last.totals.iter().map(|class| class.refused).sum();
    vec![
        Cell::link(format!("/incidents/{}", incident.id), &incident.id),
        show::at(incident.began),
        standing(incident.standing),
        Cell::code(&incident.last.pool),
        Cell::code(count(refused)),
        verdict(incident.last.verdict),
    ]
}

fn standing(standing: Standing) -> Cell {
    match standing {
        Standing::Open => Cell::tag("open", Tone::Bad),
        Standing::Closed => Cell::tag("over", Tone::Good),
        Standing::CutOff => Cell::tag("cut off", Tone::Watch),
    }
}

fn verdict(verdict: Verdict) -> Cell {
    Cell::tag(verdict, if verdict == Verdict::Normal { Tone::Good } else { Tone::Watch })
}

/// One incident: its report, as the command line prints it.
pub(super) async fn one(desk: &Desk, id: &str) -> Result<View, Trouble> {
    let (directory, vault) = desk.ledger_files();
    let wanted = PublicId::from_stored(id.to_owned());
    let (story, _) = desk.reading(move || incident(&directory, &vault, &wanted)).await?;
    let story = Arc::new(story.ok_or_else(Trouble::nothing_there)?);
    let last = &story.incident.last;
    let facts = Facts::new("Incident")
        .with("State", standing(story.incident.standing))
        .with("Began", show::at(story.incident.began))
        .with("Upstream", Cell::code(&last.pool))
        .with("Verdict", verdict(last.verdict))
        .with("Known demand, requests/s", rate(last.numbers.known.requests_milli))
        .with("Unknown demand, requests/s", rate(last.numbers.unknown.requests_milli));
    let refusals = Table {
        heading: "Refusals while it lasted",
        columns: &["Code", "Requests"],
        rows: story
            .refusals
            .iter()
            .map(|(code, of)| vec![Cell::code(code), Cell::code(count(*of))])
            .collect(),
        empty: "Nobody was refused.",
        next: None,
    };
    let changes = Table {
        heading: "What was changed meanwhile",
        columns: &["When", "What"],
        rows: story
            .changes
            .iter()
            .map(|(at, what)| vec![show::at(*at), Cell::code(what)])
            .collect(),
        empty: "Nothing.",
        next: None,
    };
    let report = desk.told(&story).map(|text| Text { heading: "Report", text });
    Ok(View::new(format!("Incident {id}"), "From typed records, by fixed sentences.")
        .with(facts)
        .maybe(report)
        .with(refusals)
        .with(changes))
}
