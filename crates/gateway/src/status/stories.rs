//! What is told of incidents and maintenances: opened and closed by the verdict or
//! by people, worded by both. Pure: it takes `now` and fresh ids as arguments.

mod ask;
mod door;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::PublicId;

pub use ask::{AskError, Asked, Note, Plan, Told};

/// Incidents that are kept; the oldest that is resolved goes first.
pub const INCIDENTS_MAX: usize = 50;
/// Maintenances that are kept; the oldest that is over goes first.
pub const MAINTENANCES_MAX: usize = 50;
/// Updates of one incident or maintenance.
pub const UPDATES_MAX: usize = 60;
/// Letters of a title.
pub const TITLE_CHARS_MAX: usize = 120;
/// Letters of an update.
pub const BODY_CHARS_MAX: usize = 2_000;

/// How far an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Something is wrong.
    Investigating,
    /// The cause is known.
    Identified,
    /// It seems over, and is watched.
    Monitoring,
    /// It is over.
    Resolved,
}

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 4] =
        [Self::Investigating, Self::Identified, Self::Monitoring, Self::Resolved];

    /// The word of the Statuspage API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

/// How bad an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Impact {
    /// Nobody notices.
    None,
    /// Some wait, or are asked to come again.
    Minor,
    /// A good part is not served.
    Major,
    /// Most is not served.
    Critical,
}

impl Impact {
    /// All of them, mildest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Minor, Self::Major, Self::Critical];

    /// The word of the Statuspage API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

/// One thing that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Its id.
    pub id: PublicId,
    /// When.
    pub at: Timestamp,
    /// How far the incident was; of a maintenance, as at its beginning or end.
    pub stage: String,
    /// The words.
    pub body: String,
}

/// An incident, as the public is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id: of one that the door opened, that of its report.
    pub id: PublicId,
    /// Its title.
    pub title: String,
    /// How bad.
    pub impact: Impact,
    /// How far.
    pub stage: Stage,
    /// Names of the components that it touches.
    pub components: Vec<String>,
    /// Whether the door opened it, and closes it.
    pub by_door: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last said to be watched.
    #[serde(default)]
    pub monitoring_at: Option<Timestamp>,
    /// When it was over.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
    /// What was said, newest first.
    pub updates: Vec<Update>,
}

impl Incident {
    /// Says `body` at `stage`. Beyond [`UPDATES_MAX`] the one after the first goes.
    fn say(&mut self, update: Update, stage: Stage) {
        self.stage = stage;
        match stage {
            Stage::Resolved => self.resolved_at = Some(update.at),
            Stage::Monitoring => {
                self.monitoring_at = Some(update.at);
                self.resolved_at = None;
            }
            Stage::Investigating | Stage::Identified => self.resolved_at = None,
        }
        self.updates.insert(0, update);
        if self.updates.len() > UPDATES_MAX {
            self.updates.remove(UPDATES_MAX - 1);
        }
    }

    /// When something was last said.
    #[must_use]
    pub fn updated_at(&self) -> Timestamp {
        self.updates.first().map_or(self.started_at, |update| update.at)
    }
}

/// An announced maintenance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its id.
    pub id: PublicId,
    /// Its title.
    pub title: String,
    /// Names of the components that it touches; none means all of them.
    pub components: Vec<String>,
    /// When it was announced.
    pub announced_at: Timestamp,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Whether it was called off.
    #[serde(default)]
    pub cancelled: bool,
    /// What was said, newest first.
    pub updates: Vec<Update>,
}

/// How far a maintenance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is to come.
    Scheduled,
    /// It goes on.
    InProgress,
    /// It is over, or was called off.
    Completed,
}

impl Progress {
    /// The word of the Statuspage API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
        }
    }
}

impl Maintenance {
    /// How far it is at `now`.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Progress {
        if self.cancelled || now >= self.until {
            Progress::Completed
        } else if now >= self.from {
            Progress::InProgress
        } else {
            Progress::Scheduled
        }
    }

    /// Whether it touches `component` at `now`.
    #[must_use]
    pub fn touches(&self, component: &str, now: Timestamp) -> bool {
        let named =
            self.components.is_empty() || self.components.iter().any(|one| one == component);
        named && self.progress(now) == Progress::InProgress
    }

    /// When something was last said of it, or it last moved on.
    #[must_use]
    pub fn updated_at(&self, now: Timestamp) -> Timestamp {
        let said = self.updates.first().map_or(self.announced_at, |update| update.at);
        match self.progress(now) {
            Progress::Scheduled => said,
            Progress::InProgress => said.max(self.from),
            Progress::Completed if self.cancelled => said,
            Progress::Completed => said.max(self.until),
        }
    }
}

/// Everything that is told, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stories {
    /// Incidents.
    pub incidents: Vec<Incident>,
    /// Maintenances.
    pub maintenances: Vec<Maintenance>,
}

impl Stories {
    /// Incidents that are not over.
    pub fn unresolved(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.iter().filter(|incident| incident.stage != Stage::Resolved)
    }

    fn add(&mut self, incident: Incident) {
        self.incidents.insert(0, incident);
        if self.incidents.len() > INCIDENTS_MAX {
            let over = self.incidents.iter().rposition(|one| one.stage == Stage::Resolved);
            self.incidents.remove(over.unwrap_or(INCIDENTS_MAX));
        }
    }
}
