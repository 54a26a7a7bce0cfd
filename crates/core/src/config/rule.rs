//! `[[rule]]`: where requests have to stay, where they may not go, and what is
//! taken out of them.

use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::limits::RuleState;
use crate::data::ClassSet;

/// `[[rule]]`: one policy, by its kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Rule {
    /// Where requests have to stay.
    Residency(Residency),
    /// Where requests may not go.
    Bar(Bar),
    /// What is taken out of requests.
    Redact(Redact),
    /// Where the service is offered.
    Availability(Availability),
}

impl Rule {
    /// What the operator calls it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Residency(rule) => &rule.id,
            Self::Bar(rule) => &rule.id,
            Self::Redact(rule) => &rule.id,
            Self::Availability(rule) => &rule.id,
        }
    }

    /// Its kind, as in the configuration.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Residency(_) => "residency",
            Self::Bar(_) => "bar",
            Self::Redact(_) => "redact",
            Self::Availability(_) => "availability",
        }
    }

    /// Whether it is in force.
    #[must_use]
    pub const fn state(&self) -> RuleState {
        match self {
            Self::Residency(rule) => rule.state,
            Self::Bar(rule) => rule.state,
            Self::Redact(rule) => rule.state,
            Self::Availability(rule) => rule.state,
        }
    }

    /// What it asks, in one sentence of configured words.
    #[must_use]
    pub fn says(&self) -> String {
        match self {
            Self::Residency(Residency { classes, groups, regions, .. }) => {
                format!("requests {} stay in {}", whose(*classes, groups), regions.join(", "))
            }
            Self::Bar(bar) => bar.says(),
            Self::Redact(redact) => redact.says(),
            Self::Availability(Availability { only_in, not_in, .. }) if only_in.is_empty() => {
                format!("the service is not offered in {}", not_in.join(", "))
            }
            Self::Availability(Availability { only_in, .. }) => {
                format!("the service is offered in {} only", only_in.join(", "))
            }
        }
    }
}

/// Which requests a rule holds for, in words.
fn whose(classes: ClassSet, groups: &[String]) -> String {
    match (classes.is_empty(), groups.is_empty()) {
        (true, true) => "of everybody".to_owned(),
        (false, true) => format!("with {classes}"),
        (true, false) => format!("of {}", groups.join(", ")),
        (false, false) => format!("with {classes} of {}", groups.join(", ")),
    }
}

/// Whether a rule of these classes and groups holds for a request of `group` in
/// which `found` was found.
fn holds_for(classes: ClassSet, groups: &[String], found: ClassSet, group: Option<&str>) -> bool {
    let class = classes.is_empty() || !classes.and(found).is_empty();
    let ours = |name: &str| groups.iter().any(|group| group == name);
    class && (groups.is_empty() || group.is_some_and(ours))
}

/// A rule of the kind `bar`: the requests that it holds for may not go to these
/// upstreams, as a first choice or as a fallback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
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
    /// Where such requests may not go, by the upstreams' names.
    pub upstreams: Vec<String>,
}

impl Bar {
    /// Whether it holds for a request of `group` in which `found` was found.
    #[must_use]
    pub fn holds_for(&self, found: ClassSet, group: Option<&str>) -> bool {
        holds_for(self.classes, &self.groups, found, group)
    }

    /// Whether such a request may go to this upstream.
    #[must_use]
    pub fn permits(&self, upstream: &str) -> bool {
        !self.upstreams.iter().any(|barred| barred == upstream)
    }

    /// What it asks, in one sentence.
    #[must_use]
    pub fn says(&self) -> String {
        let Self { classes, groups, upstreams, .. } = self;
        format!("requests {} do not go to {}", whose(*classes, groups), upstreams.join(", "))
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

/// A rule of the kind `redact`: what is found in the requests that it holds for is
/// taken out before an upstream is given them. Secrets are gone for good; for
/// personal data stands a word, for which the answer's reader gets the value again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redact {
    /// What the operator calls it.
    pub id: String,
    /// Whether it takes out, only counts, or does nothing.
    #[serde(default)]
    pub state: RuleState,
    /// What is taken out; every class if absent.
    #[serde(default)]
    pub classes: ClassSet,
    /// Only of requests of these groups, by name; of anybody's if absent.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Only where these upstreams are given it, by name; for all if absent.
    #[serde(default)]
    pub upstreams: Vec<String>,
}

impl Redact {
    /// What it takes out of a request of `group` in which `found` was found.
    #[must_use]
    pub fn takes(&self, found: ClassSet, group: Option<&str>) -> ClassSet {
        if !holds_for(ClassSet::EMPTY, &self.groups, found, group) {
            return ClassSet::EMPTY;
        }
        if self.classes.is_empty() { found } else { self.classes.and(found) }
    }

