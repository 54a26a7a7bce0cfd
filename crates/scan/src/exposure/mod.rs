//! Exposure: is a stranger answered?
//!
//! Harmless by construction. What can be sent is known when this program is
//! built (`judge::Ask`) and only reads; one place sends it and counts
//! (`port::Port`); of an answer nothing is kept but a sentence of our own;
//! and `open` needs an answer that only somebody with access gets, never a
//! banner. Three outcomes: open, auth required, unknown.

mod conclude;
pub(crate) mod judge;
mod kind;
pub mod limits;
mod listeners;
mod look;
pub(crate) mod page;
pub(crate) mod port;
mod report;
mod scan;
mod services;
mod target;
#[cfg(test)]
mod tests;
mod tls;

pub use kind::{Holds, Kind};
pub use report::{Outcome, Report, Seen};
pub(crate) use scan::resolve;
pub use scan::{Upstream, named, own};
pub use target::{Target, TargetError};
