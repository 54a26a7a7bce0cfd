//! The gate as operators see it.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::gate::{GateStep, GateView};
use surgewall_core::id::PublicId;

use crate::admin::NewKey;

/// How the gate stands, for an operator.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GateShown {
    /// What everybody sees.
    #[serde(flatten)]
    pub view: GateView,
    /// Where it comes back to when it is calm.
    pub base: GateStep,
    /// How many wait.
    pub waiting: u64,
}

/// A new invite with its token, which is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct InviteMade {
    /// The invite.
    #[serde(flatten)]
    pub invite: InviteView,
    /// Its token.
    pub token: NewKey,
}

/// Whether an invite is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteState {
    /// Somebody can come by it.
    Good,
    /// All of its uses are used.
    Used,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
}

impl InviteState {
    /// The word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Used => "used",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// One invite, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InviteView {
    /// Its id.
    pub id: PublicId,
    /// Whether it is good.
    pub state: InviteState,
    /// Accounts that came by it.
    pub uses: u32,
    /// Accounts that it is good for.
    pub uses_max: u32,
    /// The account that gave it; absent, the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<PublicId>,
    /// What the operator noted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to be good.
    pub expires_at: Timestamp,
}

/// What a revocation took back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revoked {
    /// The invites that are revoked now.
    pub invites: Vec<PublicId>,
    /// The accounts that came by them: they stay as they are.
    pub accounts: Vec<PublicId>,
}

/// One place, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlaceView {
    /// Its number.
    pub number: u64,
    /// Whose.
    pub email: String,
    /// Since when it waits.
    pub joined_at: Timestamp,
    /// Until when it is good, where its turn has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// A page of those who wait.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Waits {
    /// The places.
    pub places: Vec<PlaceView>,
    /// Where the next page begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// Those who were let in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LetIn {
    /// Their places.
    pub places: Vec<PlaceView>,
    /// How many still wait.
    pub waiting: u64,
}
