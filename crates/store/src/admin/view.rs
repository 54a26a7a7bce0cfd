//! Rows, opened for an operator.

use surgewall_core::id::GroupId;
use surgewall_core::principal::{Class, ClassReason, UserLimits};
use surgewall_core::quota::LimitSpec;

use super::error::AdminError;
use super::office::Office;
use super::reply::{External, GroupView, KeyState, KeyView, LimitedUser, UserView};
use crate::identity::email_of;
use crate::people::sealed::{column, open_json, open_text};
use crate::people::{AccountRow, GroupRow, KeyRow};

/// Limits as they are written.
pub(super) fn shown(limits: &[LimitSpec]) -> Vec<String> {
    limits.iter().map(ToString::to_string).collect()
}

fn group_name<P>(office: &Office<'_, P>, id: Option<GroupId>) -> Option<String> {
    id.and_then(|id| office.directory.group_by_id(id)).map(|group| group.name.clone())
}

/// An account.
pub(super) fn user<P>(office: &Office<'_, P>, row: &AccountRow) -> Result<UserView, AdminError> {
    let id = row.id.as_u128();
    let external = row.external.as_ref().map(|external| external.sealed.as_slice());
    let external: Option<External> = open_json(office.vault, column::EXTERNAL, id, external)?;
    let limits: Vec<_> =
        open_json(office.vault, column::ACCOUNT_LIMITS, id, row.limits.as_deref())?;
    Ok(UserView {
        id: row.public_id.clone(),
        email: email_of(office.vault, row)?,
        external,
        class: row.class,
        class_since: row.class_since,
        class_why: row.class_why,
        known_since: row.known_since,
        active_days: row.good_days(),
        group: group_name(office, row.group),
        suspended: row.suspended,
        role: row.role,
        limits: shown(&limits),
        created_at: row.created_at,
    })
}

/// A group.
pub(super) fn group<P>(office: &Office<'_, P>, row: &GroupRow) -> Result<GroupView, AdminError> {
    let id = row.id.as_u128();
    let limits: Vec<_> = open_json(office.vault, column::GROUP_LIMITS, id, row.limits.as_deref())?;
    Ok(GroupView {
        id: row.public_id.clone(),
        name: open_text(office.vault, column::GROUP_NAME, id, &row.name.sealed)?,
        limits: shown(&limits),
        created_at: row.created_at,
    })
}

/// A key and the account it belongs to, if any.
pub(super) fn key<P>(
    office: &Office<'_, P>,
    row: &KeyRow,
    account: Option<&AccountRow>,
) -> Result<KeyView, AdminError> {
    let (vault, id) = (office.vault, row.id.as_u128());
    let limits: Vec<_> = open_json(vault, column::KEY_LIMITS, id, row.limits.as_deref())?;
    let open_last_four = |sealed: &Vec<u8>| open_text(vault, column::LAST_FOUR, id, sealed);
    let (class, class_since, class_why) = account
        .map_or((Class::Verified, row.created_at, ClassReason::OperatorsKey), |account| {
            (account.class, account.class_since, account.class_why)
        });
    let users: UserLimits = open_json(vault, column::USER_LIMITS, id, row.user_limits.as_deref())?;
    let owner = |account: &AccountRow| {
        email_of(office.vault, account)
            .map(|email| email.unwrap_or_else(|| account.public_id.to_string()))
    };
    Ok(KeyView {
        id: row.public_id.clone(),
        name: open_text(vault, column::KEY_NAME, id, &row.name.sealed)?,
        last_four: row.last_four.as_ref().map(open_last_four).transpose()?,
        kind: row.kind.as_str().to_owned(),
        state: state(office, row, account),
        account: account.map(owner).transpose()?,
        group: group_name(office, account.map_or(row.group, |account| account.group)),
        class,
        class_since,
        class_why,
        delegates: row.delegates,
        users_limited: users.len(),
        users: Vec::new(),
        scopes: open_json(vault, column::SCOPES, id, row.scopes.as_deref())?,
        limits: shown(&limits),
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        last_used_at: office.directory.last_touch(row.id).max(row.last_used_at),
    })
}

/// As [`key`], with the end users that have limits of their own: too many for a listing.
pub(super) fn whole_key<P>(
    office: &Office<'_, P>,
    row: &KeyRow,
    account: Option<&AccountRow>,
) -> Result<KeyView, AdminError> {
    let sealed = row.user_limits.as_deref();
    let users: UserLimits = open_json(office.vault, column::USER_LIMITS, row.id.as_u128(), sealed)?;
    let limited = |(user, limits): (_, Vec<_>)| LimitedUser { user, limits: shown(&limits) };
    let users = users.into_iter().map(limited).collect();
    Ok(KeyView { users, ..key(office, row, account)? })
}

fn state<P>(office: &Office<'_, P>, row: &KeyRow, account: Option<&AccountRow>) -> KeyState {
    if row.revoked_at.is_some() {
        KeyState::Revoked
    } else if row.expires_at.is_some_and(|end| office.now() >= end) {
        KeyState::Expired
    } else if account.is_some_and(|account| account.suspended) {
        KeyState::Suspended
    } else {
        KeyState::Active
    }
}
