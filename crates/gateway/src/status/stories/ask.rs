//! What people may write: notes on incidents, and maintenances. Only words: no
//! component's state is set by hand, but by a maintenance that was announced.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;

use super::{
    BODY_CHARS_MAX, Impact, Incident, MAINTENANCES_MAX, Maintenance, Progress, Stage, Stories,
    TITLE_CHARS_MAX, Update,
};

/// One operation on what the page tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Asked {
    /// Says something of an incident. Answers [`Told::Incident`].
    Note(Note),
    /// Announces a maintenance, or says something of one. Answers [`Told::Maintenance`].
    Plan(Plan),
    /// Everything that is told. Answers [`Told::All`].
    List,
}

impl Asked {
    /// What it is called in the ledger; `None` for what changes nothing.
    #[must_use]
    pub const fn action(&self) -> Option<&'static str> {
        match self {
            Self::Note(_) => Some("status.note"),
            Self::Plan(_) => Some("status.maintenance"),
            Self::List => None,
        }
    }

    /// What it is about, for the ledger.
    #[must_use]
    pub fn subject(&self) -> Option<String> {
        match self {
            Self::Note(note) => note.incident.clone(),
            Self::Plan(plan) => plan.maintenance.clone(),
            Self::List => None,
        }
    }
}

/// A note on an incident.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Note {
    /// Which, by its id; absent, a new one begins.
    pub incident: Option<String>,
    /// Its title: needed where it begins.
    pub title: Option<String>,
    /// How far it is; absent it stays, and a new one is being investigated.
    pub stage: Option<Stage>,
    /// How bad it is; absent it stays, and of a new one it is minor.
    pub impact: Option<Impact>,
    /// The components that it touches, by their names; none stays.
    pub components: Vec<String>,
    /// The words.
    pub body: String,
}

/// A maintenance, announced or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Which, by its id; absent, a new one is announced.
    pub maintenance: Option<String>,
    /// Its title: needed where it is announced.
    pub title: Option<String>,
    /// When it begins: needed where it is announced.
    pub from: Option<Timestamp>,
    /// When it ends: needed where it is announced.
    pub until: Option<Timestamp>,
    /// Whether it is called off, or over before its end.
    pub cancel: bool,
    /// The components that it touches, by their names; none means all.
    pub components: Vec<String>,
    /// The words.
    pub body: String,
}

/// The answer to an [`Asked`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The incident as it is now.
    Incident(Box<Incident>),
    /// The maintenance as it is now.
    Maintenance(Box<Maintenance>),
    /// Everything.
    All(Box<Stories>),
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No words.
    #[error("the words are missing: say what people should know")]
    Empty,
    /// Too many words.
    #[error("{what} has at most {chars_max} letters")]
    Long {
        /// Of what.
        what: &'static str,
        /// The bound.
        chars_max: usize,
    },
    /// Something new has no title.
    #[error("something new needs a title")]
    Untitled,
    /// No such thing.
    #[error("there is no {what} `{id}`; `surgewall admin status list` shows what there is")]
    Unknown {
        /// What was asked for.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// No such component.
    #[error("the page has no component `{name}`; it has {known}")]
    Component {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A maintenance without a time.
    #[error(
        "a maintenance needs a beginning and an end, the end after the beginning and after now"
    )]
    Times,
    /// Nothing more can be announced.
    #[error("{MAINTENANCES_MAX} maintenances are to come: cancel one first")]
    Full,
}

impl Stories {
    /// Carries out `asked` on a page with the components `known`.
    ///
    /// # Errors
    /// What cannot be meant; nothing is changed then.
    pub fn ask(
        &mut self,
        asked: Asked,
        known: &[String],
        now: Timestamp,
        fresh: impl FnMut(&str) -> PublicId,
    ) -> Result<Told, AskError> {
        match asked {
            Asked::Note(note) => {
                worded(note.title.as_deref(), &note.body, &note.components, known)?;
                self.note(note, now, fresh).map(|one| Told::Incident(Box::new(one)))
            }
            Asked::Plan(plan) => {
                worded(plan.title.as_deref(), &plan.body, &plan.components, known)?;
                self.plan(plan, now, fresh).map(|one| Told::Maintenance(Box::new(one)))
            }
            Asked::List => Ok(Told::All(Box::new(self.clone()))),
        }
    }

