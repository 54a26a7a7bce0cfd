//! A server that is busy with one request.

use std::sync::Arc;

use http::Uri;
use surgewall_core::clock::Clock;
use surgewall_shield::pick::Ended;

use super::pool::Pool;

/// A server that is busy with one request, until this is dropped: then the
/// pool learns how it did.
pub struct Leased {
    pool: Arc<Pool>,
    server: usize,
    clock: Clock,
    ended: Ended,
}

impl Leased {
    /// `server` of `pool`, until it is known how it did.
    pub(super) const fn new(pool: Arc<Pool>, server: usize, clock: Clock) -> Self {
        Self { pool, server, clock, ended: Ended::Unknown }
    }

    /// Which server of the pool it is.
    #[must_use]
    pub const fn server(&self) -> usize {
        self.server
    }

    /// Its pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The address of `path` on the leased server.
    ///
    /// # Errors
    /// The configured address is none.
    pub fn uri(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        self.pool.servers()[self.server].uri(self.pool.dialect(), path)
    }

    /// The server answered.
    pub const fn succeeded(&mut self) {
        self.ended = Ended::Good;
    }

    /// The server failed: a few in a row eject it for a while.
    pub const fn failed(&mut self) {
        self.ended = Ended::Bad;
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let now = self.clock.now();
        if self.pool.end(self.server, now, self.ended) {
            tracing::warn!(
                upstream = self.pool.name(),
                server = self.server,
                "server ejected for a while"
            );
        }
    }
}
