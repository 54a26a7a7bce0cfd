//! The nouns of Surgewall: ids, time, money, principals, decisions, refusals,
//! findings and the configuration.
//!
//! Nothing here does I/O except [`files`] (bounded reads), [`clock`] and
//! [`config::env`]; every other crate builds on these types.

pub mod apikey;
mod class;
pub mod clock;
pub mod config;
pub mod data;
pub mod decision;
pub mod digest;
pub mod figures;
pub mod files;
pub mod finding;
pub mod flow;
pub mod gate;
pub mod id;
pub mod incident;
pub mod limits;
pub mod money;
pub mod principal;
pub mod quota;
pub mod random;
pub mod refusal;
pub mod role;
pub mod secret;
pub mod subject;
pub mod usage;
