//! The operator's records: opened for what `[vault] record` asks for, redacted by
//! the guard, and shown in metrics.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use surgewall_core::clock::Clock;
use surgewall_core::config::schema::{self, RecordTraffic};
use surgewall_guard::redact::Redactor;
use surgewall_guard::rules::{RuleSet, RulesError};
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::Ledger;
use surgewall_store::records::{Records, RecordsError, RecordsOptions, Redact};
use surgewall_store::vault::Vault;

/// The operator's records, open.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Where they are written.
    pub records: Records,
    /// Of which traffic.
    of: RecordTraffic,
}

impl Recording {
    /// Opens what `config` asks for, redacted by `rules`; `None` where nothing is recorded and nothing
    /// ever was. Where nothing is recorded any more, what there is still goes when
    /// its time is over.
    ///
    /// # Errors
    /// The records cannot be opened, or the rules of redaction not be read.
    pub async fn open(
        directory: &DataDir,
        vault: &Vault,
        ledger: &Ledger,
        config: &schema::Vault,
        clock: Clock,
        rules: Arc<RuleSet>,
    ) -> Result<Option<Self>, RecordingError> {
        let of = config.record;
        if of == RecordTraffic::Off && !directory.records().exists() {
            return Ok(None);
        }
        let options = RecordsOptions::new(config, clock);
        let redact = Arc::new(redaction(vault, rules)?);
        let records = Records::open(directory, vault, ledger.clone(), redact, options).await?;
        Ok(Some(Self { records, of }))
    }

    /// Where the traffic of the chat, or of the API, is recorded, if it is.
    #[must_use]
    pub fn of(&self, chat: bool) -> Option<&Records> {
        let is_recorded = match self.of {
            RecordTraffic::Off => false,
            RecordTraffic::Chat => chat,
            RecordTraffic::All => true,
        };
        is_recorded.then_some(&self.records)
    }

    /// Whether what has to be recorded can be.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.of == RecordTraffic::Off || self.records.health().writable
    }
}

/// The records cannot be kept as the configuration asks.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// They cannot be opened.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Nothing is recorded that cannot be redacted.
    #[error("the rules of redaction: {0}")]
    Rules(#[from] RulesError),
}

/// What records are redacted with: the guard's rules. Equal personal data gets
/// equal tokens in one store, and others in another.
///
/// # Errors
/// The rules cannot be read.
pub fn redaction(vault: &Vault, rules: Arc<RuleSet>) -> Result<Redaction, RulesError> {
    // Before the first event: the writer's time is everybody's.
    rules.prepare()?;
    let token_key = vault.keyed_hash("redaction token", b"");
    Ok(Redaction(Redactor::new(rules, &token_key)))
}

/// The guard, as records are redacted by it.
#[derive(Clone, Debug)]
pub struct Redaction(Redactor);

impl Redact for Redaction {
    fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let redacted = self.0.redact(text);
        if redacted.found.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(redacted.text) }
    }
}

/// The records' metrics.
#[derive(Default)]
pub struct RecordMetrics {
    writable: Gauge,
    events: Gauge<u64, AtomicU64>,
    bytes: Gauge<u64, AtomicU64>,
    waiting_bytes: Gauge<u64, AtomicU64>,
    refused: Gauge<u64, AtomicU64>,
}

impl RecordMetrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "records_writable",
            "1 if records can be written or none are kept, 0 if not",
            self.writable.clone(),
        );
        registry.register("records_events", "Events recorded since the start", self.events.clone());
        registry.register("records_bytes", "Sealed bytes of all records", self.bytes.clone());
        registry.register(
            "records_waiting_bytes",
            "Bytes of events that are under way or wait to be recorded",
            self.waiting_bytes.clone(),
        );
        registry.register(
            "records_refused",
            "Requests refused since the start because they could not have been recorded",
            self.refused.clone(),
        );
    }

    /// Shows how the records are, if there are any.
    pub fn set(&self, recording: Option<&Recording>) {
        self.writable.set(i64::from(recording.is_none_or(Recording::is_ready)));
        let health = recording.map(|recording| recording.records.health()).unwrap_or_default();
        self.events.set(health.events);
        self.bytes.set(health.bytes);
        self.waiting_bytes.set(health.waiting_bytes);
        self.refused.set(health.refused);
    }
}
