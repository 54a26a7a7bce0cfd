//! What an operator may ask of the inbox, as data: the command line and the
//! control socket run the same code.

use std::fmt;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::finding::{ChangedBy, State};

use super::inbox::Said;
use super::merge::Plan;
use super::state::{Event, after};
use super::{
    FindingPick, FindingRow, FindingView, Findings, Inbox, InboxError, NOTE_CHARS_MAX, sealed,
};
use crate::admin::{AdminError, LIST_ROWS_MAX, Page, Signed};
use crate::rules::{RuleBook, Rules};

/// One operation on the inbox. Findings are named by their public ids.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum InboxRequest {
    /// Lists findings. Answers [`InboxReply::Page`].
    List {
        /// In these states.
        states: Vec<State>,
        /// The public id before the first row; absent begins.
        #[serde(default)]
        after: Option<String>,
    },
    /// Shows one. Answers [`InboxReply::One`].
    Show {
        /// Its public id.
        id: String,
    },
    /// Changes what became of one. Answers [`InboxReply::One`].
    Set {
        /// Its public id.
        id: String,
        /// Into what.
        to: To,
        /// Why, in the operator's words; absent leaves the note that is there.
        #[serde(default)]
        note: Option<String>,
    },
}

/// What an operator makes of a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum To {
    /// Looked at, and lived with.
    Acknowledged,
    /// Gone. If its producer sees it again, it is open again.
    Fixed,
    /// To be looked at again.
    Open,
    /// A rule, in shadow first.
    Rule,
}

impl InboxRequest {
    /// Whether it may change something.
    #[must_use]
    pub const fn changes(&self) -> bool {
        matches!(self, Self::Set { .. })
    }
}

impl fmt::Debug for InboxRequest {
    /// Only what it is called: a note is the operator's own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::List { .. } => "List",
            Self::Show { .. } => "Show",
            Self::Set { .. } => "Set",
        })
    }
}

/// The answer to an [`InboxRequest`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum InboxReply {
    /// Findings, the oldest first.
    Page(Page<FindingView>),
    /// One finding.
    One(Box<FindingView>),
}

impl fmt::Debug for InboxReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page(_) => "Page",
            Self::One(_) => "One",
        })
    }
}

/// The upstream that a finding of this rule on this subject is about, where a
/// rule that bars it is an answer: what is open to others, or crosses a network in
/// clear, can be given nothing until that is repaired. The subject names it as
/// "upstream `NAME`", and may go on.
fn upstream_of<'a>(rule: &str, subject: &'a str) -> Option<&'a str> {
    const RULES: [&str; 3] = ["exposure.upstream", "config.upstream.plain", "config.upstream.open"];
    let name = subject.strip_prefix("upstream `")?.split('`').next()?;
    (RULES.contains(&rule) && !name.is_empty()).then_some(name)
}

impl<S: Findings + Rules> Inbox<S> {
    /// Carries out an operator's request. `signed` is where a change is recorded, and
    /// for whom; a request that changes nothing needs none. A finding that becomes a
    /// rule is put into `rules`.
    ///
    /// # Errors
    /// Why it was not carried out, in an operator's words.
    pub async fn ask(
        &self,
        signed: Option<Signed<'_>>,
        rules: &RuleBook<S>,
        request: InboxRequest,
        now: Timestamp,
    ) -> Result<InboxReply, AdminError> {
        match (request, signed) {
            (InboxRequest::List { states, after }, _) => {
                self.list(states, after.as_deref()).await.map(InboxReply::Page)
            }
            (InboxRequest::Show { id }, _) => {
                let row = self.find(&id).await?;
                let became = rules.of_finding(&row.public_id);
                let view = FindingView { became, ..sealed::view(self.vault(), &row)? };
                Ok(InboxReply::One(Box::new(view)))
            }
            (InboxRequest::Set { id, to, note }, Some(signed)) => {
                let view = self.set((signed, rules), &id, to, note, now).await?;
                let became = rules.of_finding(&view.id);
                Ok(InboxReply::One(Box::new(FindingView { became, ..view })))
            }
            (InboxRequest::Set { .. }, None) => Err(AdminError::not_recorded("it is not open")),
        }
    }

    async fn list(
        &self,
        states: Vec<State>,
        after: Option<&str>,
    ) -> Result<Page<FindingView>, AdminError> {
        let after = match after {
            Some(id) => self.find(id).await?.id.as_u128(),
            None => 0,
        };
        let pick = FindingPick::Page { states, after, rows_max: LIST_ROWS_MAX };
        let rows = self.store().findings(&pick).await?;
        let full = u32::try_from(rows.len()).is_ok_and(|len| len >= LIST_ROWS_MAX);
        let next = rows.last().filter(|_| full).map(|row| row.public_id.clone());
        let views = rows.iter().map(|row| sealed::view(self.vault(), row));
        Ok(Page { rows: views.collect::<Result<_, _>>()?, next })
    }

