//! `admin user`, and accounts that come by a token.

use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, GroupId, PublicId};
use surgewall_core::principal::{Class, ClassReason};
use surgewall_core::quota::LimitSpec;
use surgewall_core::role::Role;

use super::ensure::AccountEnsure;
use super::error::AdminError;
use super::office::{Office, Plan, Step};
use super::reply::{External, Reply};
use super::request::{Assign, List, Named, UserCreate, UserSet};
use super::{detail, find, view, words};
use crate::people::sealed::{column, external_hash, hide, purpose, seal_json};
use crate::people::{AccountRow, Change, GroupRow, Hidden, People, Pick, StoreError};

pub(super) async fn create<P: People>(
    office: &Office<'_, P>,
    asked: UserCreate,
) -> Result<Step, AdminError> {
    let email = words::email(&asked.email)?;
    let limits = words::limits(office.config, &asked.limits)?;
    let group = find::optional_group(office, asked.group.as_ref()).await?;
    let hash = office.vault.keyed_hash(purpose::EMAIL, email.normal.as_bytes());
    if let Some(taken) = office.people.accounts(&Pick::Named(hash)).await?.first() {
        return Err(AdminError::conflict(format!("there is a user {} already", email.shown))
            .hint(format!("its id is {}", taken.public_id)));
    }
    let class = asked.class.map_or((Class::New, ClassReason::Default), granted);
    let mut row = new_row(office, class, group.as_ref())?;
    row.email = Some(hide(office.vault, column::EMAIL, row.id.as_u128(), &email.shown, hash));
    row.limits = seal_limits(office, row.id, &limits)?;
    let mut words = vec![format!("class={}", row.class)];
    words.extend(group.as_ref().map(|group| detail::group(Some(group))));
    words.extend(detail::limits(&limits));
    let reply = Reply::UserCreated { id: row.public_id.clone() };
    Ok(step(row, &words, reply))
}

/// A new account without a name of any kind.
pub(super) fn new_row<P>(
    office: &Office<'_, P>,
    (class, class_why): (Class, ClassReason),
    group: Option<&GroupRow>,
) -> Result<AccountRow, AdminError> {
    class_of_account(class)?;
    if office.directory.sizes().accounts >= office.directory.bounds().accounts_max {
        return Err(AdminError::full("there are as many accounts as the door can hold"));
    }
    let now = office.now();
    Ok(AccountRow {
        id: AccountId::new(now),
        public_id: PublicId::random("user"),
        email: None,
        external: None,
        class,
        class_since: now,
        class_why,
        class_given: class,
        known_since: now,
        days_brought: 0,
        days_counted: 0,
        group: group.map(|group| group.id),
        group_granted: false,
        role_granted: false,
        suspended: false,
        role: Role::User,
        limits: None,
        created_at: now,
    })
}

pub(super) const fn granted(class: Class) -> (Class, ClassReason) {
    (class, ClassReason::Operator)
}

/// Gives `row` a class; since when counts from where it really changed.
pub(super) fn reclass(row: &mut AccountRow, (class, why): (Class, ClassReason), now: Timestamp) {
    if row.class != class {
        row.class_since = now;
    }
    (row.class, row.class_why) = (class, why);
}

/// Nobody grants `row` its class any more: it begins with what the rule gives
/// it, and its days of good use go on. One that is by rule stays as it is.
fn take_back(row: &mut AccountRow, now: Timestamp) {
    if matches!(row.class_why, ClassReason::Default | ClassReason::Issuer | ClassReason::Earned) {
        return;
    }
    if row.external.is_none() {
        // It may have been made with a granted one.
        row.class_given = Class::New;
    }
    reclass(row, given(row), now);
}

/// A suspension takes what was earned: the account is known from now on, and
/// its days of good use count for nothing. Whether its class changed by that.
fn begin_anew(row: &mut AccountRow, now: Timestamp) -> bool {
    (row.known_since, row.days_brought) = (now, row.days_counted.saturating_neg());
    let lost = row.class_why == ClassReason::Earned;
    if lost {
        reclass(row, given(row), now);
    }
    lost
}

