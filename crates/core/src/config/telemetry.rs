//! `[telemetry]`: logs, metrics, traces, events.

use std::path::PathBuf;

use serde::Deserialize;

use super::syslog::Syslog;

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
    /// The syslog server that the same events are sent to; none are sent if absent.
    pub syslog: Option<Syslog>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: LogFormat::Text,
            metrics: true,
            otlp_endpoint: None,
            sample_ratio: 1.0,
            ocsf_file: None,
            syslog: None,
        }
    }
}
