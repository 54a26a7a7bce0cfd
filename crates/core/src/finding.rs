//! What any guard, scanner or check concluded. One type, one inbox.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::PublicId;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; no action is needed.
    Note,
    /// Something should be changed.
    Warning,
    /// Something is open, broken or lost.
    Critical,
}

impl Severity {
    /// All of them, the mildest first.
    pub const ALL: [Self; 3] = [Self::Note, Self::Warning, Self::Critical];

    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// How sure the producer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// It was seen.
    Certain,
    /// It follows from what was seen.
    Likely,
    /// It may be.
    Possible,
}

impl Confidence {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Certain, Self::Likely, Self::Possible];

    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody looked yet.
    #[default]
    Open,
    /// Somebody looked and lives with it.
    Acknowledged,
    /// A rule came of it.
    Rule,
    /// It is gone.
    Fixed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Acknowledged, Self::Rule, Self::Fixed];

    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Acknowledged => "acknowledged",
            Self::Rule => "rule",
            Self::Fixed => "fixed",
        }
    }
}

/// The text is no state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("one of open, acknowledged, rule, fixed")]
pub struct StateError;

impl FromStr for State {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(StateError)
    }
}

/// Who changed what became of a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangedBy {
    /// Whoever found it: it is there, or it is gone.
    Producer,
    /// An operator.
    Operator,
}

impl ChangedBy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Producer, Self::Operator];

    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Operator => "operator",
        }
    }
}

/// A finding of the inbox has another state than before: what the ledger says of
/// it. What was seen, and where, is in the inbox only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FindingChanged {
    /// When.
    pub at: Timestamp,
    /// The finding.
    pub id: PublicId,
    /// The rule that found it.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// What became of it.
    pub state: State,
    /// Who says so.
    pub by: ChangedBy,
    /// The operator's account, where one was signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<PublicId>,
}

/// One conclusion: about what, by which rule, with which evidence, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What it is about: a file, a listener, an upstream's name.
    pub subject: String,
    /// The rule that found it, for example `ledger.chain`.
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What was seen, in one sentence, without content or secrets.
    pub evidence: String,
    /// What to do about it, in one sentence.
    pub advice: String,
    /// What became of it.
    #[serde(default)]
    pub state: State,
}

impl Finding {
    /// A certain, open finding.
    #[must_use]
    pub fn new(severity: Severity, rule: &str, subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            rule: rule.to_owned(),
            severity,
            confidence: Confidence::Certain,
            evidence: String::new(),
            advice: String::new(),
            state: State::Open,
        }
    }

    /// With what was seen.
    #[must_use]
    pub fn evidence(mut self, text: impl Into<String>) -> Self {
        self.evidence = text.into();
        self
    }

    /// With what to do.
    #[must_use]
    pub fn advice(mut self, text: impl Into<String>) -> Self {
        self.advice = text.into();
        self
    }

    /// Whether it makes a check exit with 1: anything above a note.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.severity > Severity::Note && self.state == State::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_is_written_and_stored() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        assert_eq!("Open".parse::<State>(), Err(StateError));
        for severity in Severity::ALL {
            assert_eq!(serde_json::to_value(severity).unwrap(), severity.as_str());
        }
        for confidence in Confidence::ALL {
            assert_eq!(serde_json::to_value(confidence).unwrap(), confidence.as_str());
        }
    }
}