    async fn find(&self, id: &str) -> Result<FindingRow, AdminError> {
        let id = id.trim();
        let found = self.store().findings(&FindingPick::PublicId(id.to_owned())).await?;
        found.into_iter().next().ok_or_else(|| {
            AdminError::not_found(format!("there is no finding `{id}`"))
                .hint("`surgewall admin finding list --state all` shows them")
        })
    }

    async fn set(
        &self,
        (signed, rules): (Signed<'_>, &RuleBook<S>),
        id: &str,
        to: To,
        note: Option<String>,
        now: Timestamp,
    ) -> Result<FindingView, AdminError> {
        let note = note.map(|note| checked(&note)).transpose()?;
        let _turn = self.turn().await;
        let mut row = self.find(id).await?;
        let body = sealed::open(self.vault(), &row)?;
        let before = row.state;
        let state = after(before, event(to)).ok_or_else(|| impossible(before, to))?;
        if to == To::Rule {
            // First the rule: a finding is not said to be one that there is not.
            let upstream = upstream_of(&body.rule, &body.subject);
            let upstream = upstream.ok_or_else(|| no_rule(&body.rule))?;
            rules.bar(signed, upstream, &row.public_id, now).await?;
        }
        if let Some(note) = &note {
            row.note = Some(sealed::seal_note(self.vault(), row.id.as_u128(), note));
        }
        if state != before {
            row.state = state;
            row.changed_at = now;
            row.changed_by = ChangedBy::Operator;
        } else if note.is_none() {
            return Ok(sealed::view(self.vault(), &row)?);
        }
        let view = sealed::view(self.vault(), &row)?;
        let mut plan = Plan::default();
        plan.push(self.vault(), row, Some(before))?;
        self.carry_out(signed.ledger, plan, Said::by(&signed), now).await?;
        Ok(view)
    }
}

/// What happens to a finding that an operator puts to `to`.
const fn event(to: To) -> Event {
    match to {
        To::Acknowledged => Event::Acknowledge,
        To::Fixed => Event::Fix,
        To::Open => Event::Reopen,
        To::Rule => Event::MakeRule,
    }
}

fn no_rule(rule: &str) -> AdminError {
    AdminError::invalid(format!(
        "no rule can be made of a finding of `{rule}`: what it found is not decided by a rule of this door"
    ))
    .hint("its advice says what to do; `surgewall admin finding acknowledge ID` says that you live with it")
}

fn impossible(state: State, to: To) -> AdminError {
    let wish = match to {
        To::Acknowledged => "acknowledged",
        To::Fixed => "fixed",
        To::Open => "open",
        To::Rule => "a rule",
    };
    let is = match state {
        State::Open => "open",
        State::Acknowledged => "acknowledged",
        State::Rule => "a rule",
        State::Fixed => "fixed",
    };
    AdminError::conflict(format!("the finding is {is}, and so cannot become {wish}"))
        .hint("`surgewall admin finding reopen ID` opens it again")
}

/// A note of 1 to [`NOTE_CHARS_MAX`] characters.
fn checked(note: &str) -> Result<String, AdminError> {
    let note = note.trim();
    let chars = note.chars().count();
    if chars == 0 || chars > NOTE_CHARS_MAX {
        return Err(AdminError::invalid(format!("a note has 1 to {NOTE_CHARS_MAX} characters")));
    }
    Ok(note.to_owned())
}

impl From<InboxError> for AdminError {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Store(error) => error.into(),
            InboxError::Ledger(error) => Self::not_recorded(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_has_its_bound() {
        let of = |chars| checked(&"é".repeat(chars)).is_ok();
        assert_eq!([0, 1, NOTE_CHARS_MAX, NOTE_CHARS_MAX + 1].map(of), [false, true, true, false]);
        assert_eq!(checked(" why\n").unwrap(), "why");
    }

    #[test]
    fn only_findings_about_an_upstream_name_one() {
        for (rule, subject, expected) in [
            ("exposure.upstream", "upstream `a` at 10.0.0.5:9000", Some("a")),
            ("config.upstream.plain", "upstream `b-1`", Some("b-1")),
            ("config.upstream.open", "upstream `c`", Some("c")),
            ("config.upstream.open", "upstream ``", None),
            ("config.upstream.open", "upstream c", None),
            ("exposure.redis", "upstream `a` at 10.0.0.5:6379", None),
            ("config.anonymous", "accounts.anonymous", None),
        ] {
            assert_eq!(upstream_of(rule, subject), expected, "{rule} {subject}");
        }
    }
}
