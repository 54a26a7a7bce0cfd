//! An export of what is held about a person: it is an access, and recorded as
//! one before anything is read. Who asked reads by itself.

use surgewall_core::subject::Subject;

use super::error::AdminError;
use super::office::{Audit, Office};
use super::reply::Reply;
use super::request::Whose;
use super::vault::{note, subject};
use crate::people::People;

pub(super) async fn record<P: People, A: Audit>(
    office: &Office<'_, P>,
    audit: &A,
    whose: &Whose,
) -> Result<Reply, AdminError> {
    let (of, shown) = subject(office, whose).await?;
    if of == Subject::Strangers {
        return Err(AdminError::invalid(
            "strangers cannot be told apart: there is nobody to export",
        ));
    }
    let by = Some("by=operator".to_owned());
    note(office, audit, "user.export", Some(&shown), by).await?;
    Ok(Reply::Exported { subject: shown })
}
