//! Whom an incident touches, counted as it happens.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_core::decision::Outcome;
use surgewall_core::id::{AccountId, PublicId};
use surgewall_core::incident::{IncidentEvent, Step, Verdict};
use surgewall_store::notices::{Harm, Notice};

use crate::sync::lock;

/// Accounts that are counted of one incident; further ones get no notice.
pub const ACCOUNTS_TOUCHED_MAX: usize = 65_536;
/// A wait from which on a request was delayed.
pub const DELAYED_FROM: Duration = Duration::from_secs(10);
/// An incident that lasts so long is told while it goes on.
pub const TOLD_AFTER: Duration = Duration::from_secs(300);
/// How often what changed is told then.
pub const TOLD_EVERY: Duration = Duration::from_secs(60);
/// An incident opens some seconds after it began: what happened in the time before
/// belongs to it, at least half of this and at most all of it.
pub const LEAD_MAX: Duration = Duration::from_secs(60);

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was refused or not answered.
    Refused,
    /// Its answer broke off.
    Cut,
    /// It waited for long.
    Delayed,
}

impl Kind {
    /// What an outcome is to the account behind the request; `None` where nothing
    /// went wrong, or the client itself ended it.
    #[must_use]
    pub const fn of_outcome(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::UpstreamFailed | Outcome::Failed => Some(Self::Refused),
            Outcome::UpstreamBroke | Outcome::Shed | Outcome::Drained => Some(Self::Cut),
            Outcome::Completed
            | Outcome::ClientGone
            | Outcome::Revoked
            | Outcome::SlowReader
            | Outcome::Crash => None,
        }
    }

    const fn harm(self) -> Harm {
        let none = Harm { refused: 0, cut: 0, delayed: 0 };
        match self {
            Self::Refused => Harm { refused: 1, ..none },
            Self::Cut => Harm { cut: 1, ..none },
            Self::Delayed => Harm { delayed: 1, ..none },
        }
    }
}

/// Whom the open incident touched; while none is open, whom the next one will
/// have touched.
#[derive(Default)]
pub struct Touched(Mutex<State>);

#[derive(Default)]
struct State {
    accounts: HashMap<AccountId, Harm>,
    /// The half of the time before, while no incident is open.
    before: HashMap<AccountId, Harm>,
    turned_at: Timestamp,
    open: Option<Open>,
    /// Of incidents that ended: to be written.
    ended: Vec<Notice>,
}

/// The incident that is open.
struct Open {
    incident: PublicId,
    verdict: Verdict,
    began_at: Timestamp,
    told_at: Option<Timestamp>,
    /// Whose counts changed since they were told.
    changed: HashSet<AccountId>,
}

impl Touched {
    /// Something happened to a request of `account`.
    pub fn note(&self, account: AccountId, kind: Kind) {
        let mut state = lock(&self.0);
        if state.accounts.len() >= ACCOUNTS_TOUCHED_MAX && !state.accounts.contains_key(&account) {
            return;
        }
        let harm = state.accounts.entry(account).or_default();
        *harm = harm.plus(kind.harm());
        if let Some(open) = &mut state.open {
            open.changed.insert(account);
        }
    }

    /// An incident began, has another cause, or ended.
    pub fn incident(&self, event: &IncidentEvent) {
        let mut state = lock(&self.0);
        match event.step {
            Step::Opened => state.open(event),
            Step::Changed { .. } | Step::Measured => {
                if let Some(open) = &mut state.open {
                    open.verdict = event.verdict;
                }
            }
            Step::Closed { .. } => state.close(event),
        }
    }

    /// What has to be written by `now`.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Vec<Notice> {
        let mut state = lock(&self.0);
        let mut due = std::mem::take(&mut state.ended);
        match &state.open {
            None => state.turn(now),
            Some(open) => {
                let is_long = now.since(open.began_at) >= TOLD_AFTER;
                if is_long && open.told_at.is_none_or(|at| now.since(at) >= TOLD_EVERY) {
                    due.extend(state.changed(now));
                }
            }
        }
        due
    }

    /// All that was not written yet: the door stops.
    #[must_use]
    pub fn rest(&self) -> Vec<Notice> {
        let mut state = lock(&self.0);
        let mut rest = std::mem::take(&mut state.ended);
        rest.extend(state.changed(Timestamp::default()));
        rest
    }
}

impl State {
    fn open(&mut self, event: &IncidentEvent) {
        for (account, harm) in std::mem::take(&mut self.before) {
            if self.accounts.len() >= ACCOUNTS_TOUCHED_MAX && !self.accounts.contains_key(&account)
            {
                continue;
            }
            let sum = self.accounts.entry(account).or_default();
            *sum = sum.plus(harm);
        }
        self.open = Some(Open {
            incident: event.id.clone(),
            verdict: event.verdict,
            began_at: event.at,
            told_at: None,
            changed: self.accounts.keys().copied().collect(),
        });
    }

    fn close(&mut self, event: &IncidentEvent) {
        let accounts = std::mem::take(&mut self.accounts);
        let Some(open) = self.open.take() else { return };
        let open = Open { verdict: event.verdict, ..open };
        let notices = accounts.into_iter().map(|(account, harm)| Notice {
            ended_at: Some(event.at),
            ..open.notice(account, harm)
        });
        let room = ACCOUNTS_TOUCHED_MAX.saturating_sub(self.ended.len());
        self.ended.extend(notices.take(room));
    }

