//! A place at a pool: waited for, held, and given back, whatever happens.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use surgewall_core::clock::Clock;
use surgewall_shield::admission::capacity::{Change, End, Gauges, Learnt};
use surgewall_shield::admission::gate::{
    Arrived, Ask, Full, Gate, Place, PoolCounts, Shed, Terms, TicketId, View,
};
use surgewall_shield::admission::pace::BEHIND_MAX;
use tokio::sync::oneshot;

use crate::open::{Cell, Ending};
use crate::sync::lock;

/// Output tokens of one stream between two reports to its gate.
const REPORT_TOKENS: u64 = 32;
/// The time waited for one stream's tokens between two reports to its gate.
const REPORT_WAIT: Duration = Duration::from_millis(500);

/// One pool's gate and those who wait at it.
pub struct PoolGate {
    gate: Mutex<Gate<oneshot::Sender<()>, Arc<Cell>>>,
    clock: Clock,
}

/// What becomes of a request at its arrival.
pub enum Entry {
    /// It goes on at once.
    Go(Slot),
    /// It waits.
    Wait(Waiting),
}

impl PoolGate {
    /// A gate that has learnt nothing yet.
    #[must_use]
    pub fn new(clock: Clock, terms: Terms) -> Self {
        Self { gate: Mutex::new(Gate::new(clock.monotonic(), terms)), clock }
    }

    /// Puts new terms in force.
    pub fn set_terms(&self, terms: Terms) {
        lock(&self.gate).set_terms(terms);
        self.pump();
    }

    /// A request arrives.
    ///
    /// # Errors
    /// It would wait longer than its class may.
    pub fn arrive(self: &Arc<Self>, ask: Ask) -> Result<Entry, Full> {
        let mut granted = None;
        let wake = || {
            let (wake, turn) = oneshot::channel();
            granted = Some(turn);
            wake
        };
        let spread = || u64::from_le_bytes(surgewall_core::random::bytes());
        let arrived = lock(&self.gate).arrive(self.clock.monotonic(), ask, wake, spread);
        match arrived {
            Arrived::Go(id) => Ok(Entry::Go(self.slot(id))),
            Arrived::Wait(id, place) => {
                let held = Held { gate: self.clone(), id };
                let waiting = Waiting { held: Some(held), granted, place };
                // It may be the only one that fits: the headroom is for one class alone.
                self.pump();
                Ok(Entry::Wait(waiting))
            }
            Arrived::Full(full) => Err(full),
        }
    }

    /// A place without a wait, for a request whose first pool failed.
    #[must_use]
    pub fn enter_now(self: &Arc<Self>, ask: Ask) -> Option<Slot> {
        let mut gate = lock(&self.gate);
        if !gate.has_room(&ask) {
            // No arrival is counted: it is another pool's request.
            return None;
        }
        match gate.arrive(self.clock.monotonic(), ask, || oneshot::channel().0, || 0) {
            Arrived::Go(id) => Some(self.slot(id)),
            Arrived::Wait(id, _) => {
                gate.finish(self.clock.monotonic(), id, End::Cancelled, None);
                None
            }
            Arrived::Full(_) => None,
        }
    }

    /// How long a request like `ask` would wait here, about; nothing if it went on at once.
    #[must_use]
    pub fn outlook(&self, ask: &Ask) -> Duration {
        lock(&self.gate).outlook(ask)
    }

    fn slot(self: &Arc<Self>, id: TicketId) -> Slot {
        let held = Held { gate: self.clone(), id };
        Slot { held: Some(held), end: End::Cancelled, used: None, ..Slot::none() }
    }

    /// Lets in whoever fits now.
    fn pump(&self) {
        loop {
            let now = self.clock.monotonic();
            let mut gate = lock(&self.gate);
            let Some((id, wake)) = gate.next(now) else { return };
            if wake.send(()).is_err() {
                gate.finish(now, id, End::Cancelled, None);
            }
        }
    }

    /// Once a second. `lag` is how late the door itself was since the last time.
    pub fn tick(&self, lag: Duration) -> Option<Change> {
        let change = lock(&self.gate).tick(self.clock.monotonic(), lag);
        self.end_slow();
        self.end_surplus();
        self.pump();
        change
    }

    /// Ends what the pool cannot do any more, for those who are more trusted.
    fn end_surplus(&self) {
        loop {
            let spread = u64::from_le_bytes(surgewall_core::random::bytes());
            let shed = lock(&self.gate).shed(self.clock.monotonic(), spread);
            let Some(Shed { class, reach, why, retry_after, .. }) = shed else { return };
            tracing::warn!(%class, why, "a stream was ended");
            reach.end(Ending::Shed { why, retry_after });
        }
    }

    /// Ends streams whose clients do not keep up with the model, the furthest
    /// behind first, and no more of them than wait for a place.
    fn end_slow(&self) {
        let now = self.clock.monotonic();
        let (waiting, running): (_, Vec<_>) = {
            let gate = lock(&self.gate);
            if gate.waiting() == 0 {
                return;
            }
            (gate.waiting(), gate.running().map(|(id, request)| (id, request.clone())).collect())
        };
        // A stream is looked at without the gate's lock: it reports to the gate under its own.
        let behind = |(id, request): (_, Arc<Cell>)| (request.behind(now), id, request);
        let mut slow: Vec<_> =
            running.into_iter().map(behind).filter(|(behind, ..)| *behind > BEHIND_MAX).collect();
        slow.sort_by_key(|(behind, ..)| Reverse(*behind));
        slow.truncate(usize::try_from(waiting).unwrap_or(usize::MAX));
        for (behind, id, request) in slow {
            lock(&self.gate).too_slow(id);
            request.end(Ending::SlowReader { behind });
        }
    }

