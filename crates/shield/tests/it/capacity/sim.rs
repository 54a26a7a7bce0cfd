//! A pool with one simulated engine behind it, and a door that always keeps
//! the learnt limits full as far as the demand goes.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use surgewall_core::clock::Clock;
use surgewall_core::principal::Class;
use surgewall_shield::admission::capacity::{Capacity, CapacityConfig, Change, End, Gauges, Load};
use surgewall_shield::admission::eta::{Eta, Predictor};
use surgewall_shield::admission::weights::Weights;
use surgewall_shield::admission::work::Work;
use surgewall_testkit::engine::{Engine, Job, JobId, Settings};
use surgewall_testkit::rng::Rng;

/// What requests are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix {
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// Of a hundred answers, how many stream.
    pub(crate) streamed_percent: u64,
    /// Of a hundred streams, how many are read slowly.
    pub(crate) slow_readers_percent: u64,
}

impl Mix {
    /// About what the Azure conversation trace has.
    pub(crate) const CHAT: Self =
        Self { input: 1_000, output: 200, streamed_percent: 100, slow_readers_percent: 0 };
}

/// How the server's gauges are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Honesty {
    None,
    True,
    /// It always says that so many wait.
    Waiting(u32),
    /// It always sets back more.
    Preempting,
}

/// One second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Second {
    pub(crate) limit: u32,
    pub(crate) tokens: Option<u64>,
    pub(crate) in_flight: u32,
    pub(crate) preemptions: u64,
    /// What the server did, in nanoseconds of its time when it is full.
    pub(crate) done_ns: u64,
}

struct Request {
    arrived: Duration,
    patience: Duration,
    promised: Option<Eta>,
    input: u64,
    output: u64,
    streams: bool,
    is_slow_reader: bool,
}

impl Request {
    fn work(&self) -> Work {
        Work::of(Weights::default(), self.input, self.output)
    }
}

struct Sent {
    id: u64,
    request: Request,
    at: Duration,
    last: Duration,
}

/// The simulation.
pub(crate) struct Sim {
    origin: Instant,
    pub(crate) now: Duration,
    pub(crate) engine: Engine,
    pub(crate) capacity: Capacity,
    pub(crate) mix: Mix,
    pub(crate) honesty: Honesty,
    /// Requests per second; `None` is without end.
    pub(crate) demand: Option<f64>,
    pub(crate) seconds: Vec<Second>,
    pub(crate) changes: Vec<Change>,
    pub(crate) predictor: Predictor,
    /// After how many seconds half of those who wait leave; `None`: nobody does.
    pub(crate) patience_s: Option<f64>,
    queue: VecDeque<Request>,
    sent: BTreeMap<JobId, Sent>,
    tokens: u64,
    last_id: u64,
    done_ns: u64,
    lied: u64,
    arrives: Duration,
    rng: Rng,
}

impl Sim {
    pub(crate) fn new(settings: Settings, mix: Mix) -> Self {
        let origin = Clock::System.monotonic();
        Self {
            origin,
            now: Duration::ZERO,
            engine: Engine::new(settings),
            capacity: Capacity::new(origin, CapacityConfig::default()),
            mix,
            honesty: Honesty::None,
            demand: None,
            seconds: Vec::new(),
            changes: Vec::new(),
            predictor: Predictor::new(),
            patience_s: None,
            queue: VecDeque::new(),
            sent: BTreeMap::new(),
            tokens: 0,
            last_id: 0,
            done_ns: 0,
            lied: 0,
            arrives: Duration::ZERO,
            rng: Rng::new(7),
        }
    }

    /// Other requests, by chance.
    pub(crate) fn seed(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
    }

    /// Always this limit, to compare with.
    pub(crate) fn fixed(settings: Settings, mix: Mix, limit: u32) -> Self {
        let mut sim = Self::new(settings, mix);
        let config = CapacityConfig { start: limit, floor: limit, max: limit };
        sim.capacity = Capacity::new(sim.origin, config);
        sim
    }

    fn at(&self) -> Instant {
        self.origin + self.now
    }

    /// A number with an exponential distribution.
    fn exponential(&mut self, mean: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
        let unit = ((self.rng.next_u64() >> 11) as f64 + 1.0) / (1_u64 << 53) as f64;
        -unit.ln() * mean
    }

