//! Upstreams: pools of model servers, which of them to ask, and how.

mod body;
mod caches;
mod client;
mod handbook;
mod health;
mod lease;
mod listing;
mod metrics;
mod plain;
mod pool;
mod pools;
mod server;

pub use body::UpstreamBody;
pub use caches::Caches;
pub use client::{Call, Head, HttpClient, Line, Seen, passed_on};
pub(crate) use health::fetch;
pub use health::{check_pool, watch};
pub use lease::{Hit, Leased, Nearness};
pub use listing::Listing;
pub use metrics::CacheMetrics;
pub use plain::BodyBroke;
pub use pool::{Backend, Pool, PoolError, Times};
pub use pools::{HANDBOOK, Pools, Target, Targets};
pub use server::Server;
