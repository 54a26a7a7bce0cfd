//! The gate: who may make an account now. One ladder of steps, one view of it
//! for every page.
//!
//! Each step lets in fewer people than the one before it; whoever has an
//! account is not asked by any of them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// A step of the ladder, the widest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GateStep {
    /// Anybody.
    Open,
    /// Whoever lets the browser work for some seconds, or waits instead.
    Work,
    /// Whoever another service or a mail vouches for.
    Verified,
    /// Whoever was invited, or has had a turn on the waiting list.
    Invite,
    /// Of those, whoever comes from a chosen region or has a chosen phone prefix.
    Region,
    /// Nobody.
    Closed,
}

impl GateStep {
    /// All steps, the widest first.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::Work, Self::Verified, Self::Invite, Self::Region, Self::Closed];

    /// The word in configuration, the ledger and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Work => "work",
            Self::Verified => "verified",
            Self::Invite => "invite",
            Self::Region => "region",
            Self::Closed => "closed",
        }
    }

    /// What it means for somebody who wants an account.
    #[must_use]
    pub const fn public_words(self) -> &'static str {
        match self {
            Self::Open => "Anybody can make an account.",
            Self::Work => {
                "Anybody can make an account; your browser works for a few seconds first, or you wait a little."
            }
            Self::Verified => {
                "New accounts need a verified identity: sign in with another service, or confirm your e-mail address."
            }
            Self::Invite => "New accounts need an invite. You can join the waiting list.",
            Self::Region => {
                "New accounts need an invite and are open in some regions only. You can join the waiting list."
            }
            Self::Closed => "No new accounts can be made now.",
        }
    }

    /// The next narrower step; the last one is itself.
    #[must_use]
    pub const fn narrower(self) -> Self {
        match self {
            Self::Open => Self::Work,
            Self::Work => Self::Verified,
            Self::Verified => Self::Invite,
            Self::Invite => Self::Region,
            Self::Region | Self::Closed => Self::Closed,
        }
    }

    /// The next wider step; the first one is itself.
    #[must_use]
    pub const fn wider(self) -> Self {
        match self {
            Self::Open | Self::Work => Self::Open,
            Self::Verified => Self::Work,
            Self::Invite => Self::Verified,
            Self::Region => Self::Invite,
            Self::Closed => Self::Region,
        }
    }
}

impl fmt::Display for GateStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is no step.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a step of the gate: one of open, work, verified, invite, region, closed")]
pub struct GateStepError;

impl FromStr for GateStep {
    type Err = GateStepError;

    fn from_str(text: &str) -> Result<Self, GateStepError> {
        Self::ALL.into_iter().find(|step| step.as_str() == text).ok_or(GateStepError)
    }
}

/// Who moved the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MovedBy {
    /// It stands where the configuration starts it.
    Config,
    /// An operator.
    Hand,
    /// The door itself.
    Pressure,
}

impl MovedBy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Config, Self::Hand, Self::Pressure];

    /// The word in the ledger and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Hand => "hand",
            Self::Pressure => "pressure",
        }
    }
}

/// Where the gate stands, since when and why: the same for the sign-up page, the
/// chat and the status page.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GateView {
    /// The step.
    pub step: GateStep,
    /// Why, in words for everybody.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Who moved it there.
    pub by: MovedBy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_an_order_and_their_words_are_read_back() {
        for pair in GateStep::ALL.windows(2) {
            assert!(pair[0] < pair[1]);
            assert_eq!((pair[0].narrower(), pair[1].wider()), (pair[1], pair[0]));
        }
        assert_eq!(GateStep::Open.wider(), GateStep::Open);
        assert_eq!(GateStep::Closed.narrower(), GateStep::Closed);
        for step in GateStep::ALL {
            assert_eq!(step.as_str().parse(), Ok(step));
            let json = serde_json::to_string(&step).unwrap();
            assert_eq!(json, format!("\"{step}\""));
        }
        assert_eq!("shut".parse::<GateStep>(), Err(GateStepError));
    }
}
