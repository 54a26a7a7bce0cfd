//! The sections of `surgewall.toml`, their types and defaults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

pub use super::accounts::{Accounts, JwtIssuer};
use super::admission::{Admission, Classes, Queue};
use super::data::{Data, Passport, Rule};
use super::disclosure::Disclosure;
use super::exposure::Exposure;
use super::gate::Gate;
use super::limits::Limits;
use super::mail::Mail;
use super::notify::Notify;
use super::status::Status;
pub use super::telemetry::{LogFormat, Telemetry};
pub use super::upstream::{Dialect, Gauges, Server, Upstream};
use super::witness::Witness;

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
    /// Who may make an account.
    pub gate: Gate,
    /// The server that letters go through; none are sent if absent.
    pub mail: Option<Mail>,
    /// What the operator says of the data that passes through the door.
    pub data: Data,
    /// What is known of each model.
    pub passport: Vec<Passport>,
    /// Policies.
    pub rule: Vec<Rule>,
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
    /// How strangers tell what they found.
    pub disclosure: Disclosure,
    /// Looking for open services.
    pub exposure: Exposure,
    /// The status page.
    pub status: Status,
    /// Whom the door tells.
    pub notify: Notify,
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

/// Where a credential is: never in the configuration itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Credential {
    /// An environment variable.
    Env(String),
    /// A file, mode 0600, whose first line is the credential.
    File(PathBuf),
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
    /// Who countersigns its checkpoints.
    pub witness: Option<Witness>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            durability: Durability::Process,
            bytes_max: 8 << 30,
            retention_days: 400,
            witness: None,
        }
    }
}

/// Of which traffic the operator keeps a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, serde::Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// Of which traffic the operator keeps a redacted, sealed record.
    pub record: RecordTraffic,
    /// Days that a record is kept.
    pub record_retention_days: u32,
    /// All records together, sealed, in bytes: the oldest go first.
    pub record_bytes_max: u64,
    /// Events that are under way or wait to be recorded, in bytes.
    pub record_waiting_bytes_max: u64,
    /// The master key's file, outside the data directory.
    pub key_file: Option<PathBuf>,
    /// A command that prints the master key, instead of a file: a program's absolute
    /// path, and its arguments.
    pub key_command: Vec<String>,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            record: RecordTraffic::Off,
            record_retention_days: 30,
            record_bytes_max: 8 << 30,
            record_waiting_bytes_max: 256 << 20,
            key_file: None,
            key_command: Vec::new(),
        }
    }
}
