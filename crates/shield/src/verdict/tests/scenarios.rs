//! Scenarios in time: what the door says, how soon, and what is written down.

use surgewall_core::id::PublicId;

use super::super::Verdict::{
    self, KnownDemand as Known, Normal, RetryStorm as Retry, Unclear, UnknownDemand as Unknown,
    UpstreamSlow as Slow,
};
use super::super::{IncidentEvent, Judge, Judged, Step, Tick};
use super::world::{CALM, Weather, World, tick};

/// Seconds of one kind of weather, and what must be said at their end; any of
/// several where the numbers allow no more.
type Act<'a> = (u64, Weather, &'a [Verdict]);

/// What came of a play.
struct Played {
    said: Vec<Judged>,
    events: Vec<IncidentEvent>,
}

pub(super) fn id() -> PublicId {
    PublicId::from_stored("inc_test".to_owned())
}

fn play(acts: &[Act<'_>], seed: u64) -> Played {
    let mut judge = Judge::new();
    let mut world = World::new("local", seed);
    let (mut said, mut events, mut at) = (Vec::new(), Vec::new(), 0);
    for (act, (seconds, weather, expected)) in acts.iter().enumerate() {
        for _ in 0..*seconds {
            at += 1;
            let second = world.second(weather);
            let (judged, event) = judge.tick(&tick(at, weather.observe, vec![second]), id);
            said.push(judged);
            events.extend(event);
        }
        let last = said.last().unwrap();
        assert!(expected.contains(&last.verdict), "seed {seed}, act {act}: {last:#?}");
    }
    Played { said, events }
}

fn check(name: &str, acts: &[Act<'_>]) {
    for seed in 1..=5 {
        let played = play(acts, seed);
        // Nothing is said of what was not: each verdict is one that some act allows.
        for event in &played.events {
            let allowed = acts.iter().any(|(_, _, expected)| expected.contains(&event.verdict));
            assert!(allowed || event.verdict == Unclear, "{name}, seed {seed}: {event:#?}");
        }
    }
}

/// Times as many strangers, beside [`CALM`].
fn flood(times: u64) -> Weather {
    let [established, verified, new, _] = CALM.offered_milli;
    Weather { offered_milli: [established, verified, new, 20_000 * times], ..CALM }
}

/// Times as many requests of known callers.
fn crowd(times: u64) -> Weather {
    let [established, verified, new, anonymous] = CALM.offered_milli;
    Weather { offered_milli: [established * times, verified * times, new, anonymous], ..CALM }
}

#[test]
fn floods_of_strangers() {
    for times in [2, 4, 10, 20] {
        check("a flood", &[(60, CALM, &[Normal]), (40, flood(times), &[Unknown])]);
    }
    check("from the first second on", &[(40, flood(10), &[Unknown])]);
    let young = Weather { offered_milli: [12_000, 6_000, 400_000, 1_000], ..CALM };
    check("a thousand young accounts", &[(60, CALM, &[Normal]), (40, young, &[Unknown])]);
}

#[test]
fn crowds_of_known_callers() {
    for times in [4, 10, 20] {
        check("a crowd", &[(60, CALM, &[Normal]), (40, crowd(times), &[Known])]);
    }
    check("from the first second on", &[(40, crowd(5), &[Known])]);
}

#[test]
fn accounts_past_the_young_age_are_known() {
    let mut judge = Judge::new();
    let mut world = World::new("local", 3);
    let weather = Weather { offered_milli: [1_000, 1_000, 120_000, 1_000], ..CALM };
    let mut last = Judged::default();
    for at in 1..=40 {
        let mut second = world.second(&weather);
        second.grown = second.classes[2].offered;
        (last, _) = judge.tick(&tick(at, false, vec![second]), id);
    }
    assert_eq!(last.verdict, Known, "{last:#?}");
}

#[test]
fn servers_in_trouble() {
    let tenfold = Weather { speed_milli: 100, ttft: Some(9.0), tpot: Some(10.0), ..CALM };
    check("ten times slower", &[(90, CALM, &[Normal]), (60, tenfold, &[Slow])]);
    // The controller has learnt the new speed; the capacity is still a tenth.
    let relearnt = Weather { ttft: Some(1.0), tpot: Some(1.0), ..tenfold };
    check(
        "and relearnt",
        &[(90, CALM, &[Normal]), (40, tenfold, &[Slow]), (90, relearnt, &[Slow])],
    );
    let half = Weather { sequences: 12, ttft: Some(1.5), ..CALM };
    check("fewer places", &[(90, CALM, &[Normal]), (60, half, &[Slow])]);
    let dead = Weather { speed_milli: 0, ..CALM };
    check("it hangs", &[(90, CALM, &[Normal]), (60, dead, &[Slow])]);
    let restart = Weather { speed_milli: 200, faults_percent: 80, ..CALM };
    check("it restarts", &[(90, CALM, &[Normal]), (20, restart, &[Slow]), (120, CALM, &[Normal])]);
    // A server that says that its queue is full while it is as quick as ever.
    let liar = Weather { sequences: 8, ..CALM };
    check("it lies about its queue", &[(90, CALM, &[Normal]), (60, liar, &[Slow, Unclear])]);
}

#[test]
fn requests_again_and_again() {
    let storm = Weather { repeats_percent: [400, 400, 400, 400], ..CALM };
    check("a retry storm", &[(60, CALM, &[Normal]), (40, storm, &[Retry])]);
    let crowd = Weather { repeats_percent: [100; 4], ..crowd(5) };
    check("a crowd that retries", &[(60, CALM, &[Normal]), (40, crowd, &[Known])]);
    let flood = Weather { repeats_percent: [0, 0, 0, 200], ..flood(10) };
    check("a flood that retries", &[(60, CALM, &[Normal]), (40, flood, &[Unknown])]);
}

#[test]
fn tactics_change() {
    let storm = Weather { repeats_percent: [400; 4], ..CALM };
    let tenfold = Weather { speed_milli: 100, ttft: Some(9.0), tpot: Some(10.0), ..CALM };
    check(
        "flood, then crowd",
        &[(60, CALM, &[Normal]), (40, flood(10), &[Unknown]), (40, crowd(10), &[Known])],
    );
    check(
        "flood, then storm",
        &[(60, CALM, &[Normal]), (40, flood(10), &[Unknown]), (60, storm, &[Retry])],
    );
    check(
        "slow, then flood",
        &[(90, CALM, &[Normal]), (40, tenfold, &[Slow]), (60, flood(20), &[Unknown])],
    );
    check(
        "flood, then slow",
        &[(90, CALM, &[Normal]), (40, flood(10), &[Unknown]), (90, tenfold, &[Slow])],
    );
}

#[test]
fn small_services() {
    let calm =
        Weather { offered_milli: [400, 200, 50, 50], sequences: 4, speed_milli: 250, ..CALM };
    let flood = Weather { offered_milli: [400, 200, 50, 5_000], ..calm };
    let crowd = Weather { offered_milli: [3_000, 2_000, 50, 50], ..calm };
    check(
        "one request a second, a flood",
        &[(200, calm, &[Normal, Unclear]), (60, flood, &[Unknown])],
    );
    check(
        "one request a second, a crowd",
        &[(200, calm, &[Normal, Unclear]), (60, crowd, &[Known])],
    );
}

#[test]
fn calm_is_calm() {
    check("an hour of it", &[(3_600, CALM, &[Normal])]);
    let busy = Weather { offered_milli: [24_000, 8_000, 2_000, 2_000], ..CALM };
    check("nine tenths used", &[(600, busy, &[Normal])]);
    let idle = Weather { offered_milli: [0; 4], ..CALM };
    check("nobody is there", &[(600, idle, &[Normal])]);
}

#[test]
fn a_flood_is_named_within_five_seconds_and_so_is_a_crowd() {
    for seed in 1..=20 {
        for (weather, verdict) in [(flood(10), Unknown), (crowd(10), Known)] {
            let played = play(&[(60, CALM, &[Normal]), (30, weather, &[verdict])], seed);
            let named = played.said.iter().position(|judged| judged.verdict == verdict).unwrap();
            assert!(named <= 60 + 5, "seed {seed}: {verdict} after {} s", named - 60);
        }
    }
}

#[test]
fn an_incident_opens_is_measured_and_closes_after_a_calm_minute() {
    let played =
        play(&[(60, CALM, &[Normal]), (30, flood(10), &[Unknown]), (120, CALM, &[Normal])], 1);
    let steps: Vec<_> = played.events.iter().map(|event| &event.step).collect();
    assert!(matches!(steps.first(), Some(Step::Opened)), "{steps:?}");
    let Some(Step::Closed { calm_s: 60, held }) = steps.last() else { panic!("{steps:?}") };
    assert_eq!(held.first().map(|(verdict, _)| *verdict), Some(Unknown));
    assert!(steps[1..steps.len() - 1].iter().all(|step| matches!(step, Step::Measured)));
    assert!(steps.len() >= 4, "{steps:?}");
    assert_eq!(played.said.iter().filter(|judged| judged.incident.is_some()).count() as u64, {
        let closed = played.events.last().unwrap();
        closed.elapsed_s + 1
    });
    assert!(played.said.last().unwrap().incident.is_none());
    let closed = played.events.last().unwrap();
    assert_eq!(closed.verdict, Unknown);
    let refused: Vec<_> = closed.totals.iter().map(|class| class.refused > 0).collect();
    assert_eq!(refused, [false, false, false, true], "{:?}", closed.totals);
}

#[test]
fn the_counterfactual_of_a_flood_names_the_known_demand_and_the_places_missing() {
    let played = play(&[(60, CALM, &[Normal]), (30, flood(10), &[Unknown])], 1);
    let last = played.said.last().unwrap();
    let would = last.counterfactual.unwrap();
    assert!(would.known.fits() && !would.once.fits(), "{would:?}");
    // 19 known requests a second against 40, and 201 in all.
    assert!((15_000..23_000).contains(&would.known.demand.requests_milli), "{would:?}");
    assert!((38_000..42_000).contains(&would.known.capacity.requests_milli), "{would:?}");
    assert!((120..220).contains(&would.sequences_more), "{would:?}");
}

#[test]
fn a_change_of_tactics_is_an_event() {
    let acts: &[Act<'_>] =
        &[(60, CALM, &[Normal]), (30, flood(10), &[Unknown]), (40, crowd(10), &[Known])];
    let played = play(acts, 2);
    let changes = played.events.iter().filter_map(|event| match event.step {
        Step::Changed { from } => Some((from, event.verdict)),
        _ => None,
    });
    let changes: Vec<_> = changes.collect();
    assert_eq!(changes.first().map(|(from, _)| *from), Some(Unknown), "{changes:?}");
    assert_eq!(changes.last().map(|(_, to)| *to), Some(Known), "{changes:?}");
}

#[test]
fn what_is_only_observed_is_said_to_be() {
    let watched = |weather: Weather| Weather { observe: true, ..weather };
    let acts: &[Act<'_>] = &[(60, watched(CALM), &[Normal]), (30, watched(flood(10)), &[Unknown])];
    assert!(play(acts, 1).events.iter().all(|event| event.observed));
}

#[test]
fn the_pool_that_is_worst_off_is_named() {
    let mut judge = Judge::new();
    let (mut a, mut b) = (World::new("a", 1), World::new("b", 2));
    let mut named = Vec::new();
    for at in 1..=120_u64 {
        // First a is flooded, then b, and b worse.
        let (in_a, in_b) = if at <= 60 { (flood(4), CALM) } else { (flood(4), flood(20)) };
        let pools = vec![a.second(&in_a), b.second(&in_b)];
        let (judged, event) = judge.tick(&tick(at, false, pools), id);
        assert!(at < 30 || judged.verdict == Unknown, "{judged:?}");
        named.extend(event.map(|event| event.pool));
    }
    named.dedup();
    assert_eq!(named, ["a", "b"]);
}

#[test]
fn a_clock_that_jumps_and_ticks_that_come_late_change_nothing() {
    let mut judge = Judge::new();
    let mut world = World::new("local", 4);
    let mut closed = None;
    for second in 1..=200_u64 {
        let weather = if (61..=100).contains(&second) { flood(10) } else { CALM };
        let mut now: Tick = tick(second, false, vec![world.second(&weather)]);
        if second > 80 {
            now.at = surgewall_core::clock::Timestamp::from_millis(5);
        }
        let (judged, event) = judge.tick(&now, id);
        assert!(!(70..=100).contains(&second) || judged.verdict == Unknown, "{judged:?}");
        closed = closed.or(event.filter(|event| matches!(event.step, Step::Closed { .. })));
    }
    let elapsed = closed.unwrap().elapsed_s;
    assert!((90..130).contains(&elapsed), "{elapsed}");
}

#[test]
fn pools_that_are_gone_are_forgotten() {
    let mut judge = Judge::new();
    for at in 0..1_000_u64 {
        let mut world = World::new(&format!("pool-{at}"), at + 1);
        let _ = judge.tick(&tick(at, false, vec![world.second(&CALM)]), id);
        assert_eq!(judge.pools_len(), 1);
    }
}
