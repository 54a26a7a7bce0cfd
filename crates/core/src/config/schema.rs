//! The sections of `surgewall.toml`, their types and defaults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use super::admission::{Admission, Classes, Queue};
use super::exposure::Exposure;
use super::limits::Limits;
use crate::principal::Class;

/// A whole configuration. Every key has a default.
#[derive(Clone, Debug, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the door listens.
    pub listen: Listen,
    /// Pools of model servers, in the order in which they are tried.
    pub upstream: Vec<Upstream>,
    /// People and keys.
    pub accounts: Accounts,
    /// What is done when not everybody can be served.
    pub admission: Admission,
    /// What each class is guaranteed.
    pub classes: Classes,
    /// Requests that wait.
    pub queue: Queue,
    /// Bounds and quotas.
    pub limits: Limits,
    /// What models cost: model name to price. A trailing `*` matches any ending.
    pub prices: BTreeMap<String, Price>,
    /// The ledger.
    pub ledger: Ledger,
    /// The vault.
    pub vault: Vault,
    /// Looking for open services.
    pub exposure: Exposure,
    /// Logs and metrics.
    pub telemetry: Telemetry,
}

/// `[listen]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// The API and the pages.
    pub public: SocketAddr,
    /// Metrics and, later, the admin page.
    pub admin: SocketAddr,
    /// The status page.
    pub status: SocketAddr,
    /// The name that strangers use, for example `ai.example.org`.
    pub public_name: Option<String>,
    /// Networks of the proxies before the door, whose `x-forwarded-for` is believed.
    pub behind_proxy: Vec<IpNet>,
    /// The certificate and key of the public listener.
    pub tls: Option<Tls>,
    /// The bearer token that `/metrics` asks for where the admin listener is not
    /// plain loopback.
    pub metrics_token: Option<Credential>,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: SocketAddr::from(([127, 0, 0, 1], 7070)),
            admin: SocketAddr::from(([127, 0, 0, 1], 7071)),
            status: SocketAddr::from(([127, 0, 0, 1], 7072)),
            public_name: None,
            behind_proxy: Vec::new(),
            tls: None,
            metrics_token: None,
        }
    }
}

/// `listen.tls`: PEM files. The key must not be readable by others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, leaf first.
    pub cert_file: PathBuf,
    /// The private key, mode 0600.
    pub key_file: PathBuf,
}

/// The dialect that an upstream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// OpenAI's chat completions; DeepSeek and most model servers speak it.
    #[default]
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's own.
    Ollama,
}

impl Dialect {
    /// The word in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Ollama => "ollama",
        }
    }
}

/// `[[upstream]]`: a pool of model servers that serve the same models.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// What the operator calls it.
    pub name: String,
    /// The one server's base address, with its path: `http://127.0.0.1:9000/v1`.
    #[serde(default)]
    pub url: Option<String>,
    /// Several servers with weights, instead of `url`.
    #[serde(default)]
    pub servers: Vec<Server>,
    /// The dialect they speak.
    #[serde(default)]
    pub dialect: Dialect,
    /// What they serve; `*` asks their list of models.
    #[serde(default = "any_model")]
    pub models: Vec<String>,
    /// Other names under which clients may ask: alias to model.
    #[serde(default)]
    pub aliases: BTreeMap<String, String>,
    /// Upstreams to try, in order, when this one fails before the first byte.
    #[serde(default)]
    pub fallback: Vec<String>,
    /// The share of requests among upstreams that serve the same model.
    #[serde(default = "one")]
    pub weight: u32,
    /// The credential that the servers ask for.
    #[serde(default)]
    pub api_key: Option<Credential>,
    /// A file with further certificate authorities in PEM.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Milliseconds to a connection.
    #[serde(default = "connect_timeout")]
    pub connect_timeout_ms: u64,
    /// Seconds to the first byte of an answer.
    #[serde(default = "first_token_timeout")]
    pub first_token_timeout_s: u64,
    /// Seconds between two pieces of a streamed answer.
    #[serde(default = "idle_gap_timeout")]
    pub idle_gap_timeout_s: u64,
    /// Seconds for a whole answer.
    #[serde(default = "total_timeout")]
    pub total_timeout_s: u64,
    /// Output tokens that the models give at most, where a request names no bound.
    #[serde(default)]
    pub output_tokens_max: Option<u64>,
    /// Seconds between active health checks; 0 turns them off.
    #[serde(default = "health_interval")]
    pub health_interval_s: u64,
    /// Requests that its servers are given at once, at most; learnt if absent.
    #[serde(default)]
    pub sequences_max: Option<u32>,
    /// Whether the servers' own gauges are read from their `/metrics`.
    #[serde(default)]
    pub gauges: Gauges,
    /// Whether a request goes to the server that probably has its beginning in its cache.
    #[serde(default = "yes")]
    pub prefix_affinity: bool,
}

