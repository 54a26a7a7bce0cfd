//! Predictions of a predictor whose past is known.

use super::*;

const CLASS: Class = Class::New;

/// 40 sequences that each do 100 work per second.
fn steady() -> Predictor {
    let mut predictor = Predictor::new();
    for _ in 0..100 {
        predictor.served(Work(1_000), Work(1_000), Duration::from_secs(10), 40);
    }
    predictor
}

fn ask(predictor: &Predictor, class: Class) -> Eta {
    predictor.predict(class, 40, Work(1_000), 1.0, 40..=40)
}

fn off(eta: Duration, seconds: f64) -> f64 {
    (eta.as_secs_f64() - seconds).abs()
}

#[test]
fn the_wait_is_the_work_ahead_over_the_rate_of_the_class() {
    let predictor = steady();
    assert_eq!(predictor.mean_work(), Some(Work(1_000)));
    assert_eq!(predictor.expected_in(40, 2.0), Work(8_000));
    for (ahead, work, share, sequences, expected) in [
        (1, 1_000, 1.0, 40..=40, 0.25),
        (40, 1_000, 1.0, 40..=40, 10.0),
        (40, 2_000, 1.0, 40..=40, 20.0),
        (40, 1_000, 0.5, 40..=40, 20.0),
        (40, 1_000, 1.0, 20..=20, 20.0),
        (40, 1_000, 1.0, 10..=20, 20.0),
        (0, 1_000, 1.0, 40..=40, 0.0),
    ] {
        let eta = predictor.predict(CLASS, ahead, Work(work), share, sequences);
        assert!(off(eta.eta, expected) < 0.001, "{eta:?} for {expected}");
        assert!(eta.low <= eta.eta && eta.eta <= eta.high);
    }
    // Where the limit may be half of what is hoped for, it may last twice as long.
    let sure = ask(&predictor, CLASS);
    let unsure = predictor.predict(CLASS, 40, Work(1_000), 1.0, 20..=40);
    assert_eq!((unsure.low, unsure.eta), (sure.low, sure.eta));
    assert!(off(unsure.high, sure.high.as_secs_f64() * 2.0) < 0.001, "{unsure:?}");
}

#[test]
fn what_was_expected_to_cost_more_is_counted_in_what_was_expected() {
    let mut predictor = Predictor::new();
    predictor.served(Work(500), Work(1_000), Duration::from_secs(10), 40);
    assert!(off(ask(&predictor, CLASS).eta, 10.0) < 0.001);
    assert_eq!(predictor.work_per_s(40), Some(2_000.0));
}

#[test]
fn more_at_once_than_were_seen_do_less_than_so_many_times_as_much() {
    let mut predictor = Predictor::new();
    for _ in 0..100 {
        predictor.served(Work(1_000), Work(1_000), Duration::from_secs(10), 10);
    }
    let per_s = |sequences| predictor.expected_per_s(sequences);
    assert!((per_s(5) - 500.0).abs() < 1e-6 && (per_s(10) - 1_000.0).abs() < 1e-6);
    assert!((per_s(40) - 1_000.0 * 4_f64.powf(BATCH_GAIN)).abs() < 1e-6, "{}", per_s(40));
    let done = predictor.work_per_s(40).unwrap();
    assert!((done - 4_000.0).abs() < 1e-6, "what was done is no forecast: {done}");
}

#[test]
fn those_who_leave_make_room() {
    let mut predictor = steady();
    let before = ask(&predictor, CLASS);
    for _ in 0..1_000 {
        // One in three leaves; each waits for five seconds.
        predictor.left(CLASS, &before, Duration::from_secs(5));
        predictor.observed(CLASS, &before, Duration::from_secs(5));
        predictor.observed(CLASS, &before, Duration::from_secs(5));
    }
    let errors = predictor.classes[CLASS as usize];
    let leaving = errors.leaving_per_s();
    assert!((0.055..0.068).contains(&leaving), "{leaving}");
    // The closed form of d ahead / dt = -(rate + leaving x ahead).
    let melted = (10.0 * leaving).ln_1p() / leaving;
    let raw = ask(&predictor, CLASS).raw[1];
    assert!(off(raw, melted) < 0.001 && melted < 8.0, "{raw:?} {melted}");
    assert_eq!(ask(&predictor, Class::Anonymous), before);
}

