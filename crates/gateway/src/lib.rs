//! The only crate that knows HTTP: listeners, the pipeline of a request,
//! routes, upstreams and streams.
//!
//! Start at [`pipeline::serve`]: it is the life of a request.

mod accounts;
pub mod admin;
pub mod admission;
pub mod chat;
pub mod control;
mod conversations;
pub mod credential;
pub mod disclosure;
pub mod door;
pub mod estimates;
#[cfg(test)]
mod footprint;
pub mod gate;
pub mod handbook;
pub mod identity;
pub mod jwt;
mod letters;
pub mod listen;
pub mod metrics;
pub mod notices;
pub mod notify;
pub mod open;
pub mod operate;
pub mod outside;
pub mod pages;
pub mod pipeline;
pub mod policy;
pub mod ratelimit;
pub mod recording;
pub mod refuse;
pub mod routes;
pub mod serve;
pub mod session;
pub mod status;
pub mod subscribe;
mod sync;
pub mod tasks;
mod ticks;
pub mod trace;
pub mod upstream;
mod wait;
pub mod witness;
