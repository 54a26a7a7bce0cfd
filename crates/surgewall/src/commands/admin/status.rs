//! `surgewall admin status`: people's words on the status page.

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_gateway::status::stories::{Impact, Stage, Stories};
use surgewall_gateway::status::{Asked, Note, Plan, Told};

use super::show::minute;
use crate::cli::Shape;
use crate::cli::admin::status::{List, Maintenance, Note as TypedNote, Status};
use crate::commands::office::{tell, unexpected};
use crate::fault::Fault;
use crate::place::Place;
use crate::show;

/// Carries out an operation on what the page tells.
///
/// # Errors
/// Why it was not carried out.
pub(super) async fn status(place: &Place, asked: Status) -> Result<(), Fault> {
    let asked = match asked {
        Status::List(List { format }) => return list(place, format).await,
        Status::Note(note) => Asked::Note(noted(note)),
        Status::Maintenance(planned) => Asked::Plan(plan(planned)?),
    };
    let (told, kept) = tell(place, asked).await?;
    let id = match told {
        Told::Incident(incident) => incident.id,
        Told::Maintenance(maintenance) => maintenance.id,
        Told::All(_) => return Err(unexpected()),
    };
    if !kept {
        show::err(
            "it is shown, and could not be written to the disk: after a restart it would be gone\n",
        );
    }
    show::out(&format!("{id}\n"));
    Ok(())
}

fn noted(typed: TypedNote) -> Note {
    let TypedNote { words, incident, title, stage, impact, components } = typed;
    let stage = stage.and_then(|word| Stage::ALL.into_iter().find(|one| one.as_str() == word));
    let impact = impact.and_then(|word| Impact::ALL.into_iter().find(|one| one.as_str() == word));
    Note { incident, title, stage, impact, components, body: words }
}

fn plan(typed: Maintenance) -> Result<Plan, Fault> {
    let Maintenance { words, id, title, from, until, cancel, components } = typed;
    let (from, until) = (from.as_deref(), until.as_deref());
    let (from, until) = (from.map(time).transpose()?, until.map(time).transpose()?);
    Ok(Plan { maintenance: id, title, from, until, cancel, components, body: words })
}

fn time(text: &str) -> Result<Timestamp, Fault> {
    let read: Option<jiff::Timestamp> = text.parse().ok();
    let millis = read.and_then(|at| u64::try_from(at.as_millisecond()).ok());
    millis.map(Timestamp::from_millis).ok_or_else(|| {
        Fault::new(format!("`{text}` is no time"))
            .hint("write it with its zone, like 2026-12-01T02:00Z or 2026-12-01T03:00+01:00")
    })
}

async fn list(place: &Place, format: Shape) -> Result<(), Fault> {
    let (Told::All(stories), _) = tell(place, Asked::List).await? else {
        return Err(unexpected());
    };
    match format {
        Shape::Json => show::json(&stories)?,
        Shape::Text => show::out(&text(&stories, Clock::System.now())),
    }
    Ok(())
}

fn text(stories: &Stories, now: Timestamp) -> String {
    let incidents = stories.incidents.iter().map(|one| {
        let (stage, impact) = (one.stage.as_str(), one.impact.as_str());
        format!("{}  {stage}, {impact}, since {}: {}\n", one.id, minute(one.started_at), one.title)
    });
    let maintenances = stories.maintenances.iter().map(|one| {
        let progress = if one.cancelled { "cancelled" } else { one.progress(now).as_str() };
        let (from, until) = (minute(one.from), minute(one.until));
        format!("{}  {progress}, {from} to {until}: {}\n", one.id, one.title)
    });
    incidents.chain(maintenances).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_zone() {
        let millis = |text: &str| time(text).map(Timestamp::millis).ok();
        assert_eq!(millis("2026-12-01T02:00Z"), Some(1_796_090_400_000));
        assert_eq!(millis("2026-12-01T03:00+01:00"), Some(1_796_090_400_000));
        for bad in ["2026-12-01T02:00", "tomorrow", "", "1969-12-31T23:59Z"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
    }
}
