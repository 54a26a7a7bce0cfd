//! Who and what a data flow report names: recipients, collectors, models, rules.

use std::collections::BTreeMap;

use serde::Serialize;
use surgewall_core::config::data::{Rule, Statement, TrainsOnData};
use surgewall_core::data::DataClass;
use surgewall_core::flow::Destination;
use surgewall_store::ledger::read::Evidence;

/// Somebody who was given requests.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Recipient {
    /// The upstream, with its regions.
    #[serde(flatten)]
    pub(crate) to: Destination,
    /// Who stands behind it.
    #[serde(flatten)]
    pub(crate) behind: Behind,
    /// The requests.
    pub(crate) evidence: Evidence,
    /// In how many of them each class was.
    pub(crate) classes: BTreeMap<DataClass, u64>,
    /// In how many of them were images, audio or documents.
    pub(crate) media: u64,
    /// Whether the text of all of them was searched, as far as that is known.
    pub(crate) searched: bool,
    /// The configurations that say so.
    pub(crate) configurations: Vec<String>,
}

/// Who stands behind an upstream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "behind", rename_all = "snake_case")]
pub(crate) enum Behind {
    /// The door itself.
    BuiltIn,
    /// As the configuration declares it.
    Declared(Terms),
    /// The configuration is no longer kept.
    Gone,
}

/// What a configuration declares of an upstream.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Terms {
    pub(crate) provider: Option<String>,
    pub(crate) legal_entity: Option<String>,
    pub(crate) endpoints: Vec<String>,
    pub(crate) retention_days: Option<u32>,
    pub(crate) trains_on_data: TrainsOnData,
    pub(crate) terms_source: Option<String>,
    pub(crate) terms_date: Option<String>,
}

/// Where what is told of requests went, without their content.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Collector {
    /// What was sent.
    pub(crate) what: &'static str,
    pub(crate) endpoint: String,
    pub(crate) evidence: Evidence,
    pub(crate) configurations: Vec<String>,
}

/// A model that was used, and its passport.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Model {
    pub(crate) model: String,
    pub(crate) evidence: Evidence,
    /// The passport's own name or pattern; `None` where there is none.
    pub(crate) passport: Option<String>,
    pub(crate) maker: Statement,
    pub(crate) licence: Statement,
    pub(crate) training_data: Statement,
    pub(crate) weights: Statement,
}

impl Model {
    /// Its statements, each with its name.
    pub(crate) const fn statements(&self) -> [(&'static str, &Statement); 4] {
        [
            ("maker", &self.maker),
            ("licence", &self.licence),
            ("training data", &self.training_data),
            ("weights", &self.weights),
        ]
    }
}

/// A rule about where data goes, and what it did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ruled {
    pub(crate) id: String,
    /// The rule; `None` where the configuration that was in force last has none of this name.
    #[serde(skip)]
    pub(crate) rule: Option<Rule>,
    pub(crate) refused: Option<Evidence>,
    pub(crate) shadow: Option<Evidence>,
}
