//! One pool: its servers, which of them takes the next call, and how they do.

use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use http::Uri;
use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::schema::{Dialect, Upstream};
use surgewall_shield::eject::Ejector;
use surgewall_shield::retry::RetryBudget;
use surgewall_wire::models::UpstreamModel;
use surgewall_wire::request::upstream_url;

use super::client::HttpClient;
use super::handbook::HandbookModel;
use super::listing::Listing;
use crate::control::Servers;
use crate::credential::CredentialError;
use crate::sync::{lock, read, write};

/// A pool that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// Its credential.
    #[error("upstream `{pool}`: {source}")]
    Credential {
        /// The pool.
        pool: String,
        /// What is wrong.
        source: CredentialError,
    },
    /// Its certificate authority.
    #[error("upstream `{pool}`: ca_file: {why}")]
    Authority {
        /// The pool.
        pool: String,
        /// What is wrong.
        why: String,
    },
    /// A server's address.
    #[error("upstream `{pool}`: `{url}` is no address")]
    Url {
        /// The pool.
        pool: String,
        /// The address.
        url: String,
    },
}

/// What answers behind a pool.
pub enum Backend {
    /// Servers on the network.
    Network(HttpClient),
    /// The built-in model.
    Handbook(HandbookModel),
}

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// To the first byte.
    pub first_token: Duration,
    /// Between two pieces of a stream.
    pub idle_gap: Duration,
    /// Of the whole answer.
    pub total: Duration,
}

/// One server of a pool.
pub struct Server {
    url: String,
    weight: u32,
    index: usize,
    in_flight: AtomicU32,
}

impl Server {
    /// The address of `path` below this server's.
    ///
    /// # Errors
    /// The configured address is none.
    pub fn uri(&self, dialect: Dialect, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        Uri::from_str(&upstream_url(&self.url, dialect, path))
    }
}

/// One pool.
pub struct Pool {
    name: String,
    dialect: Dialect,
    section: Option<Upstream>,
    backend: Backend,
    servers: Vec<Server>,
    listing: RwLock<Listing>,
    fallback: Vec<String>,
    weight: u32,
    output_max: Option<u64>,
    times: Times,
    ejector: Mutex<Ejector>,
    retries: Mutex<RetryBudget>,
    next_check: Mutex<Option<Instant>>,
    turn: AtomicU64,
}

impl Pool {
    /// The pool of `section`.
    ///
    /// # Errors
    /// Its credential, authority or an address cannot be used.
    pub fn new(section: &Upstream) -> Result<Self, PoolError> {
        let one = section.url.iter().map(|url| (url.clone(), 1));
        let many = section.servers.iter().map(|server| (server.url.clone(), server.weight));
        let servers: Vec<Server> = one.chain(many).enumerate().map(server).collect();
        for server in &servers {
            let url = || PoolError::Url { pool: section.name.clone(), url: server.url.clone() };
            server.uri(section.dialect, "/models").map_err(|_| url())?;
        }
        let seconds = Duration::from_secs;
        Ok(Self {
            name: section.name.clone(),
            dialect: section.dialect,
            backend: Backend::Network(HttpClient::new(section)?),
            listing: RwLock::new(Listing::new(&section.models, &section.aliases)),
            fallback: section.fallback.clone(),
            weight: section.weight,
            output_max: section.output_tokens_max,
            times: Times {
                first_token: seconds(section.first_token_timeout_s),
                idle_gap: seconds(section.idle_gap_timeout_s),
                total: seconds(section.total_timeout_s),
            },
            ejector: Mutex::new(Ejector::new(servers.len())),
            retries: Mutex::new(RetryBudget::default()),
            next_check: Mutex::new(None),
            turn: AtomicU64::new(0),
            section: Some(section.clone()),
            servers,
        })
    }

    /// The pool of the built-in model.
    #[must_use]
    pub fn handbook() -> Self {
        let models = vec![super::HANDBOOK.to_owned()];
        let minute = Duration::from_secs(60);
        Self {
            name: super::HANDBOOK.to_owned(),
            dialect: Dialect::Openai,
            section: None,
            backend: Backend::Handbook(HandbookModel::load()),
            servers: vec![server((0, (String::new(), 1)))],
            listing: RwLock::new(Listing::new(&models, &std::collections::BTreeMap::new())),
            fallback: Vec::new(),
            weight: 1,
            output_max: None,
            times: Times { first_token: minute, idle_gap: minute, total: minute },
            ejector: Mutex::new(Ejector::new(1)),
            retries: Mutex::new(RetryBudget::default()),
            next_check: Mutex::new(None),
            turn: AtomicU64::new(0),
        }
    }