/// Whether a model server's own gauges are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gauges {
    /// Where the upstream has no `api_key`: somebody else's API has none to read.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

const fn yes() -> bool {
    true
}
fn any_model() -> Vec<String> {
    vec!["*".to_owned()]
}
const fn one() -> u32 {
    1
}
const fn connect_timeout() -> u64 {
    2_000
}
const fn first_token_timeout() -> u64 {
    120
}
const fn idle_gap_timeout() -> u64 {
    60
}
const fn total_timeout() -> u64 {
    3_600
}
const fn health_interval() -> u64 {
    10
}

/// One server of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its base address, with its path.
    pub url: String,
    /// Its share of the pool's requests.
    #[serde(default = "one")]
    pub weight: u32,
}

/// Where a credential is: never in the configuration itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Credential {
    /// An environment variable.
    Env(String),
    /// A file, mode 0600, whose first line is the credential.
    File(PathBuf),
}

/// `[accounts]`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// May people without a key or session use the upstreams' models?
    pub anonymous: bool,
    /// A header in which delegating keys may name their end user.
    pub delegated_header: Option<String>,
    /// Issuers whose tokens are accepted as credentials.
    pub jwt: Vec<JwtIssuer>,
}

/// `[[accounts.jwt]]`: tokens of another system, accepted as they are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuer {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// The issuer's public keys, as a JWKS file.
    pub jwks_file: PathBuf,
    /// The claim that names the account.
    #[serde(default = "sub")]
    pub account_claim: String,
    /// The claim that names the group, if any.
    #[serde(default)]
    pub group_claim: Option<String>,
    /// The claim that names the class, if any.
    #[serde(default)]
    pub class_claim: Option<String>,
    /// The class of new accounts that come this way, unless a claim names it.
    #[serde(default = "verified")]
    pub class: Class,
}

fn sub() -> String {
    "sub".to_owned()
}
const fn verified() -> Class {
    Class::Verified
}

/// `[prices."MODEL"]`: decimal amounts per million tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input tokens that were not cached.
    pub input_per_million: String,
    /// Output tokens.
    pub output_per_million: String,
    /// Input tokens from the cache; as `input_per_million` if absent.
    #[serde(default)]
    pub cached_input_per_million: Option<String>,
    /// The currency: the same in every entry.
    pub currency: String,
    /// Where the price was read.
    pub source: String,
    /// When it was read, `YYYY-MM-DD`.
    pub date: String,
}

/// When a decision is safe on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Survives `kill -9`; fdatasync within 50 ms.
    #[default]
    Process,
    /// fdatasync before the upstream is called.
    Power,
}

/// `[ledger]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ledger {
    /// When a decision is safe on disk.
    pub durability: Durability,
    /// All segments together, in bytes: the oldest go first.
    pub bytes_max: u64,
    /// Days that a segment is kept.
    pub retention_days: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { durability: Durability::Process, bytes_max: 8 << 30, retention_days: 400 }
    }
}

/// Of which traffic the operator keeps a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordTraffic {
    /// None.
    #[default]
    Off,
    /// Of the web chat.
    Chat,
    /// Of everything.
    All,
}

/// `[vault]`.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// Of which traffic the operator keeps a redacted, sealed record.
    pub record: RecordTraffic,
    /// The master key's file, outside the data directory.
    pub key_file: Option<PathBuf>,
}

/// The log's form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[telemetry]`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// The log's form on stderr.
    pub log: LogFormat,
    /// Whether `/metrics` answers.
    pub metrics: bool,
    /// The collector that traces are sent to (OTLP over HTTP), without
    /// `/v1/traces`; none are made or sent if absent.
    pub otlp_endpoint: Option<String>,
    /// The share of requests that are traced, 0 to 1.
    pub sample_ratio: f64,
    /// The file that decisions and findings are written to as OCSF events,
    /// outside the data directory; none are written if absent.
    pub ocsf_file: Option<PathBuf>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: LogFormat::Text,
            metrics: true,
            otlp_endpoint: None,
            sample_ratio: 1.0,
            ocsf_file: None,
        }
    }
}
