//! Finding what an operator named, and pages of listings.

use surgewall_core::id::{AccountId, PublicId};

use super::error::AdminError;
use super::office::Office;
use super::reply::Page;
use super::request::LIST_ROWS_MAX;
use super::words;
use crate::people::sealed::purpose;
use crate::people::{AccountRow, GroupRow, KeyRow, People, Pick};
use crate::vault::Vault;

/// The account with this e-mail or public id.
pub(super) async fn account<P: People>(
    office: &Office<'_, P>,
    text: &str,
) -> Result<AccountRow, AdminError> {
    named_account(office.people, office.vault, text).await
}

/// The same, for whoever has no office.
pub(crate) async fn named_account<P: People>(
    people: &P,
    vault: &Vault,
    text: &str,
) -> Result<AccountRow, AdminError> {
    let pick = if text.contains('@') {
        let email = words::email(text)?;
        Pick::Named(vault.keyed_hash(purpose::EMAIL, email.normal.as_bytes()))
    } else {
        Pick::PublicId(text.trim().to_owned())
    };
    people.accounts(&pick).await?.into_iter().next().ok_or_else(|| {
        AdminError::not_found(format!("there is no user `{}`", text.trim()))
            .hint("`surgewall admin user list` shows them")
    })
}

/// The group with this public id or name.
pub(super) async fn group<P: People>(
    office: &Office<'_, P>,
    text: &str,
) -> Result<GroupRow, AdminError> {
    let text = text.trim();
    let mut found = office.people.groups(&Pick::PublicId(text.to_owned())).await?;
    if found.is_empty() {
        let hash = office.vault.keyed_hash(purpose::GROUP_NAME, text.as_bytes());
        found = office.people.groups(&Pick::Named(hash)).await?;
    }
    found.into_iter().next().ok_or_else(|| {
        AdminError::not_found(format!("there is no group `{text}`")).hint(
            "`surgewall admin group list` shows them, `surgewall admin group create` makes one",
        )
    })
}

/// The group that is named, or none.
pub(super) async fn optional_group<P: People>(
    office: &Office<'_, P>,
    text: Option<&String>,
) -> Result<Option<GroupRow>, AdminError> {
    match text {
        Some(text) => group(office, text).await.map(Some),
        None => Ok(None),
    }
}

/// The key with this public id or name. Of several with one name, the one that
/// is not revoked.
pub(super) async fn key<P: People>(
    office: &Office<'_, P>,
    text: &str,
) -> Result<KeyRow, AdminError> {
    let text = text.trim();
    let mut found = office.people.keys(&Pick::PublicId(text.to_owned())).await?;
    if found.is_empty() {
        let hash = office.vault.keyed_hash(purpose::KEY_NAME, text.as_bytes());
        found = office.people.keys(&Pick::Named(hash)).await?;
    }
    if found.iter().any(|key| key.revoked_at.is_none()) {
        found.retain(|key| key.revoked_at.is_none());
    }
    if found.len() > 1 {
        let ids: Vec<_> = found.iter().take(8).map(|key| key.public_id.as_str()).collect();
        return Err(AdminError::conflict(format!("{} keys are named `{text}`", found.len()))
            .hint(format!("name it by id: {}", ids.join(", "))));
    }
    found.into_iter().next().ok_or_else(|| {
        AdminError::not_found(format!("there is no key `{text}`"))
            .hint("`surgewall admin key list` shows them")
    })
}

/// Rows that were asked for, 0 being all that fit.
pub(super) fn rows_max(asked: u32) -> u32 {
    if asked == 0 { LIST_ROWS_MAX } else { asked.min(LIST_ROWS_MAX) }
}

/// The id before the first row of a page.
pub(super) fn cursor(after: Option<&String>, found: Option<u128>) -> Result<u128, AdminError> {
    match (after, found) {
        (None, _) => Ok(0),
        (Some(_), Some(id)) => Ok(id),
        (Some(after), None) => {
            Err(AdminError::not_found(format!("there is no `{after}` to go on after")))
        }
    }
}

/// A page of `rows`; a full one has a next.
pub(super) fn page<T>(rows: Vec<T>, rows_max: u32, id: impl Fn(&T) -> &PublicId) -> Page<T> {
    let full = u32::try_from(rows.len()).is_ok_and(|len| len >= rows_max);
    let next = rows.last().filter(|_| full).map(|row| id(row).clone());
    Page { rows, next }
}

/// Accounts by id, for the keys of a page.
pub(super) async fn accounts_of<P: People>(
    office: &Office<'_, P>,
    keys: &[KeyRow],
) -> Result<Vec<AccountRow>, AdminError> {
    let mut ids: Vec<AccountId> = keys.iter().filter_map(|key| key.account).collect();
    ids.sort_unstable();
    ids.dedup();
    let ids = ids.into_iter().map(|id| id.as_u128()).collect();
    Ok(office.people.accounts(&Pick::Ids(ids)).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_most_its_limit_and_a_full_one_has_a_next() {
        assert_eq!(
            [0, 1, LIST_ROWS_MAX, LIST_ROWS_MAX + 1].map(rows_max),
            [LIST_ROWS_MAX, 1, LIST_ROWS_MAX, LIST_ROWS_MAX]
        );
        let rows = || vec![PublicId::random("key"), PublicId::random("key")];
        assert!(page(rows(), 2, |id| id).next.is_some());
        assert!(page(rows(), 3, |id| id).next.is_none());
        assert!(page(Vec::<PublicId>::new(), 3, |id| id).next.is_none());
    }
}