    /// Whose counts changed since they were told last.
    fn changed(&mut self, now: Timestamp) -> Vec<Notice> {
        let Some(open) = &mut self.open else { return Vec::new() };
        open.told_at = Some(now);
        let changed = std::mem::take(&mut open.changed);
        let counted = changed.into_iter().filter_map(|account| {
            let harm = self.accounts.get(&account)?;
            Some((account, *harm))
        });
        counted.map(|(account, harm)| open.notice(account, harm)).collect()
    }

    /// While no incident is open, what is long ago is forgotten.
    fn turn(&mut self, now: Timestamp) {
        if now.since(self.turned_at) >= LEAD_MAX / 2 {
            self.before = std::mem::take(&mut self.accounts);
            self.turned_at = now;
        }
    }
}

impl Open {
    fn notice(&self, account: AccountId, harm: Harm) -> Notice {
        Notice {
            account,
            incident: self.incident.clone(),
            verdict: self.verdict,
            harm,
            began_at: self.began_at,
            ended_at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use surgewall_core::incident::Numbers;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1_000)
    }

    fn account(nth: u128) -> AccountId {
        AccountId::from_u128(nth)
    }

    fn event(step: Step, verdict: Verdict, seconds: u64) -> IncidentEvent {
        IncidentEvent {
            id: PublicId::from_stored("inc_a".to_owned()),
            at: at(seconds),
            elapsed_s: 0,
            step,
            verdict,
            also: Vec::new(),
            reasons: Vec::new(),
            pool: "local".to_owned(),
            observed: false,
            numbers: Numbers::default(),
            counterfactual: None,
            totals: Default::default(),
        }
    }

    fn closed(seconds: u64) -> IncidentEvent {
        event(Step::Closed { calm_s: 60, held: Vec::new() }, Verdict::KnownDemand, seconds)
    }

    fn harm(refused: u32, cut: u32, delayed: u32) -> Harm {
        Harm { refused, cut, delayed }
    }

    #[test]
    fn what_happened_before_it_opened_and_while_it_was_open_is_told_at_its_end() {
        let touched = Touched::default();
        assert!(touched.due(at(0)).is_empty());
        touched.note(account(9), Kind::Refused);
        assert!(touched.due(at(30)).is_empty());
        touched.note(account(1), Kind::Refused);
        assert!(touched.due(at(60)).is_empty(), "nobody is told without an incident");
        touched.incident(&event(Step::Opened, Verdict::Unclear, 70));
        touched.note(account(1), Kind::Refused);
        touched.note(account(1), Kind::Delayed);
        touched.note(account(2), Kind::Cut);
        assert!(touched.due(at(80)).is_empty(), "not yet");
        touched.incident(&closed(200));
        let mut told = touched.due(at(200));
        told.sort_by_key(|notice| notice.account.as_u128());
        let notice = |nth, harm| Notice {
            account: account(nth),
            incident: PublicId::from_stored("inc_a".to_owned()),
            verdict: Verdict::KnownDemand,
            harm,
            began_at: at(70),
            ended_at: Some(at(200)),
        };
        assert_eq!(told, [notice(1, harm(2, 0, 1)), notice(2, harm(0, 1, 0))]);
        assert!(touched.due(at(999)).is_empty() && touched.rest().is_empty(), "once");
    }

    #[test]
    fn a_long_one_is_told_while_it_goes_on_and_then_only_what_changed() {
        let touched = Touched::default();
        touched.incident(&event(Step::Opened, Verdict::Unclear, 0));
        touched.note(account(1), Kind::Refused);
        touched.note(account(2), Kind::Refused);
        assert!(touched.due(at(299)).is_empty());
        touched.incident(&event(Step::Measured, Verdict::UpstreamSlow, 299));
        let told = touched.due(at(300));
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|one| one.ended_at.is_none()));
        assert!(told.iter().all(|one| one.verdict == Verdict::UpstreamSlow));
        touched.note(account(2), Kind::Cut);
        assert!(touched.due(at(359)).is_empty());
        let told = touched.due(at(360));
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].account, told[0].harm), (account(2), harm(1, 1, 0)));
        touched.note(account(3), Kind::Cut);
        assert_eq!(touched.rest().len(), 1, "a door that stops tells what it did not yet");
        touched.incident(&closed(400));
        assert_eq!(touched.due(at(401)).len(), 3, "everybody hears of the end");
    }

    #[test]
    fn as_many_accounts_are_counted_as_may_be_and_not_one_more() {
        let touched = Touched::default();
        for nth in 0..ACCOUNTS_TOUCHED_MAX + 1 {
            touched.note(account(nth as u128), Kind::Refused);
        }
        touched.note(account(0), Kind::Refused);
        touched.incident(&event(Step::Opened, Verdict::Unclear, 0));
        touched.incident(&closed(100));
        let told = touched.due(at(100));
        assert_eq!(told.len(), ACCOUNTS_TOUCHED_MAX);
        assert!(told.iter().any(|one| one.harm.refused == 2), "who is counted is counted on");
    }
}
