//! Conversations as an engine keeps them: ids, numbers, instants, and sealed
//! bytes that it cannot read.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{AccountId, Id, IdError, PublicId};
use surgewall_core::random;

/// What a [`ConversationId`] is the id of.
#[derive(Debug)]
pub enum ConversationKind {}
/// The inner id of a conversation; what is shown is its [`PublicId`].
pub type ConversationId = Id<ConversationKind>;

/// The id of a message: random, made by whoever sends it, so that sending it
/// again adds nothing. Shown as `msg_` and 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(u128);

impl MessageId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(u128::from_be_bytes(random::bytes()))
    }

    /// The one with these bits.
    #[must_use]
    pub const fn from_u128(bits: u128) -> Self {
        Self(bits)
    }

    /// Its 128 bits.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0
    }
}
impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "msg_{:032x}", self.0)
    }
}
impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
impl FromStr for MessageId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = text.strip_prefix("msg_").filter(|hex| hex.len() == 32).ok_or(IdError)?;
        let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex {
            return Err(IdError);
        }
        u128::from_str_radix(hex, 16).map(Self).map_err(|_| IdError)
    }
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The owner.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::User, Self::Assistant];

    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// How a message ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is whole.
    Complete,
    /// Its owner stopped it.
    Stopped,
    /// The door died, or the answer broke off, while it was written.
    Partial,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Complete, Self::Stopped, Self::Partial];

    /// The word in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Stopped => "stopped",
            Self::Partial => "partial",
        }
    }
}

/// One conversation.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversationRow {
    /// Its id.
    pub id: ConversationId,
    /// The id that is shown.
    pub public_id: PublicId,
    /// Whose it is.
    pub account: AccountId,
    /// Its title, sealed.
    pub title: Vec<u8>,
    /// Its system prompt, sealed.
    pub system_prompt: Option<Vec<u8>>,
    /// Whether it is in no list and goes by itself.
    pub temporary: bool,
    /// Whether its owner put it away.
    pub archived: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written to.
    pub updated_at: Timestamp,
    /// How many messages it has. Engines count it themselves, and the next two.
    pub messages: u32,
    /// The leaf that is looked at; 0 is none.
    pub active: u32,
    /// Sealed content, in bytes.
    pub bytes: u64,
}

/// Which conversations of an account to read.
#[derive(Clone, Debug)]
pub enum Pick {
    /// The one with this public id.
    PublicId(String),
    /// Those that are not temporary, last written first.
    Recent {
        /// The archived ones, or the others.
        archived: bool,
        /// Where the page before ended.
        before: Option<(Timestamp, ConversationId)>,
        /// At most so many, and [`super::PAGE_CONVERSATIONS_MAX`].
        rows_max: u32,
    },
    /// All of them, newest first.
    Before {
        /// The id before the first; `None` begins with the newest.
        id: Option<ConversationId>,
        /// At most so many, and [`super::PAGE_CONVERSATIONS_MAX`].
        rows_max: u32,
    },
}

/// A change of what is no message.
#[derive(Clone, PartialEq, Eq)]
pub enum Edit {
    /// Another title, sealed.
    Title(Vec<u8>),
    /// Another system prompt, sealed, or none.
    SystemPrompt(Option<Vec<u8>>),
    /// Put away, or taken out again.
    Archived(bool),
    /// The branch of this message is looked at: its newest leaf.
    Choose(u32),
}

/// One message.
#[derive(Clone, PartialEq, Eq)]
pub struct MessageRow {
    /// Whose it is.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Its id.
    pub id: MessageId,
    /// Its number; 0 while it has none.
    pub number: u32,
    /// The message that it answers or follows; 0 is none.
    pub parent: u32,
    /// Who speaks.
    pub role: Role,
    /// How it ended.
    pub state: State,
    /// How many attachments it has.
    pub attachments: u32,
    /// When it was added.
    pub created_at: Timestamp,
    /// What it says, sealed.
    pub content: Vec<u8>,
}

/// A message to add.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessageRow {
    /// The message, without a number.
    pub message: MessageRow,
    /// Its attachments.
    pub attachments: Vec<AttachmentRow>,
}

/// A message on the way from a leaf to the first one.
#[derive(Clone, PartialEq, Eq)]
pub struct PathRow {
    /// The message.
    pub message: MessageRow,
    /// Which one it is among those with its parent, from 1 on.
    pub position: u32,
    /// How many those are.
    pub siblings: u32,
    /// The number of the one before; 0 is none.
    pub previous: u32,
    /// The number of the one after; 0 is none.
    pub next: u32,
}

/// A text that hangs on a message.
#[derive(Clone, PartialEq, Eq)]
pub struct AttachmentRow {
    /// Its name, sealed.
    pub name: Vec<u8>,
    /// Its text, sealed.
    pub text: Vec<u8>,
}

/// What its owner has begun to write.
#[derive(Clone, PartialEq, Eq)]
pub struct DraftRow {
    /// Whose it is.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// The text, sealed; `None` takes the draft away.
    pub text: Option<Vec<u8>>,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// An answer that is being written, as its last checkpoint has it.
#[derive(Clone, PartialEq, Eq)]
pub struct AnswerRow {
    /// Whose it is.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// The id of the message that it will be.
    pub id: MessageId,
    /// The message that it answers.
    pub parent: u32,
    /// How many bytes of text the checkpoint has.
    pub offset_bytes: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the checkpoint was written.
    pub updated_at: Timestamp,
    /// What it says so far, sealed as the message that it will be.
    pub content: Vec<u8>,
}

/// A checkpoint to write.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Whose answer.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Which one.
    pub id: MessageId,
    /// How many bytes of text it has.
    pub offset_bytes: u64,
    /// When.
    pub at: Timestamp,
    /// What it says so far, sealed as the message that it will be.
    pub content: Vec<u8>,
}

/// An answer that ended.
#[derive(Clone, PartialEq, Eq)]
pub struct FinishedRow {
    /// Whose answer.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Which one.
    pub id: MessageId,
    /// How.
    pub state: State,
    /// When.
    pub at: Timestamp,
    /// What it says, sealed.
    pub content: Vec<u8>,
}

/// What a crash left of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Whose answer.
    pub account: AccountId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Which one.
    pub id: MessageId,
    /// The number of the partial message; 0 where there was nothing to keep.
    pub number: u32,
}

/// A way for others to read one branch.
#[derive(Clone, PartialEq, Eq)]
pub struct ShareRow {
    /// Whose conversation.
    pub account: AccountId,
    /// Which one.
    pub conversation: ConversationId,
    /// The share's id, as its owner sees it.
    pub public_id: PublicId,
    /// Keyed hash of the token.
    pub token_hash: [u8; 32],
    /// The last message that is shared; all before it on its branch are.
    pub leaf: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
