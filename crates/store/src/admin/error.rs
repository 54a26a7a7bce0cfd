//! Why an operator's request was not carried out: a text and what to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::people::StoreError;
use crate::vault::VaultError;

/// What kind of no it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request cannot be meant.
    Invalid,
    /// It names something that does not exist.
    NotFound,
    /// It would collide with something that exists.
    Conflict,
    /// Whoever asked may not.
    NotAllowed,
    /// Something is full.
    Full,
    /// The ledger could not record it, so it was not done.
    NotRecorded,
    /// The store failed.
    Failed,
}

/// An operator's error: what is wrong, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub struct AdminError {
    /// What kind of no it is.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "\nhint: {hint}"))
    }
}

impl AdminError {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    pub(super) fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotAllowed, message)
    }

    pub(super) fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    pub(crate) fn full(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Full, message)
    }

    pub(crate) fn not_recorded(why: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::NotRecorded,
            format!("nothing was changed: the ledger cannot record it: {why}"),
        )
        .hint("free disk space or repair the ledger, then try again")
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<VaultError> for AdminError {
    fn from(error: VaultError) -> Self {
        let kind = match error {
            VaultError::AccountsBusy { .. } => ErrorKind::Conflict,
            VaultError::AccountsFull { .. } => ErrorKind::Full,
            VaultError::KeyReadOnly { .. } => ErrorKind::Invalid,
            _ => ErrorKind::Failed,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Duplicate { what: "credential" } => {
                Self::conflict("this key is known already")
                    .hint("`surgewall admin key list` shows it, also if it was revoked; a revoked key stays revoked")
            }
            StoreError::Duplicate { what } => Self::conflict(format!("this {what} is taken")),
            StoreError::Engine { doing, source } => {
                Self::new(ErrorKind::Failed, format!("the database failed while {doing}: {source}"))
            }
            other => Self::new(ErrorKind::Failed, other.to_string()),
        }
    }
}
