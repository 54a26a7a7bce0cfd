//! One pool's gate: the only part of admission that the gateway talks to.
//!
//! A request arrives with what it will probably cost. It goes on at once if
//! nobody waits and the learnt capacity has room; else it waits in the fair
//! queue, or is refused at arrival because its predicted wait is past the
//! longest wait of its class. Whoever frees a place calls [`Gate::next`] until
//! nobody else fits. A request's cost is topped up while it streams and what
//! was charged too much is given back at its end.
//!
//! The gate is a state machine without clock, lock or randomness of its own.

mod charge;
mod claims;
mod counts;
mod learnt;
mod outlook;
mod punctual;
mod room;
mod shed;
mod terms;
#[cfg(test)]
mod tests;
mod ticket;
mod view;
mod weigh;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use surgewall_core::principal::Class;

pub use counts::{ClassCounts, PoolCounts};
pub use shed::{SHED_PER_S_MAX, SURPLUS_AFTER, SURPLUS_PERMILLE, Shed, WAITED_PART};
pub use terms::Terms;
pub use ticket::{Arrived, Ask, Full, Place, Short, TicketId};
pub use view::View;

use super::capacity::{Capacity, CapacityConfig, Change, End, Gauges, Load};
use super::eta::{Eta, Predictor};
use super::fair::{FairQueue, Next};
use super::weights::Weights;
use super::work::{Expected, Work};
use claims::Claims;
use punctual::Punctual;
use shed::Shedding;
use ticket::{Phase, Promise, Ticket};
use weigh::Mix;

/// Output tokens by which the cost of a stream that goes past its expectation is topped up.
pub const TOP_UP_TOKENS: u64 = 256;
/// Lateness of the door itself, past which it does not judge a server's.
const LAG_MAX: Duration = Duration::from_millis(40);
/// The earliest time at which a refused client is asked to come back.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// The latest one: nobody knows what will be in ten minutes.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// One pool's gate. `T` wakes a request that waits, `R` reaches one that runs.
pub struct Gate<T, R = ()> {
    terms: Terms,
    weights: Weights,
    mix: Mix,
    capacity: Capacity,
    queue: FairQueue<TicketId>,
    expected: Expected,
    predictor: Predictor,
    punctual: Punctual,
    claims: Claims,
    tickets: HashMap<TicketId, Ticket<T, R>>,
    last_id: TicketId,
    load: Load,
    queued_bytes: [u64; 4],
    /// Whether the limit held somebody back since the last tick.
    binding: bool,
    /// Whether the limit's end was ever found.
    end_was_found: bool,
    counts: PoolCounts,
    shedding: Shedding,
    /// The limit that another process learnt, until this one finds its end.
    sequences_before: u32,
}

impl<T, R> Gate<T, R> {
    /// A gate that has learnt nothing yet.
    #[must_use]
    pub fn new(now: Instant, terms: Terms) -> Self {
        let config = CapacityConfig { max: terms.sequences_most(), ..CapacityConfig::default() };
        Self {
            weights: Weights::default(),
            mix: Mix::default(),
            capacity: Capacity::new(now, config),
            queue: FairQueue::new(terms.shares),
            expected: Expected::default(),
            predictor: Predictor::new(),
            punctual: Punctual::new(),
            claims: Claims::new(now),
            tickets: HashMap::new(),
            last_id: 0,
            load: Load::default(),
            queued_bytes: [0; 4],
            binding: false,
            end_was_found: false,
            counts: PoolCounts::default(),
            shedding: Shedding::default(),
            sequences_before: 0,
            terms,
        }
    }

    /// Puts new terms in force. Nobody who waits is sent away for it.
    pub fn set_terms(&mut self, terms: Terms) {
        self.queue.set_shares(terms.shares);
        self.capacity.set_max(terms.sequences_most());
        self.terms = terms;
    }

