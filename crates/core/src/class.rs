//! How far the door trusts a principal, and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much the door trusts a principal now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Long and good use.
    Established,
    /// Somebody vouches for it: a verified identity or the operator.
    Verified,
    /// A young account.
    New,
    /// Nobody said who it is.
    Anonymous,
}

impl Class {
    /// All classes, most trusted first.
    pub const ALL: [Self; 4] = [Self::Established, Self::Verified, Self::New, Self::Anonymous];

    /// The word used in configuration, metrics and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Established => "established",
            Self::Verified => "verified",
            Self::New => "new",
            Self::Anonymous => "anonymous",
        }
    }
}
impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
/// The word is no class.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a class: one of established, verified, new, anonymous")]
pub struct ClassError;

impl FromStr for Class {
    type Err = ClassError;
    fn from_str(text: &str) -> Result<Self, ClassError> {
        Self::ALL.into_iter().find(|class| class.as_str() == text).ok_or(ClassError)
    }
}

/// Why a principal has its class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassReason {
    /// Every new account begins with it.
    Default,
    /// An operator granted it.
    Operator,
    /// The token's issuer was configured to give it to new accounts.
    Issuer,
    /// A claim of the account's token says so.
    Claim,
    /// It earned it, by age and good use.
    Earned,
    /// A key without an account is the operator's own.
    OperatorsKey,
    /// It was not recorded.
    Unknown,
}

impl ClassReason {
    /// All reasons.
    pub const ALL: [Self; 7] = [
        Self::Default,
        Self::Operator,
        Self::Issuer,
        Self::Claim,
        Self::Earned,
        Self::OperatorsKey,
        Self::Unknown,
    ];

    /// The word in the store and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Operator => "operator",
            Self::Issuer => "issuer",
            Self::Claim => "claim",
            Self::Earned => "earned",
            Self::OperatorsKey => "operators_key",
            Self::Unknown => "unknown",
        }
    }
}
