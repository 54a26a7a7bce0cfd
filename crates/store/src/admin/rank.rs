//! Who may change whose account, for somebody who is signed in: only what is
//! below them, so that an admin does not become an owner by way of one. Checked
//! in the same turn as the change. On the machine itself everything may be done:
//! whoever is there can read the master key.

use surgewall_core::id::PublicId;
use surgewall_core::role::{Role, outranks};

use super::error::AdminError;
use super::find;
use super::office::Office;
use super::request::{Request, UserSet, Whose};
use crate::people::{AccountRow, People, Pick};

/// Whose account a request changes.
enum Target {
    /// Nobody's.
    Nobody,
    /// This one's; its owner may ask for it, too, where `own` says so.
    Account { row: Box<AccountRow>, own: bool },
}

/// Holds what `by` asks for to their rank.
///
/// # Errors
/// It is above them, it would leave the door without an owner, or what they
/// named is not there.
pub(super) async fn check<P: People>(
    office: &Office<'_, P>,
    by: &PublicId,
    request: &Request,
) -> Result<(), AdminError> {
    let Target::Account { row, own } = target(office, request).await? else { return Ok(()) };
    let actor = find::account(office, by.as_str()).await?;
    let is_own = own && actor.id == row.id;
    if actor.suspended || !(is_own || outranks(actor.role, row.role)) {
        return Err(AdminError::not_allowed(format!(
            "the account has the role {}: only a higher one changes it",
            row.role
        ))
        .hint("an owner may, and whoever runs commands on the machine itself"));
    }
    match request {
        Request::UserSet(asked) => last_owner(office, &row, asked),
        _ => Ok(()),
    }
}

/// The last owner who can sign in stays one.
fn last_owner<P>(
    office: &Office<'_, P>,
    row: &AccountRow,
    asked: &UserSet,
) -> Result<(), AdminError> {
    let goes = asked.suspended == Some(true) || asked.role.is_some_and(|role| role != Role::Owner);
    let is_owner = row.role == Role::Owner && !row.suspended;
    if goes && is_owner && !office.directory.has_owner_beside(row.id) {
        return Err(AdminError::conflict("this is the last owner: the door would have none")
            .hint("make somebody else an owner first"));
    }
    Ok(())
}

async fn target<P: People>(
    office: &Office<'_, P>,
    request: &Request,
) -> Result<Target, AdminError> {
    let account = async |name: &str, own| {
        let row = Box::new(find::account(office, name).await?);
        Ok(Target::Account { row, own })
    };
    match request {
        Request::UserSet(asked) => account(&asked.user, false).await,
        Request::KeyCreate(asked) => match &asked.account {
            Some(name) => account(name, true).await,
            None => Ok(Target::Nobody),
        },
        Request::KeyRevoke(asked) => of_key(office, &asked.name, true).await,
        Request::KeySet(asked) => of_key(office, &asked.key, false).await,
        Request::UserLimit(asked) => of_key(office, &asked.key, false).await,
        Request::UserExport(whose) => of_content(office, whose).await,
        Request::VaultErase(asked) => of_content(office, &asked.whose).await,
        // Accounts and keys by the thousand come from the machine itself.
        Request::UserImport(_) | Request::KeyImport(_) | Request::UserRecover(_) => {
            Err(AdminError::not_allowed("this is asked for on the machine itself"))
        }
        _ => Ok(Target::Nobody),
    }
}

async fn of_content<P: People>(
    office: &Office<'_, P>,
    whose: &Whose,
) -> Result<Target, AdminError> {
    match whose {
        Whose::Account(name) => {
            let row = Box::new(find::account(office, name).await?);
            Ok(Target::Account { row, own: true })
        }
        Whose::Key(key) | Whose::User { key, .. } => of_key(office, key, true).await,
        Whose::Strangers => Ok(Target::Nobody),
    }
}

async fn of_key<P: People>(
    office: &Office<'_, P>,
    name: &str,
    own: bool,
) -> Result<Target, AdminError> {
    let key = find::key(office, name).await?;
    let ids = key.account.iter().map(|account| account.as_u128()).collect();
    let rows = office.people.accounts(&Pick::Ids(ids)).await?;
    let of = |row| Target::Account { row: Box::new(row), own };
    Ok(rows.into_iter().next().map_or(Target::Nobody, of))
}
