//! Sharing one's own: made, listed and ended by the owner.

use std::time::Duration;

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::id::PublicId;
use surgewall_core::secret::SecretString;

use super::shared::{new_token, token_hash};
use super::views::Share;
use super::{ConversationError, ConversationId, Conversations, Own, SHARE_DAYS_MAX, ShareRow};

impl<C: Conversations> Own<'_, C> {
    /// Lets whoever has the token read the messages up to `leaf`, for `days`
    /// (at least 1, at most [`SHARE_DAYS_MAX`]). The token is given this once.
    ///
    /// # Errors
    /// There is no such message, or there are as many shares as there may be.
    pub async fn share(
        &self,
        conversation: ConversationId,
        leaf: u32,
        days: u64,
        now: Timestamp,
    ) -> Result<(Share, SecretString), ConversationError> {
        let token = new_token();
        let share = Share {
            id: PublicId::random("shared"),
            leaf,
            created_at: now,
            expires_at: now.plus(Duration::from_secs(days.clamp(1, SHARE_DAYS_MAX) * DAY_S)),
        };
        let row = ShareRow {
            account: self.account,
            conversation,
            public_id: share.id.clone(),
            token_hash: token_hash(self.vault, token.expose()),
            leaf,
            created_at: share.created_at,
            expires_at: share.expires_at,
        };
        self.store.add_share(&row).await?;
        Ok((share, token))
    }

    /// The shares of a conversation.
    ///
    /// # Errors
    /// The store failed.
    pub async fn shares(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<Share>, ConversationError> {
        let rows = self.store.shares(self.account, conversation).await?;
        let share = |row: ShareRow| Share {
            id: row.public_id,
            leaf: row.leaf,
            created_at: row.created_at,
            expires_at: row.expires_at,
        };
        Ok(rows.into_iter().map(share).collect())
    }

    /// Ends a share.
    ///
    /// # Errors
    /// There is none with this id.
    pub async fn revoke_share(&self, public_id: &str) -> Result<(), ConversationError> {
        let ended = self.store.revoke_share(self.account, public_id).await?;
        if ended { Ok(()) } else { Err(ConversationError::NotFound { what: "share" }) }
    }
}
