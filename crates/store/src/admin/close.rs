//! Closing an account for good: nobody can sign in to it or call with its keys,
//! its address is free, and what was written in it is destroyed. What is left is
//! an id without a name, so that the ledger still says whose use was whose.

use surgewall_core::principal::ClassReason;
use surgewall_core::role::Role;

use super::detail;
use super::error::AdminError;
use super::find;
use super::office::{Audit, Office, Plan, carry_out};
use super::reply::Reply;
use super::request::{Named, VaultErase, Whose};
use super::users::{given, reclass};
use super::vault;
use crate::identity::Identity;
use crate::people::{AccountRow, Change, PAGE_ROWS_MAX, People, Pick};

/// What the ledger calls it.
const ACTION: &str = "user.close";

/// Carries out [`Request::UserClose`](super::Request::UserClose): asked again
/// after a failure, with the account's id, it goes on. The order counts: first
/// nobody gets in any more, then the keys of what was written go.
///
/// # Errors
/// There is no such user, or it cannot be recorded, stored or erased.
pub async fn close<P: People + Identity, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    asked: &Named,
) -> Result<Reply, AdminError> {
    let _turn = office.directory.lock_changes().await;
    office.directory.settle(office.people).await?;
    let row = find::account(office, &asked.name).await?;
    let (account, public_id) = (row.id, row.public_id.to_string());
    let plan = plan(office, row).await?;
    carry_out(office, audit, ACTION, plan).await?;
    for factor in office.people.factors(account).await? {
        office.people.remove_factor(account, factor.public_id.as_str()).await?;
    }
    vault::erase(office, audit, &VaultErase { whose: Whose::Account(public_id) }).await
}

/// The account without a name, a role or keys that work.
async fn plan<P: People>(office: &Office<'_, P>, row: AccountRow) -> Result<Plan, AdminError> {
    let now = office.now();
    let mut keys = Vec::new();
    let mut id = 0;
    loop {
        let owner = row.id.as_u128();
        let pick = Pick::Of { owner, id, rows_max: PAGE_ROWS_MAX };
        let page = office.people.keys(&pick).await?;
        let Some(last) = page.last() else { break };
        id = last.id.as_u128();
        keys.extend(page.into_iter().filter(|key| key.revoked_at.is_none()));
    }
    let words = [format!("keys={}", keys.len())];
    let subject = Some(row.public_id.to_string());
    let reply = Reply::UserCreated { id: row.public_id.clone() };
    let mut closed = AccountRow {
        email: None,
        external: None,
        suspended: true,
        role: Role::User,
        role_granted: false,
        group: None,
        group_granted: false,
        limits: None,
        ..row
    };
    if closed.class_why != ClassReason::Default {
        let class = given(&closed);
        reclass(&mut closed, class, now);
    }
    let revoked = keys.into_iter().map(|mut key| {
        key.revoked_at = Some(now);
        Change::Key(key)
    });
    let changes = std::iter::once(Change::Account(closed)).chain(revoked).collect();
    Ok(Plan { subject, detail: detail::join(&words), changes, reply })
}
