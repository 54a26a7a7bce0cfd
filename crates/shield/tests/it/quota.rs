//! No window ever holds more than its limit; nothing is lost or granted twice.

use std::time::Duration;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use surgewall_core::clock::Timestamp;
use surgewall_core::id::Id;
use surgewall_core::principal::{Class, DelegatedUser};
use surgewall_core::quota::{Amounts, LimitSpec, Meter, Subject};
use surgewall_shield::quota::{Enforcement, Limit, QuotaTable};

const START: u64 = 1_790_000_000_000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[expect(clippy::unwrap_used, reason = "a test's own text")]
fn spec(text: &str) -> LimitSpec {
    text.parse().unwrap()
}

fn tokens(output: u64) -> Amounts {
    Amounts { output, ..Amounts::default() }
}

fn key(number: u128) -> Subject {
    Subject::Key(Id::from_u128(number))
}

fn on(subject: Subject, spec: &LimitSpec) -> Limit<'_> {
    Limit { subject, spec, enforcement: Enforcement::On }
}

/// One step of a random run: time that passes, an amount asked for, and what
/// of it is used if it is settled at once.
fn steps() -> impl Strategy<Value = Vec<(u64, u64, Option<u64>)>> {
    let step = (0..4_000_u64, 0..60_u64, proptest::option::of(0..60_u64));
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn no_window_holds_more_than_the_limit(
        steps in steps(), window_s in 1..20_u64, back_at in 0..200_usize, back in any::<bool>(),
    ) {
        let max = 100;
        let limit = LimitSpec { meter: Meter::OutputTokens, max, window_s, model: None };
        let mut table = QuotaTable::default();
        let (mut real, mut log) = (START, Vec::new());
        for (index, (passed, amount, used)) in steps.into_iter().enumerate() {
            real += passed;
            // At some point the clock goes back an hour, and stays behind.
            let skew = if back && index >= back_at { 3_600_000 } else { 0 };
            let now = at(real - skew);
            if let Ok(grant) = table.reserve(now, &[on(key(1), &limit)], "m", &tokens(amount)) {
                let mut held = amount;
                if let Some(used) = used {
                    held = used.min(amount);
                    table.settle(&grant.charges, &tokens(held));
                }
                // What counts at the moment of admission is the full reservation.
                let window: u64 = log.iter()
                    .filter(|(then, _)| real - then < window_s * 1_000)
                    .map(|(_, held)| held).sum();
                prop_assert!(window + amount <= max || amount == 0, "{window} + {amount}");
                log.push((real, held));
            }
        }
    }

    #[test]
    fn a_refused_amount_fits_when_it_was_told_and_not_before(
        steps in steps(), window_s in 1..20_u64, amount in 1..150_u64,
    ) {
        let limit = LimitSpec { meter: Meter::OutputTokens, max: 100, window_s, model: None };
        let limits = [on(key(1), &limit)];
        let mut table = QuotaTable::default();
        let mut now = START;
        for (passed, amount, _) in steps {
            now += passed / 8;
            let _ = table.reserve(at(now), &limits, "m", &tokens(amount));
        }
        if let Err(exceeded) = table.reserve(at(now), &limits, "m", &tokens(amount)) {
            let Some(wait) = exceeded.retry_after else {
                prop_assert!(amount > 100);
                return Ok(());
            };
            let then = at(now).plus(wait);
            if wait > Duration::from_millis(1) {
                let before = at(then.millis() - 1);
                prop_assert!(table.reserve(before, &limits, "m", &tokens(amount)).is_err());
            }
            prop_assert!(table.reserve(then, &limits, "m", &tokens(amount)).is_ok());
        }
    }

    #[test]
    fn nothing_panics_whatever_the_numbers(
        runs in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()), 1..50),
        max in any::<u64>(), window_s in any::<u64>(),
    ) {
        let mut table = QuotaTable::new(4);
        for meter in Meter::ALL {
            let limit = LimitSpec { meter, max, window_s, model: None };
            for (time, input, output, used) in &runs {
                let limits = [
                    Limit { subject: key(1), spec: &limit, enforcement: Enforcement::Shadow },
                    on(key(u128::from(*used)), &limit),
                ];
                let amounts = Amounts { input: *input, output: *output, money: *used };
                if let Ok(mut grant) = table.reserve(at(*time), &limits, "m", &amounts) {
                    table.top_up(&mut grant.charges, &tokens(*used));
                    table.settle(&grant.charges, &tokens(*used));
                }
                let _ = table.remaining(at(*used), &key(1), &limit);
                let state = table.state(at(*output));
                table.restore(&state);
                prop_assert!(table.len() <= 4);
            }
        }
    }

    #[test]
    fn a_restart_changes_nothing(steps in steps(), window_s in 1..20_u64) {
        let limit = LimitSpec { meter: Meter::OutputTokens, max: 1_000, window_s, model: None };
        let mut table = QuotaTable::default();
        let mut now = START;
        for (index, (passed, amount, _)) in (0_u128..).zip(steps) {
            now += passed;
            let _ = table.reserve(at(now), &[on(key(index % 3), &limit)], "m", &tokens(amount));
        }
        let mut after = QuotaTable::default();
        after.restore(&table.state(at(now)));
        for number in 0..3 {
            let before = table.remaining(at(now), &key(number), &limit);
            prop_assert_eq!(after.remaining(at(now), &key(number), &limit), before);
        }
    }
}