    /// A request arrives. `wake` is asked for if it waits; `spread` is random, and
    /// asked for if it is refused: clients are told times that differ.
    pub fn arrive(
        &mut self,
        now: Instant,
        ask: Ask,
        wake: impl FnOnce() -> T,
        spread: impl FnOnce() -> u64,
    ) -> Arrived {
        let (work, tokens) = self.cost(&ask);
        let class = ask.lineage.class();
        self.counts.offered(class, ask.lineage.is_young(), work, ask.repeated);
        let fits = self.queue.is_empty() && self.fits(class, tokens);
        if fits || self.terms.observe {
            if !fits {
                self.observe(class, work);
            }
            self.queue.charge(&ask.lineage, work);
            self.claims.asked(class, work);
            let id = self.next_id();
            self.enter(now, id, ask, work, tokens);
            return Arrived::Go(id);
        }
        self.wait(now, ask, (work, tokens), wake, spread)
    }

    /// The work that `ask` is expected to be, and the tokens that it will hold.
    fn cost(&self, ask: &Ask) -> (Work, u64) {
        let output = self.expected.expected(ask.principal, ask.model, ask.output_max);
        (Work::of(self.weights, ask.uncached(), output), ask.input.saturating_add(output))
    }

    /// What would have happened to a request that observe mode lets through.
    fn observe(&mut self, class: Class, work: Work) {
        self.binding = true;
        let over =
            u64::from(self.load.sequences).saturating_sub(u64::from(self.capacity.sequences()));
        let mean = self.predictor.mean_work().unwrap_or(work);
        let eta = self.predictor.predict(class, over + 1, mean, 1.0, self.sequences());
        if eta.eta > self.terms.longest_wait(class) / WAITED_PART {
            self.shedding.note(class);
        }
        if self.punctual.stretched(class, eta.eta) > self.terms.longest_wait(class) {
            self.counts.of(class).refused += 1;
        } else {
            self.counts.of(class).queued += 1;
        }
    }

    fn wait(
        &mut self,
        now: Instant,
        ask: Ask,
        cost: (Work, u64),
        wake: impl FnOnce() -> T,
        spread: impl FnOnce() -> u64,
    ) -> Arrived {
        let (work, tokens) = cost;
        self.binding = true;
        let class = ask.lineage.class();
        let id = self.next_id();
        let handle = self.queue.push(&ask.lineage, work, id);
        let place = self.place_of(class, handle);
        if let Some(short) = self.short(class, ask.bytes, &place.eta) {
            self.queue.remove(handle);
            self.counts.of(class).refused += 1;
            return Arrived::Full(self.full(class, short, &place.eta, spread()));
        }
        self.queued_bytes[class as usize] += ask.bytes;
        self.counts.of(class).queued += 1;
        self.claims.asked(class, work);
        let promised = Promise { at: now, eta: place.eta, is_told: false, is_overdue: false };
        let phase = Phase::Queued { handle, since: now, promised, wake: wake(), is_late: false };
        self.tickets.insert(id, Ticket::new(ask, (work, tokens), phase));
        Arrived::Wait(id, place)
    }

    /// What is short for a request that would have to wait, if anything is.
    fn short(&self, class: Class, bytes: u64, eta: &Eta) -> Option<Short> {
        if self.punctual.stretched(class, eta.eta) > self.terms.longest_wait(class) {
            return Some(Short::Time);
        }
        let room = self.terms.queue_room(class, &self.queued_bytes);
        (bytes > room).then_some(Short::Memory)
    }

    fn full(&self, class: Class, short: Short, eta: &Eta, spread: u64) -> Full {
        let longest = self.terms.longest_wait(class);
        let wait = self.punctual.stretched(class, eta.eta);
        let retry_after = Self::spread(wait.saturating_sub(longest), spread);
        Full { short, wait, longest, retry_after }
    }

