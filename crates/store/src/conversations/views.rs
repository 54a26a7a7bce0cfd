//! Conversations, opened for their owner.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::{PublicId, RequestId};

use super::{ConversationId, MessageId, Role, State};

/// What a message says.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Body {
    /// The text.
    pub text: String,
    /// What a model thought before it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub thinking: String,
    /// The model that was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The request that made it, as the ledger knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<RequestId>,
    /// The places where something was withheld, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Tombstone>,
}

/// What stands where a part of an answer was withheld: that part was never sent
/// and is not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tombstone {
    /// Bytes of the text before it.
    pub at: usize,
    /// The rule.
    pub rule: String,
    /// Why, in plain words.
    pub reason: String,
    /// What can be done.
    pub advice: String,
}

impl Tombstone {
    /// Bytes of its words.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rule.len() + self.reason.len() + self.advice.len()
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Body {
    /// A body that is only text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Bytes that count towards [`super::MESSAGE_BYTES_MAX`].
    #[must_use]
    pub fn len(&self) -> usize {
        let withheld: usize = self.withheld.iter().map(Tombstone::len).sum();
        let model = self.model.as_ref().map_or(0, String::len);
        self.text.len() + self.thinking.len() + model + withheld
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A conversation.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Conversation {
    /// Its inner id.
    #[serde(skip)]
    pub id: ConversationId,
    /// The id that is shown.
    #[serde(rename = "id")]
    pub public_id: PublicId,
    /// Its title; `None` where its key was destroyed.
    pub title: Option<String>,
    /// Its system prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// Whether it is in no list and goes by itself.
    pub temporary: bool,
    /// Whether its owner put it away.
    pub archived: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last written to.
    pub updated_at: Timestamp,
    /// How many messages it has, on all branches.
    pub messages: u32,
    /// The leaf that is looked at; 0 is none.
    pub active: u32,
    /// Sealed content, in bytes.
    pub bytes: u64,
}

/// What a new conversation begins with.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct NewConversation {
    /// Its title.
    pub title: String,
    /// Its system prompt.
    pub system_prompt: Option<String>,
    /// Whether it is in no list and goes by itself.
    pub temporary: bool,
}

/// A message.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its number in its conversation, from 1 on.
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
    /// What it says; `None` where its key was destroyed.
    pub body: Option<Body>,
}

/// A message to add.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Its id: sent again it adds nothing.
    pub id: MessageId,
    /// The message that it answers or follows; 0 is none.
    pub parent: u32,
    /// Who speaks.
    pub role: Role,
    /// How it ended.
    pub state: State,
    /// What it says.
    pub body: Body,
    /// What hangs on it.
    pub attachments: Vec<Attachment>,
}

/// A text that hangs on a message.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Attachment {
    /// Its name.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A message and its place among its siblings: what an edit or another answer made.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// The message.
    #[serde(flatten)]
    pub message: Message,
    /// Which one it is among those with its parent, from 1 on.
    pub position: u32,
    /// How many those are.
    pub siblings: u32,
    /// The number of the one before; 0 is none.
    pub previous: u32,
    /// The number of the one after; 0 is none.
    pub next: u32,
}

/// A page of one branch.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The messages, newest first.
    pub messages: Vec<Placed>,
    /// Where the page before begins, if there is one.
    pub older: Option<u32>,
}

/// What its owner has begun to write.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// An answer that is being written, as its last checkpoint has it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Its conversation's inner id.
    #[serde(skip)]
    pub conversation: ConversationId,
    /// The id of the message that it will be.
    pub id: MessageId,
    /// The message that it answers.
    pub parent: u32,
    /// How many bytes of text and thinking the checkpoint has.
    pub offset_bytes: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the checkpoint was written.
    pub updated_at: Timestamp,
    /// What it says so far; `None` where its key was destroyed.
    pub body: Option<Body>,
}

/// A share, as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Its id, to end it by.
    pub id: PublicId,
    /// The last message that is shared.
    pub leaf: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
}
