//! `[data]`, `[[passport]]` and `[[rule]]`: what the operator says of the data
//! that passes through the door, of the models, and where data has to stay.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::limits::RuleState;
use crate::data::ClassSet;

/// `[data]`: what no program can see. Each is printed by `report dataflow` as
/// the operator's own words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Whether the text of requests is searched for classes of data.
    pub classify: bool,
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

/// `[[rule]]`: one policy, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule {
    /// Where requests have to stay.
    Residency(Residency),
    /// Where the service is offered.
    Availability(Availability),
}

impl Rule {
    /// What the operator calls it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Residency(rule) => &rule.id,
            Self::Availability(rule) => &rule.id,
        }
    }
}

/// A rule of the kind `residency`: the requests that it holds for may go only to
/// upstreams whose declared region is one of these.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residency {
    /// What the operator calls it.
    pub id: String,
    /// Whether it refuses, only counts, or does nothing.
    #[serde(default)]
    pub state: RuleState,
    /// Only requests in which one of these was found; any request if absent.
    #[serde(default)]
    pub classes: ClassSet,
    /// Only requests of these groups, by name; of anybody if absent.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Where such requests may go.
    pub regions: Vec<String>,
}

impl Residency {
    /// Whether it holds for a request of `group` in which `found` was found.
    #[must_use]
    pub fn holds_for(&self, found: ClassSet, group: Option<&str>) -> bool {
        let class = self.classes.is_empty() || !self.classes.and(found).is_empty();
        let ours = |name: &str| self.groups.iter().any(|group| group == name);
        class && (self.groups.is_empty() || group.is_some_and(ours))
    }

    /// Whether such a request may go to an upstream that declares `region`.
    #[must_use]
    pub fn permits(&self, region: Option<&str>) -> bool {
        region.is_some_and(|region| self.regions.iter().any(|permitted| permitted == region))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DataClass;

    fn rule(classes: &[DataClass], groups: &[&str]) -> Residency {
        Residency {
            id: "r".into(),
            state: RuleState::On,
            classes: classes.iter().copied().collect(),
            groups: groups.iter().map(|&group| group.into()).collect(),
            regions: vec!["eu".into(), "local".into()],
        }
    }

    #[test]
    fn classes_and_groups_narrow_a_rule_and_both_must_fit() {
        let check = |rule: &Residency, found: &[DataClass], group, expected| {
            let found = found.iter().copied().collect();
            assert_eq!(rule.holds_for(found, group), expected, "{rule:?} {found:?} {group:?}");
        };
        check(&rule(&[], &[]), &[], None, true);
        let secrets = rule(&[DataClass::Secret, DataClass::Card], &[]);
        check(&secrets, &[DataClass::Card], None, true);
        check(&secrets, &[DataClass::Email], Some("clinic"), false);
        check(&secrets, &[], None, false);
        let clinic = rule(&[], &["clinic"]);
        check(&clinic, &[], Some("clinic"), true);
        check(&clinic, &[DataClass::Secret], Some("lab"), false);
        check(&clinic, &[], None, false);
        let both = rule(&[DataClass::Email], &["clinic"]);
        check(&both, &[DataClass::Email], Some("clinic"), true);
        check(&both, &[DataClass::Email], Some("lab"), false);
        check(&both, &[], Some("clinic"), false);
    }

    #[test]
    fn an_upstream_without_a_region_is_in_none() {
        let rule = rule(&[], &[]);
        assert!(rule.permits(Some("eu")) && rule.permits(Some("local")));
        assert!(!rule.permits(Some("us")) && !rule.permits(None));
    }
}