#[test]
fn all_limits_hold_or_nothing_is_charged() {
    let (wide, narrow) = (spec("output_tokens=1000/1m"), spec("output_tokens=100/1h"));
    let group = Subject::Group(Id::from_u128(2));
    let limits = [on(group, &wide), on(key(1), &narrow)];
    let mut table = QuotaTable::default();
    let now = at(START);
    let grant = table.reserve(now, &limits, "m", &tokens(100)).unwrap();
    assert_eq!(grant.charges.len(), 2);
    let refused = table.reserve(now, &limits, "m", &tokens(1)).unwrap_err();
    assert_eq!((refused.subject, refused.max, refused.window_s), (key(1), 100, 3_600));
    assert_eq!(table.remaining(now, &group, &wide).used, 100);
    // It used 40: both counters get 60 back.
    table.settle(&grant.charges, &tokens(40));
    assert_eq!(table.remaining(now, &group, &wide).remaining, 960);
    assert_eq!(table.remaining(now, &key(1), &narrow).remaining, 60);
}

#[test]
fn concurrency_is_given_back_once_and_never_goes_below_zero() {
    let two = spec("concurrency=2");
    let limits = [on(key(1), &two)];
    let mut table = QuotaTable::default();
    let now = at(START);
    let first = table.reserve(now, &limits, "m", &tokens(5)).unwrap();
    let _second = table.reserve(now, &limits, "m", &tokens(5)).unwrap();
    let refused = table.reserve(now, &limits, "m", &tokens(5)).unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
    table.settle(&first.charges, &tokens(5));
    assert_eq!(table.remaining(now, &key(1), &two).used, 1);
    for _ in 0..5 {
        table.settle(&first.charges, &tokens(5));
    }
    assert_eq!(table.remaining(now, &key(1), &two).used, 0);
}

#[test]
fn two_limits_of_one_kind_share_a_counter_and_charge_it_once() {
    let (loose, tight) = (spec("requests=10/1m"), spec("requests=2/1m"));
    let limits = [on(key(1), &loose), on(key(1), &tight)];
    let mut table = QuotaTable::default();
    for _ in 0..2 {
        assert_eq!(table.reserve(at(START), &limits, "m", &tokens(1)).unwrap().charges.len(), 1);
    }
    assert_eq!(table.reserve(at(START), &limits, "m", &tokens(1)).unwrap_err().max, 2);
}

#[test]
fn a_limit_of_a_model_holds_for_that_model_only() {
    let llama = spec("requests=1/1m:llama-*");
    let limits = [on(key(1), &llama)];
    let mut table = QuotaTable::default();
    assert!(table.reserve(at(START), &limits, "tiny", &tokens(1)).unwrap().charges.is_empty());
    assert_eq!(table.reserve(at(START), &limits, "llama-3", &tokens(1)).unwrap().charges.len(), 1);
    assert!(table.reserve(at(START), &limits, "llama-4", &tokens(1)).is_err());
}

