//! `[[upstream]]`: pools of model servers, and what is declared of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::data::TrainsOnData;
use super::schema::Credential;

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
    /// Whose service it is.
    #[serde(default)]
    pub provider: Option<String>,
    /// The legal entity that receives the data.
    #[serde(default)]
    pub legal_entity: Option<String>,
    /// Where its servers are: a short code, such as `eu`, `us` or `local`.
    #[serde(default)]
    pub region: Option<String>,
    /// Days that prompts and answers are kept there; 0 is not at all.
    #[serde(default)]
    pub retention_days: Option<u32>,
    /// Whether models are trained on them there.
    #[serde(default)]
    pub trains_on_data: TrainsOnData,
    /// Where its terms were read.
    #[serde(default)]
    pub terms_source: Option<String>,
    /// When they were read, `YYYY-MM-DD`.
    #[serde(default)]
    pub terms_date: Option<String>,
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
