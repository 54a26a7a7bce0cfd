//! One pool: its servers, which of them takes the next call, and how they do.

use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::{Duration, Instant};

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::config::schema::{Dialect, Upstream};
use surgewall_shield::affinity::Prefix;
use surgewall_shield::eject::Standing;
use surgewall_shield::pick::{self, Ended, Picked};
use surgewall_shield::retry::RetryBudget;
use surgewall_wire::models::UpstreamModel;

use super::caches::Caches;
use super::client::HttpClient;
use super::handbook::HandbookModel;
use super::lease::{Leased, Nearness};
use super::listing::Listing;
use super::server::Server;
use crate::admission::PoolGate;
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
    Network(Box<HttpClient>),
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
    choice: Mutex<pick::Pool>,
    caches: Caches,
    retries: Mutex<RetryBudget>,
    next_check: Mutex<Option<Instant>>,
    gate: OnceLock<Arc<PoolGate>>,
    gauges_again_at: Mutex<Option<Instant>>,
}

impl Pool {
    /// The pool of `section`.
    ///
    /// # Errors
    /// Its credential, authority or an address cannot be used.
    pub fn new(section: &Upstream, now: Timestamp) -> Result<Self, PoolError> {
        let one = section.url.iter().map(|url| (url.clone(), 1));
        let many = section.servers.iter().map(|server| (server.url.clone(), server.weight));
        let servers: Vec<Server> = one.chain(many).enumerate().map(Server::new).collect();
        for server in &servers {
            let url = || PoolError::Url { pool: section.name.clone(), url: server.url.clone() };
            server.uri(section.dialect, "/models").map_err(|_| url())?;
        }
        let seconds = Duration::from_secs;
        Ok(Self {
            name: section.name.clone(),
            dialect: section.dialect,
            backend: Backend::Network(Box::new(HttpClient::new(section)?)),
            listing: RwLock::new(Listing::new(&section.models, &section.aliases)),
            fallback: section.fallback.clone(),
            weight: section.weight,
            output_max: section.output_tokens_max,
            times: Times {
                first_token: seconds(section.first_token_timeout_s),
                idle_gap: seconds(section.idle_gap_timeout_s),
                total: seconds(section.total_timeout_s),
            },
            choice: Mutex::new(choice(&servers)),
            caches: Caches::new(section, servers.iter().map(|server| server.url.as_str())),
            retries: Mutex::new(RetryBudget::new(now)),
            next_check: Mutex::new(None),
            gate: OnceLock::new(),
            gauges_again_at: Mutex::new(None),
            section: Some(section.clone()),
            servers,
        })
    }

    /// The pool of the built-in model.
    #[must_use]
    pub fn handbook(now: Timestamp) -> Self {
        let models = vec![super::HANDBOOK.to_owned()];
        let minute = Duration::from_secs(60);
        let servers = vec![Server::new((0, (String::new(), 1)))];
        Self {
            name: super::HANDBOOK.to_owned(),
            dialect: Dialect::Openai,
            section: None,
            backend: Backend::Handbook(HandbookModel::load()),
            choice: Mutex::new(choice(&servers)),
            caches: Caches::default(),
            servers,
            listing: RwLock::new(Listing::new(&models, &std::collections::BTreeMap::new())),
            fallback: Vec::new(),
            weight: 1,
            output_max: None,
            times: Times { first_token: minute, idle_gap: minute, total: minute },
            retries: Mutex::new(RetryBudget::new(now)),
            next_check: Mutex::new(None),
            gate: OnceLock::new(),
            gauges_again_at: Mutex::new(None),
        }
    }

