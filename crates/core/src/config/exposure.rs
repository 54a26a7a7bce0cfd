//! `[exposure]`: looking for services that answer strangers.

use serde::Deserialize;

/// `[exposure]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Exposure {
    /// Hours between two looks of a running door; 0 turns them off.
    pub interval_h: u32,
    /// Whether this machine's own listeners are looked at, besides the upstreams.
    pub listeners: bool,
}

impl Default for Exposure {
    fn default() -> Self {
        Self { interval_h: 24, listeners: true }
    }
}
