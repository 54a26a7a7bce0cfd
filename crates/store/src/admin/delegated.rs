//! `admin user limit`: the limits of one end user of a delegating key.
//!
//! They are part of the key: one sealed list by keyed hash, bounded, changed
//! with the key's row. The name that an operator gives is hashed and forgotten.

use surgewall_core::principal::{Class, DelegatedUser, UserLimits};
use surgewall_core::quota::LimitSpec;

use super::error::AdminError;
use super::office::{Office, Plan, Step};
use super::reply::{DelegatedView, Reply};
use super::request::{EndUser, UserLimit};
use super::words::{self, USERS_LIMITED_PER_KEY_MAX};
use super::{detail, find, view};
use crate::people::sealed::{column, delegated_user, open_json, open_text, seal_json};
use crate::people::{Change, KeyRow, People};

pub(super) async fn limit<P: People>(
    office: &Office<'_, P>,
    asked: UserLimit,
) -> Result<Step, AdminError> {
    let mut row = find::key(office, &asked.key).await?;
    let user = match &asked.user {
        EndUser::Name(name) => delegated_user(office.vault, row.id, words::delegated_name(name)?),
        EndUser::Hash(hash) => words::delegated_hash(hash)?,
    };
    let mut users = users(office, &row)?;
    let Some(texts) = asked.limits else {
        let limits = users.get(&user).map_or(&[][..], Vec::as_slice);
        return Ok(Step::answer(Reply::Delegated(show(office, &row, user, limits).await?)));
    };
    let limits = words::limits(office.config, &texts)?;
    if !limits.is_empty() {
        may_be_limited(&row, &users, user)?;
    }
    let reply = Reply::Delegated(show(office, &row, user, &limits).await?);
    // The user first: of a long list of limits the ledger's reader still sees whose they are.
    let words = [format!("user={user}"), detail::new_limits(&limits)];
    if limits.is_empty() {
        users.remove(&user);
    } else {
        users.insert(user, limits);
    }
    let seal = || seal_json(office.vault, column::USER_LIMITS, row.id.as_u128(), &users);
    row.user_limits = (!users.is_empty()).then(seal).transpose()?;
    let subject = Some(row.public_id.to_string());
    let changes = vec![Change::Key(row)];
    Ok(Step::Change(Box::new(Plan { subject, detail: detail::join(&words), changes, reply })))
}

fn users<P>(office: &Office<'_, P>, row: &KeyRow) -> Result<UserLimits, AdminError> {
    let (id, sealed) = (row.id.as_u128(), row.user_limits.as_deref());
    Ok(open_json(office.vault, column::USER_LIMITS, id, sealed)?)
}

/// Refuses limits that would never hold, or one user too many.
fn may_be_limited(row: &KeyRow, users: &UserLimits, user: DelegatedUser) -> Result<(), AdminError> {
    if !row.delegates {
        let id = &row.public_id;
        return Err(AdminError::invalid(
            "this key does not name its end users, so a limit on one would never hold",
        )
        .hint(format!("`surgewall admin key set {id} --delegates true` lets it")));
    }
    if users.len() >= USERS_LIMITED_PER_KEY_MAX && !users.contains_key(&user) {
        return Err(AdminError::full(format!(
            "{USERS_LIMITED_PER_KEY_MAX} end users of this key have limits of their own already"
        ))
        .hint("a [[limits.quota]] rule with per = \"user\" limits every end user"));
    }
    Ok(())
}

async fn show<P: People>(
    office: &Office<'_, P>,
    row: &KeyRow,
    user: DelegatedUser,
    limits: &[LimitSpec],
) -> Result<DelegatedView, AdminError> {
    let written = office.people.user_seen(row.id, user).await?;
    let pending = office.directory.last_seen(row.id, user);
    let known_since = office.directory.user_known_since(user).unwrap_or_else(|| office.now());
    let days = office.config.admission.young_days;
    let class = office.directory.key(row.id).map_or(Class::New, |key| {
        let young = key.is_young_user(known_since, days, office.now());
        if young { Class::New } else { key.class() }
    });
    Ok(DelegatedView {
        user,
        class,
        key: row.public_id.clone(),
        key_name: open_text(office.vault, column::KEY_NAME, row.id.as_u128(), &row.name.sealed)?,
        limits: view::shown(limits),
        first_seen_at: written.map(|seen| seen.first).or(pending),
        last_seen_at: pending.max(written.map(|seen| seen.last)),
    })
}