#[test]
fn nothing_is_promised_past_the_longest_wait_however_odd_the_question() {
    let mut predictor = steady();
    for (ahead, share, sequences) in [
        (u64::MAX, 1.0, 1),
        (u64::MAX, 0.0, 0),
        (1, -1.0, 0),
        (1, f64::INFINITY, u32::MAX),
        (0, 0.5, 3),
    ] {
        let eta = predictor.predict(CLASS, ahead, Work(u64::MAX), share, 0..=sequences);
        assert!(eta.high <= ETA_MAX && eta.low <= eta.high, "{eta:?}");
        predictor.observed(CLASS, &eta, Duration::MAX);
        predictor.left(CLASS, &eta, Duration::MAX);
        predictor.overdue(CLASS, &eta, Duration::MAX);
        predictor.served(Work(u64::MAX), Work(u64::MAX), Duration::MAX, u32::MAX);
        predictor.tick(Duration::MAX);
    }
    let unknown = Predictor::new();
    assert_eq!(
        (unknown.work_per_s(40), unknown.mean_work(), unknown.held_share()),
        (None, None, None)
    );
}

#[test]
fn a_guess_teaches_nothing() {
    let mut predictor = Predictor::new();
    let guess = ask(&predictor, CLASS);
    for _ in 0..100 {
        predictor.observed(CLASS, &guess, Duration::from_secs(1_000));
    }
    assert_eq!(ask(&predictor, CLASS).high, guess.high);
}

#[test]
fn waits_that_are_always_twice_as_long_are_soon_predicted() {
    let mut predictor = steady();
    for _ in 0..300 {
        let eta = ask(&predictor, CLASS);
        predictor.observed(CLASS, &eta, Duration::from_secs(20));
    }
    let eta = ask(&predictor, CLASS);
    assert!(off(eta.eta, 20.0) < 1.0, "{eta:?}");
    assert!(eta.high < eta.low * 2, "{eta:?}");
    assert!(predictor.held_share().is_some_and(|held| held > 0.9));
    // Another class has its own measure, and what a long queue taught is of use for a short one.
    assert!(off(ask(&predictor, Class::Anonymous).eta, 10.0) < 0.001);
    let short = predictor.predict(CLASS, 4, Work(1_000), 1.0, 40..=40);
    assert!(short.eta > Duration::from_millis(1_600), "{short:?}");
}

#[test]
fn most_hold_however_they_scatter() {
    let mut random = 1_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        f64::from(u32::try_from(random >> 40).unwrap_or(0)) / f64::from(1 << 24)
    };
    // Of some kind for the first half, and of another for the second.
    let waits: [fn(f64) -> f64; 3] =
        [|part| 30.0 * part, |part| if part < 0.5 { 2.0 } else { 40.0 }, |part| -10.0 * part.ln()];
    for (first, second) in [(0, 1), (1, 2), (2, 0)] {
        let mut predictor = steady();
        let mut held = [0, 0];
        for nth in 0..4_000 {
            let kind = waits[if nth < 2_000 { first } else { second }];
            let actual = Duration::from_secs_f64(kind(next()));
            let eta = ask(&predictor, CLASS);
            held[nth / 2_000] += u32::from(eta.low <= actual && actual <= eta.high);
            predictor.observed(CLASS, &eta, actual);
        }
        assert!(held.iter().all(|held| (1_640..1_940).contains(held)), "{held:?}");
    }
}

#[test]
fn it_is_less_sure_of_what_it_did_not_see_lately() {
    let mut predictor = steady();
    let width = |predictor: &Predictor| {
        let eta = ask(predictor, CLASS);
        eta.high.saturating_sub(eta.low)
    };
    let new = width(&predictor);
    for _ in 0..50 {
        let eta = ask(&predictor, CLASS);
        predictor.observed(CLASS, &eta, eta.eta);
    }
    let known = width(&predictor);
    predictor.tick(Duration::from_secs(600));
    assert!(known * 2 < new && width(&predictor) > known * 3 / 2, "{known:?} of {new:?}");
}

#[test]
fn a_client_that_left_counts_only_where_the_range_had_failed_already() {
    let mut predictor = steady();
    let eta = ask(&predictor, CLASS);
    predictor.left(CLASS, &eta, eta.high);
    assert_eq!(predictor.held_share(), None);
    predictor.left(CLASS, &eta, eta.high + Duration::from_millis(1));
    assert_eq!(predictor.held_share(), Some(0.0));
    // Nor does it move the earliest time; and who still waits widens the range at once.
    let (low, high) = (eta.low, ask(&steady(), CLASS).high);
    predictor = steady();
    (0..20).for_each(|_| predictor.overdue(CLASS, &eta, eta.high * 2));
    let now = ask(&predictor, CLASS);
    assert!(now.low == low && now.high > high, "{now:?}");
    assert_eq!(predictor.held_share(), None);
}
