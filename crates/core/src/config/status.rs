//! `[status]`: what the status page shows, and where its signed copy is written.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

/// Upstreams that the page may name.
pub const STATUS_COMPONENTS_MAX: usize = 12;
/// Letters of a name that the page shows.
pub const STATUS_NAME_CHARS_MAX: usize = 60;
/// Letters of a component's description.
pub const STATUS_DESCRIPTION_CHARS_MAX: usize = 200;
/// Networks that subscribers' webhooks may be in.
pub const STATUS_WEBHOOK_NETWORKS_MAX: usize = 16;
/// Days of probes that the page's bars need.
pub const STATUS_RETENTION_DAYS_MIN: u32 = 90;
/// Days of probes that may be kept.
pub const STATUS_RETENTION_DAYS_MAX: u32 = 180;

/// `[status]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Status {
    /// What the page calls the service.
    pub name: String,
    /// Where strangers read the page, for feeds and links.
    pub url: Option<String>,
    /// Upstreams that the page names; no other is public.
    pub component: Vec<StatusComponent>,
    /// Milliseconds to the first byte of an answer from which on it was slow.
    pub slow_ms: u64,
    /// Days that the minutes' probes are kept.
    pub retention_days: u32,
    /// The directory that the signed copy is written to.
    pub bundle_dir: Option<PathBuf>,
    /// Whether anybody may subscribe to it.
    pub subscribe: bool,
    /// Networks beside the public internet that subscribers' webhooks may be in.
    pub webhook_networks: Vec<IpNet>,
}

/// `[[status.component]]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusComponent {
    /// The upstream.
    pub upstream: String,
    /// What the page calls it.
    pub name: String,
    /// What it is, in a sentence.
    #[serde(default)]
    pub description: Option<String>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            name: "This service".to_owned(),
            url: None,
            component: Vec::new(),
            slow_ms: 20_000,
            retention_days: 120,
            bundle_dir: None,
            subscribe: false,
            webhook_networks: Vec::new(),
        }
    }
}
