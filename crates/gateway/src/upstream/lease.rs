//! A server that is busy with one request.

use std::sync::Arc;

use http::Uri;
use surgewall_core::clock::Clock;
use surgewall_shield::affinity::Prefix;
use surgewall_shield::pick::Ended;

use super::pool::Pool;

/// Why a server was chosen for a request's beginning.
#[derive(Clone, Copy, Debug)]
pub struct Nearness {
    /// Marks of the beginning that it was given before.
    pub known: usize,
    /// Tokens that it has to read for it.
    pub unread: u64,
    /// Whether another was nearer and had too much load.
    pub passed_over: bool,
}

/// Tokens of a request that a server probably has in its cache.
pub struct Hit {
    pool: Arc<Pool>,
    tokens: u64,
}

impl Hit {
    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The tokens, by what the server was given before.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The part of them that the servers' reports bear out.
    #[must_use]
    pub fn believed(&self) -> u64 {
        self.pool.caches().believed(self.tokens)
    }

    /// The server reported `cached` tokens.
    pub fn reported(&self, cached: u64) {
        self.pool.caches().reported(self.tokens, cached);
    }
}

/// A server that is busy with one request, until this is dropped: then the
/// pool learns how it did.
pub struct Leased {
    pool: Arc<Pool>,
    server: usize,
    nearness: Option<Nearness>,
    clock: Clock,
    ended: Ended,
}

impl Leased {
    /// `server` of `pool`, until it is known how it did.
    pub(super) const fn new(
        pool: Arc<Pool>,
        server: usize,
        nearness: Option<Nearness>,
        clock: Clock,
    ) -> Self {
        Self { pool, server, nearness, clock, ended: Ended::Unknown }
    }

    /// Why this server and no other; `None` where only the load counted.
    #[must_use]
    pub const fn nearness(&self) -> Option<Nearness> {
        self.nearness
    }

    /// What the server probably has of `prefix` in its cache; `None` where nobody
    /// asked for that.
    #[must_use]
    pub fn hit(&self, prefix: &Prefix) -> Option<Hit> {
        let tokens = prefix.tokens(self.nearness?.known);
        Some(Hit { pool: self.pool.clone(), tokens })
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

    /// The server answered: it has read what it was given.
    pub fn succeeded(&mut self) {
        self.read();
        self.ended = Ended::Good;
    }

    /// What it had to read does not wait there any more.
    fn read(&mut self) {
        let unread = self.nearness.as_mut().map_or(0, |near| std::mem::take(&mut near.unread));
        self.pool.read(self.server, unread);
    }

    /// The server failed: a few in a row eject it for a while.
    pub const fn failed(&mut self) {
        self.ended = Ended::Bad;
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.read();
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
