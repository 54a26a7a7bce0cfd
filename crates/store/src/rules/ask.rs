//! What an operator may ask of the rules, as data: the command line and the
//! control socket run the same code. The rules of the configuration are in the
//! same list; they are changed where they stand.

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::config::Config;
use surgewall_core::config::limits::{QuotaRule, RuleState};
use surgewall_core::id::PublicId;

use super::{Hits, RuleBook, Rules, StoredRule};
use crate::admin::{AdminError, Signed};

/// One operation on rules. Stored ones are named by their public ids.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum RuleRequest {
    /// Lists all rules. Answers [`RuleReply::All`].
    List,
    /// Shows one. Answers [`RuleReply::One`].
    Show {
        /// Its id.
        id: String,
    },
    /// Puts a stored one into another state. Answers [`RuleReply::One`].
    Set {
        /// Its id.
        id: String,
        /// Into this one.
        state: RuleState,
    },
    /// Removes a stored one. Answers [`RuleReply::One`]: what it was.
    Remove {
        /// Its id.
        id: String,
    },
}

impl RuleRequest {
    /// Whether it may change something.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self, Self::Set { .. } | Self::Remove { .. })
    }
}

/// The answer to a [`RuleRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum RuleReply {
    /// All rules: those of the configuration first, in its order.
    All {
        /// They.
        rules: Vec<RuleView>,
    },
    /// One rule.
    One {
        /// It.
        rule: RuleView,
    },
}

impl RuleReply {
    /// Its rules.
    pub fn rules_mut(&mut self) -> impl Iterator<Item = &mut RuleView> {
        match self {
            Self::All { rules } => rules.iter_mut(),
            Self::One { rule } => std::slice::from_mut(rule).iter_mut(),
        }
    }
}

/// Where a rule stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the configuration.
    Configuration,
    /// In the database: it was made on the door.
    Door,
}

impl Source {
    /// The word shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Door => "door",
        }
    }
}

/// One rule, as operators see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RuleView {
    /// What it is called.
    pub id: String,
    /// Its kind, as in the configuration.
    pub kind: String,
    /// Whether it is in force.
    pub state: RuleState,
    /// Where it stands.
    pub source: Source,
    /// What it asks, in one sentence.
    pub says: String,
    /// The finding that it came of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<PublicId>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Since when it has its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_at: Option<Timestamp>,
    /// How often it held since the door was started; only of a running door, and
    /// of rules that are counted one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hits: Option<Hits>,
}

impl From<&StoredRule> for RuleView {
    fn from(rule: &StoredRule) -> Self {
        Self {
            id: rule.id.to_string(),
            kind: "bar".to_owned(),
            state: rule.bar.state,
            source: Source::Door,
            says: rule.bar.says(),
            finding: Some(rule.finding.clone()),
            created_at: Some(rule.created_at),
            changed_at: Some(rule.changed_at),
            hits: None,
        }
    }
}

/// The rules of `config`, in its order: `[[rule]]`, then `[[limits.quota]]`, which
/// have no names of their own.
pub fn configured(config: &Config) -> impl Iterator<Item = RuleView> {
    let of = |id: String, kind: &str, state, says| RuleView {
        id,
        kind: kind.to_owned(),
        state,
        source: Source::Configuration,
        says,
        finding: None,
        created_at: None,
        changed_at: None,
        hits: None,
    };
    let rules = config.rule.iter();
    let rules =
        rules.map(move |rule| of(rule.id().to_owned(), rule.kind(), rule.state(), rule.says()));
    let quotas = config.limits.quota.iter().zip(1..);
    rules.chain(quotas.map(move |(quota, nth): (&QuotaRule, u32)| {
        of(format!("limits.quota.{nth}"), "limit", quota.state, quota.says())
    }))
}

impl<S: Rules> RuleBook<S> {
    /// Carries out an operator's request. `signed` is where a change is recorded, and
    /// for whom; a request that changes nothing needs none.
    ///
    /// # Errors
    /// Why it was not carried out, in an operator's words.
    pub async fn ask(
        &self,
        signed: Option<Signed<'_>>,
        config: &Config,
        request: RuleRequest,
        now: Timestamp,
    ) -> Result<RuleReply, AdminError> {
        let stored = |rule: &StoredRule| RuleReply::One { rule: rule.into() };
        match (request, signed) {
            (RuleRequest::List, _) => {
                let current = self.current();
                let rules = configured(config).chain(current.iter().map(RuleView::from)).collect();
                Ok(RuleReply::All { rules })
            }
            (RuleRequest::Show { id }, _) => match configured(config).find(|rule| rule.id == id) {
                Some(rule) => Ok(RuleReply::One { rule }),
                None => self.find(&id).map(|rule| stored(&rule)),
            },
            (RuleRequest::Set { id, .. } | RuleRequest::Remove { id }, _)
                if configured(config).any(|rule| rule.id == id) =>
            {
                Err(AdminError::invalid(format!("the rule `{id}` stands in the configuration"))
                    .hint("change it there; a running door reads the file again by itself"))
            }
            (RuleRequest::Set { id, state }, Some(signed)) => {
                self.set(signed, &id, state, now).await.map(|rule| stored(&rule))
            }
            (RuleRequest::Remove { id }, Some(signed)) => {
                self.remove(signed, &id, now).await.map(|rule| stored(&rule))
            }
            (RuleRequest::Set { .. } | RuleRequest::Remove { .. }, None) => {
                Err(AdminError::not_recorded("it is not open"))
            }
        }
    }
}
