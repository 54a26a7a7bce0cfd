//! What becomes of a finding: its states and the way from one to another.

use surgewall_core::finding::State;

/// Something that happens to a finding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// Its producer sees it, no worse than before.
    Seen,
    /// Its producer sees it, and it is worse than before.
    Worse,
    /// Its producer looked and sees it no more.
    Gone,
    /// An operator looked and lives with it.
    Acknowledge,
    /// An operator says that it is gone.
    Fix,
    /// An operator wants it looked at again.
    Reopen,
    /// A rule was made of it.
    MakeRule,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Seen,
        Self::Worse,
        Self::Gone,
        Self::Acknowledge,
        Self::Fix,
        Self::Reopen,
        Self::MakeRule,
    ];
}

/// The state of a finding in `state` after `event`; `None` where that cannot
/// happen to it.
///
/// What was acknowledged is acknowledged as it was then: if it gets worse,
/// somebody has to look again. What is fixed and seen again was not fixed.
#[must_use]
pub const fn after(state: State, event: Event) -> Option<State> {
    Some(match (event, state) {
        (Event::Seen, State::Fixed) | (Event::Worse, State::Acknowledged | State::Fixed) => {
            State::Open
        }
        (Event::Seen | Event::Worse, state) => state,
        (Event::Gone | Event::Fix, _) => State::Fixed,
        (Event::Reopen, _) => State::Open,
        (Event::Acknowledge, State::Open | State::Acknowledged) => State::Acknowledged,
        (Event::MakeRule, State::Open | State::Acknowledged | State::Rule) => State::Rule,
        (Event::Acknowledge, State::Rule | State::Fixed) | (Event::MakeRule, State::Fixed) => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_event_is_decided_on_purpose() {
        use State::{Acknowledged as Ack, Fixed, Open, Rule};
        // In the order of State::ALL: open, acknowledged, rule, fixed.
        let table = [
            (Event::Seen, [Some(Open), Some(Ack), Some(Rule), Some(Open)]),
            (Event::Worse, [Some(Open), Some(Open), Some(Rule), Some(Open)]),
            (Event::Gone, [Some(Fixed); 4]),
            (Event::Acknowledge, [Some(Ack), Some(Ack), None, None]),
            (Event::Fix, [Some(Fixed); 4]),
            (Event::Reopen, [Some(Open); 4]),
            (Event::MakeRule, [Some(Rule), Some(Rule), Some(Rule), None]),
        ];
        assert_eq!(table.map(|(event, _)| event), Event::ALL);
        for (event, expected) in table {
            assert_eq!(State::ALL.map(|state| after(state, event)), expected, "{event:?}");
        }
    }
}
