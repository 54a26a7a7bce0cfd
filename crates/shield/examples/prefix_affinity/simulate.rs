//! Engines in simulated time, and who of them gets the next request.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hasher as _};
use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_shield::affinity::{AFFINITY_ENTRIES_MAX, Affinity, Prefix};
use surgewall_shield::pick::{Ended, Pool};
use surgewall_testkit::engine::{BLOCK_TOKENS, Engine, Job, JobId, Settings};
use surgewall_testkit::rng::Rng;

use crate::workload::{Conversation, TOKEN_BYTES, system, write};

/// Who gets the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Each server in turn.
    RoundRobin,
    /// The one with the fewest in flight.
    LeastLoad,
    /// The one that has least to read, within the bound on its load.
    Affinity,
}

impl Order {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::LeastLoad => "least load",
            Self::Affinity => "prefix affinity",
        }
    }
}

/// What came of it; times to the first token are in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) requests: usize,
    /// The part of all prompts' tokens that was found in caches.
    pub(crate) cached: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) mean: f64,
    /// The requests of the server that got most, over its share.
    pub(crate) busiest: f64,
}

/// Lets `conversations` come to `servers` engines.
pub(crate) fn run(
    order: Order,
    conversations: &[Conversation],
    settings: Settings,
    servers: u32,
) -> Outcome {
    let mut run = Run::new(order, conversations, settings, servers);
    while let Some(Reverse((now, _, event))) = run.events.pop() {
        match event {
            Event::Ask(conversation) => run.ask(now, conversation),
            Event::Step(server) => run.step(now, server),
        }
    }
    run.outcome()
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ask(usize),
    Step(usize),
}

/// A conversation under way.
struct Talk {
    text: Vec<u8>,
    turn: usize,
}

struct Run<'a> {
    order: Order,
    conversations: &'a [Conversation],
    talks: Vec<Talk>,
    engines: Vec<Engine>,
    pool: Pool,
    affinity: Affinity,
    rng: Rng,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    pushed: u64,
    /// Whose a job is, when it came, and what its server had to read for it.
    jobs: HashMap<(usize, JobId), (usize, Duration, u64)>,
    /// When each engine is looked at next.
    wakes: Vec<Option<Duration>>,
    asked: Vec<usize>,
    input: u64,
    cached: u64,
    ttfts: Vec<Duration>,
}

impl<'a> Run<'a> {
    fn new(
        order: Order,
        conversations: &'a [Conversation],
        settings: Settings,
        servers: u32,
    ) -> Self {
        let systems: HashMap<u64, Vec<u8>> =
            conversations.iter().map(|one| (one.application, system(one.application))).collect();
        let talk = |one: &Conversation| Talk {
            text: systems.get(&one.application).cloned().unwrap_or_default(),
            turn: 0,
        };
        let names: Vec<u64> =
            (0..servers).map(|server| Rng::new(server.into()).next_u64()).collect();
        let mut run = Self {
            order,
            conversations,
            talks: conversations.iter().map(talk).collect(),
            engines: names.iter().map(|_| Engine::new(settings)).collect(),
            pool: Pool::new(&vec![1; names.len()]),
            wakes: vec![None; names.len()],
            asked: vec![0; names.len()],
            affinity: Affinity::new(names, AFFINITY_ENTRIES_MAX),
            rng: Rng::new(7),
            events: BinaryHeap::new(),
            pushed: 0,
            jobs: HashMap::new(),
            input: 0,
            cached: 0,
            ttfts: Vec::new(),
        };
        for (index, conversation) in conversations.iter().enumerate() {
            run.push(conversation.at, Event::Ask(index));
        }
        run
    }

    fn push(&mut self, at: Duration, event: Event) {
        self.pushed += 1;
        self.events.push(Reverse((at, self.pushed, event)));
    }

