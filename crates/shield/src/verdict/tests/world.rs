//! A pool and its callers, second by second: enough of a door to judge.

use std::sync::Arc;
use std::time::Duration;

use surgewall_core::clock::Timestamp;

use super::super::{ClassTick, Flow, Health, PoolTick, Served, Tick};

/// Work of one request.
const WORK: u64 = 100;
/// Longest predicted waits, in seconds, by class.
const LONGEST_WAIT_S: [u64; 4] = [120, 60, 30, 20];

/// What goes on, in requests per second and percent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    /// Requests that each class sends, in thousandths per second.
    pub(super) offered_milli: [u64; 4],
    /// For each request of a class, so many percent of repeats on top.
    pub(super) repeats_percent: [u64; 4],
    /// Requests at once that the pool is trusted with.
    pub(super) sequences: u32,
    /// Requests that one sequence ends in a second, in thousandths.
    pub(super) speed_milli: u64,
    pub(super) ttft: Option<f32>,
    pub(super) tpot: Option<f32>,
    /// Percent of the calls that fail.
    pub(super) faults_percent: u64,
    pub(super) observe: bool,
}

/// 40 sequences that end one request a second each, and half of that asked for.
pub(super) const CALM: Weather = Weather {
    offered_milli: [12_000, 6_000, 1_000, 1_000],
    repeats_percent: [0; 4],
    sequences: 40,
    speed_milli: 1_000,
    ttft: Some(1.0),
    tpot: Some(1.2),
    faults_percent: 0,
    observe: false,
};

/// One pool in a weather.
pub(super) struct World {
    pub(super) name: Arc<str>,
    queues: [u64; 4],
    /// What is left of a second's fractions, by class.
    carried: [u64; 4],
    served_milli: u64,
    rng: u64,
}

impl World {
    pub(super) fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.into(),
            queues: [0; 4],
            carried: [0; 4],
            served_milli: 0,
            rng: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    /// xorshift64*
    fn random(&mut self, below: u64) -> u64 {
        self.rng ^= self.rng >> 12;
        self.rng ^= self.rng << 25;
        self.rng ^= self.rng >> 27;
        (self.rng.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below.max(1)
    }

    /// One second. Arrivals scatter by a quarter.
    pub(super) fn second(&mut self, weather: &Weather) -> PoolTick {
        let mut tick = PoolTick::idle(Arc::clone(&self.name));
        let capacity_milli = u64::from(weather.sequences) * weather.speed_milli;
        for class in 0..4 {
            self.arrive(class, weather, capacity_milli, &mut tick);
        }
        self.serve(weather, capacity_milli, &mut tick);
        for (counts, queued) in tick.classes.iter_mut().zip(self.queues) {
            counts.waiting = flow(queued);
        }
        tick.sequences = weather.sequences;
        let done = tick.served.done.requests;
        tick.health = Health {
            ttft_ratio: weather.ttft,
            tpot_ratio: weather.tpot,
            faults: done * weather.faults_percent / 100,
        };
        tick
    }

    fn arrive(
        &mut self,
        class: usize,
        weather: &Weather,
        capacity_milli: u64,
        tick: &mut PoolTick,
    ) {
        let mean = weather.offered_milli[class];
        let scattered = mean - mean / 4 + self.random(mean / 2 + 1) + self.carried[class];
        self.carried[class] = scattered % 1_000;
        let first = scattered / 1_000;
        let repeated = first * weather.repeats_percent[class] / 100;
        let counts = &mut tick.classes[class];
        *counts =
            ClassTick { offered: flow(first + repeated), repeated: flow(repeated), ..*counts };
        for _ in 0..first + repeated {
            // As if each class had a quarter of the pool.
            let ahead: u64 = self.queues[class] * 4;
            if ahead * 1_000 > LONGEST_WAIT_S[class] * capacity_milli {
                counts.refused += 1;
            } else {
                self.queues[class] += 1;
            }
        }
    }

    fn serve(&mut self, weather: &Weather, capacity_milli: u64, tick: &mut PoolTick) {
        let can = capacity_milli + self.served_milli;
        let mut room = can / 1_000;
        self.served_milli = can % 1_000;
        let mut done = 0;
        // Each class its quarter, then what is left to whoever waits.
        for quarter in [can / 4_000, room] {
            for class in 0..4 {
                let taken = self.queues[class].min(quarter).min(room);
                let before = self.queues[class];
                self.queues[class] -= taken;
                room -= taken;
                done += taken;
                tick.classes[class].admitted += taken;
                if taken > 0 && capacity_milli > 0 {
                    let wait = before.saturating_sub(taken) * 1_000_000 / capacity_milli;
                    let longest = &mut tick.classes[class].longest_wait_ms;
                    *longest = (*longest).max(wait);
                }
            }
        }
        for class in 0..4 {
            tick.classes[class].queued =
                tick.classes[class].offered.requests.min(self.queues[class]);
        }
        let busy = done * 1_000_000 / weather.speed_milli.max(1);
        tick.served = Served { done: flow(done), used: done * WORK, busy_ms: busy };
        tick.in_flight =
            u32::try_from(busy / 1_000).unwrap_or(u32::MAX).max(1).min(weather.sequences);
        if done == 0 && self.queues.iter().any(|queued| *queued > 0) {
            tick.in_flight = weather.sequences;
        }
    }
}

fn flow(requests: u64) -> Flow {
    Flow { requests, work: requests * WORK }
}

/// The tick of `pools` at second `at`.
pub(super) fn tick(at: u64, observe: bool, pools: Vec<PoolTick>) -> Tick {
    Tick { at: Timestamp::from_millis(at * 1_000), elapsed: Duration::from_secs(1), observe, pools }
}
