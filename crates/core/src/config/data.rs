//! `[data]` and `[[passport]]`: what the operator says of the data that passes
//! through the door, and of the models.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use super::rule::{Bar, Redact, Residency, Rule};

/// `[data]`: what no program can see. Each is printed by `report dataflow` as
/// the operator's own words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Whether the text of requests is searched for classes of data.
    pub classify: bool,
    /// The operator's own rules of what is secret and what is personal, beside the
    /// built-in ones or in their place.
    pub rules_file: Option<PathBuf>,
    /// The legal entity that runs the door and answers for it.
    pub controller: Option<String>,
    /// Whom people ask about their data.
    pub contact: Option<String>,
    /// What the data is used for.
    pub purposes: Vec<String>,
    /// On which legal basis.
    pub legal_basis: Option<String>,
    /// How long data is kept outside of this door: backups, exports, logs.
    pub retention: Option<String>,
    /// Where this door and its data directory are: a short code, such as `eu`.
    pub region: Option<String>,
    /// The registries' delegated files, which say in which region an address is.
    pub region_files: Vec<PathBuf>,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            classify: true,
            rules_file: None,
            controller: None,
            contact: None,
            purposes: Vec::new(),
            legal_basis: None,
            retention: None,
            region: None,
            region_files: Vec::new(),
        }
    }
}

/// Whether models are trained on what is sent to an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainsOnData {
    /// They are.
    Yes,
    /// They are not.
    No,
    /// Nobody said.
    #[default]
    Unknown,
}

impl TrainsOnData {
    /// The word in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// `[[passport]]`: what is known of a model, each statement with where it was read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passport {
    /// The model; a trailing `*` matches any ending.
    pub model: String,
    /// Who made it.
    #[serde(default)]
    pub maker: Statement,
    /// Under which licence.
    #[serde(default)]
    pub licence: Statement,
    /// What is said of the data that it was trained on.
    #[serde(default)]
    pub training_data: Statement,
    /// Which weights these are: a digest, a revision.
    #[serde(default)]
    pub weights: Statement,
}

impl Passport {
    /// Its statements, each with its name.
    #[must_use]
    pub const fn statements(&self) -> [(&'static str, &Statement); 4] {
        [
            ("maker", &self.maker),
            ("licence", &self.licence),
            ("training_data", &self.training_data),
            ("weights", &self.weights),
        ]
    }
}

/// One statement about a model.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// How sure it is.
    #[serde(default)]
    pub status: Status,
    /// What it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When, `YYYY-MM-DD`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// How sure a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The operator checked it.
    Verified,
    /// Somebody says so.
    Claimed,
    /// Nothing is known.
    #[default]
    Unknown,
}

impl Status {
    /// The word in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Claimed => "claimed",
            Self::Unknown => "unknown",
        }
    }
}
