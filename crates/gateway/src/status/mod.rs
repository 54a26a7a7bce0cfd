//! The status page: a listener of its own that answers from memory.
//!
//! [`Board`] is what the rest of the door adds to and the page is made from;
//! `judge.rs` says how a component is, `history.rs` what a day was, `stories.rs`
//! what is told. [`View`] is the page as data, [`Document`] each of its forms.
//! [`bundle`] is the signed copy for another host, [`Replica`] what serves it.

pub mod board;
pub mod bundle;
pub mod component;
pub mod document;
mod feed;
pub mod history;
mod html;
pub mod json;
pub mod judge;
pub mod measure;
mod probe;
pub mod replica;
mod start;
pub mod stories;
mod table;
pub mod view;
mod watch;

pub use board::{Board, OfflineError, ask_offline};
pub use document::{Document, Snapshot};
pub use probe::probe;
pub use replica::Replica;
pub use start::{StatusError, start};
pub use stories::{Asked, Note, Plan, Told};
pub use view::View;
pub use watch::COPY_INTERVAL;
