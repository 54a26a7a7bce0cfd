//! One server of a pool.

use std::str::FromStr as _;

use http::Uri;
use surgewall_core::config::schema::Dialect;
use surgewall_wire::request::upstream_url;

/// One server of a pool.
pub struct Server {
    pub(super) url: String,
    pub(super) weight: u32,
    pub(super) index: usize,
}

impl Server {
    /// The server at `url`, at `index` of its pool.
    pub(super) fn new((index, (url, weight)): (usize, (String, u32))) -> Self {
        Self { url, weight, index }
    }

    /// The address of `path` below this server's.
    ///
    /// # Errors
    /// The configured address is none.
    pub fn uri(&self, dialect: Dialect, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        Uri::from_str(&upstream_url(&self.url, dialect, path))
    }

    /// Where its own gauges are, if it has any: beside the API.
    #[must_use]
    pub fn gauges_uri(&self) -> Option<Uri> {
        let base = self.url.trim_end_matches('/');
        let base = base.strip_suffix("/v1").unwrap_or(base);
        Uri::from_str(&format!("{base}/metrics")).ok()
    }
}
