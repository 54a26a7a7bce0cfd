//! Golden cases, re-chunking, refusals: the crate from outside.

mod golden;
mod rechunk;
mod refusals;
mod support;
