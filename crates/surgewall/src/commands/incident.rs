//! `surgewall report incident`: what happened, from the ledger's typed events.

use serde::Serialize;
use surgewall_core::finding::Finding;
use surgewall_store::ledger::read::{Incident, Story, incident as read_one, incidents as read_all};

use crate::cli::Shape;
use crate::cli::report::Incident as Asked;
use crate::fault::{Fault, Verdict};
use crate::place::{Place, vault};
use crate::show::{self, incident as words};

/// Ids that an ambiguous beginning is answered with.
const NAMED_MAX: usize = 5;

#[derive(Serialize, Debug)]
struct List {
    incidents: Vec<Incident>,
    findings: Vec<Finding>,
}

#[derive(Serialize, Debug)]
struct One {
    incident: Story,
    findings: Vec<Finding>,
}

/// Lists the incidents, or tells one.
///
/// # Errors
/// The master key is not here, a file cannot be read, or there is no such incident.
pub(crate) fn incident(place: &Place, asked: &Asked) -> Result<Verdict, Fault> {
    let data = place.data()?;
    let config = place.load()?.config;
    let vault = vault(&data, &config)
        .map_err(|fault| fault.during("the ledger cannot be opened without the master key"))?;
    let ledger = data.ledger();
    let (incidents, findings) =
        if ledger.exists() { read_all(&ledger, &vault)? } else { (Vec::new(), Vec::new()) };
    let Some(id) = &asked.id else { return list(asked.format, incidents, findings) };
    let id = chosen(&incidents, id)?.id.clone();
    let (story, findings) = read_one(&ledger, &vault, &id)?;
    // Retention may remove it between the two readings.
    let story = story.ok_or_else(|| none(id.as_str()))?;
    let verdict = Verdict::over(&findings);
    match asked.format {
        Shape::Json => show::json(&One { incident: story, findings })?,
        Shape::Text => {
            show::out(&words::text(&story));
            show::err(&show::findings::text(&findings, false));
        }
    }
    Ok(verdict)
}

fn list(format: Shape, incidents: Vec<Incident>, findings: Vec<Finding>) -> Result<Verdict, Fault> {
    let verdict = Verdict::over(&findings);
    if format == Shape::Json {
        show::json(&List { incidents, findings })?;
        return Ok(verdict);
    }
    if incidents.is_empty() {
        show::err("the ledger tells of no incident\n");
    } else {
        show::out(&words::list(&incidents));
    }
    show::err(&show::findings::text(&findings, false));
    Ok(verdict)
}

/// The incident that `text` names.
fn chosen<'a>(incidents: &'a [Incident], text: &str) -> Result<&'a Incident, Fault> {
    let text = text.trim();
    if text == "last" {
        return incidents.last().ok_or_else(|| Fault::new("the ledger tells of no incident"));
    }
    let begins = |incident: &&Incident| {
        let id = incident.id.as_str();
        id.starts_with(text) || id.strip_prefix("inc_").is_some_and(|bare| bare.starts_with(text))
    };
    let named: Vec<_> = incidents.iter().filter(begins).collect();
    match (named.as_slice(), named.iter().find(|incident| incident.id.as_str() == text)) {
        (_, Some(exact)) | ([exact], _) => Ok(exact),
        ([], _) => Err(none(text)),
        (several, _) => {
            let ids: Vec<_> = several.iter().take(NAMED_MAX).map(|i| i.id.as_str()).collect();
            Err(Fault::new(format!("{} incidents begin with `{text}`", several.len()))
                .hint(format!("name one: {}", ids.join(", "))))
        }
    }
}

fn none(text: &str) -> Fault {
    Fault::new(format!("the ledger tells of no incident `{}`", show::plain(text)))
        .hint("`surgewall report incident` lists them")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::incident::samples;

    #[test]
    fn an_incident_is_named_by_its_id_a_beginning_of_it_or_as_the_last() {
        let incidents = ["inc_abc", "inc_abd", "inc_x"].map(|id| samples::flood(id).incident);
        let named = |text: &str| {
            let found = chosen(&incidents, text).map(|incident| incident.id.to_string());
            found.map_err(|fault| fault.to_string())
        };
        assert_eq!(named("inc_abc").unwrap(), "inc_abc");
        assert_eq!(named("abd").unwrap(), "inc_abd");
        assert_eq!(named(" x ").unwrap(), "inc_x");
        assert_eq!(named("last").unwrap(), "inc_x");
        assert!(named("inc_ab").unwrap_err().contains("name one: inc_abc, inc_abd"));
        assert!(named("nothing").unwrap_err().contains("lists them"));
        assert!(chosen(&[], "last").is_err());
    }
}
