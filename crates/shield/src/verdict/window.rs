//! One pool's last seconds, and the numbers that they come to.

use std::collections::VecDeque;

use surgewall_core::incident::{Numbers, Rate, Usual};
use surgewall_core::principal::Class;

use super::tick::{Flow, PoolTick, Served};

/// Seconds that the numbers are over, where there are enough requests.
const WINDOW_S_MIN: u64 = 5;
/// Seconds that they are over at most.
const WINDOW_S_MAX: u64 = 30;
/// Requests that are enough.
const WINDOW_REQUESTS_MIN: u64 = 20;
/// Ticks that are kept: enough for the longest window, should ticks come late or early.
const TICKS_MAX: usize = 64;
/// Calls that must have ended before a capacity is made of them.
const ENDED_MIN: u64 = 5;
/// Calls that are not forgotten, however old.
const ENDED_KEPT: u64 = 20;
/// Seconds after which the others are forgotten, by and by.
const FADE_S: u64 = 20;
/// A wait that is worth a word: from here on the door tells the client that it waits.
const NOTABLE_WAIT_MS: u64 = 2_000;
/// Ticks in a row with somebody waiting and nobody admitted.
const STALLED_TICKS_MIN: u32 = 3;

/// One second of one pool.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    millis: u64,
    known: Flow,
    unknown: Flow,
    repeated: Flow,
    refused: u64,
    longest_wait_ms: u64,
    ended: Flow,
    used: u64,
    faults: u64,
    busy: bool,
    ttft_percent: Option<u32>,
    tpot_percent: Option<u32>,
}

/// The last seconds of one pool.
#[derive(Debug, Default)]
pub(super) struct Window {
    seconds: VecDeque<Second>,
    /// Calls that ended, older ones fading.
    ended: Served,
    stalled: u32,
    waiting: Flow,
    sequences: u32,
    in_flight: u32,
    pressed: bool,
}

impl Window {
    /// Takes in what happened in the last `millis` milliseconds.
    pub(super) fn push(&mut self, tick: &PoolTick, millis: u64) {
        let second = second(tick, millis);
        self.waiting = tick.classes.iter().fold(Flow::default(), |sum, c| sum.plus(c.waiting));
        self.sequences = tick.sequences;
        self.in_flight = tick.in_flight;
        self.fade(tick.served, millis);
        let queued: u64 = tick.classes.iter().map(|class| class.queued).sum();
        let admitted: u64 = tick.classes.iter().map(|class| class.admitted).sum();
        let held = self.waiting.requests > 0 && admitted == 0;
        // Where admission only observes nobody waits; that many would have is all there is.
        let would = self.waiting.requests == 0 && queued > 0 && second.refused == 0;
        self.stalled = if held || would { self.stalled.saturating_add(1) } else { 0 };
        self.seconds.push_front(second);
        self.seconds.truncate(TICKS_MAX);
        self.pressed = self.is_pressed(&second);
    }

    /// Calls of the last [`FADE_S`] seconds count, and at least [`ENDED_KEPT`].
    fn fade(&mut self, served: Served, millis: u64) {
        let before = self.ended.done.requests;
        if before > ENDED_KEPT {
            let kept = (FADE_S * 1_000).saturating_sub(millis);
            let floor = ENDED_KEPT * FADE_S * 1_000 / before;
            let keep = |sum: u64| {
                let part = u128::from(sum) * u128::from(kept.max(floor));
                u64::try_from(part / u128::from(FADE_S * 1_000)).unwrap_or(u64::MAX)
            };
            let done = Flow { requests: keep(before), work: keep(self.ended.done.work) };
            let (used, busy_ms) = (keep(self.ended.used), keep(self.ended.busy_ms));
            self.ended = Served { done, used, busy_ms };
        }
        self.ended.done = self.ended.done.plus(served.done);
        self.ended.used = self.ended.used.saturating_add(served.used);
        self.ended.busy_ms = self.ended.busy_ms.saturating_add(served.busy_ms);
    }

    /// Whether somebody was refused, waited long, or will.
    fn is_pressed(&self, second: &Second) -> bool {
        let long = self.capacity().is_some_and(|capacity| {
            let drained_ms = u128::from(self.waiting.work) * 1_000;
            drained_ms >= u128::from(capacity.max(1)) * u128::from(NOTABLE_WAIT_MS)
        });
        second.refused > 0
            || second.longest_wait_ms >= NOTABLE_WAIT_MS
            || (self.waiting.requests > 0 && long)
            || self.stalled >= STALLED_TICKS_MIN
    }

    /// Whether the last second was one in which requests waited long or were refused.
    pub(super) const fn pressed(&self) -> bool {
        self.pressed
    }

    /// What the pool can do, in work per second, if every sequence is in use:
    /// what one sequence does in a second, over the calls that ended. A ratio of
    /// sums is right also while long calls have not ended yet.
    fn capacity(&self) -> Option<u64> {
        self.of_all_sequences(self.ended.done.work)
    }

    /// The same in what the calls really were. It does not change with who asks, so
    /// it can be compared with another time. It is rather too high while calls from
    /// before the pool was full still count: each had more of the server to itself.
    pub(super) fn power(&self) -> Option<u64> {
        self.of_all_sequences(self.ended.used)
    }

