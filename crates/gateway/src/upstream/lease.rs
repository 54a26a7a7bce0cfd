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

    /// What the server probably has in its cache, of a request that begins with
    /// `prefix` and has `input` tokens; `None` where nobody asked for that.
    #[must_use]
    pub fn hit(&self, prefix: &Prefix, input: u64) -> Option<Hit> {
        let tokens = prefix.tokens(self.nearness?.known, input);
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
