//! A provider of models, as a stranger sees it: which routes ask for a key, what
//! its TLS is worth, what its errors tell, which limits it names; beside it what
//! was declared of region, retention and terms.
//!
//! Harmless by construction, as a probe for open services is: one server is asked
//! [`limits::REQUESTS_MAX`] questions at most, all of them are in one table, none
//! carries a credential or names a model, and of an answer nothing is kept but a
//! sentence of ours.

mod base;
mod conclude;
mod leaks;
pub mod limits;
mod report;
mod routes;
mod run;
mod tls;

pub use base::{Base, BaseError};
pub use report::{Asked, Declared, Guard, Report, Tls};
pub use run::look;
