//! What can go wrong with a conversation.

use crate::people::StoreError;
use crate::vault::VaultError;

/// Why a conversation was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// This account has no such thing. Whether somebody else has is not told.
    #[error("there is no such {what}")]
    NotFound {
        /// What: `conversation`, `message`, `answer` or `share`.
        what: &'static str,
    },
    /// There is one with this id already: nothing was changed.
    #[error("there is such a {what} already")]
    Exists {
        /// What: `answer`.
        what: &'static str,
    },
    /// A text is longer than it may be.
    #[error("the {what} has {found} bytes and may have {bytes_max}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// There are as many as there may be.
    #[error("{whose} may have {most} {what}")]
    Full {
        /// Whose limit: `an account`, `a conversation` or `a message`.
        whose: &'static str,
        /// The limit.
        most: u64,
        /// Of what.
        what: &'static str,
    },
    /// The key of this content was destroyed.
    #[error("this content was erased")]
    Erased,
    /// The vault failed.
    #[error(transparent)]
    Vault(VaultError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<VaultError> for ConversationError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Erased => Self::Erased,
            other => Self::Vault(other),
        }
    }
}
