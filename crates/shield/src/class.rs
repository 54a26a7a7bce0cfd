//! The class of an account: given by whoever vouches for it, or earned.
//!
//! Trust is earned by time and by use that ended well, because both cost an
//! attacker what he has least of. What an operator or a token says stands, and
//! no rule raises or lowers it.

use surgewall_core::clock::{DAY_S, Timestamp};
use surgewall_core::principal::{Class, ClassReason};

/// What is known of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Its class now, and why.
    pub class: (Class, ClassReason),
    /// The class that it was given when it was made, and why.
    pub given: (Class, ClassReason),
    /// Since when it is known.
    pub known_since: Timestamp,
    /// Days (UTC) on which a request of it ended well.
    pub good_days: u64,
}

/// What it takes to be `established`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Days that an account has to be known.
    pub established_days: u32,
    /// Days of good use among them.
    pub established_active_days: u32,
}

impl History {
    /// Whole days since it is known.
    #[must_use]
    pub const fn age_days(&self, now: Timestamp) -> u64 {
        now.millis().saturating_sub(self.known_since.millis()) / (DAY_S * 1_000)
    }

    /// Whether somebody's word stands that no rule changes.
    const fn is_granted(&self) -> bool {
        let (class, why) = self.class;
        match why {
            ClassReason::Operator | ClassReason::Claim | ClassReason::OperatorsKey => true,
            // It may have been an operator: only the lowest class is nobody's favour.
            ClassReason::Unknown => !matches!(class, Class::New),
            ClassReason::Default | ClassReason::Issuer | ClassReason::Earned => false,
        }
    }
}

/// The class that `history` comes to at `now`, and why.
#[must_use]
pub const fn judge(history: &History, terms: &Terms, now: Timestamp) -> (Class, ClassReason) {
    let given = history.given;
    if history.is_granted() || matches!(given.0, Class::Established) {
        return history.class;
    }
    let old = history.age_days(now) >= terms.established_days as u64;
    if old && history.good_days >= terms.established_active_days as u64 {
        (Class::Established, ClassReason::Earned)
    } else if matches!(history.class.1, ClassReason::Earned) {
        given
    } else {
        history.class
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use Class::{Established, New, Verified};
    use ClassReason::{Claim, Default, Earned, Issuer, Operator, OperatorsKey, Unknown};

    const TERMS: Terms = Terms { established_days: 30, established_active_days: 10 };
    const SINCE: Timestamp = Timestamp::from_millis(1_760_000_000_000);
    const DAY_MS: u64 = DAY_S * 1_000;

    fn check(
        class: (Class, ClassReason),
        (age_ms, good_days): (u64, u64),
        expected: (Class, ClassReason),
    ) {
        let given = if class.1 == Earned { (Verified, Issuer) } else { class };
        let history = History { class, given, known_since: SINCE, good_days };
        let now = SINCE.plus(Duration::from_millis(age_ms));
        assert_eq!(judge(&history, &TERMS, now), expected, "{class:?} {age_ms} {good_days}");
    }

    #[test]
    fn a_class_is_earned_at_both_terms_and_not_before_either() {
        let earned = (Established, Earned);
        for given in [(New, Default), (Verified, Issuer), (New, Issuer), (New, Unknown)] {
            check(given, (0, 0), given);
            check(given, (30 * DAY_MS - 1, 10), given);
            check(given, (30 * DAY_MS, 9), given);
            check(given, (30 * DAY_MS, 10), earned);
            check(given, (3_000 * DAY_MS, 1), given);
            check(given, (31 * DAY_MS, 11), earned);
        }
    }

    #[test]
    fn what_was_earned_stays_while_the_terms_hold_and_then_falls_to_what_was_given() {
        check((Established, Earned), (30 * DAY_MS, 10), (Established, Earned));
        check((Established, Earned), (9_999 * DAY_MS, 10), (Established, Earned));
        check((Established, Earned), (30 * DAY_MS - 1, 10), (Verified, Issuer));
        check((Established, Earned), (30 * DAY_MS, 9), (Verified, Issuer));
    }

    #[test]
    fn what_somebody_granted_is_neither_raised_nor_lowered() {
        for granted in [(New, Operator), (Verified, Operator), (Established, Operator)]
            .into_iter()
            .chain([(New, Claim), (Verified, Claim), (Verified, OperatorsKey)])
            .chain([(Verified, Unknown), (Established, Unknown), (Established, Issuer)])
        {
            check(granted, (0, 0), granted);
            check(granted, (9_999 * DAY_MS, 9_999), granted);
        }
    }

    proptest! {
        #[test]
        fn more_time_and_more_good_use_never_lower_a_class(
            days in 0u64..100, good in 0u64..50, later in 0u64..50, better in 0u64..50,
        ) {
            let history = |good_days| History {
                class: (New, Default), given: (New, Default), known_since: SINCE, good_days,
            };
            let at = |days: u64| SINCE.plus(Duration::from_millis(days * DAY_MS));
            let first = judge(&history(good), &TERMS, at(days));
            let then = History { class: first, ..history(good + better) };
            let second = judge(&then, &TERMS, at(days + later));
            prop_assert!(second.0 <= first.0, "most trusted first: {first:?} {second:?}");
        }

        #[test]
        fn an_account_from_the_future_has_no_age(ahead in 0u64..u64::MAX / 2) {
            let known_since = Timestamp::from_millis(SINCE.millis().saturating_add(ahead));
            let class = (New, Default);
            let history = History { class, given: class, known_since, good_days: u64::MAX };
            prop_assert_eq!(judge(&history, &TERMS, SINCE), class);
        }
    }
}
