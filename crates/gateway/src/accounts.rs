//! Accounts that come by a token of another system: made at first sight.

use std::sync::Arc;

use surgewall_core::principal::AccountRecord;
use surgewall_core::refusal::CredentialFault;

use crate::door::Door;
use crate::jwt::Bearer;

/// The account of `bearer`: from memory, or made now and recorded.
///
/// # Errors
/// It is suspended, or it cannot be made now.
pub(crate) async fn of_bearer(
    door: &Door,
    bearer: &Bearer,
) -> Result<Arc<AccountRecord>, CredentialFault> {
    if let Some(account) = door.directory.account_by_external(&bearer.issuer, &bearer.subject) {
        return Ok(account);
    }
    crate::operate::ensure_account(door, bearer).await.map_err(|error| {
        tracing::error!(%error, "an account of a configured issuer cannot be made");
        CredentialFault::Unknown
    })
}
