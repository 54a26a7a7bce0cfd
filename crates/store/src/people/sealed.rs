//! Sealing and opening of people's columns, and the keyed hashes by which they
//! are found.
//!
//! A column is sealed for its table, its name and its row: a sealed e-mail that
//! is moved to another row does not open there.

use serde::Serialize;
use serde::de::DeserializeOwned;
use surgewall_core::clock::Timestamp;
use surgewall_core::id::KeyId;
use surgewall_core::principal::DelegatedUser;

use super::{ConfigRow, Hidden, People, StoreError};
use crate::vault::Vault;

/// Columns that are sealed, as they are named to the vault.
pub(crate) mod column {
    pub(crate) const GROUP_NAME: &str = "groups.name";
    pub(crate) const GROUP_LIMITS: &str = "groups.limits";
    pub(crate) const EMAIL: &str = "accounts.email";
    pub(crate) const EXTERNAL: &str = "accounts.external";
    pub(crate) const ACCOUNT_LIMITS: &str = "accounts.limits";
    pub(crate) const KEY_NAME: &str = "keys.name";
    pub(crate) const KEY_LIMITS: &str = "keys.limits";
    pub(crate) const USER_LIMITS: &str = "keys.user_limits";
    pub(crate) const SCOPES: &str = "keys.scopes";
    pub(crate) const LAST_FOUR: &str = "keys.last_four";
    pub(crate) const BCRYPT: &str = "keys.bcrypt";
    pub(crate) const CONFIG: &str = "configs.text";
}

/// Purposes of keyed hashes that are no column's: each its own domain.
pub(crate) mod purpose {
    pub(crate) const CREDENTIAL_OWN: &str = "keys.credential.own";
    pub(crate) const CREDENTIAL_SHA256: &str = "keys.credential.sha256";
    pub(crate) const CREDENTIAL_BCRYPT: &str = "keys.credential.bcrypt";
    pub(crate) const PREFIX: &str = "keys.prefix";
    pub(crate) const GROUP_NAME: &str = "groups.name";
    pub(crate) const EMAIL: &str = "accounts.email";
    pub(crate) const EXTERNAL: &str = "accounts.external";
    pub(crate) const KEY_NAME: &str = "keys.name";
    pub(crate) const DELEGATED_USER: &str = "delegated user";
}

fn context(column: &str, row: u128) -> String {
    format!("{column}:{row:032x}")
}

/// `text` sealed for `column` of `row`.
pub(crate) fn seal(vault: &Vault, column: &str, row: u128, text: &[u8]) -> Vec<u8> {
    vault.seal(&context(column, row), text)
}

/// `value` as JSON, sealed for `column` of `row`.
pub(crate) fn seal_json<T: Serialize>(
    vault: &Vault,
    column: &'static str,
    row: u128,
    value: &T,
) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value).map_err(|_| StoreError::Damaged { column })?;
    Ok(seal(vault, column, row, &json))
}

/// The text that [`seal`] sealed.
pub(crate) fn open_text(
    vault: &Vault,
    column: &'static str,
    row: u128,
    sealed: &[u8],
) -> Result<String, StoreError> {
    let plain = vault
        .open_sealed(&context(column, row), sealed)
        .map_err(|_| StoreError::Sealed { column })?;
    String::from_utf8(plain).map_err(|_| StoreError::Damaged { column })
}

/// The value that [`seal_json`] sealed; the default where nothing is stored.
pub(crate) fn open_json<T: DeserializeOwned + Default>(
    vault: &Vault,
    column: &'static str,
    row: u128,
    sealed: Option<&[u8]>,
) -> Result<T, StoreError> {
    let Some(sealed) = sealed else { return Ok(T::default()) };
    let text = open_text(vault, column, row, sealed)?;
    serde_json::from_str(&text).map_err(|_| StoreError::Damaged { column })
}

/// `text`, to be found by `hash` and read back by the vault only.
pub(crate) fn hide(vault: &Vault, column: &str, row: u128, text: &str, hash: [u8; 32]) -> Hidden {
    Hidden { hash, sealed: seal(vault, column, row, text.as_bytes()) }
}

/// The hash of an account by its token's issuer and subject. The length stands
/// before the issuer, so that no other pair has the same bytes.
pub(crate) fn external_hash(vault: &Vault, issuer: &str, subject: &str) -> [u8; 32] {
    let pair = format!("{}:{issuer}{subject}", issuer.len());
    vault.keyed_hash(purpose::EXTERNAL, pair.as_bytes())
}

/// The end user that `key` calls `name`: the same name under another key is
/// another user.
#[must_use]
pub fn delegated_user(vault: &Vault, key: KeyId, name: &str) -> DelegatedUser {
    let mut text = key.as_u128().to_be_bytes().to_vec();
    text.extend_from_slice(name.as_bytes());
    let hash = vault.keyed_hash(purpose::DELEGATED_USER, &text);
    let mut bits = [0; 16];
    bits.copy_from_slice(&hash[..16]);
    DelegatedUser(u128::from_be_bytes(bits))
}

/// Keeps the text of a configuration that decisions carry the `hash` of.
///
/// # Errors
/// The engine failed.
pub async fn keep_config(
    people: &impl People,
    vault: &Vault,
    hash: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Any UUIDv7 does: the kind is only a name for the reader.
    let id = KeyId::new(now).as_u128();
    let sealed = seal(vault, column::CONFIG, id, text.as_bytes());
    people.keep_config(&ConfigRow { id, hash: hash.to_owned(), sealed, kept_at: now }).await
}

/// The text of a kept configuration.
///
/// # Errors
/// It does not open under this vault.
pub fn open_config(vault: &Vault, row: &ConfigRow) -> Result<String, StoreError> {
    open_text(vault, column::CONFIG, row.id, &row.sealed)
}
