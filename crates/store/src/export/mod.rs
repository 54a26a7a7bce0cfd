//! Everything that is held about one person, item by item: what an export for
//! them is made of.
//!
//! [`export`] reads the store, the records and the ledger once each and hands
//! every item to a [`Sink`], so that what one person wrote in years never has to
//! fit into memory. Nothing of anybody else is handed out: rows are found by
//! their owner, content opens under their owner's keys only, and of the ledger
//! those records are taken that name the person (`person::Person`).

mod content;
mod decisions;
mod json;
mod person;
mod records;

use std::io;

use serde::Serialize;
use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_core::decision::{Changed, Erased};
use surgewall_core::finding::Finding;

use crate::admin::{AdminError, DelegatedView, GroupView, KeyView, Office, UserView, Whose};
use crate::conversations::{
    Answer, Attachment, Conversation, ConversationError, Conversations, Draft, Message, Share,
};
use crate::datadir::DataDir;
use crate::ledger::read::ReadError;
use crate::people::{People, StoreError};
use crate::records::RecordsError;

pub use decisions::{ACCESSES, HIGHLIGHTS_MAX};
pub use json::Json;
pub use records::RecordView;

/// What an export's head says it is.
pub const FORMAT: &str = "surgewall export of one person";
/// The version of that format.
pub const VERSION: u16 = 1;

/// What stands at the head of every export.
#[derive(Serialize, Clone, Debug)]
pub struct Head {
    /// What the file is: [`FORMAT`].
    pub format: &'static str,
    /// Its version.
    pub version: u16,
    /// When it was made.
    pub made_at: Timestamp,
    /// The store that it was made from.
    pub store: String,
    /// Who it is about: a public id, or the keyed hash of an end user.
    pub about: String,
    /// Who asked for it: `operator` or `owner`.
    pub asked_by: &'static str,
}

/// An export that is being written.
pub trait Written: Sink {
    /// Writes what is said at the end.
    ///
    /// # Errors
    /// It cannot be written.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}

/// One thing that is held about a person.
pub enum Item {
    /// The account.
    Account(Box<UserView>),
    /// The end user of a delegating key.
    EndUser(Box<DelegatedView>),
    /// The group that the account belongs to.
    Group(Box<GroupView>),
    /// A key; never the secret itself, which is not kept.
    Key(Box<KeyView>),
    /// A conversation begins; what follows is its.
    Conversation(Box<Conversation>),
    /// A message, on any branch, oldest first.
    Message(Box<Message>, Vec<Attachment>),
    /// What was begun to be written.
    Draft(Draft),
    /// An answer that is being written.
    Answer(Box<Answer>),
    /// A share; never the token, which is not kept.
    Share(Share),
    /// What the operator recorded of a request.
    Record(Box<RecordView>),
    /// A record of the ledger that names the person, as it is shown.
    Decision(Value),
}

/// Takes what is held, in this order: the account or end user, groups, keys,
/// conversations each with its content, records, decisions.
pub trait Sink {
    /// Takes one item.
    ///
    /// # Errors
    /// It cannot be written: the export ends.
    fn take(&mut self, item: &Item) -> io::Result<()>;
}

/// What is said after everything was handed out.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Summary {
    /// Who this is about: a public id, or the keyed hash of an end user.
    pub subject: String,
    /// Numbers of what the ledger says.
    pub counts: Counts,
    /// Who looked at, or took away, what is held about the person; the oldest first.
    pub accesses: Vec<Changed>,
    /// How the person's class came to be; the oldest first.
    pub class_history: Vec<Changed>,
    /// Receipts of erasures.
    pub erasures: Vec<Erased>,
    /// What is missing here, and why.
    pub notes: Vec<String>,
    /// Damage in the ledger: what came after it in its segment is not here.
    pub findings: Vec<Finding>,
}

/// How many of each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counts {
    /// Requests admitted.
    pub admitted: u64,
    /// Requests settled.
    pub settled: u64,
    /// Requests refused.
    pub refused: u64,
    /// Changes by operators, by the person or by a rule.
    pub changes: u64,
    /// Tokens of input, over all requests that were settled.
    pub input_tokens: u64,
    /// Tokens of output.
    pub output_tokens: u64,
    /// What it cost, in nano-units.
    pub cost: u64,
    /// Conversations.
    pub conversations: u64,
    /// Of those, how many were erased: their text is gone for good.
    pub conversations_erased: u64,
    /// Messages.
    pub messages: u64,
    /// Recorded requests.
    pub records: u64,
}

/// Why an export was not made.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such person, or the store failed.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// A conversation cannot be read.
    #[error(transparent)]
    Conversation(#[from] ConversationError),
    /// Records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// People cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// The export cannot be written.
    #[error("the export cannot be written: {0}")]
    Sink(#[from] io::Error),
}

/// Hands everything that is held about `whose` to `sink`.
///
/// # Errors
/// There is no such person, something cannot be read, or the sink refused.
pub async fn export<S: People + Conversations>(
    office: &Office<'_, S>,
    directory: &DataDir,
    whose: &Whose,
    sink: &mut dyn Sink,
) -> Result<Summary, ExportError> {
    let person = person::find(office, whose).await?;
    let mut summary = Summary { subject: person.shown.clone(), ..Summary::default() };
    person::facts(office, &person, sink).await?;
    if let Some(account) = person.account {
        content::conversations(office, account, sink, &mut summary).await?;
    }
    records::records(directory, office.vault, &person, sink, &mut summary).await?;
    decisions::decisions(directory, office.vault, &person, sink, &mut summary)?;
    Ok(summary)
}

/// Who looked at, or took away, what is held about `whose`; the oldest first.
///
/// # Errors
/// There is no such person, or the ledger cannot be read.
pub async fn accesses<S: People>(
    office: &Office<'_, S>,
    directory: &DataDir,
    whose: &Whose,
) -> Result<Vec<Changed>, ExportError> {
    let person = person::find(office, whose).await?;
    let mut summary = Summary::default();
    decisions::decisions(directory, office.vault, &person, &mut Nowhere, &mut summary)?;
    Ok(summary.accesses)
}

/// Where only the summary counts.
struct Nowhere;

impl Sink for Nowhere {
    fn take(&mut self, _: &Item) -> io::Result<()> {
        Ok(())
    }
}