    fn size(&mut self, mean: u64, least: u64) -> u64 {
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let drawn = Duration::from_secs_f64(self.exponential(mean as f64)).as_secs();
        drawn.clamp(least, mean * 8)
    }

    fn request(&mut self) -> Request {
        let (input, output) = (self.size(self.mix.input, 8), self.size(self.mix.output, 2));
        let streams = self.rng.chance(self.mix.streamed_percent);
        let is_slow_reader = self.rng.chance(self.mix.slow_readers_percent);
        let patience = self.patience_s.map(|mean| Duration::from_secs_f64(self.exponential(mean)));
        let arrived = self.now;
        let patience = patience.unwrap_or(Duration::MAX);
        Request { arrived, patience, promised: None, input, output, streams, is_slow_reader }
    }

    /// So many requests arrive at once.
    pub(crate) fn burst(&mut self, requests: usize) {
        for _ in 0..requests {
            let request = self.request();
            self.queue.push_back(request);
        }
    }

    /// Runs for so many seconds.
    pub(crate) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let end = self.now + Duration::from_secs(1);
            self.fill();
            loop {
                let next = self.advance_engine();
                let arrival = self.demand.map(|_| self.arrives.max(self.now));
                let first = [next, arrival].into_iter().flatten().min();
                let Some(at) = first.filter(|at| *at < end) else { break };
                self.now = at;
                self.arrive();
                self.fill();
            }
            self.now = end;
            self.second();
        }
    }

    fn arrive(&mut self) {
        let Some(rate) = self.demand else { return };
        self.leave();
        while self.arrives <= self.now {
            let request = self.request();
            self.queue.push_back(request);
            self.promise();
            let gap = self.exponential(1.0 / rate);
            self.arrives = self.arrives.max(Duration::ZERO) + Duration::from_secs_f64(gap);
        }
    }

    /// Tells the last of the queue how long it will wait, if it will.
    fn promise(&mut self) {
        let limit = self.capacity.sequences();
        if self.queue.len() == 1 && self.in_flight() < limit {
            return;
        }
        let ahead = u64::try_from(self.queue.len()).unwrap_or(u64::MAX);
        let queued: Work = self.queue.iter().map(Request::work).sum();
        let eta = self.predictor.predict(
            Class::Verified,
            ahead,
            Work(queued.0 / ahead),
            1.0,
            limit..=limit,
        );
        if let Some(last) = self.queue.back_mut() {
            last.promised = Some(eta);
        }
    }

    /// Who lost patience leaves.
    fn leave(&mut self) {
        let (now, predictor) = (self.now, &mut self.predictor);
        self.queue.retain(|request| {
            let waited = now.saturating_sub(request.arrived);
            let stays = waited < request.patience;
            if let Some(promised) = request.promised.filter(|_| !stays) {
                predictor.left(Class::Verified, &promised, waited);
            }
            stays
        });
    }

    /// Sends what fits.
    fn fill(&mut self) {
        while self.in_flight() < self.capacity.sequences() {
            if self.queue.is_empty() && self.demand.is_none() {
                let request = self.request();
                self.queue.push_back(request);
            }
            let Some(request) = self.queue.front() else { return };
            let tokens = request.input + request.output;
            let alone = self.sent.is_empty();
            let has_room = |limit: u64| alone || self.tokens + tokens <= limit;
            if !self.capacity.tokens().is_none_or(has_room) {
                return;
            }
            let Some(request) = self.queue.pop_front() else { return };
            self.send(request, tokens);
        }
    }

    fn send(&mut self, request: Request, tokens: u64) {
        if let Some(promised) = request.promised {
            let waited = self.now.saturating_sub(request.arrived);
            self.predictor.observed(Class::Verified, &promised, waited);
        }
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let job =
            Job { input: number(request.input), output: number(request.output), ..Job::default() };
        let Ok(job) = self.engine.submit(self.now, job) else { unreachable!("it fits") };
        self.last_id += 1;
        self.tokens += tokens;
        let load = Load { sequences: self.in_flight() + 1, tokens: self.tokens };
        self.capacity.dispatched(self.at(), self.last_id, request.input, load, request.streams);
        self.sent.insert(job, Sent { id: self.last_id, request, at: self.now, last: self.now });
    }

    fn in_flight(&self) -> u32 {
        u32::try_from(self.sent.len()).unwrap_or(u32::MAX)
    }

    /// Steps the engine; gives when it wants to be stepped again.
    fn advance_engine(&mut self) -> Option<Duration> {
        let now = self.at();
        let turn = self.engine.step(self.now);
        let step = self.engine.settings().step;
        let places = u32::try_from(Settings::default().seqs_max).unwrap_or(u32::MAX);
        for output in &turn.outputs {
            let Some(sent) = self.sent.get_mut(&output.id) else { continue };
            let mut done = step.base / places + step.per_sequence;
            if output.produced == 1 {
                done +=
                    step.per_prefill_token * u32::try_from(sent.request.input).unwrap_or(u32::MAX);
            }
            self.done_ns += u64::try_from(done.as_nanos()).unwrap_or(u64::MAX);
            if sent.request.streams && output.produced == 1 {
                self.capacity.first_token(now, sent.id);
            } else if sent.request.streams {
                let waited = self.now.saturating_sub(sent.last);
                let waited = if sent.request.is_slow_reader { waited / 50 } else { waited };
                self.capacity.streamed(sent.id, waited, 1);
            }
            sent.last = self.now;
            if output.is_last {
                let Some(sent) = self.sent.remove(&output.id) else { continue };
                if !sent.request.streams {
                    self.capacity.streamed(sent.id, self.now - sent.at, sent.request.output);
                }
                let work = sent.request.work();
                let at_once = u32::try_from(self.sent.len() + 1).unwrap_or(u32::MAX);
                self.predictor.served(work, work, self.now - sent.at, at_once);
                self.tokens -= sent.request.input + sent.request.output;
                self.capacity.ended(now, sent.id, End::Completed);
            }
        }
        if !turn.outputs.is_empty() {
            self.fill();
        }
        turn.next
    }

    /// All that is in flight fails, as when the server restarts.
    pub(crate) fn restart(&mut self) {
        self.engine.restart();
        let now = self.at();
        for (_, sent) in std::mem::take(&mut self.sent) {
            self.capacity.ended(now, sent.id, End::Failed);
        }
        self.tokens = 0;
    }

    /// The end of a second: the gauges are read and the limits move.
    fn second(&mut self) {
        let (now, gauges) = (self.at(), self.read_gauges());
        self.capacity.gauges(now, gauges);
        let waits = self.demand.is_none() || !self.queue.is_empty();
        let before = self.capacity.sequences();
        if let Some(change) = self.capacity.tick(now, waits) {
            self.changes.push(change);
        }
        self.seconds.push(Second {
            limit: before,
            tokens: self.capacity.tokens(),
            in_flight: self.in_flight(),
            preemptions: self.engine.counters().preemptions,
            done_ns: std::mem::take(&mut self.done_ns),
        });
    }

    fn read_gauges(&mut self) -> Gauges {
        let (gauges, counters) = (self.engine.gauges(), self.engine.counters());
        let count = |value: usize| u32::try_from(value).ok();
        #[expect(clippy::cast_possible_truncation, reason = "a share")]
        let honest = Gauges {
            running: count(gauges.running),
            waiting: count(gauges.waiting),
            kv_used: Some(gauges.kv_usage() as f32),
            preemptions: Some(counters.preemptions),
        };
        self.lied += 5;
        match self.honesty {
            Honesty::None => Gauges::default(),
            Honesty::True => honest,
            Honesty::Waiting(waiting) => Gauges { waiting: Some(waiting), ..honest },
            Honesty::Preempting => Gauges { preemptions: Some(self.lied), ..honest },
        }
    }

    /// The mean limit, and the part of a full engine's work that was done, over the last `seconds`.
    pub(crate) fn last(&self, seconds: usize) -> (f64, f64) {
        let from = self.seconds.len().saturating_sub(seconds);
        let last = &self.seconds[from..];
        let count = f64::from(u32::try_from(last.len().max(1)).unwrap_or(u32::MAX));
        let limit: u32 = last.iter().map(|second| second.limit).sum();
        let done: u64 = last.iter().map(|second| second.done_ns).sum();
        (f64::from(limit) / count, Duration::from_nanos(done).as_secs_f64() / count)
    }
}
