//! Many accounts of another system at once, all or none: on day one the
//! operator's users are already known.

use std::collections::HashMap;

use super::brought::{Brought, BroughtUser, IMPORT_USERS_MAX, UserImport};
use super::error::AdminError;
use super::find;
use super::office::{Office, Plan, Step};
use super::reply::Reply;
use super::standing::add;
use super::users::{granted, new_row};
use super::{detail, words};
use crate::people::sealed::{column, hide, purpose};
use crate::people::{AccountRow, Change, GroupRow, People, Pick};
use surgewall_core::principal::{Class, ClassReason};

/// Takes over accounts. One that is there by its e-mail keeps what it has, and has
/// what it brings of its time before.
pub(super) async fn users<P: People>(
    office: &Office<'_, P>,
    asked: UserImport,
) -> Result<Step, AdminError> {
    let UserImport { users, dry_run } = asked;
    if users.is_empty() || users.len() > IMPORT_USERS_MAX {
        return Err(AdminError::invalid(format!("an import has 1 to {IMPORT_USERS_MAX} accounts"))
            .hint("divide the file: an account that is there already does no harm"));
    }
    let bounds = office.directory.bounds().accounts_max;
    if office.directory.sizes().accounts.saturating_add(users.len()) > bounds {
        return Err(AdminError::full("there would be more accounts than the door can hold"));
    }
    let mut groups: HashMap<String, GroupRow> = HashMap::new();
    // By e-mail, and where it stood: no account comes twice.
    let mut lines: HashMap<[u8; 32], u64> = HashMap::new();
    let (mut changes, mut made) = (Vec::with_capacity(users.len()), 0);
    for user in &users {
        let nth = |error| on_line(user.line, error);
        if let Some(name) = &user.group
            && !groups.contains_key(name)
        {
            groups.insert(name.clone(), find::group(office, name).await.map_err(nth)?);
        }
        let group = user.group.as_ref().and_then(|name| groups.get(name));
        let (hash, row, is_new) = row(office, user, group).await.map_err(nth)?;
        if let Some(before) = lines.insert(hash, user.line) {
            let twice = format!("{} stands on line {before} already", user.email.trim());
            return Err(nth(AdminError::conflict(twice)));
        }
        made += usize::from(is_new);
        changes.push(Change::Account(row));
    }
    let known = users.len() - made;
    let reply = Reply::UsersImported { made, known };
    if dry_run {
        office.directory.open(&changes)?;
        return Ok(Step::answer(reply));
    }
    let detail = detail::join(&[format!("made={made}"), format!("known={known}")]);
    Ok(Step::Change(Box::new(Plan { subject: None, detail, changes, reply })))
}

/// The account of one line, its e-mail's hash, and whether it is a new one.
async fn row<P: People>(
    office: &Office<'_, P>,
    user: &BroughtUser,
    group: Option<&GroupRow>,
) -> Result<([u8; 32], AccountRow, bool), AdminError> {
    let email = words::email(&user.email)?;
    let hash = office.vault.keyed_hash(purpose::EMAIL, email.normal.as_bytes());
    let found = office.people.accounts(&Pick::Named(hash)).await?.into_iter().next();
    let is_new = found.is_none();
    let mut row = match found {
        Some(row) => row,
        None => {
            let class = user.class.map_or((Class::New, ClassReason::Default), granted);
            let mut row = new_row(office, class, group)?;
            let shown = hide(office.vault, column::EMAIL, row.id.as_u128(), &email.shown, hash);
            row.email = Some(shown);
            row.suspended = user.suspended;
            row
        }
    };
    if user.first_seen.is_none() && user.active_days > 0 {
        return Err(AdminError::invalid("active_days count from first_seen, which is not there"));
    }
    if let Some(first_seen) = user.first_seen {
        let account = email.shown;
        add(
            &mut row,
            &Brought { account, first_seen, active_days: user.active_days },
            office.now(),
        )?;
    }
    Ok((hash, row, is_new))
}

fn on_line(line: u64, mut error: AdminError) -> AdminError {
    error.message = format!("line {line}: {}", error.message);
    error
}