/// The class that an account was given when it was made, and why.
#[must_use]
pub const fn given(row: &AccountRow) -> (Class, ClassReason) {
    let why = if row.external.is_some() { ClassReason::Issuer } else { ClassReason::Default };
    (row.class_given, why)
}

/// `anonymous` is the class of callers without an account.
fn class_of_account(class: Class) -> Result<(), AdminError> {
    if class == Class::Anonymous {
        return Err(AdminError::invalid("an account is never of class `anonymous`")
            .hint("one of established, verified, new"));
    }
    Ok(())
}

pub(super) async fn list<P: People>(
    office: &Office<'_, P>,
    asked: &List,
) -> Result<Step, AdminError> {
    let rows_max = find::rows_max(asked.rows_max);
    let first = match &asked.after {
        Some(after) => office.people.accounts(&Pick::PublicId(after.clone())).await?,
        None => Vec::new(),
    };
    let id = find::cursor(asked.after.as_ref(), first.first().map(|row| row.id.as_u128()))?;
    let rows = office.people.accounts(&Pick::After { id, rows_max }).await?;
    let views = rows.iter().map(|row| view::user(office, row)).collect::<Result<_, _>>()?;
    Ok(Step::answer(Reply::Users(find::page(views, rows_max, |view| &view.id))))
}

pub(super) async fn show<P: People>(
    office: &Office<'_, P>,
    asked: &Named,
) -> Result<Step, AdminError> {
    let row = find::account(office, &asked.name).await?;
    Ok(Step::answer(Reply::User(view::user(office, &row)?)))
}

pub(super) async fn set<P: People>(
    office: &Office<'_, P>,
    asked: UserSet,
) -> Result<Step, AdminError> {
    let mut row = find::account(office, &asked.user).await?;
    let mut changed = Vec::new();
    if asked.by_rule {
        if asked.class.is_some() {
            return Err(AdminError::invalid("a class is granted or by rule, not both"));
        }
        take_back(&mut row, office.now());
        changed.extend([format!("class={}", row.class), "by_rule=true".to_owned()]);
    }
    if let Some(class) = asked.class {
        class_of_account(class)?;
        reclass(&mut row, granted(class), office.now());
        changed.push(format!("class={class}"));
    }
    if let Some(assign) = &asked.group {
        let group = match assign {
            Assign::To(name) => Some(find::group(office, name).await?),
            Assign::Nothing => None,
        };
        row.group = group.as_ref().map(|group| group.id);
        row.group_granted = false;
        changed.push(detail::group(group.as_ref()));
    }
    if let Some(suspended) = asked.suspended {
        row.suspended = suspended;
        changed.push(format!("suspended={suspended}"));
        if suspended && begin_anew(&mut row, office.now()) {
            changed.push(format!("class={}", row.class));
        }
    }
    if let Some(role) = asked.role {
        (row.role, row.role_granted) = (role, false);
        changed.push(format!("role={role}"));
    }
    if let Some(limits) = &asked.limits {
        let limits = words::limits(office.config, limits)?;
        row.limits = seal_limits(office, row.id, &limits)?;
        changed.push(detail::new_limits(&limits));
    }
    let reply = Reply::User(view::user(office, &row)?);
    Ok(step(row, &changed, reply))
}

pub(super) async fn ensure<P: People>(
    office: &Office<'_, P>,
    asked: AccountEnsure,
) -> Result<Step, AdminError> {
    words::external("issuer", &asked.issuer)?;
    words::external("subject", &asked.subject)?;
    let group = find::optional_group(office, asked.group.as_ref()).await?;
    let hash = external_hash(office.vault, &asked.issuer, &asked.subject);
    let found = office.people.accounts(&Pick::External(hash)).await?.into_iter().next();
    let claimed = group.as_ref().map(|group| group.id);
    if let Some(class) = asked.claimed {
        class_of_account(class)?;
    }
    let mut row = match &found {
        None => external_row(office, &asked, group.as_ref(), hash)?,
        Some(row) => row.clone(),
    };
    follow(&mut row, &asked, claimed, office.now());
    let email = vouched(office, &row, asked.email.as_deref()).await?;
    row.email = email.or(row.email);
    if found.as_ref() == Some(&row) {
        return Ok(Step::answer(Reply::UserCreated { id: row.public_id }));
    }
    let before = found.as_ref();
    let mut words = vec![format!("class={}", row.class)];
    if group.is_some() || before.is_some_and(|before| before.group != row.group) {
        words.push(detail::group(group.as_ref()));
    }
    if before.map_or(Role::User, |before| before.role) != row.role {
        words.push(format!("role={}", row.role));
    }
    let reply = Reply::UserCreated { id: row.public_id.clone() };
    Ok(step(row, &words, reply))
}

