//! The report itself: sections of lines, each with what it stands on.

use serde::Serialize;
use surgewall_core::finding::Finding;
use surgewall_store::ledger::read::{DataFlow, Evidence};

use super::kept::Kept;
use super::parties::{Collector, Model, Recipient, Ruled};
use super::stores::Stores;
use super::{answers, joined, unknown};

/// What a line stands on.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Proof {
    /// Decisions in the ledger.
    Decisions(Evidence),
    /// A kept configuration.
    Configuration {
        /// Its hash, as decisions carry it.
        hash: String,
    },
    /// A file or folder of the data directory.
    Store {
        /// Its name.
        name: String,
    },
}

impl Proof {
    /// The configuration of this hash.
    pub(super) fn configuration(hash: &str) -> Self {
        Self::Configuration { hash: hash.to_owned() }
    }
}

/// One statement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    /// What is so.
    pub(crate) says: String,
    /// More of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<String>,
    /// What it stands on.
    pub(crate) evidence: Vec<Proof>,
}

impl Line {
    /// A statement that stands on `evidence`.
    pub(crate) fn new(says: impl Into<String>, evidence: Vec<Proof>) -> Self {
        Self { says: says.into(), details: Vec::new(), evidence }
    }

    /// A statement on decisions.
    pub(crate) fn on(says: impl Into<String>, evidence: &Evidence) -> Self {
        Self::new(says, vec![Proof::Decisions(evidence.clone())])
    }
}

/// A question and its answer.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Section {
    /// The question.
    pub(crate) title: &'static str,
    /// The answer.
    pub(crate) lines: Vec<Line>,
}

/// What is not known.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Unknown {
    /// What.
    pub(crate) what: String,
    /// What would make it known.
    pub(crate) to_know: String,
    /// What shows that it is not.
    pub(crate) evidence: Vec<Proof>,
}

/// The whole report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// The data directory's id.
    pub(crate) store: String,
    /// From then on.
    pub(crate) since: Option<String>,
    /// Before then.
    pub(crate) until: Option<String>,
    /// Requests that ended in the period.
    pub(crate) requests: Option<Evidence>,
    /// The first and the last record that were read.
    pub(crate) records: Option<(u64, u64)>,
    /// The configuration that was in force last.
    pub(crate) configuration: String,
    /// Whether a door ran under it; before a first start it is the one on disk.
    pub(crate) was_in_force: bool,
    /// The five questions.
    pub(crate) questions: Vec<Section>,
    /// Who was given requests.
    pub(crate) recipients: Vec<Recipient>,
    /// Who was told of requests, without their content.
    pub(crate) collectors: Vec<Collector>,
    /// The models that were used.
    pub(crate) models: Vec<Model>,
    /// The residency rules.
    pub(crate) rules: Vec<Ruled>,
    /// What is not known.
    pub(crate) unknown: Vec<Unknown>,
    /// What the reading of the ledger met that is no damage.
    pub(crate) notes: Vec<String>,
    /// Damage.
    pub(crate) findings: Vec<Finding>,
}

impl Report {
    /// What `flow`, what is kept and what is stored tell together.
    pub(super) fn new(
        store: String,
        (since, until): (Option<String>, Option<String>),
        flow: DataFlow,
        kept: &Kept,
        stores: &Stores,
    ) -> Self {
        let recipients = joined::recipients(&flow, kept);
        let collectors = joined::collectors(&flow, kept);
        let models = joined::models(&flow, kept);
        let rules = joined::rules(&flow, kept);
        let questions = answers::questions(&flow, kept, stores, &recipients, &collectors);
        let unknown = unknown::unknown(&flow, kept, stores, &recipients, &models);
        let DataFlow { requests, records, notes, findings, .. } = flow;
        let configuration = kept.last.0.clone();
        Self {
            store,
            since,
            until,
            requests,
            records,
            configuration,
            was_in_force: kept.was_in_force,
            questions,
            recipients,
            collectors,
            models,
            rules,
            unknown,
            notes,
            findings,
        }
    }
}
