//! Signing in, as it is stored: what accounts prove themselves with, sessions,
//! and flows that wait for a code or a link.
//!
//! As with people, an engine is handed keyed hashes and sealed bytes only. What
//! is secret by itself (a recovery code, a session's token, the token of a flow)
//! is kept as a keyed hash; a password as its slow hash, sealed; passkeys and
//! TOTP secrets sealed.

mod email;
mod factors;
mod flows;
mod recovery;
mod sessions;

use std::future::Future;

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, FactorId, PublicId, SessionId};

use crate::people::StoreError;

pub use email::{account_by_email, email_address, email_of};
pub use factors::{Factors, Passkey, Totp, passkey_owner};
pub use flows::{Flow, begin_flow, new_token, take_flow, try_flow};
pub use recovery::{Recovery, SET_UP_LASTS, recover};
pub use sessions::{About, Session, session_of, session_row, token_hash};

/// Passkeys of one account.
pub const PASSKEYS_PER_ACCOUNT_MAX: usize = 20;
/// Recovery codes of one account.
pub const RECOVERY_CODES_MAX: usize = 16;
/// Characters of what a passkey is called.
pub const LABEL_CHARS_MAX: usize = 60;
/// Sessions of one account: past it, the one not seen for longest ends.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 50;

/// What an account proves itself with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactorKind {
    /// A password: one at most.
    Password,
    /// A passkey.
    Passkey,
    /// A secret shared with an authenticator app: one at most.
    Totp,
    /// A recovery code, good once.
    Recovery,
}

impl FactorKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Password, Self::Passkey, Self::Totp, Self::Recovery];

    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Passkey => "passkey",
            Self::Totp => "totp",
            Self::Recovery => "recovery",
        }
    }
}

/// One thing that an account proves itself with.
#[derive(Clone, PartialEq, Eq)]
pub struct FactorRow {
    /// Its id.
    pub id: FactorId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Whose it is.
    pub account: AccountId,
    /// What it is.
    pub kind: FactorKind,
    /// Keyed hash by which a passkey or a recovery code is found.
    pub lookup: Option<[u8; 32]>,
    /// The password's hash, the passkey, the TOTP secret, sealed.
    pub body: Vec<u8>,
    /// What its owner calls it, sealed; a password has one where it was taken
    /// beside a second factor.
    pub label: Option<Vec<u8>>,
    /// The last time step whose code was accepted.
    pub step: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Option<Timestamp>,
}

/// Where a session holds: cookies ignore ports, so a session says it itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionListener {
    /// The public listener.
    Public,
    /// The admin listener.
    Admin,
}

impl SessionListener {
    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
        }
    }
}

/// One session.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id.
    pub id: SessionId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Whose it is.
    pub account: AccountId,
    /// Keyed hash of its token.
    pub token_hash: [u8; 32],
    /// Where it holds.
    pub listener: SessionListener,
    /// Whether it began with a passkey or a second factor.
    pub strong: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When its owner last proved who they are.
    pub authenticated_at: Timestamp,
    /// When it was last seen, as far as it was written.
    pub seen_at: Timestamp,
    /// Browser and network, sealed.
    pub about: Vec<u8>,
}

/// What a flow waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowKind {
    /// The owner, with the set-up link.
    SetUp,
    /// A new account, with the code of its mail.
    SignUp,
    /// A new password, with the code of a mail.
    Reset,
}

impl FlowKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::SetUp, Self::SignUp, Self::Reset];

    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SetUp => "set_up",
            Self::SignUp => "sign_up",
            Self::Reset => "reset",
        }
    }

    /// Flows of this kind that wait: past it none is begun until some are over.
    /// Each kind has its own room: what strangers begin takes none from the
    /// operator's links, and sign-ups none from those who lost their way in.
    #[must_use]
    pub const fn waiting_max(self) -> u32 {
        match self {
            Self::SetUp => 1_000,
            Self::SignUp => 60_000,
            Self::Reset => 39_000,
        }
    }
}

/// One flow.
#[derive(Clone, PartialEq, Eq)]
pub struct FlowRow {
    /// Keyed hash of its token.
    pub token_hash: [u8; 32],
    /// What it waits for.
    pub kind: FlowKind,
    /// Whose it is, where one account has one of this kind at most.
    pub account: Option<AccountId>,
    /// What it goes on with, sealed.
    pub body: Vec<u8>,
    /// Wrong codes that are still borne.
    pub tries_left: u32,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// A store of what signing in needs. Engines implement it;
/// [`crate::sqlite::Sqlite`] is one. One call is one transaction.
pub trait Identity: Send + Sync {
    /// All that `account` proves itself with, in the order in which it was made.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn factors(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<FactorRow>, StoreError>> + Send;

    /// The passkey that is found by this keyed hash.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn passkey(
        &self,
        lookup: [u8; 32],
    ) -> impl Future<Output = Result<Option<FactorRow>, StoreError>> + Send;

    /// Adds `rows`, all or none; before it, what `instead_of` names goes.
    ///
    /// # Errors
    /// [`StoreError::Duplicate`], or the engine failed.
    fn put_factors(
        &self,
        rows: &[FactorRow],
        instead_of: Option<(AccountId, FactorKind)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes one; whether it was there.
    ///
    /// # Errors
    /// The engine failed.
    fn remove_factor(
        &self,
        account: AccountId,
        public_id: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Uses up a recovery code: true once.
    ///
    /// # Errors
    /// The engine failed.
    fn take_recovery_code(
        &self,
        account: AccountId,
        lookup: [u8; 32],
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Notes that the code of time step `step` was accepted: true once for each
    /// step, and never for one before.
    ///
    /// # Errors
    /// The engine failed.
    fn step_totp(
        &self,
        account: AccountId,
        step: u64,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Notes that a passkey was used, and what it is now.
    ///
    /// # Errors
    /// The engine failed.
    fn use_passkey(
        &self,
        owner: (AccountId, FactorId),
        body: &[u8],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Sessions after this id, in the order in which they began, at most
    /// [`crate::people::PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn sessions(
        &self,
        after: u128,
    ) -> impl Future<Output = Result<Vec<SessionRow>, StoreError>> + Send;

    /// Adds a session and removes those in `instead_of`.
    ///
    /// # Errors
    /// The engine failed.
    fn put_session(
        &self,
        row: &SessionRow,
        instead_of: &[SessionId],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes sessions.
    ///
    /// # Errors
    /// The engine failed.
    fn end_sessions(
        &self,
        ids: &[SessionId],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes when sessions were last seen; an older instant never replaces a newer one.
    ///
    /// # Errors
    /// The engine failed.
    fn write_seen(
        &self,
        seen: &[(SessionId, Timestamp)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Adds a flow; those that are over at `now` go, and that of the same kind and
    /// account. False where [`FlowKind::waiting_max`] of its kind wait.
    ///
    /// # Errors
    /// The engine failed.
    fn put_flow(
        &self,
        row: &FlowRow,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// The flow with this token, with one try counted. `None` where there is none,
    /// it is over, or no try is left.
    ///
    /// # Errors
    /// The engine failed, or a row is damaged.
    fn try_flow(
        &self,
        token_hash: [u8; 32],
        kind: FlowKind,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<FlowRow>, StoreError>> + Send;

    /// Uses up the flow with this token: true once, and only before it is over.
    ///
    /// # Errors
    /// The engine failed.
    fn take_flow(
        &self,
        token_hash: [u8; 32],
        kind: FlowKind,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether any account has the role owner.
    ///
    /// # Errors
    /// The engine failed.
    fn has_owner(&self) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