    fn ask(&mut self, now: Duration, index: usize) {
        let conversation = &self.conversations[index];
        let talk = &mut self.talks[index];
        let turn = &conversation.turns[talk.turn];
        write(&mut talk.text, seed(index, talk.turn, false), turn.said);
        let blocks = blocks(&talk.text);
        let input = u32::try_from(talk.text.len() / TOKEN_BYTES).unwrap_or(u32::MAX);
        let mut hasher = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
        hasher.write_u64(conversation.application);
        let prefix = Prefix::of(hasher, [talk.text.as_slice()], input.into());
        let (server, unread) = self.choose(now, &prefix);
        self.asked[server] += 1;
        self.input += u64::from(input);
        self.cached += u64::from(self.engines[server].cached_tokens(&blocks));
        let job = Job { input, output: turn.answer, is_cut: false, prefix: blocks };
        if let Ok(id) = self.engines[server].submit(now, job) {
            self.jobs.insert((server, id), (index, now, unread));
        }
        self.step(now, server);
    }

    fn choose(&mut self, now: Duration, prefix: &Prefix) -> (usize, u64) {
        let mut unread = 0;
        let (at, random) = (time(now), self.rng.next_u64());
        let chosen = match self.order {
            Order::RoundRobin => Some(self.asked.iter().sum::<usize>() % self.engines.len()),
            Order::LeastLoad => self.pool.pick(at, random, |_| false),
            Order::Affinity => {
                let near = self.affinity.near(at, prefix);
                let picked = self.pool.pick_near(at, random, |_| false, &near);
                picked.map(|picked| {
                    unread = near[picked.server].unread;
                    picked.server
                })
            }
        };
        let chosen = chosen.unwrap_or(0);
        self.affinity.given(at, prefix, chosen);
        (chosen, unread)
    }

    fn step(&mut self, now: Duration, server: usize) {
        let turn = self.engines[server].step(now);
        // A step is looked at once, however many asked for it.
        if let Some(next) = turn.next.filter(|next| self.wakes[server] != Some(*next)) {
            self.wakes[server] = Some(next);
            self.push(next, Event::Step(server));
        }
        for output in turn.outputs {
            let Some((index, asked, unread)) = self.jobs.get(&(server, output.id)).copied() else {
                continue;
            };
            if output.produced == 1 {
                self.pool.read(server, unread);
                self.ttfts.push(now.saturating_sub(asked));
            }
            if output.is_last {
                self.jobs.remove(&(server, output.id));
                let _ = self.pool.end(server, time(now), Ended::Good);
                self.answered(now, index);
            }
        }
    }

    fn answered(&mut self, now: Duration, index: usize) {
        let conversation = &self.conversations[index];
        let talk = &mut self.talks[index];
        let turn = &conversation.turns[talk.turn];
        write(&mut talk.text, seed(index, talk.turn, true), turn.answer);
        talk.turn += 1;
        if talk.turn < conversation.turns.len() {
            self.push(now + turn.think, Event::Ask(index));
        } else {
            talk.text = Vec::new();
        }
    }

    fn outcome(mut self) -> Outcome {
        self.ttfts.sort_unstable();
        let ms = |time: Duration| 1_000.0 * time.as_secs_f64();
        let at = |percent: usize| {
            let index = (self.ttfts.len() * percent / 100).min(self.ttfts.len().saturating_sub(1));
            ms(self.ttfts.get(index).copied().unwrap_or_default())
        };
        let requests: usize = self.asked.iter().sum();
        let most = self.asked.iter().max().copied().unwrap_or(0);
        Outcome {
            requests,
            cached: self.cached as f64 / self.input as f64,
            p50: at(50),
            p99: at(99),
            mean: ms(self.ttfts.iter().sum()) / self.ttfts.len() as f64,
            busiest: (most * self.asked.len()) as f64 / requests as f64,
        }
    }
}

fn seed(conversation: usize, turn: usize, is_answer: bool) -> u64 {
    let conversation = u64::try_from(conversation).unwrap_or(0);
    (conversation << 16) + 2 * u64::try_from(turn).unwrap_or(0) + u64::from(is_answer)
}

fn time(now: Duration) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000).plus(now)
}

/// For each whole block of `text`, a hash of everything up to its end.
fn blocks(text: &[u8]) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    let bytes = usize::try_from(BLOCK_TOKENS).unwrap_or(1) * TOKEN_BYTES;
    let hash = |block: &[u8]| {
        hasher.write(block);
        hasher.finish()
    };
    text.chunks_exact(bytes).map(hash).collect()
}
