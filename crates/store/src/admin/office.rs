//! Carrying out a request: checked, recorded, written, shown to the door,
//! recorded as done, in this order.
//!
//! The ledger is written before the effect: a change that cannot be recorded is
//! not made. A record `key.revoke` without a later `key.revoke.done` or
//! `key.revoke.failed` of the same subject means that the door died in between;
//! the database says which of the two it was.

use std::future::Future;

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::Config;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::id::PublicId;

use super::error::AdminError;
use super::reply::Reply;
use super::request::Request;
use super::{delegated, export, groups, import, keys, rank, users, vault};
use crate::directory::Directory;
use crate::people::{Change, People};
use crate::vault::Vault;

/// What an operator's request works on.
#[derive(Debug)]
pub struct Office<'a, P> {
    /// The store.
    pub people: &'a P,
    /// The door's picture of it.
    pub directory: &'a Directory,
    /// Seals and hashes.
    pub vault: &'a Vault,
    /// Time.
    pub clock: &'a Clock,
    /// The configuration in force, for prices.
    pub config: &'a Config,
}

impl<P> Office<'_, P> {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Where changes are recorded: the ledger, or a test's list.
pub trait Audit: Send + Sync {
    /// Writes `record`, durable when it returns.
    ///
    /// # Errors
    /// It cannot be recorded; the change is then not made.
    fn record(&self, record: Record) -> impl Future<Output = Result<(), AuditError>> + Send;
}

/// A change cannot be recorded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AuditError(pub String);

/// What a request comes to once it was checked.
pub(super) enum Step {
    /// Nothing is to be changed.
    Answer(Box<Reply>),
    /// These rows are to be written.
    Change(Box<Plan>),
}

impl Step {
    pub(super) fn answer(reply: Reply) -> Self {
        Self::Answer(Box::new(reply))
    }
}

/// A checked change.
pub(super) struct Plan {
    /// To what: a public id, or none for many.
    pub(super) subject: Option<String>,
    /// What, in configured words.
    pub(super) detail: Option<String>,
    /// The rows.
    pub(super) changes: Vec<Change>,
    /// What is answered when it is done.
    pub(super) reply: Reply,
}

/// Carries out `request` and answers it. Its effect holds for every lookup that
/// begins after this returns.
///
/// Drive it to its end: dropped in the middle, a change may be written that the
/// door sees only when the next change begins.
///
/// # Errors
/// Why it was not carried out, in an operator's words.
pub async fn execute<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    request: Request,
) -> Result<Reply, AdminError> {
    execute_by(office, audit, None, request).await
}

/// As [`execute`], for the account `by`: it changes only what is below its role,
/// and what is its own.
///
/// # Errors
/// As [`execute`].
pub async fn execute_by<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    by: Option<&PublicId>,
    request: Request,
) -> Result<Reply, AdminError> {
    let action = request.action();
    // Readers need no turn; for the others, what was checked holds until it is written.
    let mut _turn = None;
    if request.changes() {
        _turn = Some(office.directory.lock_changes().await);
        office.directory.settle(office.people).await?;
        if let Some(by) = by {
            rank::check(office, by, &request).await?;
        }
    }
    let request = match request {
        Request::VaultErase(asked) => return vault::erase(office, audit, &asked).await,
        Request::VaultRotate => return vault::rotate(office, audit).await,
        Request::UserExport(whose) => return export::record(office, audit, &whose).await,
        request => request,
    };
    match plan(office, request).await? {
        Step::Answer(reply) => Ok(*reply),
        Step::Change(plan) => carry_out(office, audit, action, *plan).await,
    }
}

async fn plan<P: People>(office: &Office<'_, P>, request: Request) -> Result<Step, AdminError> {
    match request {
        Request::UserCreate(asked) => users::create(office, asked).await,
        Request::UserImport(asked) => import::users(office, asked).await,
        Request::UserList(asked) => users::list(office, &asked).await,
        Request::UserShow(asked) => users::show(office, &asked).await,
        Request::UserSet(asked) => users::set(office, asked).await,
        Request::AccountEnsure(asked) => users::ensure(office, asked).await,
        Request::GroupCreate(asked) => groups::create(office, asked).await,
        Request::GroupList(asked) => groups::list(office, &asked).await,
        Request::GroupShow(asked) => groups::show(office, &asked).await,
        Request::GroupSet(asked) => groups::set(office, asked).await,
        Request::KeyCreate(asked) => keys::create(office, asked).await,
        Request::KeyImport(asked) => keys::import(office, asked).await,
        Request::KeyList(asked) => keys::list(office, &asked).await,
        Request::KeysOf(asked) => keys::of_account(office, &asked).await,
        Request::KeyShow(asked) => keys::show(office, &asked).await,
        Request::KeyRevoke(asked) => keys::revoke(office, &asked).await,
        Request::KeySet(asked) => keys::set(office, asked).await,
        Request::UserLimit(asked) => delegated::limit(office, asked).await,
        Request::VaultStatus => vault::status(office).await,
        // They change more than rows of people: `execute`, `identity::recover` or `close`
        // carries them out.
        Request::UserRecover(_)
        | Request::UserClose(_)
        | Request::VaultErase(_)
        | Request::VaultRotate
        | Request::UserExport(_) => Err(AdminError::invalid("no change of rows")),
    }
}

pub(super) async fn carry_out<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    action: &str,
    plan: Plan,
) -> Result<Reply, AdminError> {
    let entries = office.directory.open(&plan.changes)?;
    let begun = Changed {
        at: office.now(),
        action: action.to_owned(),
        subject: plan.subject.clone(),
        detail: plan.detail,
    };
    audit.record(Record::Changed(begun)).await.map_err(AdminError::not_recorded)?;
    let attempt = office.directory.attempt(&plan.changes);
    let written = office.people.write(&plan.changes).await;
    if written.is_ok() {
        office.directory.install(entries);
        attempt.settled();
    }
    let outcome = if written.is_ok() { "done" } else { "failed" };
    let ended = Changed {
        at: office.now(),
        action: format!("{action}.{outcome}"),
        subject: plan.subject,
        detail: None,
    };
    // The effect is there and its beginning is recorded: the operator gets the answer.
    if let Err(error) = audit.record(Record::Changed(ended)).await {
        tracing::error!(%error, action, "the end of a change could not be recorded");
    }
    written?;
    Ok(plan.reply)
}
