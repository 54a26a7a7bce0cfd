//! The gate as it is stored: where it stands, invites with the tree that they
//! make, and the waiting list.
//!
//! [`Desk`] is what a door and the command line work with; engines implement
//! [`GateStore`] and get keyed hashes and sealed bytes only. Every change is in
//! the ledger before it holds.

mod ask;
mod desk;
mod invites;
mod places;
mod sealed;
mod views;

use std::future::Future;

use surgewall_core::clock::Timestamp;
use surgewall_core::gate::{GateStep, MovedBy};
use surgewall_core::id::{AccountId, PublicId};

use crate::people::StoreError;

pub use ask::{GateReply, GateRequest};
pub use desk::{Desk, Moved};
pub use invites::{Entry, INVITE_PREFIX};
pub use places::{Join, PLACE_PREFIX, Place};
pub use views::{GateShown, InviteMade, InviteState, InviteView, LetIn, PlaceView, Revoked, Waits};

/// Why the gate stands where it does, in characters.
pub const REASON_CHARS_MAX: usize = 300;
/// An invite's note, in characters.
pub const INVITE_NOTE_CHARS_MAX: usize = 200;
/// Accounts that one invite is good for.
pub const INVITE_USES_MAX: u32 = 10_000;
/// Days that an invite is good for.
pub const INVITE_DAYS_MAX: u32 = 365;
/// Invites that are kept: past it none can be made until some are revoked.
pub const INVITES_MAX: u32 = 100_000;
/// Places that wait: past it nobody can join until some are let in.
pub const PLACES_MAX: u64 = 100_000;
/// Places of one network that wait.
pub const PLACES_PER_NETWORK_MAX: u64 = 50;
/// Places that one request lets in.
pub const LET_IN_MAX: u32 = 1_000;

/// Where the gate stands, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct StateRow {
    /// Where hand or configuration put it.
    pub base: GateStep,
    /// Which of the two; never pressure.
    pub base_by: MovedBy,
    /// Where it is.
    pub step: GateStep,
    /// Who moved it last.
    pub by: MovedBy,
    /// Since when.
    pub since: Timestamp,
    /// Why, sealed.
    pub reason: Vec<u8>,
}

/// One invite, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct InviteRow {
    /// Its id: 128 bits, ordered by time.
    pub id: u128,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Keyed hash of its token.
    pub token_hash: [u8; 32],
    /// The account that gave it; `None` is the operator.
    pub made_by: Option<AccountId>,
    /// What the operator noted, sealed.
    pub note: Option<Vec<u8>>,
    /// Accounts that it is good for.
    pub uses_max: u32,
    /// Accounts that came by it.
    pub uses: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops to be good.
    pub expires_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl InviteRow {
    /// How many accounts can still come by it at `now`.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> u32 {
        if self.revoked_at.is_some() || now >= self.expires_at {
            return 0;
        }
        self.uses_max.saturating_sub(self.uses)
    }
}

/// One place on the waiting list, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct PlaceRow {
    /// Its number: they are counted upwards.
    pub number: u64,
    /// Keyed hash of the e-mail.
    pub email_hash: [u8; 32],
    /// The e-mail, sealed.
    pub email: Vec<u8>,
    /// Keyed hash of the network that it was asked for from.
    pub network_hash: [u8; 32],
    /// When.
    pub joined_at: Timestamp,
    /// When its turn came, and until when it is good; `None` waits.
    pub let_in: Option<(Timestamp, Timestamp)>,
}

/// Which invites to read, in the order in which they were made.
#[derive(Clone, Debug)]
pub enum InvitePick {
    /// The one with this token, by keyed hash.
    Token([u8; 32]),
    /// The one with this public id.
    PublicId(String),
    /// Those that this account gave.
    MadeBy(AccountId),
    /// Those after this id.
    After {
        /// The id before the first; 0 begins.
        id: u128,
        /// How many.
        rows_max: u32,
    },
}

/// Which places to read, in the order of their numbers.
#[derive(Clone, Debug)]
pub enum PlacePick {
    /// Those of this e-mail, by keyed hash.
    Email([u8; 32]),
    /// The one with this number.
    Number(u64),
    /// Those that wait, after this number.
    Waiting {
        /// The number before the first; 0 begins.
        after: u64,
        /// How many.
        rows_max: u32,
    },
}

/// A store of the gate. Engines implement it; [`crate::sqlite::Sqlite`] is one.
pub trait GateStore: Send + Sync {
    /// Where the gate stands; `None` before it was ever written.
    ///
    /// # Errors
    /// The engine failed, or the row is damaged.
    fn gate_state(&self) -> impl Future<Output = Result<Option<StateRow>, StoreError>> + Send;

    /// Writes where it stands.
    ///
    /// # Errors
    /// The engine failed.
    fn write_gate_state(
        &self,
        row: &StateRow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds an invite.
    ///
    /// # Errors
    /// The engine failed, or there is one with this token.
    fn add_invite(&self, row: &InviteRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The invites that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn invites(
        &self,
        pick: &InvitePick,
    ) -> impl Future<Output = Result<Vec<InviteRow>, StoreError>> + Send;

    /// How many invites are not revoked.
    ///
    /// # Errors
    /// The engine failed.
    fn invites_standing(&self) -> impl Future<Output = Result<u32, StoreError>> + Send;

    /// Revokes the invites with these ids, all or none; those that are revoked stay so.
    ///
    /// # Errors
    /// The engine failed.
    fn revoke_invites(
        &self,
        ids: &[u128],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that `account` came by the invite with this id: whether it was still
    /// good for one more.
    ///
    /// # Errors
    /// The engine failed.
    fn use_invite(
        &self,
        id: u128,
        account: AccountId,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The accounts that came by the invite with this id, at most
    /// [`crate::people::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn guests(
        &self,
        invite: u128,
    ) -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send;

    /// Adds a place.
    ///
    /// # Errors
    /// The engine failed, or its number or e-mail is taken.
    fn add_place(&self, row: &PlaceRow) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The places that `pick` names.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn places(
        &self,
        pick: &PlacePick,
    ) -> impl Future<Output = Result<Vec<PlaceRow>, StoreError>> + Send;

    /// How many places wait.
    ///
    /// # Errors
    /// The engine failed.
    fn waiting(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// How many places of this network wait, by keyed hash.
    ///
    /// # Errors
    /// The engine failed.
    fn waiting_of(
        &self,
        network_hash: &[u8; 32],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The position of this place among those that wait, from 1 on.
    ///
    /// # Errors
    /// The engine failed.
    fn position(&self, number: u64)
    -> impl Future<Output = Result<Option<u64>, StoreError>> + Send;

    /// The highest number of a place, 0 without one.
    ///
    /// # Errors
    /// The engine failed.
    fn last_place(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// The turn of these places has come, all or none: they are good until `expires_at`.
    ///
    /// # Errors
    /// The engine failed.
    fn let_in(
        &self,
        numbers: &[u64],
        at: Timestamp,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes a place, and those whose time is over at `now`. Whether it was there.
    ///
    /// # Errors
    /// The engine failed.
    fn forget_place(
        &self,
        number: u64,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
