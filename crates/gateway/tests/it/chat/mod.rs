//! The chat as its page uses it.

mod conversations;
mod jobs;
mod notices;
pub(crate) mod page;
mod people;
mod strangers;
mod visitors;
