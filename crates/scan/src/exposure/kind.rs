//! What kind of service something is, and what to do when it is open.

use serde::Serialize;

/// What a kind of service holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// Data.
    Data,
    /// Power over the machine or a cluster.
    Control,
    /// A model: on this machine it is what a door stands in front of.
    Model,
}

/// A kind of service.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// The word in rule ids and target addresses: `redis` in `exposure.redis` and `redis://`.
    pub id: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// What to do when it is open, in one sentence.
    pub advice: &'static str,
}

impl Kind {
    /// The rule that finds it open.
    #[must_use]
    pub fn rule(&self) -> String {
        format!("exposure.{}", self.id)
    }
}

impl Serialize for Kind {
    /// Its id.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}
