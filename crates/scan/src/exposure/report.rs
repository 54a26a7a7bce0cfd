//! What a run says: one line a port, findings, notes.

use serde::Serialize;
use surgewall_core::finding::Finding;

use super::kind::Kind;

/// Whether a stranger is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It answered what needs access, without a login.
    #[serde(rename = "open")]
    Open,
    /// It asks for a login, or refuses.
    #[serde(rename = "auth required")]
    AuthRequired,
    /// It could not be told.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Outcome {
    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::AuthRequired => "auth required",
            Self::Unknown => "unknown",
        }
    }
}

/// One port that took a connection, or should have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// What was looked at: `HOST:PORT`, or an upstream by its name and address.
    pub target: String,
    /// What it is, as far as that was told.
    pub service: Option<&'static Kind>,
    /// Whether a stranger is answered.
    pub outcome: Outcome,
    /// What was seen, in one sentence; never a name of what is stored there.
    pub evidence: &'static str,
}

/// What one run saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Ports, in the order in which they were named.
    pub seen: Vec<Seen>,
    /// What else is worth saying.
    pub notes: Vec<String>,
    /// What is open.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of what it could not be told: the subjects that findings about it would have.
    pub fn unsure(&self) -> impl Iterator<Item = &str> {
        let unknown = self.seen.iter().filter(|seen| seen.outcome == Outcome::Unknown);
        unknown.map(|seen| seen.target.as_str())
    }

    /// Whether something could not be told.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        self.unsure().next().is_some()
    }
}