    /// Whether it holds for what this upstream is given.
    #[must_use]
    pub fn is_for(&self, upstream: &str) -> bool {
        self.upstreams.is_empty() || self.upstreams.iter().any(|named| named == upstream)
    }

    /// What it asks, in one sentence.
    #[must_use]
    pub fn says(&self) -> String {
        let Self { classes, groups, upstreams, .. } = self;
        let what = if classes.is_empty() {
            "everything that is found".to_owned()
        } else {
            classes.to_string()
        };
        let whom = whose(ClassSet::EMPTY, groups);
        let to =
            if upstreams.is_empty() { "any upstream".to_owned() } else { upstreams.join(", ") };
        format!("{what} is taken out of requests {whom} before {to} is given them")
    }
}

impl Residency {
    /// Whether it holds for a request of `group` in which `found` was found.
    #[must_use]
    pub fn holds_for(&self, found: ClassSet, group: Option<&str>) -> bool {
        holds_for(self.classes, &self.groups, found, group)
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
    fn a_rule_says_what_it_asks_and_of_whom() {
        let bar = |classes: &[DataClass], groups: &[&str]| {
            let Residency { classes, groups, .. } = rule(classes, groups);
            Bar {
                id: "b".into(),
                state: RuleState::On,
                classes,
                groups,
                upstreams: vec!["a".into(), "c".into()],
            }
        };
        for (classes, groups, whose) in [
            (&[][..], &[][..], "of everybody"),
            (&[DataClass::Secret, DataClass::Card], &[], "with secret, card"),
            (&[], &["lab", "clinic"], "of lab, clinic"),
            (&[DataClass::Email], &["lab"], "with email of lab"),
        ] {
            let says = Rule::Residency(rule(classes, groups)).says();
            assert_eq!(says, format!("requests {whose} stay in eu, local"));
            let says = Rule::Bar(bar(classes, groups)).says();
            assert_eq!(says, format!("requests {whose} do not go to a, c"));
        }
        let bar = bar(&[], &[]);
        assert!(!bar.permits("a") && bar.permits("b") && !bar.permits("c"));
    }

    #[test]
    fn a_redaction_takes_its_classes_of_its_groups_for_its_upstreams() {
        let redact = |classes: &[DataClass], groups: &[&str]| {
            let Residency { id, state, classes, groups, regions } = rule(classes, groups);
            Redact { id, state, classes, groups, upstreams: regions }
        };
        let found = [DataClass::Secret, DataClass::Email].into_iter().collect();
        for (rule, group, expected) in [
            (redact(&[], &[]), None, "secret, email"),
            (redact(&[DataClass::Email, DataClass::Card], &[]), None, "email"),
            (redact(&[], &["clinic"]), Some("clinic"), "secret, email"),
            (redact(&[], &["clinic"]), Some("lab"), ""),
            (redact(&[DataClass::Card], &[]), None, ""),
        ] {
            assert_eq!(rule.takes(found, group).to_string(), expected, "{rule:?}");
            assert!(rule.is_for("eu") && !rule.is_for("us"));
        }
        let open = Redact { upstreams: Vec::new(), ..redact(&[DataClass::Card], &[]) };
        assert!(open.is_for("us"));
        assert_eq!(
            Rule::Redact(open).says(),
            "card is taken out of requests of everybody before any upstream is given them"
        );
    }

    #[test]
    fn an_upstream_without_a_region_is_in_none() {
        let rule = rule(&[], &[]);
        assert!(rule.permits(Some("eu")) && rule.permits(Some("local")));
        assert!(!rule.permits(Some("us")) && !rule.permits(None));
    }
}
