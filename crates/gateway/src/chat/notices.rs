//! What an incident did to the account's requests, told until it was read.

use surgewall_core::refusal::Refusal;
use surgewall_store::notices::Notices as _;
use surgewall_store::people::StoreError;

use super::call::{Answered, Asked};
use super::reply;
use crate::notices::words;

fn failed(error: &StoreError) -> Refusal {
    Refusal::Internal { why: error.to_string() }
}

/// What the account has not read yet, the newest first.
///
/// # Errors
/// The store failed.
pub(super) async fn unread(asked: &Asked<'_>) -> Result<Vec<serde_json::Value>, Refusal> {
    let Some(account) = &asked.asker.account else { return Ok(Vec::new()) };
    let notices = asked.door.people.notices(account.id).await;
    let notices = notices.map_err(|error| failed(&error))?;
    Ok(notices
        .iter()
        .map(|notice| {
            serde_json::json!({
                "id": notice.incident, "words": words(notice),
                "since": notice.began_at, "until": notice.ended_at,
            })
        })
        .collect())
}

/// The account has read one: it is not told again.
pub(super) async fn read(asked: &Asked<'_>) -> Answered {
    let account = asked.asker.account()?;
    let found = asked.door.people.read_notice(account.id, asked.param("id")).await;
    if found.map_err(|error| failed(&error))? {
        Ok(reply::nothing())
    } else {
        Err(Refusal::NotFound { what: "notice" })
    }
}
