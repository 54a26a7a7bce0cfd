//! `admin key`.

use std::collections::HashMap;

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Scopes;

use super::brought::{IMPORT_KEYS_MAX, KeyImport};
use super::error::AdminError;
use super::new_key::{self, Made, Owner, Pending};
use super::office::{Office, Plan, Step};
use super::reply::{Page, Reply};
use super::request::{KeyCreate, KeyList, KeySet, KeysOf, LIST_ROWS_MAX, Named};
use super::{detail, find, standing, view, words};
use crate::people::{AccountRow, Change, KeyRow, People, Pick};

/// An hour, for counting what was made lately.
const HOUR_MS: u64 = 3_600_000;
/// Keys of one account that work, of those that it makes itself.
pub const KEYS_PER_ACCOUNT_MAX: u64 = 50;
/// Keys of one account that are kept, also revoked ones: past it, it makes no more.
pub const KEYS_KEPT_PER_ACCOUNT_MAX: u64 = 2_000;
/// Keys that one account makes in an hour.
pub const KEYS_MADE_PER_HOUR_MAX: u64 = 60;

pub(super) async fn create<P: People>(
    office: &Office<'_, P>,
    asked: KeyCreate,
) -> Result<Step, AdminError> {
    room(office, 1)?;
    let owner = owner(office, &asked).await?;
    if asked.own {
        own_room(office, &owner).await?;
    }
    let Made { row, key, words } = new_key::make(office, &asked, &owner)?;
    if let Some(parts) = &row.bcrypt {
        Pending::default().add(office, parts)?;
    }
    if name_taken(office, &row).await? {
        return Err(AdminError::conflict(format!(
            "there is a key `{}` already",
            asked.name.trim()
        ))
        .hint("give it another name, or revoke the old one first"));
    }
    let reply = Reply::KeyCreated { id: row.public_id.clone(), key };
    Ok(step(row, &words, reply))
}

/// Whose key, or which group's, it is to be.
async fn owner<P: People>(office: &Office<'_, P>, asked: &KeyCreate) -> Result<Owner, AdminError> {
    match (&asked.account, &asked.group) {
        (Some(_), Some(_)) => Err(AdminError::invalid("a key has an account or a group, not both")
            .hint("a key of an account is in the account's group")),
        (Some(account), None) => find::account(office, account).await.map(Owner::Account),
        (None, Some(group)) => find::group(office, group).await.map(Owner::Group),
        (None, None) => Ok(Owner::Operator),
    }
}

/// Refuses more keys than the door can hold.
fn room<P>(office: &Office<'_, P>, more: usize) -> Result<(), AdminError> {
    let keys = office.directory.sizes().keys;
    if keys.saturating_add(more) > office.directory.bounds().keys_max {
        return Err(AdminError::full("there are as many keys as the door can hold"));
    }
    Ok(())
}

/// Refuses an account more keys than it may have. Checked in the same turn as the
/// change: no two requests take the last place.
async fn own_room<P: People>(office: &Office<'_, P>, owner: &Owner) -> Result<(), AdminError> {
    let Owner::Account(account) = owner else {
        return Err(AdminError::invalid("a key of one's own has an account"));
    };
    let now = office.now();
    let an_hour_ago = Timestamp::from_millis(now.millis().saturating_sub(HOUR_MS));
    let counts = office.people.key_counts(account.id, now, an_hour_ago).await?;
    if counts.working >= KEYS_PER_ACCOUNT_MAX {
        let words = format!("You have {KEYS_PER_ACCOUNT_MAX} keys. Revoke one first.");
        return Err(AdminError::full(words));
    }
    if counts.lately >= KEYS_MADE_PER_HOUR_MAX {
        return Err(AdminError::full("You made many keys lately. Try again in an hour."));
    }
    if counts.kept >= KEYS_KEPT_PER_ACCOUNT_MAX {
        return Err(AdminError::full("You made very many keys. The operator can make you one."));
    }
    Ok(())
}

async fn name_taken<P: People>(office: &Office<'_, P>, row: &KeyRow) -> Result<bool, AdminError> {
    let same = office.people.keys(&Pick::Named(row.name.hash)).await?;
    let taken = |other: &KeyRow| other.revoked_at.is_none() && other.account == row.account;
    Ok(same.iter().any(|other| other.id != row.id && taken(other)))
}

pub(super) async fn import<P: People>(
    office: &Office<'_, P>,
    asked: KeyImport,
) -> Result<Step, AdminError> {
    if asked.keys.is_empty() || asked.keys.len() > IMPORT_KEYS_MAX {
        return Err(AdminError::invalid(format!("an import has 1 to {IMPORT_KEYS_MAX} keys")));
    }
    room(office, asked.keys.len())?;
    let mut owners: HashMap<(Option<String>, Option<String>), Owner> = HashMap::new();
    let mut pending = Pending::default();
    let mut changes = standing::bring(office, &asked.history).await?;
    let accounts = changes.len();
    for (at, key) in asked.keys.iter().enumerate() {
        let nth = |error| nth(&asked.lines, at, error);
        if key.foreign.is_none() {
            return Err(nth(AdminError::invalid("it has no `foreign` hash")));
        }
        let whose = (key.account.clone(), key.group.clone());
        if !owners.contains_key(&whose) {
            let owner = owner(office, key).await.map_err(nth)?;
            owners.insert(whose.clone(), owner);
        }
        let owner = owners.get(&whose).unwrap_or(&Owner::Operator);
        let made = new_key::make(office, key, owner).map_err(nth)?;
        if let Some(parts) = &made.row.bcrypt {
            pending.add(office, parts).map_err(nth)?;
        }
        changes.push(Change::Key(made.row));
    }
    let keys = asked.keys.len();
    let mut words = vec![format!("keys={keys}")];
    words.extend((accounts > 0).then(|| format!("histories={accounts}")));
    let (detail, reply) = (detail::join(&words), Reply::Imported { keys });
    if asked.dry_run {
        office.directory.open(&changes)?;
        return Ok(Step::answer(reply));
    }
    Ok(Step::Change(Box::new(Plan { subject: None, detail, changes, reply })))
}