/// Makes `row` what is claimed and granted now. What was granted and is not any
/// more goes; what was given by hand stays.
fn follow(row: &mut AccountRow, asked: &AccountEnsure, group: Option<GroupId>, now: Timestamp) {
    match asked.claimed {
        Some(class) if row.class != class => reclass(row, (class, ClassReason::Claim), now),
        None if asked.granted.is_some() && row.class_why == ClassReason::Claim => {
            reclass(row, given(row), now);
        }
        _ => {}
    }
    match group {
        Some(group) if row.group != Some(group) => {
            (row.group, row.group_granted) = (Some(group), asked.granted.is_some());
        }
        None if asked.granted.is_some() && row.group_granted => {
            (row.group, row.group_granted) = (None, false);
        }
        _ => {}
    }
    let Some(granted) = asked.granted else { return };
    let by_hand = row.role != Role::User && !row.role_granted;
    if !by_hand {
        row.role = granted.role.unwrap_or(Role::User);
        row.role_granted = row.role != Role::User;
    }
}

/// The address that an issuer vouches for, if `row` has none and nobody else has
/// it. Whoever else has it keeps it: an address never joins two ways of signing in.
async fn vouched<P: People>(
    office: &Office<'_, P>,
    row: &AccountRow,
    email: Option<&str>,
) -> Result<Option<Hidden>, AdminError> {
    let email = email.filter(|_| row.email.is_none() && !row.suspended);
    // What an issuer calls an address may be none.
    let Some(email) = email.and_then(|email| words::email(email).ok()) else { return Ok(None) };
    let hash = office.vault.keyed_hash(purpose::EMAIL, email.normal.as_bytes());
    let taken = office.people.accounts(&Pick::Named(hash)).await?;
    let hidden = || hide(office.vault, column::EMAIL, row.id.as_u128(), &email.shown, hash);
    Ok(taken.is_empty().then(hidden))
}

fn external_row<P>(
    office: &Office<'_, P>,
    asked: &AccountEnsure,
    group: Option<&GroupRow>,
    hash: [u8; 32],
) -> Result<AccountRow, AdminError> {
    let by_claim = asked.claimed.map(|class| (class, ClassReason::Claim));
    let mut row = new_row(office, by_claim.unwrap_or((asked.class, ClassReason::Issuer)), group)?;
    if asked.granted.is_some() {
        // What is granted can be taken back: the account then has what it is without.
        row.class_given = asked.class;
        row.group_granted = row.group.is_some();
    }
    let pair = External { issuer: asked.issuer.clone(), subject: asked.subject.clone() };
    let sealed = seal_json(office.vault, column::EXTERNAL, row.id.as_u128(), &pair)?;
    row.external = Some(Hidden { hash, sealed });
    Ok(row)
}

fn seal_limits<P>(
    office: &Office<'_, P>,
    id: AccountId,
    limits: &[LimitSpec],
) -> Result<Option<Vec<u8>>, StoreError> {
    let seal = || seal_json(office.vault, column::ACCOUNT_LIMITS, id.as_u128(), &limits);
    (!limits.is_empty()).then(seal).transpose()
}

fn step(row: AccountRow, words: &[String], reply: Reply) -> Step {
    let detail = detail::join(words);
    let subject = Some(row.public_id.to_string());
    let changes = vec![Change::Account(row)];
    Step::Change(Box::new(Plan { subject, detail, changes, reply }))
}
