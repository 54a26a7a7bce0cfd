//! A gate with one simulated engine behind it, and the crowd of the benchmarks
//! before it: who waits is told a range as the door tells it, and the judge is
//! asked once a second.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::ops::Range;
use std::time::{Duration, Instant};

use surgewall_core::clock::{Clock, Timestamp};
use surgewall_core::id::PublicId;
use surgewall_core::principal::Class;
use surgewall_shield::admission::capacity::{End, Gauges};
use surgewall_shield::admission::eta::Eta;
use surgewall_shield::admission::fair::{Lineage, Shares};
use surgewall_shield::admission::gate::{
    Arrived, Ask, ClassCounts, Gate, PoolCounts, Terms, TicketId,
};
use surgewall_shield::verdict::{IncidentEvent, Judge, Judged, Tick};
use surgewall_testkit::engine::{Engine, Job, JobId, Settings};
use surgewall_testkit::traffic::{self, Arrival, Flood, Phase, Population, Traffic};

/// What the engine does, full, at the crowd's sizes: requests per second.
const CAPACITY_PER_S: f64 = 5.92;
/// After so long a waiting client is told its range, and again.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// Between two looks at who leaves and who is told.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Tokens of a stream between two reports to the gate.
const REPORT_TOKENS: u64 = 32;

/// How the server's own gauges are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Honesty {
    True,
    /// It always says that so many wait.
    Waiting(u32),
}

/// A range that a client was told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) at: Duration,
    pub(crate) eta: Eta,
}

/// A client that waited until its turn or left before.
#[derive(Clone, Debug)]
pub(crate) struct Waited {
    pub(crate) class: Class,
    /// When its turn came; `None`: it left.
    pub(crate) turn: Option<Duration>,
    /// As the door tells it.
    pub(crate) told: Vec<Told>,
}

struct Client {
    arrival: Arrival,
    leaves: Duration,
    tell: Duration,
    waited: Waited,
}

struct Running {
    id: TicketId,
    arrival: Arrival,
    last: Duration,
    waited: Duration,
    output: u64,
    tokens: u64,
}

/// The simulation.
pub(crate) struct Sim {
    origin: Instant,
    pub(crate) now: Duration,
    pub(crate) engine: Engine,
    pub(crate) gate: Gate<TicketId>,
    pub(crate) honesty: Honesty,
    /// What became of those who waited.
    pub(crate) waited: Vec<Waited>,
    /// From the arrival of each request to its first token.
    pub(crate) first_tokens: Vec<(Class, Duration)>,
    /// What was judged, second by second.
    pub(crate) said: Vec<Judged>,
    pub(crate) events: Vec<IncidentEvent>,
    /// What happened in all, by class; and for how many seconds in a row somebody
    /// waited at most and nobody was let in.
    pub(crate) totals: [ClassCounts; 4],
    pub(crate) stalled_s: [u64; 4],
    /// Where the wall clock stands still, in milliseconds.
    pub(crate) clock_at: Option<u64>,
    stalls: [u64; 4],
    judge: Judge,
    traffic: Peekable<Traffic>,
    clients: BTreeMap<TicketId, Client>,
    running: BTreeMap<JobId, Running>,
    engine_at: Option<Duration>,
    look: Duration,
}

pub(crate) fn terms() -> Terms {
    Terms {
        shares: Shares::default(),
        longest_wait: [120, 60, 30, 20].map(Duration::from_secs),
        headroom_permille: 50,
        queue_bytes_max: 256 << 20,
        sequences_max: None,
        observe: false,
    }
}

/// A crowd of so many capacities in those seconds; before and after it those who
/// are known ask for the part `calm` of what they ask for then.
pub(crate) fn flooded(multiple: f64, seconds: Range<u64>, calm: f64) -> Vec<Population> {
    let [from, until] = [seconds.start, seconds.end].map(Duration::from_secs);
    let capacity_per_s = CAPACITY_PER_S;
    let flood = Flood { capacity_per_s, multiple, from, until, ..Flood::default() };
    let mut populations = traffic::flood(&flood);
    for one in populations.iter_mut().filter(|one| one.phases.len() == 1) {
        let rate = one.phases[0].requests_per_s;
        let phases = [(Duration::ZERO, calm * rate), (from, rate), (until, calm * rate)];
        one.phases = phases.map(|(from, requests_per_s)| Phase { from, requests_per_s }).to_vec();
    }
    populations
}

