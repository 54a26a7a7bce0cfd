//! What the caches of a pool's servers probably hold of the requests that come.

use std::sync::Mutex;

use surgewall_core::clock::Timestamp;
use surgewall_core::config::schema::Upstream;
use surgewall_shield::affinity::{AFFINITY_ENTRIES_MAX, Affinity, Near, Prefix};

use crate::admission;
use crate::sync::lock;

/// The caches of one pool's servers; none are followed where there is nothing
/// to choose from, or the operator does not want it.
#[derive(Default)]
pub struct Caches(Option<Mutex<Affinity>>);

impl Caches {
    /// The caches of the servers at `urls`, in the pool's order.
    #[must_use]
    pub fn new<'a>(section: &Upstream, urls: impl Iterator<Item = &'a str>) -> Self {
        let names: Vec<u64> = urls.map(admission::server).collect();
        let followed = section.prefix_affinity && names.len() > 1;
        Self(followed.then(|| Mutex::new(Affinity::new(names, AFFINITY_ENTRIES_MAX))))
    }

    /// Whether requests go where their beginning is known.
    #[must_use]
    pub const fn are_followed(&self) -> bool {
        self.0.is_some()
    }

    /// What speaks for each server.
    pub(super) fn near(&self, now: Timestamp, prefix: &Prefix) -> Vec<Near> {
        self.0.as_ref().map(|affinity| lock(affinity).near(now, prefix)).unwrap_or_default()
    }

    /// `server` is given a request that begins with `prefix`.
    pub(super) fn given(&self, now: Timestamp, prefix: &Prefix, server: usize) {
        if let Some(affinity) = &self.0 {
            lock(affinity).given(now, prefix, server);
        }
    }

    /// Of the tokens of `prefix`, those that the nearest server probably has, as
    /// far as the servers' reports bear it out.
    #[must_use]
    pub fn expected(&self, now: Timestamp, prefix: &Prefix) -> u64 {
        let known = self.near(now, prefix).iter().map(|near| near.known).max();
        self.believed(prefix.tokens(known.unwrap_or(0)))
    }

    /// The part of `expected` tokens that the servers' reports bear out.
    #[must_use]
    pub fn believed(&self, expected: u64) -> u64 {
        self.0.as_ref().map_or(0, |affinity| lock(affinity).believed(expected))
    }

    /// A server reported `cached` tokens where `expected` were expected.
    pub fn reported(&self, expected: u64, cached: u64) {
        if let Some(affinity) = &self.0 {
            lock(affinity).reported(expected, cached);
        }
    }
}