    /// Whether this pool is what `section` asks for.
    #[must_use]
    pub fn is_made_from(&self, section: &Upstream) -> bool {
        self.section.as_ref() == Some(section)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The dialect it speaks.
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What answers.
    #[must_use]
    pub const fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Its servers.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// Pools to try when this one fails.
    #[must_use]
    pub fn fallback(&self) -> &[String] {
        &self.fallback
    }

    /// Its share among pools that serve the same model.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// How long a call may take.
    #[must_use]
    pub const fn times(&self) -> Times {
        self.times
    }

    /// Its own name of the model that clients call `asked`, if it serves it.
    #[must_use]
    pub fn resolve(&self, asked: &str) -> Option<String> {
        read(&self.listing).resolve(asked)
    }

    /// Whether `asked` is a name that the configuration or the servers gave.
    #[must_use]
    pub fn is_named(&self, asked: &str) -> bool {
        read(&self.listing).is_named(asked)
    }

    /// Every name under which clients may ask.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        read(&self.listing).names().map(str::to_owned).collect()
    }

    /// The output bound of `model`: configured, or as the servers list it.
    #[must_use]
    pub fn output_max(&self, model: &str) -> Option<u64> {
        self.output_max.or_else(|| read(&self.listing).output_max(model))
    }

    /// Takes what the servers list.
    pub fn learn(&self, models: Vec<UpstreamModel>) {
        write(&self.listing).learn(models);
    }

    /// Whether a server takes calls now.
    #[must_use]
    pub fn is_ready(&self, now: Timestamp) -> bool {
        let ejector = lock(&self.ejector);
        self.servers.iter().any(|server| ejector.is_available(server.index, now))
    }

    /// Whether the pool's budget has a further call for a request that failed once.
    #[must_use]
    pub fn may_retry(&self, now: Timestamp) -> bool {
        lock(&self.retries).withdraw(now)
    }

    /// The server for the next call, held until the answer ends.
    #[must_use]
    pub fn lease(self: &Arc<Self>, clock: &Clock) -> Option<Leased> {
        let now = clock.now();
        lock(&self.retries).deposit(now);
        let server = self.choose(now)?;
        self.servers[server].in_flight.fetch_add(1, Ordering::Relaxed);
        Some(Leased { pool: self.clone(), server, clock: clock.clone() })
    }

    /// The available server with the fewest requests in flight for its weight;
    /// among equals they take turns.
    fn choose(&self, now: Timestamp) -> Option<usize> {
        let mut ejector = lock(&self.ejector);
        let count = self.servers.len().max(1);
        let turn = usize::try_from(self.turn.fetch_add(1, Ordering::Relaxed) % count as u64).unwrap_or(0);
        let load = |server: &Server| {
            u64::from(server.in_flight.load(Ordering::Relaxed)) * 1_000 / u64::from(server.weight.max(1))
        };
        let chosen = (0..count)
            .map(|nth| &self.servers[(turn + nth) % count])
            .filter(|server| ejector.is_available(server.index, now))
            .min_by_key(|server| load(server))?
            .index;
        ejector.called(chosen, now);
        Some(chosen)
    }

    /// Whether an active health check is due; if so, the next one is planned.
    #[must_use]
    pub fn check_is_due(&self, now: Instant) -> bool {
        let interval = self.section.as_ref().map_or(0, |section| section.health_interval_s);
        if interval == 0 {
            return false;
        }
        let mut next = lock(&self.next_check);
        let due = next.is_none_or(|at| at <= now);
        if due {
            *next = Some(now + Duration::from_secs(interval));
        }
        due
    }

    /// Notes what an active check saw.
    pub fn checked(&self, server: &Server, answers: bool, now: Timestamp) {
        let mut ejector = lock(&self.ejector);
        if answers {
            ejector.checked_well(server.index, now);
        } else {
            ejector.failed(server.index, now);
        }
    }

    /// How the servers do.
    #[must_use]
    pub fn servers_now(&self, now: Timestamp) -> Servers {
        let ejector = lock(&self.ejector);
        let in_flight = |server: &Server| server.in_flight.load(Ordering::Relaxed) as usize;
        Servers {
            all: self.servers.len(),
            available: self.servers.iter().filter(|server| ejector.is_available(server.index, now)).count(),
            in_flight: self.servers.iter().map(in_flight).sum(),
        }
    }
}

fn server((index, (url, weight)): (usize, (String, u32))) -> Server {
    Server { url, weight, index, in_flight: AtomicU32::new(0) }
}

/// A server that is busy with one request, until this is dropped.
pub struct Leased {
    pool: Arc<Pool>,
    server: usize,
    clock: Clock,
}

impl Leased {
    /// The address of `path` on the leased server.
    ///
    /// # Errors
    /// The configured address is none.
    pub fn uri(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        self.pool.servers[self.server].uri(self.pool.dialect, path)
    }

    /// The server answered.
    pub fn succeeded(&self) {
        lock(&self.pool.ejector).succeeded(self.server, self.clock.now());
    }

    /// The server failed: a few in a row eject it for a while.
    pub fn failed(&self) {
        lock(&self.pool.ejector).failed(self.server, self.clock.now());
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        self.pool.servers[self.server].in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
