//! Admission: who is served first when not everybody can be. The algorithms
//! are in `surgewall-shield`; here they meet time, tasks and upstreams.

pub mod effort;
mod gauges;
mod keep;
mod lag;
mod metrics;
mod place;
mod recent;
mod terms;
mod watch;

pub use keep::{Keeper, begin_with_kept, keep};
pub use metrics::AdmissionMetrics;
pub use place::{Entry, PoolGate, Slot, Spot, Waiting};
pub use recent::Recent;
pub use terms::{lineage, model, prefix, server, sketch, terms};
pub use watch::watch;
