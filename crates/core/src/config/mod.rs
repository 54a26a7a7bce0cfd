//! The configuration: what `surgewall.toml` may say, and what it means.
//!
//! Reading is in three steps, each with its own errors: [`source`] reads the
//! text and points at mistakes with a caret, [`schema`] gives the sections
//! their types and defaults, [`validate`] holds what no type can.

pub mod accounts;
pub mod admission;
pub mod availability;
pub mod data;
pub mod disclosure;
pub mod env;
pub mod exposure;
pub mod gate;
pub mod limits;
pub mod mail;
pub mod notify;
pub mod oidc;
pub mod rule;
pub mod schema;
pub mod source;
pub mod status;
pub mod syslog;
mod telemetry;
pub mod upstream;
pub mod validate;
pub mod witness;

pub use schema::Config;
pub use source::{ConfigError, load, parse};