    fn note(
        &mut self,
        note: Note,
        now: Timestamp,
        mut fresh: impl FnMut(&str) -> PublicId,
    ) -> Result<Incident, AskError> {
        let Note { incident, title, stage, impact, components, body } = note;
        if let Some(id) = &incident {
            let known = self.incidents.iter_mut().find(|one| one.id.as_str() == id);
            let unknown = || AskError::Unknown { what: "incident", id: id.clone() };
            let known = known.ok_or_else(unknown)?;
            if let Some(title) = title {
                known.title = title;
            }
            known.impact = impact.unwrap_or(known.impact);
            if !components.is_empty() {
                known.components = components;
            }
            let stage = stage.unwrap_or(known.stage);
            known.say(update(fresh("upd"), now, stage.as_str(), body), stage);
            return Ok(known.clone());
        }
        let stage = stage.unwrap_or(Stage::Investigating);
        let mut begun = Incident {
            id: fresh("inc"),
            title: title.ok_or(AskError::Untitled)?,
            impact: impact.unwrap_or(Impact::Minor),
            stage,
            components,
            by_door: false,
            started_at: now,
            monitoring_at: None,
            resolved_at: None,
            updates: Vec::new(),
        };
        begun.say(update(fresh("upd"), now, stage.as_str(), body), stage);
        self.add(begun.clone());
        Ok(begun)
    }

    fn plan(
        &mut self,
        plan: Plan,
        now: Timestamp,
        mut fresh: impl FnMut(&str) -> PublicId,
    ) -> Result<Maintenance, AskError> {
        let Plan { maintenance, title, from, until, cancel, components, body } = plan;
        if let Some(id) = &maintenance {
            let known = self.maintenances.iter_mut().find(|one| one.id.as_str() == id);
            let unknown = || AskError::Unknown { what: "maintenance", id: id.clone() };
            let known = known.ok_or_else(unknown)?;
            let (from, until) = (from.unwrap_or(known.from), until.unwrap_or(known.until));
            if until <= from {
                return Err(AskError::Times);
            }
            (known.from, known.until) = (from, until);
            if let Some(title) = title {
                known.title = title;
            }
            if !components.is_empty() {
                known.components = components;
            }
            known.cancelled |= cancel;
            let stage = known.progress(now).as_str();
            known.updates.insert(0, update(fresh("upd"), now, stage, body));
            known.updates.truncate(super::UPDATES_MAX);
            return Ok(known.clone());
        }
        let title = title.ok_or(AskError::Untitled)?;
        let times = from.zip(until).filter(|(from, until)| from < until && now < *until);
        let (from, until) = times.ok_or(AskError::Times)?;
        if self.maintenances.len() >= MAINTENANCES_MAX {
            let over = |one: &Maintenance| one.progress(now) == Progress::Completed;
            let over = self.maintenances.iter().rposition(over).ok_or(AskError::Full)?;
            self.maintenances.remove(over);
        }
        let mut announced = Maintenance {
            id: fresh("mnt"),
            title,
            components,
            announced_at: now,
            from,
            until,
            cancelled: false,
            updates: Vec::new(),
        };
        let stage = announced.progress(now).as_str();
        announced.updates.push(update(fresh("upd"), now, stage, body));
        self.maintenances.insert(0, announced.clone());
        Ok(announced)
    }
}

fn update(id: PublicId, at: Timestamp, stage: &str, body: String) -> Update {
    Update { id, at, stage: stage.to_owned(), body }
}

/// Whether these words can be shown.
fn worded(
    title: Option<&str>,
    body: &str,
    components: &[String],
    known: &[String],
) -> Result<(), AskError> {
    if body.trim().is_empty() || title.is_some_and(|title| title.trim().is_empty()) {
        return Err(AskError::Empty);
    }
    if body.chars().count() > BODY_CHARS_MAX {
        return Err(AskError::Long { what: "a note", chars_max: BODY_CHARS_MAX });
    }
    if title.is_some_and(|title| title.chars().count() > TITLE_CHARS_MAX) {
        return Err(AskError::Long { what: "a title", chars_max: TITLE_CHARS_MAX });
    }
    let stranger = components.iter().find(|name| !known.contains(name));
    match stranger {
        Some(name) => Err(AskError::Component { name: name.clone(), known: known.join(", ") }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
