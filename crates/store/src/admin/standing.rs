//! What accounts earned: their classes follow a rule, and every change that it
//! makes is recorded like an operator's.

use std::collections::BTreeMap;

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::id::AccountId;
use surgewall_core::principal::{Class, ClassReason};

use super::brought::{Brought, IMPORT_KEYS_MAX};
use super::error::AdminError;
use super::find;
use super::office::{Audit, Office, Plan, carry_out};
use super::reply::Reply;
use super::users::reclass;
use crate::people::{AccountRow, Change, PAGE_ROWS_MAX, People, Pick};

/// What the ledger calls a change of class that nobody asked for.
const ACTION: &str = "user.class";

/// What a rule says of an account whose class is to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    /// Its class from now on, and why.
    pub class: (Class, ClassReason),
    /// Why, for the ledger: numbers and configured words, no names.
    pub detail: String,
}

/// Holds `accounts` against `rule`, which says `None` where a class stays.
/// Gives how many changed; each holds for every lookup that begins after this.
///
/// # Errors
/// The store failed, or a change cannot be recorded: the others wait.
pub async fn judge_accounts<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    accounts: &[AccountId],
    rule: impl Fn(&AccountRow) -> Option<Judged>,
) -> Result<usize, AdminError> {
    let mut changed = 0;
    for page in accounts.chunks(usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX)) {
        let ids = page.iter().map(|account| account.as_u128()).collect();
        let rows = office.people.accounts(&Pick::Ids(ids)).await?;
        for row in rows.iter().filter(|row| rule(row).is_some()) {
            changed += usize::from(judge_one(office, audit, row.id, &rule).await?);
        }
    }
    Ok(changed)
}

/// Holds one account against `rule` in its turn: an operator may have been faster.
async fn judge_one<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    account: AccountId,
    rule: impl Fn(&AccountRow) -> Option<Judged>,
) -> Result<bool, AdminError> {
    let _turn = office.directory.lock_changes().await;
    office.directory.settle(office.people).await?;
    let rows = office.people.accounts(&Pick::Ids(vec![account.as_u128()])).await?;
    let judged = rows.into_iter().next().and_then(|row| rule(&row).map(|judged| (row, judged)));
    let Some((mut row, Judged { class, detail })) = judged else { return Ok(false) };
    reclass(&mut row, class, office.now());
    let plan = Plan {
        subject: Some(row.public_id.to_string()),
        detail: Some(detail),
        reply: Reply::UserCreated { id: row.public_id.clone() },
        changes: vec![Change::Account(row)],
    };
    carry_out(office, audit, ACTION, plan).await?;
    Ok(true)
}

/// The accounts of an import, with what each of them brings.
pub(super) async fn bring<P: People>(
    office: &Office<'_, P>,
    history: &[Brought],
) -> Result<Vec<Change>, AdminError> {
    if history.len() > IMPORT_KEYS_MAX {
        return Err(AdminError::invalid(format!(
            "an import has the history of at most {IMPORT_KEYS_MAX} accounts"
        )));
    }
    let mut rows = BTreeMap::new();
    for brought in history {
        let found = find::account(office, &brought.account).await?;
        let row = rows.entry(found.id).or_insert(found);
        add(row, brought, office.now())?;
    }
    Ok(rows.into_values().map(Change::Account).collect())
}

/// The same history brought twice counts once.
pub(super) fn add(
    row: &mut AccountRow,
    brought: &Brought,
    now: Timestamp,
) -> Result<(), AdminError> {
    let wrong = |what: &str| {
        let account = &brought.account;
        Err(AdminError::invalid(format!("the history of `{account}`: {what}")))
    };
    if brought.first_seen > now {
        return wrong("`first_seen` is in the future");
    }
    let days = now.since(brought.first_seen).as_secs() / DAY_S + 1;
    if u64::from(brought.active_days) > days {
        return wrong("there are more `active_days` than days since `first_seen`");
    }
    row.known_since = row.known_since.min(brought.first_seen);
    row.days_brought = row.days_brought.max(i64::from(brought.active_days));
    Ok(())
}