    /// What was learnt, if anything was.
    pub fn learnt(&self) -> Option<Learnt> {
        lock(&self.gate).learnt()
    }

    /// Begins with what another process learnt.
    pub fn begin_with(&self, learnt: &Learnt) {
        lock(&self.gate).begin_with(learnt);
    }

    /// What a server's own gauges say.
    pub fn gauges(&self, gauges: Gauges) {
        lock(&self.gate).gauges(self.clock.monotonic(), gauges);
    }

    /// What happened since the last call.
    pub fn take_counts(&self) -> PoolCounts {
        lock(&self.gate).take_counts()
    }

    /// How the gate stands.
    pub fn view(&self) -> View {
        lock(&self.gate).view()
    }
}

/// A ticket of a gate; given back on drop.
struct Held {
    gate: Arc<PoolGate>,
    id: TicketId,
}

impl Held {
    fn finish(&self, end: End, used: Option<(u64, u64)>) {
        let now = self.gate.clock.monotonic();
        lock(&self.gate.gate).finish(now, self.id, end, used);
        self.gate.pump();
    }
}

/// A request that waits. Dropped, it leaves the queue and costs nothing.
pub struct Waiting {
    held: Option<Held>,
    granted: Option<oneshot::Receiver<()>>,
    place: Place,
}

impl Waiting {
    /// Where it stood at its arrival.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// A way to ask where it stands while something else waits for it.
    #[must_use]
    pub fn spot(&self) -> Option<Spot> {
        let held = self.held.as_ref()?;
        Some(Spot { gate: held.gate.clone(), id: held.id })
    }

    /// Its place, once its turn has come; `None` only if the gate is gone.
    pub async fn granted(&mut self) -> Option<Slot> {
        self.granted.take()?.await.ok()?;
        let held = self.held.take()?;
        Some(held.gate.slot(held.id))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            held.finish(End::Cancelled, None);
        }
    }
}

/// Where a waiting request stands.
pub struct Spot {
    gate: Arc<PoolGate>,
    id: TicketId,
}

impl Spot {
    /// Its position and when its turn comes, to be told to its client; `None` once
    /// its turn has come.
    #[must_use]
    pub fn tell(&self) -> Option<Place> {
        let now = self.gate.clock.monotonic();
        lock(&self.gate.gate).tell(now, self.id)
    }
}

/// A place at a pool, given back on drop: by default as one whose client left.
pub struct Slot {
    held: Option<Held>,
    end: End,
    used: Option<(u64, u64)>,
    /// Tokens and time since the last report.
    tokens: u64,
    waited: Duration,
    output: u64,
}

impl Slot {
    /// No place: the pool has no gate.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            held: None,
            end: End::Cancelled,
            used: None,
            tokens: 0,
            waited: Duration::ZERO,
            output: 0,
        }
    }

    /// Whether it is a place at `gate`.
    #[must_use]
    pub fn is_at(&self, gate: &Arc<PoolGate>) -> bool {
        self.held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.gate, gate))
    }

    /// The server that is called has `cached` tokens of the input, probably.
    pub fn expects(&self, cached: u64) {
        let Some(held) = &self.held else { return };
        lock(&held.gate.gate).expects(held.id, cached);
    }

    /// An upstream is called now for `request`; whether its answer streams.
    pub fn dispatched(&self, streams: bool, request: &Arc<Cell>) {
        let Some(held) = &self.held else { return };
        let mut gate = lock(&held.gate.gate);
        gate.dispatched(held.gate.clock.monotonic(), held.id, streams);
        gate.reached_by(held.id, request.clone());
    }

    /// The call failed; whether because the upstream has too much to do. Another may follow.
    pub fn failed(&self, overloaded: bool) {
        let Some(held) = &self.held else { return };
        let end = if overloaded { End::Overloaded } else { End::Failed };
        lock(&held.gate.gate).failed(held.gate.clock.monotonic(), held.id, end);
    }

    /// Its answer came whole, with `output` tokens.
    pub fn whole(&self, output: u64) {
        let Some(held) = &self.held else { return };
        lock(&held.gate.gate).whole(held.gate.clock.monotonic(), held.id, output);
    }

    /// The stream has `output` tokens by now, for which the door waited
    /// `waited` since the last call: the time that the client took to read is not in it.
    pub fn produced(&mut self, output: u64, waited: Duration) {
        if self.output == 0 && output > 0 {
            // Some servers send an event without a token before they read the prompt.
            self.output = output;
            self.first_token();
            return;
        }
        self.tokens += output.saturating_sub(self.output);
        self.output = self.output.max(output);
        self.waited += waited;
        if self.tokens >= REPORT_TOKENS || self.waited >= REPORT_WAIT {
            self.report();
        }
    }

    fn first_token(&self) {
        let Some(held) = &self.held else { return };
        lock(&held.gate.gate).first_token(held.gate.clock.monotonic(), held.id);
        // A limit that is still sought grows with every answer in time.
        held.gate.pump();
    }

    fn report(&mut self) {
        let (tokens, waited) = (std::mem::take(&mut self.tokens), std::mem::take(&mut self.waited));
        let Some(held) = &self.held else { return };
        lock(&held.gate.gate).produced(held.id, waited, tokens, self.output);
    }

    /// How the request ended, and its uncached input and its output.
    pub const fn ended(&mut self, end: End, input: u64, output: u64) {
        self.end = end;
        self.used = Some((input, output));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            if self.tokens > 0 {
                lock(&held.gate.gate).produced(held.id, self.waited, self.tokens, self.output);
            }
            held.finish(self.end, self.used);
        }
    }
}