    fn of_all_sequences(&self, work: u64) -> Option<u64> {
        if self.ended.done.requests < ENDED_MIN || self.ended.busy_ms == 0 {
            return None;
        }
        let work = u128::from(work) * u128::from(self.sequences) * 1_000;
        u64::try_from(work / u128::from(self.ended.busy_ms)).ok().filter(|work| *work > 0)
    }

    /// What the pool did per second over the window, as it was expected and as it was.
    pub(super) fn done(&self) -> (u64, u64) {
        let (taken, millis) = self.taken();
        let flow = |second: &Second| Flow { requests: second.used, work: second.ended.work };
        let Flow { requests: used, work } = sum(taken, flow);
        let per_second = |work: u64| u128::from(work) * 1_000 / u128::from(millis.max(1));
        let whole = |work| u64::try_from(per_second(work)).unwrap_or(u64::MAX);
        (whole(work), whole(used))
    }

    /// The newest seconds, as many as it takes, and their length in milliseconds.
    fn taken(&self) -> (impl Iterator<Item = &Second> + Clone, u64) {
        let (mut count, mut millis, mut requests) = (0, 0_u64, 0_u64);
        for second in &self.seconds {
            let enough = millis >= WINDOW_S_MIN * 1_000 && requests >= WINDOW_REQUESTS_MIN;
            if enough || millis >= WINDOW_S_MAX * 1_000 {
                break;
            }
            count += 1;
            millis = millis.saturating_add(second.millis);
            requests = requests.saturating_add(second.offered().requests);
        }
        (self.seconds.iter().take(count), millis)
    }

    /// The numbers of the last seconds.
    pub(super) fn numbers(&self, usual: Usual) -> Numbers {
        let (taken, millis) = self.taken();
        let known = rate(sum(taken.clone(), |second| second.known), millis);
        let unknown = rate(sum(taken.clone(), |second| second.unknown), millis);
        let repeated = rate(sum(taken.clone(), |second| second.repeated), millis);
        let total =
            |count: fn(&Second) -> u64| taken.clone().map(count).fold(0, u64::saturating_add);
        Numbers {
            window_s: (millis + 500) / 1_000,
            requests: total(|second| second.offered().requests),
            demand: known.plus(unknown).plus(repeated),
            known,
            unknown,
            repeated,
            refused: total(|second| second.refused),
            capacity: self.capacity(),
            sequences: self.sequences,
            in_flight: self.in_flight,
            waiting: self.waiting.requests,
            longest_wait_ms: taken.clone().map(|second| second.longest_wait_ms).max().unwrap_or(0),
            ended: total(|second| second.ended.requests),
            faults: total(|second| second.faults),
            ttft_percent: median(taken.clone().filter_map(|second| second.ttft_percent)),
            tpot_percent: median(taken.clone().filter_map(|second| second.tpot_percent)),
            usual,
        }
    }

    /// Whether calls were open all through the window and none ended.
    pub(super) fn nothing_ended(&self) -> bool {
        let (mut taken, millis) = self.taken();
        millis >= WINDOW_S_MIN * 1_000
            && taken.all(|second| second.busy && second.ended.requests == 0)
    }
}

impl Second {
    const fn offered(&self) -> Flow {
        self.known.plus(self.unknown).plus(self.repeated)
    }
}

fn second(tick: &PoolTick, millis: u64) -> Second {
    let mut second = Second {
        millis,
        ended: tick.served.done,
        used: tick.served.used,
        faults: tick.health.faults,
        busy: tick.in_flight > 0,
        ttft_percent: tick.health.ttft_ratio.map(percent),
        tpot_percent: tick.health.tpot_ratio.map(percent),
        ..Second::default()
    };
    for (class, counts) in Class::ALL.into_iter().zip(&tick.classes) {
        let first = counts.offered.less(counts.repeated);
        let known = match class {
            Class::Established | Class::Verified => first,
            // What is said to be grown cannot be more than there is.
            Class::New => first.less(first.less(tick.grown)),
            Class::Anonymous => Flow::default(),
        };
        second.known = second.known.plus(known);
        second.unknown = second.unknown.plus(first.less(known));
        second.repeated = second.repeated.plus(counts.offered.less(first));
        second.refused = second.refused.saturating_add(counts.refused);
        second.longest_wait_ms = second.longest_wait_ms.max(counts.longest_wait_ms);
    }
    second
}

fn sum<'a>(seconds: impl Iterator<Item = &'a Second>, of: fn(&Second) -> Flow) -> Flow {
    seconds.fold(Flow::default(), |sum, second| sum.plus(of(second)))
}

/// Counts over `millis` milliseconds as a rate per second, rounded down.
fn rate(flow: Flow, millis: u64) -> Rate {
    let per_second = |count: u64, unit: u128| {
        let scaled = u128::from(count) * 1_000 * unit;
        u64::try_from(scaled / u128::from(millis.max(1))).unwrap_or(u64::MAX)
    };
    Rate { requests_milli: per_second(flow.requests, 1_000), work: per_second(flow.work, 1) }
}

fn median(values: impl Iterator<Item = u32>) -> Option<u32> {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// A ratio in percent; what is no number is none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn percent(ratio: f32) -> u32 {
    (ratio * 100.0).round().clamp(0.0, 1e6) as u32
}
