//! Accounts by their e-mail address.

use crate::admin::{AdminError, email};
use crate::people::sealed::{column, open_text, purpose};
use crate::people::{AccountRow, People, Pick, StoreError};
use crate::vault::Vault;

/// An e-mail address as it is kept: the domain in lower case.
///
/// # Errors
/// It is none, in words for whoever typed it.
pub fn email_address(text: &str) -> Result<String, AdminError> {
    email(text).map(|email| email.shown)
}

/// The account with this e-mail address; `None` also for what is no address.
///
/// # Errors
/// The store failed.
pub async fn account_by_email<S: People>(
    store: &S,
    vault: &Vault,
    text: &str,
) -> Result<Option<AccountRow>, StoreError> {
    // What is no address is looked for too: it takes as long as one that is unknown.
    let normal = email(text).map_or_else(|_| String::new(), |email| email.normal);
    let hash = vault.keyed_hash(purpose::EMAIL, normal.as_bytes());
    Ok(store.accounts(&Pick::Named(hash)).await?.into_iter().next())
}

/// The e-mail address of `row`, if it has one.
///
/// # Errors
/// It does not open under this vault.
pub fn email_of(vault: &Vault, row: &AccountRow) -> Result<Option<String>, StoreError> {
    let sealed = row.email.as_ref().map(|email| &email.sealed);
    let open = |sealed: &Vec<u8>| open_text(vault, column::EMAIL, row.id.as_u128(), sealed);
    sealed.map(open).transpose()
}
