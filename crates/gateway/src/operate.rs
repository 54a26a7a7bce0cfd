//! The operator's operations on a running door: what the control socket and
//! sign-in by a foreign token ask for.

use std::sync::Arc;

use surgewall_core::config::Config;
use surgewall_core::decision::{Changed, Record};
use surgewall_core::id::{AccountId, PublicId};
use surgewall_core::principal::{AccountRecord, Class};
use surgewall_store::admin::{
    self, AccountEnsure, AdminError, Audit, AuditError, ErrorKind, Judged, Office, Reply, Request,
    Signed, close, execute_by,
};
use surgewall_store::identity::recover;
use surgewall_store::ledger::Ledger;
use surgewall_store::people::{AccountRow, People as _, Pick};
use surgewall_store::rules::{RuleReply, RuleRequest};
use surgewall_store::sqlite::Sqlite;

use crate::conversations;
use crate::door::Door;
use crate::jwt::Bearer;
use crate::session;

/// Changes are recorded in the ledger before they hold.
pub struct LedgerAudit<'a>(pub &'a Ledger);

impl Audit for LedgerAudit<'_> {
    async fn record(&self, record: Record) -> Result<(), AuditError> {
        let written = self.0.append(record).await;
        written.map(|_| ()).map_err(|error| AuditError(error.to_string()))
    }
}

/// Who asks for a change.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// Whoever may, on the machine itself.
    Machine,
    /// An account that is signed in.
    Account(&'a PublicId),
    /// The identity provider with this name, for whoever signs in there.
    Provider(&'a str),
    /// Somebody who found a key, in this way.
    Finder(&'static str),
}

impl By<'_> {
    /// What the ledger says; nothing of what is asked for on the machine itself.
    fn said(self) -> Option<String> {
        match self {
            Self::Machine => None,
            Self::Account(account) => Some(format!("by={account}")),
            Self::Provider(name) => Some(format!("by=oidc:{name}")),
            Self::Finder(way) => Some(format!("by={way}")),
        }
    }
}

/// Records of changes that say who asked for them.
struct SignedAudit<'a> {
    audit: LedgerAudit<'a>,
    by: By<'a>,
}

impl Audit for SignedAudit<'_> {
    async fn record(&self, record: Record) -> Result<(), AuditError> {
        let record = match (record, self.by.said()) {
            (Record::Changed(changed), Some(by)) => {
                let detail = match changed.detail {
                    Some(what) => format!("{what} {by}"),
                    None => by,
                };
                Record::Changed(Changed { detail: Some(detail), ..changed })
            }
            (other, _) => other,
        };
        self.audit.record(record).await
    }
}

/// Carries out `request` on the running door: its effect holds for the next
/// request, and requests whose credential it withdrew end now.
///
/// # Errors
/// Why it was not carried out, in an operator's words.
pub async fn operate(door: &Door, request: Request) -> Result<Reply, AdminError> {
    operate_by(door, By::Machine, request).await
}

/// As [`operate`], and the ledger says who asked. An account changes what is below
/// its role, and what is its own.
///
/// # Errors
/// As [`operate`].
pub async fn operate_by(door: &Door, by: By<'_>, request: Request) -> Result<Reply, AdminError> {
    let policy = door.policy();
    let office = office(door, &policy.config);
    let audit = LedgerAudit(&door.ledger);
    if let Request::UserRecover(asked) = &request {
        return recover(&office, &audit, asked).await;
    }
    let suspends = matches!(&request, Request::UserSet(set) if set.suspended == Some(true));
    let account = match by {
        By::Account(account) => Some(account),
        _ => None,
    };
    let audit = SignedAudit { audit, by };
    let reply = match request {
        Request::UserClose(asked) => close(&office, &audit, &asked).await,
        request => execute_by(&office, &audit, account, request).await,
    };
    // What broke off may have withdrawn something all the same.
    end_withdrawn(door);
    let reply = reply?;
    if suspends {
        // Boxed: who comes with a token passes here at each request.
        Box::pin(end_sessions(door, &reply)).await;
    }
    conversations::after(door, &reply).await;
    Ok(reply)
}

/// With a suspension the sessions end, and do not come back when it does.
async fn end_sessions(door: &Door, reply: &Reply) {
    let Reply::User(user) = reply else { return };
    let pick = Pick::PublicId(user.id.to_string());
    let ended = async {
        let rows = door.people.accounts(&pick).await?;
        let id = rows.first().map(|row| row.id);
        match id.and_then(|id| door.directory.account(id)) {
            Some(account) => session::end(door, &account, |_| true).await,
            None => Ok(0),
        }
    };
    if let Err(error) = ended.await {
        tracing::error!(%error, "sessions of a suspended account are ended in memory only");
    }
}

/// Carries out an operator's request on rules: it holds for the next request.
///
/// # Errors
/// Why it was not carried out, in an operator's words.
pub async fn rule(
    door: &Door,
    signed: Signed<'_>,
    request: RuleRequest,
) -> Result<RuleReply, AdminError> {
    let (policy, now) = (door.policy(), door.clock.now());
    let mut reply = door.rules.ask(Some(signed), &policy.config, request, now).await?;
    for view in reply.rules_mut().filter(|view| view.kind != "limit") {
        view.hits = Some(door.metrics.rules.hits(&view.id));
    }
    Ok(reply)
}

fn office<'a>(door: &'a Door, config: &'a Config) -> Office<'a, Sqlite> {
    Office {
        people: door.people.as_ref(),
        directory: &door.directory,
        vault: &door.vault,
        clock: &door.clock,
        config,
    }
}

/// Holds `accounts` against a rule of classes on the running door.
///
/// # Errors
/// The store failed, or a change cannot be recorded.
pub(crate) async fn judge_accounts(
    door: &Door,
    accounts: &[AccountId],
    rule: impl Fn(&AccountRow) -> Option<Judged>,
) -> Result<usize, AdminError> {
    let policy = door.policy();
    let office = office(door, &policy.config);
    admin::judge_accounts(&office, &LedgerAudit(&door.ledger), accounts, rule).await
}

/// Ends every open request whose key was revoked or whose account was
/// suspended. Called again once a second, for requests that were admitted while
/// that was done.
pub fn end_withdrawn(door: &Door) {
    let state = door.directory.version();
    door.open.end_withdrawn(state, |who| door.directory.withdrawn(who.key, who.account));
}

/// The account of a verified token, made or changed to what its claims say.
///
/// # Errors
/// It cannot be made or recorded.
pub async fn ensure_account(
    door: &Door,
    bearer: &Bearer,
    claimed: Option<Class>,
) -> Result<Arc<AccountRecord>, AdminError> {
    let asked = AccountEnsure {
        issuer: bearer.issuer.clone(),
        subject: bearer.subject.clone(),
        class: bearer.class,
        claimed,
        group: bearer.group.clone(),
        granted: None,
        email: None,
    };
    operate(door, Request::AccountEnsure(asked)).await?;
    let account = door.directory.account_by_external(&bearer.issuer, &bearer.subject);
    account.ok_or_else(|| AdminError {
        kind: ErrorKind::Failed,
        message: "the account was made and is not there".into(),
        hint: None,
    })
}