fn class_of(class: traffic::Class) -> Class {
    match class {
        traffic::Class::Established => Class::Established,
        traffic::Class::Verified => Class::Verified,
        traffic::Class::New => Class::New,
        traffic::Class::Anonymous => Class::Anonymous,
    }
}

impl Sim {
    pub(crate) fn new(seed: u64, populations: Vec<Population>) -> Self {
        let origin = Clock::System.monotonic();
        let until = Duration::from_secs(3_600);
        Self {
            origin,
            now: Duration::ZERO,
            engine: Engine::new(Settings::default()),
            gate: Gate::new(origin, terms()),
            honesty: Honesty::True,
            waited: Vec::new(),
            first_tokens: Vec::new(),
            said: Vec::new(),
            events: Vec::new(),
            totals: Default::default(),
            stalled_s: [0; 4],
            stalls: [0; 4],
            clock_at: None,
            judge: Judge::new(),
            traffic: Traffic::new(seed, populations, until).peekable(),
            clients: BTreeMap::new(),
            running: BTreeMap::new(),
            engine_at: None,
            look: Duration::ZERO,
        }
    }

    fn at(&self) -> Instant {
        self.origin + self.now
    }

    /// Runs for so many seconds.
    pub(crate) fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let end = self.now + Duration::from_secs(1);
            loop {
                let arrival = self.traffic.peek().map(|arrival| arrival.at);
                let look = Some(self.look);
                let first = [self.engine_at, arrival, look].into_iter().flatten().min();
                let Some(at) = first.filter(|at| *at < end) else { break };
                self.now = self.now.max(at);
                self.step_engine();
                while let Some(arrival) = self.traffic.next_if(|next| next.at <= self.now) {
                    self.arrive(arrival);
                }
                if self.look <= self.now {
                    self.look = self.now + LOOK_EVERY;
                    self.look_round();
                }
                self.pump();
            }
            self.now = end;
            self.second();
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let class = class_of(arrival.class);
        let young = arrival.population == 4;
        let who = u64::from(arrival.who);
        let id = if class == Class::Anonymous { u64::from(arrival.network) } else { who };
        let ask = Ask {
            lineage: Lineage::new(class, young, &[id]),
            principal: who,
            model: 1,
            input: u64::from(arrival.input_tokens),
            cached: 0,
            output_max: u64::from(arrival.max_tokens),
            bytes: 4 << 10,
            repeated: arrival.attempt > 0,
        };
        match self.gate.arrive(self.at(), ask, || 0, || 0) {
            Arrived::Go(id) => self.send(id, arrival),
            Arrived::Wait(id, _) => {
                let leaves = self.now + arrival.patience;
                let waited = Waited { class, turn: None, told: Vec::new() };
                let tell = self.now + TOLD_EVERY;
                self.clients.insert(id, Client { arrival, leaves, tell, waited });
            }
            Arrived::Full(_) => {}
        }
    }

    /// Who leaves, and who is told where it stands.
    fn look_round(&mut self) {
        let now = self.now;
        let gone = self.clients.iter().filter(|(_, client)| client.leaves <= now);
        let gone: Vec<_> = gone.map(|(id, _)| *id).collect();
        for id in gone {
            self.gate.finish(self.at(), id, End::Cancelled, None);
            self.waited.extend(self.clients.remove(&id).map(|client| client.waited));
        }
        let at = self.at();
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| client.tell <= now) {
            client.tell += TOLD_EVERY;
            if let Some(place) = self.gate.tell(at, *id) {
                client.waited.told.push(Told { at: now, eta: place.eta });
            }
        }
    }

    fn pump(&mut self) {
        while let Some((id, _)) = self.gate.next(self.at()) {
            let Some(mut client) = self.clients.remove(&id) else { continue };
            client.waited.turn = Some(self.now);
            self.waited.push(client.waited);
            self.send(id, client.arrival);
        }
    }

    fn send(&mut self, id: TicketId, arrival: Arrival) {
        let job =
            Job { input: arrival.input_tokens, output: arrival.output_tokens, ..Job::default() };
        let Ok(job) = self.engine.submit(self.now, job) else { unreachable!("it fits") };
        self.gate.dispatched(self.at(), id, true);
        let (last, waited) = (self.now, Duration::ZERO);
        self.running.insert(job, Running { id, arrival, last, waited, output: 0, tokens: 0 });
        if self.engine_at.is_none() {
            self.engine_at = Some(self.now);
        }
    }

    fn step_engine(&mut self) {
        if self.engine_at.is_none_or(|at| at > self.now) {
            return;
        }
        let turn = self.engine.step(self.now);
        self.engine_at = turn.next;
        let now = self.at();
        for output in turn.outputs {
            let Some(running) = self.running.get_mut(&output.id) else { continue };
            running.output = u64::from(output.produced);
            if output.produced == 1 {
                self.gate.first_token(now, running.id);
                let took = self.now.saturating_sub(running.arrival.at);
                self.first_tokens.push((class_of(running.arrival.class), took));
            } else {
                running.tokens += 1;
                running.waited += self.now.saturating_sub(running.last);
            }
            running.last = self.now;
            if running.tokens >= REPORT_TOKENS || output.is_last {
                let tokens = std::mem::take(&mut running.tokens);
                let waited = std::mem::take(&mut running.waited);
                self.gate.produced(running.id, waited, tokens, running.output);
            }
            if output.is_last
                && let Some(running) = self.running.remove(&output.id)
            {
                let used = (u64::from(running.arrival.input_tokens), running.output);
                self.gate.finish(now, running.id, End::Completed, Some(used));
            }
        }
    }

    /// All that runs fails, as when the server restarts.
    pub(crate) fn restart(&mut self) {
        self.engine.restart();
        self.engine_at = None;
        let now = self.at();
        for (_, running) in std::mem::take(&mut self.running) {
            self.gate.failed(now, running.id, End::Failed);
            self.gate.finish(now, running.id, End::Failed, None);
        }
    }

    fn count(&mut self, counts: &PoolCounts) {
        let waiting = self.gate.view().waiting;
        for (at, class) in counts.classes.iter().enumerate() {
            let total = &mut self.totals[at];
            total.offered.requests += class.offered.requests;
            total.admitted.requests += class.admitted.requests;
            total.left += class.left;
            total.refused += class.refused;
            let stalls = waiting[at].requests > 0 && class.admitted.requests == 0;
            self.stalls[at] = if stalls { self.stalls[at] + 1 } else { 0 };
            self.stalled_s[at] = self.stalled_s[at].max(self.stalls[at]);
        }
    }

    fn second(&mut self) {
        let (now, gauges) = (self.at(), self.engine.gauges());
        let count = |value: usize| u32::try_from(value).ok();
        let waiting = match self.honesty {
            Honesty::True => count(gauges.waiting),
            Honesty::Waiting(waiting) => Some(waiting),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a share")]
        self.gate.gauges(
            now,
            Gauges {
                running: count(gauges.running),
                waiting,
                kv_used: Some(gauges.kv_usage() as f32),
                preemptions: Some(self.engine.counters().preemptions),
            },
        );
        let _ = self.gate.tick(now, Duration::ZERO);
        self.pump();
        let counts = self.gate.take_counts();
        self.count(&counts);
        let pool = self.gate.view().tick("local", &counts);
        let at = u64::try_from(self.now.as_millis()).unwrap_or(u64::MAX);
        let at = self.clock_at.unwrap_or(at);
        let tick = Tick {
            at: Timestamp::from_millis(at),
            elapsed: Duration::from_secs(1),
            observe: false,
            pools: vec![pool],
        };
        let (judged, event) =
            self.judge.tick(&tick, || PublicId::from_stored("inc_test".to_owned()));
        self.said.push(judged);
        self.events.extend(event);
    }
}