    /// Whether `other` was made from the same section, credential and authority.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let same_client = match (&self.backend, &other.backend) {
            (Backend::Network(own), Backend::Network(other)) => own.is_like(other),
            (Backend::Handbook(_), Backend::Handbook(_)) => true,
            _ => false,
        };
        self.section == other.section && same_client
    }

    /// Where its requests wait for a place; `None` for the built-in model, which
    /// answers at once.
    #[must_use]
    pub fn gate(&self) -> Option<&Arc<PoolGate>> {
        self.gate.get()
    }

    /// Puts `gate` before the pool, once.
    pub fn attach(&self, gate: Arc<PoolGate>) {
        let _ = self.gate.set(gate);
    }

    /// Whether its servers' gauges are worth asking for at `now`.
    #[must_use]
    pub fn gauges_due(&self, now: Instant) -> bool {
        lock(&self.gauges_again_at).is_none_or(|at| at <= now)
    }

    /// Its servers have no gauges: they are not asked again before `at`.
    pub fn gauges_again_at(&self, at: Instant) {
        *lock(&self.gauges_again_at) = Some(at);
    }

    /// Its section of the configuration; `None` for the built-in model.
    #[must_use]
    pub const fn section(&self) -> Option<&Upstream> {
        self.section.as_ref()
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

    /// What a server said, without the door's credential and the servers'
    /// addresses, should it have quoted them: clients may read the rest.
    #[must_use]
    pub fn without_secrets(&self, said: &str) -> String {
        let mut text = match &self.backend {
            Backend::Network(client) => client.without_credential(said),
            Backend::Handbook(_) => said.to_owned(),
        };
        for server in &self.servers {
            let rest = server.url.split_once("://").map_or("", |(_, rest)| rest);
            let host = rest.split('/').next().unwrap_or("");
            // A bare word could stand in any sentence.
            if host.contains(['.', ':']) {
                text = text.replace(host, "...");
            }
        }
        text
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
    pub fn is_ready(&self) -> bool {
        lock(&self.choice).is_available()
    }

    /// Whether the pool's budget has a further call for a request that failed once.
    #[must_use]
    pub fn may_retry(&self, now: Timestamp) -> bool {
        lock(&self.retries).retry(now)
    }

    /// The server for the next call, held until the answer ends. `tried` are
    /// the ones that this request was at; a pool of one is tried again. `prefix`
    /// is its beginning, empty where that does not matter.
    #[must_use]
    pub fn lease(
        self: &Arc<Self>,
        clock: &Clock,
        tried: &[usize],
        prefix: &Prefix,
    ) -> Option<Leased> {
        let now = clock.now();
        if tried.is_empty() {
            lock(&self.retries).request(now);
        }
        let random = u64::from_le_bytes(surgewall_core::random::bytes());
        let alone = self.servers.len() == 1;
        let is_tried = |server: usize| !alone && tried.contains(&server);
        let near = self.caches.near(now, prefix);
        let Picked { server, passed_over } =
            lock(&self.choice).pick_near(now, random, is_tried, &near)?;
        // From now on: those that come a moment later and begin alike follow it.
        self.caches.given(now, prefix, server);
        let nearness = near.get(server).map(|near| Nearness {
            known: near.known,
            unread: near.unread,
            passed_over,
        });
        Some(Leased::new(self.clone(), server, nearness, clock.clone()))
    }

    /// What its servers' caches probably hold.
    #[must_use]
    pub const fn caches(&self) -> &Caches {
        &self.caches
    }

    /// `server` has read `tokens` of prompts that it was given, or never will.
    pub(super) fn read(&self, server: usize, tokens: u64) {
        if tokens > 0 {
            lock(&self.choice).read(server, tokens);
        }
    }

    /// A call to `server` ended; whether that ejects it for a while.
    pub(super) fn end(&self, server: usize, now: Timestamp, ended: Ended) -> bool {
        lock(&self.choice).end(server, now, ended)
    }

    /// Closes connections that nobody used for long.
    pub fn tidy(&self) {
        if let Backend::Network(client) = &self.backend {
            client.tidy();
        }
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
        lock(&self.choice).set_up(server.index, now, answers);
    }

    /// How the servers do.
    #[must_use]
    pub fn servers_now(&self, now: Timestamp) -> Servers {
        let states = lock(&self.choice).states(now);
        let takes_calls = |state: &&pick::ServerState| {
            state.is_up && matches!(state.standing, Standing::Available | Standing::Probe)
        };
        Servers {
            all: states.len(),
            available: states.iter().filter(takes_calls).count(),
            in_flight: states.iter().map(|state| state.in_flight as usize).sum(),
        }
    }
}

fn choice(servers: &[Server]) -> pick::Pool {
    let weights: Vec<u32> = servers.iter().map(|server| server.weight).collect();
    pick::Pool::new(&weights)
}
