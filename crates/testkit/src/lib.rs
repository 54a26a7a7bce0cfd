//! What tests, drills and benchmarks share: a model-server double that can
//! misbehave in every way a real one does, a small HTTP/1 and SSE client, load, a
//! seeded random source and schedules of requests with faults.
//!
//! A development crate: of what is shipped, only `surgewall drill` uses it.

pub mod attack;
pub mod client;
pub mod double;
pub mod engine;
pub mod load;
pub mod rng;
pub mod schedule;
pub mod traffic;

pub use double::{Behaviour, Done, Double, Fault, Seen, UsageLie};