    /// A time to come back that is half as much again at most, so that those who
    /// were sent away together do not return together.
    fn spread(lacks: Duration, spread: u64) -> Duration {
        let lacks = lacks.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
        let millis = u64::try_from(lacks.as_millis()).unwrap_or(u64::MAX);
        lacks + Duration::from_millis(spread % (millis / 2).max(500))
    }

    /// The next request that may go on, and what wakes it. To be called until
    /// it gives none, whenever a place may have become free.
    pub fn next(&mut self, now: Instant) -> Option<(TicketId, T)> {
        loop {
            let class = self.next_class()?;
            let Next { item: id, work, .. } = self.queue.pop_class(class)?;
            let Some(ticket) = self.tickets.remove(&id) else { continue };
            let Ticket { ask, tokens, phase, .. } = ticket;
            let Phase::Queued { since, promised, wake, is_late, .. } = phase else { continue };
            self.queued_bytes[class as usize] -= ask.bytes;
            let rest = now.saturating_duration_since(promised.at);
            self.predictor.observed(class, &promised.eta, rest);
            let waited = now.saturating_duration_since(since);
            self.counts.waited(class, waited);
            if !is_late {
                self.punctual.observed(class, waited, self.terms.longest_wait(class));
            }
            self.enter(now, id, ask, work, tokens);
            return Some((id, wake));
        }
    }

    fn enter(&mut self, now: Instant, id: TicketId, ask: Ask, work: Work, tokens: u64) {
        self.counts.admitted(ask.lineage.class(), work);
        self.mix.expected(ask.uncached(), tokens.saturating_sub(ask.input));
        self.load.sequences += 1;
        self.load.tokens = self.load.tokens.saturating_add(tokens);
        let phase = Phase::Running { since: now };
        self.tickets.insert(id, Ticket::new(ask, (work, tokens), phase));
    }

    fn next_id(&mut self) -> TicketId {
        self.last_id += 1;
        self.last_id
    }

    /// An upstream is called for it now: the time to its first token runs, if its answer `streams`.
    pub fn dispatched(&mut self, now: Instant, id: TicketId, streams: bool) {
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        if std::mem::take(&mut ticket.taken_back) {
            self.load.sequences += 1;
            self.load.tokens = self.load.tokens.saturating_add(ticket.tokens);
        }
        (ticket.dispatched, ticket.streams) = (Some(now), streams);
        self.capacity.dispatched(now, id, ticket.ask.uncached(), self.load, streams);
    }

    /// How a request that runs is reached from now on.
    pub fn reached_by(&mut self, id: TicketId, reach: R) {
        if let Some(ticket) = self.tickets.get_mut(&id) {
            ticket.reach = (!ticket.is_shed).then_some(reach);
        }
    }

    /// Requests that run and can be reached.
    pub fn running(&self) -> impl Iterator<Item = (TicketId, &R)> {
        self.tickets.iter().filter_map(|(id, ticket)| Some((*id, ticket.reach.as_ref()?)))
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.queue.len()
    }

    /// A request that runs is ended because its client does not keep up with the model.
    pub fn too_slow(&mut self, id: TicketId) {
        if let Some(ticket) = self.tickets.get(&id) {
            self.counts.of(ticket.ask.lineage.class()).slow += 1;
        }
    }

    /// Its first token is here.
    pub fn first_token(&mut self, now: Instant, id: TicketId) {
        self.capacity.first_token(now, id);
    }

    /// The call failed, and another may follow.
    pub fn failed(&mut self, now: Instant, id: TicketId, end: End) {
        self.capacity.ended(now, id, end);
    }

    /// Its answer came whole, with `output` tokens: the time for each of them
    /// is all that can be learnt from it.
    pub fn whole(&mut self, now: Instant, id: TicketId, output: u64) {
        let dispatched = self.tickets.get(&id).and_then(|ticket| ticket.dispatched);
        if let Some(dispatched) = dispatched {
            self.capacity.streamed(id, now.saturating_duration_since(dispatched), output);
        }
    }

