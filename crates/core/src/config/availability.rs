//! `[[rule]]` of the kind `availability`: in which regions the service is
//! offered, and to whom that is said.

use serde::Deserialize;

use super::limits::RuleState;

/// To whom such a rule applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Applies {
    /// Requests without a credential.
    Anonymous,
    /// New accounts.
    SignUp,
    /// Requests of accounts and keys that are there.
    Accounts,
}

/// What holds for an address that no file knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unknown {
    /// It is served.
    #[default]
    Allow,
    /// It is not.
    Refuse,
}

/// A rule of the kind `availability`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// What the operator calls it.
    pub id: String,
    /// Whether it refuses, only counts, or does nothing.
    #[serde(default)]
    pub state: RuleState,
    /// The service is offered in these regions only.
    #[serde(default)]
    pub only_in: Vec<String>,
    /// The service is offered everywhere but in these regions.
    #[serde(default)]
    pub not_in: Vec<String>,
    /// What holds where the region is not known.
    #[serde(default)]
    pub unknown: Unknown,
    /// To whom it applies.
    #[serde(default = "strangers")]
    pub applies: Vec<Applies>,
    /// Why, in words for those who are refused.
    #[serde(default)]
    pub reason: Option<String>,
}

fn strangers() -> Vec<Applies> {
    vec![Applies::Anonymous, Applies::SignUp]
}

impl Availability {
    /// Whether the service is offered in `region`.
    #[must_use]
    pub fn offers(&self, region: Option<&str>) -> bool {
        let Some(region) = region else { return self.unknown == Unknown::Allow };
        let named = |list: &[String]| list.iter().any(|code| code == region);
        if self.only_in.is_empty() { !named(&self.not_in) } else { named(&self.only_in) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_offers_the_service_somewhere() {
        let check = |only_in: &[&str], not_in: &[&str], unknown, offered: [bool; 3]| {
            let list = |codes: &[&str]| codes.iter().map(|&code| code.into()).collect();
            let rule = Availability {
                id: "r".into(),
                state: RuleState::On,
                only_in: list(only_in),
                not_in: list(not_in),
                unknown,
                applies: strangers(),
                reason: None,
            };
            let found = [Some("it"), Some("de"), None].map(|region| rule.offers(region));
            assert_eq!(found, offered, "{rule:?}");
        };
        check(&["it"], &[], Unknown::Allow, [true, false, true]);
        check(&["it", "de"], &[], Unknown::Refuse, [true, true, false]);
        check(&[], &["it"], Unknown::Allow, [false, true, true]);
        check(&[], &["it"], Unknown::Refuse, [false, true, false]);
    }
}
