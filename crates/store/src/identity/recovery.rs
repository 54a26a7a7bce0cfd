//! The set-up link: how the first owner comes in, and whoever lost their way in.
//! Only who can run commands on the machine itself gets one.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use surgewall_core::decision::{Changed, Record};

use super::{Flow, FlowKind, Identity, account_by_email, begin_flow, new_token};
use crate::admin::{AdminError, Audit, NewKey, Office, Reply, UserRecover};
use crate::people::{People, Pick};

/// How long a set-up link is good.
pub const SET_UP_LASTS: Duration = Duration::from_secs(3_600);
/// How often the page behind it can be opened.
const OPENED_MAX: u32 = 20;

/// What a set-up link is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The account that gets a new password; absent, the owner is enrolled.
    pub account: Option<u128>,
}

/// Carries out [`Request::UserRecover`](crate::admin::Request::UserRecover): the
/// token of the link is recorded nowhere, and kept as a keyed hash only.
///
/// # Errors
/// There is no such user, or it cannot be recorded or stored.
pub async fn recover<S: People + Identity, A: Audit>(
    office: &Office<'_, S>,
    audit: &A,
    asked: &UserRecover,
) -> Result<Reply, AdminError> {
    let row = match asked.user.as_deref() {
        None => None,
        Some(text) => {
            let row = if text.contains('@') {
                account_by_email(office.people, office.vault, text).await?
            } else {
                let pick = Pick::PublicId(text.trim().to_owned());
                office.people.accounts(&pick).await?.into_iter().next()
            };
            let none = || AdminError::not_found(format!("there is no user `{}`", text.trim()));
            Some(row.ok_or_else(none)?)
        }
    };
    let now = office.clock.now();
    let changed = Changed {
        at: now,
        action: "user.recover".to_owned(),
        subject: row.as_ref().map(|row| row.public_id.to_string()),
        detail: row.is_none().then(|| "role=owner".to_owned()),
    };
    audit.record(Record::Changed(changed)).await.map_err(AdminError::not_recorded)?;
    let token = new_token();
    let body = Recovery { account: row.map(|row| row.id.as_u128()) };
    let flow =
        Flow { kind: FlowKind::SetUp, account: None, tries_max: OPENED_MAX, lasts: SET_UP_LASTS };
    let begun = begin_flow(office.people, office.vault, (flow, &token), &body, now).await?;
    if !begun {
        return Err(AdminError::full("too many links and codes wait"));
    }
    Ok(Reply::Link { token: NewKey(token) })
}
