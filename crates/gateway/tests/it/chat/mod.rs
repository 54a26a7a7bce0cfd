//! The chat as its page uses it.

mod conversations;
mod jobs;
mod lite;
mod notices;
pub(crate) mod page;
mod people;
mod strangers;
mod visitors;