    /// `tokens` more came while the door waited `waited` for them; `output` in all.
    /// Past what was expected, its cost is topped up.
    pub fn produced(&mut self, id: TicketId, waited: Duration, tokens: u64, output: u64) {
        self.capacity.streamed(id, waited, tokens);
        let Some(ticket) = self.tickets.get_mut(&id) else { return };
        let cost = Work::of(self.weights, ticket.ask.uncached(), output);
        if cost > ticket.work {
            let extra = Work::of(self.weights, 0, TOP_UP_TOKENS).max(cost.minus(ticket.work));
            ticket.work = ticket.work.plus(extra);
            ticket.tokens = ticket.tokens.saturating_add(TOP_UP_TOKENS);
            self.load.tokens = self.load.tokens.saturating_add(TOP_UP_TOKENS);
            self.queue.top_up(&ticket.ask.lineage, extra);
        }
    }

    /// A request ended, or its client left while it waited. `used` is its
    /// uncached input and its output, where they are known.
    pub fn finish(&mut self, now: Instant, id: TicketId, end: End, used: Option<(u64, u64)>) {
        self.capacity.ended(now, id, end);
        let Some(ticket) = self.tickets.remove(&id) else { return };
        let class = ticket.ask.lineage.class();
        match ticket.phase {
            Phase::Queued { handle, promised, .. } => {
                self.queue.remove(handle);
                let rest = now.saturating_duration_since(promised.at);
                self.predictor.left(class, &promised.eta, rest);
                self.queued_bytes[class as usize] -= ticket.ask.bytes;
                self.counts.of(class).left += 1;
                self.claims.left(class, ticket.expected);
            }
            Phase::Running { since } => {
                let at_once = self.load.sequences;
                if !ticket.taken_back {
                    self.load.sequences = self.load.sequences.saturating_sub(1);
                    self.load.tokens = self.load.tokens.saturating_sub(ticket.tokens);
                }
                let (input, output) = used.unwrap_or_default();
                let cost = Work::of(self.weights, input, output);
                let took = now.saturating_duration_since(since);
                self.account(&ticket, cost.max(self.held(&ticket, end, took)));
                if end == End::Completed {
                    // How long answers are is not what a caller cut them at.
                    let whole = output < ticket.ask.output_max;
                    self.expected.observe(ticket.ask.principal, ticket.ask.model, output, whole);
                }
                // In the unit of what was offered; of a call that was cut short, what it did.
                let done = if end == End::Completed { ticket.expected } else { cost };
                let done = done.min(ticket.expected);
                if cost > Work::ZERO {
                    self.predictor.served(cost, done, took, at_once);
                }
                if used.is_some() || ticket.dispatched.is_some() {
                    self.counts.ended(done, cost, took);
                }
            }
        }
    }

    /// What a server's own gauges say.
    pub fn gauges(&mut self, now: Instant, gauges: Gauges) {
        self.capacity.gauges(now, gauges);
    }

    /// Once a second: whether the learnt capacity moved, and why. `lag` is how
    /// late the door itself was in that second: what it saw of the server then
    /// was its own lateness, and says nothing. If it stays late, the server's
    /// refusals and gauges alone are judged.
    pub fn tick(&mut self, now: Instant, lag: Duration) -> Option<Change> {
        self.look_round(now);
        self.watch_surplus(now);
        let elapsed = self.claims.tick(now);
        self.predictor.tick(elapsed);
        self.punctual.tick(elapsed);
        let held_back = std::mem::take(&mut self.binding) || !self.queue.is_empty();
        if lag > LAG_MAX {
            return self.capacity.tick_late(now, held_back);
        }
        self.weigh(held_back);
        let change = self.capacity.tick(now, held_back);
        self.end_was_found |= !self.capacity.is_seeking();
        change
    }
}