/// Says which key of an import it was: by the line that it stands on, or the how
/// manieth it is.
fn nth(lines: &[u64], at: usize, mut error: AdminError) -> AdminError {
    let which = match lines.get(at) {
        Some(line) => format!("line {line}"),
        None => format!("key {} of the import", at + 1),
    };
    error.message = format!("{which}: {}", error.message);
    error
}

pub(super) async fn list<P: People>(
    office: &Office<'_, P>,
    asked: &KeyList,
) -> Result<Step, AdminError> {
    let rows_max = find::rows_max(asked.rows_max);
    let first = match &asked.after {
        Some(after) => office.people.keys(&Pick::PublicId(after.clone())).await?,
        None => Vec::new(),
    };
    let id = find::cursor(asked.after.as_ref(), first.first().map(|row| row.id.as_u128()))?;
    let pick = match &asked.account {
        Some(account) => {
            let owner = find::account(office, account).await?.id.as_u128();
            Pick::Of { owner, id, rows_max }
        }
        None => Pick::After { id, rows_max },
    };
    let rows = office.people.keys(&pick).await?;
    let accounts = find::accounts_of(office, &rows).await?;
    let of = |row: &KeyRow| accounts.iter().find(|account| Some(account.id) == row.account);
    let views = rows.iter().map(|row| view::key(office, row, of(row))).collect::<Result<_, _>>()?;
    Ok(Step::answer(Reply::Keys(find::page(views, rows_max, |view| &view.id))))
}

/// The keys of one account, the newest first.
pub(super) async fn of_account<P: People>(
    office: &Office<'_, P>,
    asked: &KeysOf,
) -> Result<Step, AdminError> {
    let account = find::account(office, &asked.account).await?;
    let (owner, at) = (account.id.as_u128(), office.now());
    let pick = Pick::Newest { owner, working: !asked.over, at, rows_max: LIST_ROWS_MAX };
    let rows = office.people.keys(&pick).await?;
    let views = rows.iter().map(|row| view::key(office, row, Some(&account)));
    let rows = views.collect::<Result<_, _>>()?;
    Ok(Step::answer(Reply::Keys(Page { rows, next: None })))
}

async fn account_of<P: People>(
    office: &Office<'_, P>,
    row: &KeyRow,
) -> Result<Option<AccountRow>, AdminError> {
    let accounts = find::accounts_of(office, std::slice::from_ref(row)).await?;
    Ok(accounts.into_iter().next())
}

pub(super) async fn show<P: People>(
    office: &Office<'_, P>,
    asked: &Named,
) -> Result<Step, AdminError> {
    let row = find::key(office, &asked.name).await?;
    let account = account_of(office, &row).await?;
    Ok(Step::answer(Reply::Key(view::whole_key(office, &row, account.as_ref())?)))
}

pub(super) async fn revoke<P: People>(
    office: &Office<'_, P>,
    asked: &Named,
) -> Result<Step, AdminError> {
    let mut row = find::key(office, &asked.name).await?;
    let account = account_of(office, &row).await?;
    if row.revoked_at.is_some() {
        return Ok(Step::answer(Reply::Key(view::key(office, &row, account.as_ref())?)));
    }
    row.revoked_at = Some(office.now());
    let reply = Reply::Key(view::key(office, &row, account.as_ref())?);
    Ok(step(row, &[], reply))
}

pub(super) async fn set<P: People>(
    office: &Office<'_, P>,
    asked: KeySet,
) -> Result<Step, AdminError> {
    let mut row = find::key(office, &asked.key).await?;
    let mut changed = Vec::new();
    if let Some(scopes) = &asked.scopes {
        words::scopes(scopes)?;
        row.scopes = new_key::seal_scopes(office, row.id, scopes)?;
        let open = *scopes == Scopes::default();
        changed.push(format!("scopes={}", if open { "none" } else { "set" }));
    }
    if let Some(delegates) = asked.delegates {
        row.delegates = delegates;
        changed.push(format!("delegates={delegates}"));
    }
    if let Some(limits) = &asked.limits {
        let limits = words::limits(office.config, limits)?;
        row.limits = new_key::seal_limits(office, row.id, &limits)?;
        changed.push(detail::new_limits(&limits));
    }
    let account = account_of(office, &row).await?;
    let reply = Reply::Key(view::key(office, &row, account.as_ref())?);
    Ok(step(row, &changed, reply))
}

fn step(row: KeyRow, words: &[String], reply: Reply) -> Step {
    let subject = Some(row.public_id.to_string());
    let changes = vec![Change::Key(row)];
    Step::Change(Box::new(Plan { subject, detail: detail::join(words), changes, reply }))
}
