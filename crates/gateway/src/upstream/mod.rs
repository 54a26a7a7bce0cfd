//! Upstreams: pools of model servers, which of them to ask, and how.

mod client;
mod handbook;
mod health;
mod listing;
mod pool;
mod pools;

pub use client::{Call, Head, HttpClient, Line};
pub use health::{check_pool, watch};
pub use listing::Listing;
pub use pool::{Backend, Leased, Pool, PoolError, Server, Times};
pub use pools::{HANDBOOK, Pools, Target, Targets};
