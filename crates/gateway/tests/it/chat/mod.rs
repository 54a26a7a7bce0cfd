//! The chat as its page uses it.

mod page;
mod visitors;