#[test]
fn a_shadow_limit_counts_and_reports_but_lets_through() {
    let one = spec("requests=1/1m");
    let class = Subject::Class(Class::New);
    let limits = [Limit { subject: class, spec: &one, enforcement: Enforcement::Shadow }];
    let mut table = QuotaTable::default();
    assert!(table.reserve(at(START), &limits, "m", &tokens(1)).unwrap().shadow.is_empty());
    let grant = table.reserve(at(START), &limits, "m", &tokens(1)).unwrap();
    assert_eq!(grant.shadow.len(), 1);
    assert_eq!(table.remaining(at(START), &class, &one).used, 2);
}

#[test]
fn what_can_never_fit_says_so_and_outweighs_what_fits_later() {
    let (day, minute) = (spec("output_tokens=50/1d"), spec("output_tokens=10/1m"));
    let mut table = QuotaTable::default();
    let limits = [on(key(1), &day), on(key(1), &minute)];
    assert!(table.reserve(at(START), &limits, "m", &tokens(10)).is_ok());
    let later = table.reserve(at(START), &limits, "m", &tokens(5)).unwrap_err();
    assert!(later.retry_after.is_some_and(|wait| wait <= Duration::from_secs(65)));
    let never = table.reserve(at(START), &limits, "m", &tokens(45)).unwrap_err();
    assert_eq!((never.max, never.retry_after), (10, None));
}

#[test]
fn a_top_up_is_charged_beyond_the_limit_and_settled_with_the_rest() {
    let limit = spec("output_tokens=100/1h");
    let limits = [on(key(1), &limit)];
    let mut table = QuotaTable::default();
    let mut grant = table.reserve(at(START), &limits, "m", &tokens(100)).unwrap();
    table.top_up(&mut grant.charges, &tokens(256));
    assert_eq!(table.remaining(at(START), &key(1), &limit).used, 356);
    table.settle(&grant.charges, &tokens(120));
    assert_eq!(table.remaining(at(START), &key(1), &limit).used, 120);
}

#[test]
fn admissions_after_a_segments_opening_are_replayed() {
    let (limit, places) = (spec("output_tokens=100/1h"), spec("concurrency=1"));
    let limits = [on(key(1), &limit), on(key(1), &places)];
    let mut table = QuotaTable::default();
    let grant = table.reserve(at(START), &limits, "m", &tokens(70)).unwrap();
    let mut after = QuotaTable::default();
    after.replay(&grant.charges);
    assert_eq!(after.remaining(at(START), &key(1), &limit).used, 70);
    assert_eq!(after.remaining(at(START), &key(1), &places).used, 0);
    after.settle(&grant.charges, &tokens(20));
    assert_eq!(after.remaining(at(START), &key(1), &limit).used, 20);
}

#[test]
fn a_full_table_forgets_idle_counters_and_refuses_when_all_are_busy() {
    let limit = spec("requests=5/1m");
    let mut table = QuotaTable::new(8);
    let now = at(START);
    for number in 0..8 {
        assert!(table.reserve(now, &[on(key(number), &limit)], "m", &tokens(1)).is_ok());
    }
    let refused = table.reserve(now, &[on(key(8), &limit)], "m", &tokens(1)).unwrap_err();
    assert_eq!(refused.retry_after, Some(Duration::from_secs(1)));
    // A known subject still gets its share.
    assert!(table.reserve(now, &[on(key(7), &limit)], "m", &tokens(1)).is_ok());
    let later = now.plus(Duration::from_secs(70));
    assert!(table.reserve(later, &[on(key(8), &limit)], "m", &tokens(1)).is_ok());
    assert!(table.len() <= 8);
    assert_eq!(table.remaining(later, &key(8), &limit).used, 1);
}

#[test]
fn a_reservation_that_is_undone_was_never_made() {
    let (requests, used) = (spec("requests=1/1h"), spec("output_tokens=100/1h"));
    let places = spec("concurrency=1");
    let limits = [on(key(1), &requests), on(key(1), &used), on(key(1), &places)];
    let mut table = QuotaTable::default();
    for _ in 0..2 {
        let grant = table.reserve(at(START), &limits, "m", &tokens(100)).unwrap();
        table.undo(&grant.charges);
    }
    let grant = table.reserve(at(START), &limits, "m", &tokens(100)).unwrap();
    table.settle(&grant.charges, &tokens(0));
    assert!(table.reserve(at(START), &limits, "m", &tokens(100)).is_err(), "one request is used");
}

