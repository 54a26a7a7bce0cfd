//! Sessions, sealed and opened.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, PublicId, SessionId};
use surgewall_core::principal::Network;

use super::{SessionListener, SessionRow};
use crate::people::StoreError;
use crate::people::sealed::{open_text, seal_json};
use crate::vault::Vault;

const ABOUT: &str = "sessions.about";
const TOKEN: &str = "sessions.token";

/// From where a session began.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    /// The browser, in a few words.
    pub browser: String,
    /// The network.
    pub network: Network,
}

/// A session, opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
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
    /// When it was last seen.
    pub seen_at: Timestamp,
    /// From where.
    pub about: About,
}

/// The keyed hash by which the session with `token` is found.
#[must_use]
pub fn token_hash(vault: &Vault, token: &str) -> [u8; 32] {
    vault.keyed_hash(TOKEN, token.as_bytes())
}

/// `session` as it is stored.
///
/// # Errors
/// It cannot be written as JSON.
pub fn session_row(vault: &Vault, session: &Session) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: session.id,
        public_id: session.public_id.clone(),
        account: session.account,
        token_hash: session.token_hash,
        listener: session.listener,
        strong: session.strong,
        created_at: session.created_at,
        authenticated_at: session.authenticated_at,
        seen_at: session.seen_at,
        about: seal_json(vault, ABOUT, session.id.as_u128(), &session.about)?,
    })
}

/// The session of `row`.
///
/// # Errors
/// It does not open under this vault.
pub fn session_of(vault: &Vault, row: SessionRow) -> Result<Session, StoreError> {
    let about = open_text(vault, ABOUT, row.id.as_u128(), &row.about)?;
    let about = serde_json::from_str(&about).map_err(|_| StoreError::Damaged { column: ABOUT })?;
    Ok(Session {
        id: row.id,
        public_id: row.public_id,
        account: row.account,
        token_hash: row.token_hash,
        listener: row.listener,
        strong: row.strong,
        created_at: row.created_at,
        authenticated_at: row.authenticated_at,
        seen_at: row.seen_at,
        about,
    })
}
