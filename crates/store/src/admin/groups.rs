//! `admin group`.

use surgewall_core::id::{GroupId, PublicId};
use surgewall_core::quota::LimitSpec;

use super::error::AdminError;
use super::office::{Office, Plan, Step};
use super::reply::Reply;
use super::request::{GroupCreate, GroupSet, List, Named};
use super::{detail, find, view, words};
use crate::people::sealed::{column, hide, purpose, seal_json};
use crate::people::{Change, GroupRow, Hidden, People, Pick, StoreError};

pub(super) async fn create<P: People>(
    office: &Office<'_, P>,
    asked: GroupCreate,
) -> Result<Step, AdminError> {
    let name = words::name("group", &asked.name)?;
    let limits = words::limits(office.config, &asked.limits)?;
    if office.directory.sizes().groups >= office.directory.bounds().groups_max {
        return Err(AdminError::full("there are as many groups as the door can hold"));
    }
    let now = office.now();
    let id = GroupId::new(now);
    let row = GroupRow {
        id,
        public_id: PublicId::random("group"),
        name: free_name(office, id, &name).await?,
        limits: seal_limits(office, id, &limits)?,
        created_at: now,
    };
    step(office, row, detail::limits(&limits))
}

pub(super) async fn list<P: People>(
    office: &Office<'_, P>,
    asked: &List,
) -> Result<Step, AdminError> {
    let rows_max = find::rows_max(asked.rows_max);
    let first = match &asked.after {
        Some(after) => office.people.groups(&Pick::PublicId(after.clone())).await?,
        None => Vec::new(),
    };
    let id = find::cursor(asked.after.as_ref(), first.first().map(|row| row.id.as_u128()))?;
    let rows = office.people.groups(&Pick::After { id, rows_max }).await?;
    let views = rows.iter().map(|row| view::group(office, row)).collect::<Result<_, _>>()?;
    Ok(Step::answer(Reply::Groups(find::page(views, rows_max, |view| &view.id))))
}

pub(super) async fn show<P: People>(
    office: &Office<'_, P>,
    asked: &Named,
) -> Result<Step, AdminError> {
    let row = find::group(office, &asked.name).await?;
    Ok(Step::answer(Reply::Group(view::group(office, &row)?)))
}

pub(super) async fn set<P: People>(
    office: &Office<'_, P>,
    asked: GroupSet,
) -> Result<Step, AdminError> {
    let mut row = find::group(office, &asked.group).await?;
    let mut changed = Vec::new();
    if let Some(name) = &asked.name {
        let name = words::name("group", name)?;
        row.name = free_name(office, row.id, &name).await?;
        changed.push("renamed".to_owned());
    }
    if let Some(limits) = &asked.limits {
        let limits = words::limits(office.config, limits)?;
        row.limits = seal_limits(office, row.id, &limits)?;
        changed.push(detail::new_limits(&limits));
    }
    step(office, row, detail::join(&changed))
}

/// The name, unless another group has it.
async fn free_name<P: People>(
    office: &Office<'_, P>,
    id: GroupId,
    name: &str,
) -> Result<Hidden, AdminError> {
    let hash = office.vault.keyed_hash(purpose::GROUP_NAME, name.as_bytes());
    let taken = office.people.groups(&Pick::Named(hash)).await?;
    if taken.iter().any(|other| other.id != id) {
        return Err(AdminError::conflict(format!("there is a group `{name}` already")));
    }
    Ok(hide(office.vault, column::GROUP_NAME, id.as_u128(), name, hash))
}

fn seal_limits<P>(
    office: &Office<'_, P>,
    id: GroupId,
    limits: &[LimitSpec],
) -> Result<Option<Vec<u8>>, StoreError> {
    let seal = || seal_json(office.vault, column::GROUP_LIMITS, id.as_u128(), &limits);
    (!limits.is_empty()).then(seal).transpose()
}

fn step<P>(
    office: &Office<'_, P>,
    row: GroupRow,
    detail: Option<String>,
) -> Result<Step, AdminError> {
    let reply = Reply::Group(view::group(office, &row)?);
    let subject = Some(row.public_id.to_string());
    let changes = vec![Change::Group(row)];
    Ok(Step::Change(Box::new(Plan { subject, detail, changes, reply })))
}
