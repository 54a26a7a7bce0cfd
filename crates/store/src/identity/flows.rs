//! Flows: what was begun and goes on with a code or a link. Each is good once,
//! for a while, and bears a few wrong codes.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::AccountId;
use surgewall_core::random;
use surgewall_core::secret::SecretString;

use super::{FlowKind, FlowRow, Identity};
use crate::people::StoreError;
use crate::vault::Vault;

const TOKEN: &str = "flows.token";
const BODY: &str = "flows.body";
/// Random characters of a token: 131 bits.
const TOKEN_CHARS: usize = 22;

/// A flow that is begun.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// What it waits for.
    pub kind: FlowKind,
    /// Whose it is, where it takes the place of the account's last one.
    pub account: Option<AccountId>,
    /// Wrong codes that it bears.
    pub tries_max: u32,
    /// How long it waits.
    pub lasts: Duration,
}

/// A new random token of 131 bits.
#[must_use]
pub fn new_token() -> SecretString {
    SecretString::new(random::base62(TOKEN_CHARS))
}

fn hash(vault: &Vault, token: &str) -> [u8; 32] {
    vault.keyed_hash(TOKEN, token.as_bytes())
}

/// The row has no id of its own: its token's hash says whose body it is.
fn context(token_hash: &[u8; 32]) -> String {
    format!("{BODY}:{}", surgewall_core::digest::hex(token_hash))
}

/// Begins a flow that goes on with `body`, for whoever has `token`. False where
/// too many wait.
///
/// # Errors
/// The store failed.
pub async fn begin_flow<S: Identity, T: Serialize + Sync>(
    store: &S,
    vault: &Vault,
    (flow, token): (Flow, &SecretString),
    body: &T,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let token_hash = hash(vault, token.expose());
    let json = serde_json::to_vec(body).map_err(|_| StoreError::Damaged { column: BODY })?;
    let row = FlowRow {
        token_hash,
        kind: flow.kind,
        account: flow.account,
        body: vault.seal(&context(&token_hash), &json),
        tries_left: flow.tries_max,
        expires_at: now.plus(flow.lasts),
    };
    store.put_flow(&row, now).await
}

/// What the flow with `token` goes on with, with one try counted; `None` where
/// there is none, it is over, or no try is left.
///
/// # Errors
/// The store failed.
pub async fn try_flow<S: Identity, T: DeserializeOwned>(
    store: &S,
    vault: &Vault,
    (kind, token): (FlowKind, &str),
    now: Timestamp,
) -> Result<Option<T>, StoreError> {
    let token_hash = hash(vault, token);
    let Some(row) = store.try_flow(token_hash, kind, now).await? else { return Ok(None) };
    let plain = vault.open_sealed(&context(&token_hash), &row.body);
    let plain = plain.map_err(|_| StoreError::Sealed { column: BODY })?;
    let body = serde_json::from_slice(&plain);
    body.map(Some).map_err(|_| StoreError::Damaged { column: BODY })
}

/// Uses up the flow with `token`: true once, and only before it is over.
///
/// # Errors
/// The store failed.
pub async fn take_flow<S: Identity>(
    store: &S,
    vault: &Vault,
    (kind, token): (FlowKind, &str),
    now: Timestamp,
) -> Result<bool, StoreError> {
    store.take_flow(hash(vault, token), kind, now).await
}
