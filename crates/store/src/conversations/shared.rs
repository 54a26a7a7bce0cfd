//! Reading by a share's token: a way of its own, which leads to nothing else.

use serde::Serialize;
use surgewall_core::clock::Timestamp;
use surgewall_core::random;
use surgewall_core::secret::{Secret, SecretString};

use super::{ConversationError, Conversations, Own, Pick, Role, ShareRow, State, Tombstone};
use crate::vault::Vault;

/// Random characters of a token: 178 bits.
const TOKEN_CHARS: usize = 30;
const TOKEN_PREFIX: &str = "share_";
/// What the token's keyed hash is for.
const TOKEN_PURPOSE: &str = "shares.token";

/// One page of a shared branch. It has no id of the conversation, of its owner,
/// or of a message: with it nothing else can be named.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SharedPage {
    /// The conversation's title.
    pub title: String,
    /// The messages, newest first.
    pub messages: Vec<SharedMessage>,
    /// Where the page before begins, if there is one.
    pub older: Option<u32>,
    /// When the share ends.
    pub expires_at: Timestamp,
}

/// A message as others see it: no thinking, no attachments.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct SharedMessage {
    /// Who speaks.
    pub role: Role,
    /// How it ended.
    pub state: State,
    /// When it was added.
    pub created_at: Timestamp,
    /// The text.
    pub text: String,
    /// The places where something was withheld.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Tombstone>,
    /// The model that spoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

pub(super) fn new_token() -> SecretString {
    Secret::new(format!("{TOKEN_PREFIX}{}", random::base62(TOKEN_CHARS)))
}

pub(super) fn token_hash(vault: &Vault, token: &str) -> [u8; 32] {
    vault.keyed_hash(TOKEN_PURPOSE, token.as_bytes())
}

/// What the share with this token shows at `now`, from its last message or from
/// `from` on, which a page before named. `None` where there is no such share,
/// it ended, its owner's key was destroyed, or `from` is not on its branch.
///
/// # Errors
/// The store or the vault failed.
pub async fn shared<C: Conversations>(
    store: &C,
    vault: &Vault,
    token: &str,
    from: Option<u32>,
    now: Timestamp,
) -> Result<Option<SharedPage>, ConversationError> {
    let is_token = token.starts_with(TOKEN_PREFIX)
        && token.len() == TOKEN_PREFIX.len() + TOKEN_CHARS
        && token.bytes().skip(TOKEN_PREFIX.len()).all(|byte| byte.is_ascii_alphanumeric());
    if !is_token {
        return Ok(None);
    }
    let Some(share) = store.share(token_hash(vault, token), now).await? else { return Ok(None) };
    let from = from.unwrap_or(share.leaf);
    let (account, conversation) = (share.account, share.conversation);
    if !store.leads_to(account, conversation, share.leaf, from).await? {
        return Ok(None);
    }
    page(store, vault, &share, from).await
}

async fn page<C: Conversations>(
    store: &C,
    vault: &Vault,
    share: &ShareRow,
    from: u32,
) -> Result<Option<SharedPage>, ConversationError> {
    let own = Own::new(store, vault, share.account);
    let title = own.title_of(share.conversation).await?;
    let Some(title) = title else { return Ok(None) };
    let page = own.page(share.conversation, Some(from)).await?;
    let messages = page.messages.into_iter().map(|placed| {
        let message = placed.message;
        let (role, state, created_at) = (message.role, message.state, message.created_at);
        message.body.map(|body| SharedMessage {
            role,
            state,
            created_at,
            text: body.text,
            withheld: body.withheld,
            model: body.model,
        })
    });
    let messages: Option<Vec<_>> = messages.collect();
    Ok(messages.map(|messages| SharedPage {
        title,
        messages,
        older: page.older,
        expires_at: share.expires_at,
    }))
}

impl<C: Conversations> Own<'_, C> {
    /// The title of a conversation by its inner id.
    async fn title_of(
        &self,
        id: super::ConversationId,
    ) -> Result<Option<String>, ConversationError> {
        let from = super::ConversationId::from_u128(id.as_u128().saturating_add(1));
        let pick = Pick::Before { id: Some(from), rows_max: 1 };
        let rows = self.store.conversations(self.account, &pick).await?;
        let Some(row) = rows.into_iter().find(|row| row.id == id) else { return Ok(None) };
        let seals = self.seals.clone();
        super::seals::blocking(move || Ok(seals.open_conversation(row)?.title)).await
    }
}