fn user(key: u128, user: u128) -> Subject {
    Subject::User(Id::from_u128(key), DelegatedUser(user))
}

#[test]
fn users_past_a_keys_bound_share_one_counter_and_those_before_keep_theirs() {
    let (two, daily) = (spec("requests=2/1m"), spec("output_tokens=100/1d"));
    let mut table = QuotaTable::default();
    table.set_users_per_key_max(3);
    let ask = |table: &mut QuotaTable, key, name| {
        let limits = [on(user(key, name), &two), on(user(key, name), &daily)];
        table.reserve(at(START), &limits, "m", &tokens(1))
    };
    for name in 1..=3 {
        let grant = ask(&mut table, 7, name).unwrap();
        assert_eq!(grant.crowded, None);
        assert!(grant.charges.iter().all(|charge| charge.subject == user(7, name)));
    }
    let fourth = ask(&mut table, 7, 4).unwrap();
    assert_eq!(fourth.crowded, Some(Id::from_u128(7)), "said once, when the sharing begins");
    let shared = fourth.charges[0].subject;
    assert!(shared != user(7, 4) && fourth.charges.iter().all(|c| c.subject == shared));
    let fifth = ask(&mut table, 7, 5).unwrap();
    assert_eq!((fifth.crowded, fifth.charges[0].subject), (None, shared));
    assert_eq!(table.remaining(at(START), &user(7, 6), &two).used, 2, "as the head says it");
    assert_eq!(ask(&mut table, 7, 6).unwrap_err().subject.scope(), "user");
    assert_eq!(table.len(), 8, "three users and the shared one, two counters each");

    assert!(ask(&mut table, 7, 1).is_ok(), "who was counted alone still is");
    assert!(ask(&mut table, 7, 1).is_err());
    assert_eq!(ask(&mut table, 8, 4).unwrap().charges[0].subject, user(8, 4), "another key");

    table.settle(&fourth.charges, &tokens(0));
    assert_eq!(table.remaining(at(START), &user(7, 6), &daily).used, 1);
}

#[test]
fn a_user_without_counters_makes_room_for_another() {
    let (minute, daily) = (spec("requests=9/1m"), spec("requests=9/1d"));
    let mut table = QuotaTable::default();
    table.set_users_per_key_max(1);
    let ask = |table: &mut QuotaTable, now, name, spec| {
        let grant = table.reserve(at(now), &[on(user(7, name), spec)], "m", &tokens(1)).unwrap();
        grant.charges[0].subject == user(7, name)
    };
    assert!(ask(&mut table, START, 1, &minute) && ask(&mut table, START, 1, &daily));
    assert!(!ask(&mut table, START + 120_000, 2, &minute), "the day's counter still holds");
    assert!(ask(&mut table, START + 120_000, 1, &minute), "one that is counted gets more counters");
    let tomorrow = START + 2 * 86_400_000;
    // Pruning goes round a few counters at each reservation.
    let class = Subject::Class(Class::New);
    for _ in 0..4 {
        drop(table.reserve(at(tomorrow), &[on(class, &minute)], "m", &tokens(1)).unwrap());
    }
    assert!(ask(&mut table, tomorrow, 2, &minute));
}

#[test]
fn users_that_a_ledger_brings_back_count_towards_the_bound() {
    let daily = spec("requests=9/1d");
    let mut before = QuotaTable::default();
    for name in 1..=2 {
        drop(before.reserve(at(START), &[on(user(7, name), &daily)], "m", &tokens(1)).unwrap());
    }
    let mut table = QuotaTable::default();
    table.restore(&before.state(at(START)));
    table.set_users_per_key_max(2);
    for (name, alone) in [(1, true), (2, true), (3, false)] {
        let limits = [on(user(7, name), &daily)];
        let grant = table.reserve(at(START), &limits, "m", &tokens(1)).unwrap();
        assert_eq!(grant.charges[0].subject == user(7, name), alone, "{name}");
    }
}
