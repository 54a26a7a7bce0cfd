//! An open reservation: settled exactly once, whatever happens.
//!
//! On each meter, reserved + topped up = settled + refunded. Dropped before it
//! was settled (the client left, a panic, a drained door, a revoked key), it settles at what
//! was counted so far.

use std::sync::Arc;
use std::time::{Duration, Instant};

use surgewall_core::decision::{Admitted, Outcome, Record, Settled};
use surgewall_core::flow::Observed;
use surgewall_core::id::RequestId;
use surgewall_core::quota::Amounts;
use surgewall_core::usage::{Source, Usage};
use surgewall_shield::admission::capacity::End;
use surgewall_shield::admission::gate::Ask;
use surgewall_shield::affinity::Prefix;

use super::given::Given;
use super::record::Tap;
use super::throttle::AnonymousSlot;
use crate::admission::Slot;
use crate::door::Door;
use crate::notices::Kind;
use crate::open::{Cell, Ending, OpenRequests};
use crate::policy::Rates;
use crate::status::measure::Got;
use crate::sync::lock;
use crate::trace::Trace;
use crate::upstream::{Hit, Leased, Pool};

/// Tokens by which a stream that goes past its bound is topped up.
const TOP_UP_TOKENS: u64 = 256;

/// What a reservation begins with.
pub struct Opened {
    /// The admission, as the ledger records it.
    pub admission: Admitted,
    /// The request's arrival, on the monotonic clock.
    pub started: Instant,
    /// The input estimate.
    pub input: u64,
    /// What the model costs, if it has a price.
    pub rates: Option<Rates>,
    /// The request's trace: it ends with the settlement.
    pub trace: Trace,
    /// What it asks of a pool, should its first one fail.
    pub ask: Ask,
}

/// An open reservation.
pub struct Reservation {
    door: Arc<Door>,
    opened: Opened,
    cell: Arc<Cell>,
    topped_up: Amounts,
    counted: Usage,
    given: Given,
    hit: Option<Hit>,
    attempts: u32,
    status: u16,
    first_byte_ms: Option<u64>,
    closed: bool,
    tap: Option<Box<Tap>>,
    _slot: Option<AnonymousSlot>,
    place: Slot,
}

impl Reservation {
    /// Opens a reservation whose quota is already charged.
    pub fn open(door: Arc<Door>, opened: Opened, slot: Option<AnonymousSlot>, place: Slot) -> Self {
        let cell = door.open.open(opened.admission.request_id, opened.admission.who);
        Self {
            door,
            opened,
            cell,
            topped_up: Amounts::default(),
            counted: Usage::default(),
            given: Given::default(),
            hit: None,
            attempts: 0,
            status: 0,
            first_byte_ms: None,
            closed: false,
            tap: None,
            _slot: slot,
            place,
        }
    }

    /// What is kept of the request, if anything is.
    pub fn record(&mut self, tap: Option<Box<Tap>>) {
        self.tap = tap;
    }

    /// Where the answer is kept, if it is.
    pub fn tap(&mut self) -> Option<&mut Tap> {
        self.tap.as_deref_mut()
    }

    /// The request.
    #[must_use]
    pub const fn request_id(&self) -> RequestId {
        self.opened.admission.request_id
    }

    /// The request among the open ones.
    #[must_use]
    pub const fn cell(&self) -> &Arc<Cell> {
        &self.cell
    }

    /// The input estimate.
    #[must_use]
    pub const fn input_estimate(&self) -> u64 {
        self.opened.input
    }

    /// The bound that was reserved for the output.
    #[must_use]
    pub const fn output_bound(&self) -> u64 {
        self.opened.admission.reserved.output
    }

    /// Notes a call to `pool`, whose model costs `rates`: a fallback may
    /// be dearer than what was reserved, and is then topped up.
    pub fn attempt(&mut self, pool: &Pool, rates: Option<Rates>) {
        self.attempts += 1;
        self.given.attempt(pool);
        self.opened.rates = rates;
    }

    /// An upstream is called now; whether its answer streams.
    pub fn dispatched(&mut self, streams: bool) {
        self.given.dispatched();
        self.place.dispatched(streams, &self.cell);
    }

    /// The upstream could not be reached: it was given nothing.
    pub const fn unreached(&mut self) {
        self.given.unreached();
    }

    /// Where the server that answers is, as far as the door saw it.
    pub const fn observed(&mut self, seen: Option<Observed>) {
        self.given.observed(seen);
    }

    /// The request's place at its pool.
    #[must_use]
    pub const fn place(&self) -> &Slot {
        &self.place
    }

    /// The stream has `output` tokens by now, for which the door waited `waited`
    /// for the upstream since the last call.
    pub fn produced(&mut self, output: u64, waited: Duration) {
        self.place.produced(output, waited);
    }

    /// `lease` is called for a request that begins with `prefix`: what of it the
    /// server has, probably, need not be read again.
    pub fn leased(&mut self, lease: &Leased, prefix: &Prefix) {
        self.hit = lease.hit(prefix);
        self.opened.ask.cached = self.hit.as_ref().map_or(0, Hit::believed);
        if let Some(nearness) = lease.nearness() {
            self.door.metrics.caches.chosen(lease.pool().name(), nearness);
        }
    }

    /// Takes a place at `pool`, where the one at the first pool is of no use;
    /// whether there is one at once.
    pub fn enter(&mut self, pool: &Pool) -> bool {
        let Some(gate) = pool.gate() else {
            self.place = Slot::none();
            return true;
        };
        if self.place.is_at(gate) {
            self.place.expects(self.opened.ask.cached);
            return true;
        }
        let place = gate.enter_now(self.opened.ask);
        place.map(|place| self.place = place).is_some()
    }

    /// The request's trace.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.opened.trace
    }

    /// Notes the status and that the first byte goes to the client now.
    pub fn first_byte(&mut self, status: u16) {
        self.status = status;
        self.first_byte_ms = Some(self.elapsed_ms());
        self.door.metrics.first_byte(self.opened.started, self.door.clock.monotonic());
    }

    /// Notes what was used so far: what a crash or a cut settles at. Past the
    /// reserved bound it is topped up, and every 256 tokens it is checkpointed.
    pub fn count(&mut self, usage: Usage) {
        if usage == self.counted {
            return;
        }
        self.counted = usage;
        let used = self.amounts(&usage);
        let bound = self.opened.admission.reserved.plus(&self.topped_up);
        let lacking = used.beyond(&bound);
        if lacking != Amounts::default() {
            self.top_up(lacking);
        }
        if self.cell.advance(used, self.topped_up) {
            let at = self.door.clock.now();
            if let Some(record) = OpenRequests::checkpoint_of(self.request_id(), &self.cell, at) {
                self.door.ledger.append_detached(record);
            }
        }
    }

    fn top_up(&mut self, lacking: Amounts) {
        let step = |n: u64| if n == 0 { 0 } else { n.max(TOP_UP_TOKENS) };
        let usage =
            Usage { input: step(lacking.input), output: step(lacking.output), ..Usage::default() };
        let mut extra = self.amounts(&usage);
        extra.money = extra.money.max(lacking.money);
        lock(&self.door.quota).top_up(&mut self.opened.admission.charges, &extra);
        self.topped_up = self.topped_up.plus(&extra);
    }

    fn amounts(&self, usage: &Usage) -> Amounts {
        let cost = self.opened.rates.map_or(0, |rates| rates.cost(usage).nanos());
        Amounts {
            input: usage.input,
            output: usage.output,
            money: u64::try_from(cost).unwrap_or(0),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        let passed = self.door.clock.monotonic().saturating_duration_since(self.opened.started);
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// Settles, and waits until the record is written: for answers that are
    /// delivered whole after it.
    pub async fn settle(mut self, outcome: Outcome, usage: Usage, source: Source) {
        let settled = self.close(outcome, usage, source);
        let door = self.door.clone();
        drop(self);
        let record = Record::Settled(Box::new(settled));
        if let Err(error) = door.ledger.append(record.clone()).await {
            // A full disk: the record waits in memory until there is room.
            tracing::warn!(%error, "a settlement waits for room on the disk");
            door.ledger.append_detached(record);
        }
    }

    /// Settles without waiting: for streams, at their end.
    pub fn settle_detached(mut self, outcome: Outcome, usage: Usage, source: Source) {
        self.finish(outcome, usage, source);
    }

    /// Takes everything back: the admission could not be recorded, so it never was.
    pub fn void(&mut self) {
        self.closed = true;
        self.door.open.close(self.request_id());
        lock(&self.door.quota).undo(&self.opened.admission.charges);
    }

    fn finish(&mut self, outcome: Outcome, usage: Usage, source: Source) {
        let settled = self.close(outcome, usage, source);
        self.door.ledger.append_detached(Record::Settled(Box::new(settled)));
    }

    /// Frees quota and place; the record of it is the caller's to write.
    fn close(&mut self, outcome: Outcome, usage: Usage, source: Source) -> Settled {
        self.closed = true;
        let admission = &self.opened.admission;
        let used = self.amounts(&usage);
        // What was topped up on the way stays reserved; what goes past it is topped up now.
        let topped_up =
            self.topped_up.plus(&used.beyond(&admission.reserved.plus(&self.topped_up)));
        let bound = admission.reserved.plus(&topped_up);
        self.door.open.close(admission.request_id);
        lock(&self.door.quota).settle(&admission.charges, &used);
        self.door.metrics.settled(&admission.model, outcome, &usage);
        let now = self.door.clock.now();
        if let Some(account) = admission.who.account {
            if outcome == Outcome::Completed {
                self.door.directory.used_well(account, now);
            } else if let Some(kind) = Kind::of_outcome(outcome) {
                self.door.touched.note(account, kind);
            }
        }
        if let (Some(hit), Source::Upstream) = (&self.hit, source) {
            hit.reported(usage.cached);
            let upstream = hit.pool().name();
            self.door.metrics.caches.reported(upstream, hit.tokens(), usage.cached);
        }
        self.place.ended(end(outcome), usage.input.saturating_sub(usage.cached), usage.output);
        let (upstream, went) = self.given.take();
        self.tell_status(outcome, upstream.as_deref());
        let settled = Settled {
            request_id: admission.request_id,
            at: now,
            outcome,
            why: self.cell.ending().and_then(|ending| ending.why(outcome)),
            usage,
            source,
            cost: used.money,
            reserved: admission.reserved,
            topped_up,
            settled: used,
            refunded: bound.beyond(&used),
            upstream,
            went,
            attempts: self.attempts,
            status: self.status,
            first_byte_ms: self.first_byte_ms,
            duration_ms: self.elapsed_ms(),
        };
        self.opened.trace.settled(&settled);
        if let Some(tap) = self.tap.take() {
            tap.end(&self.opened.admission, &settled);
        }
        settled
    }
}

impl Reservation {
    /// The status page hears what its users get.
    fn tell_status(&self, outcome: Outcome, upstream: Option<&str>) {
        let Some(got) = Got::of_outcome(outcome, self.first_byte_ms) else { return };
        let who = &self.opened.admission.who;
        let is_stranger = who.key.is_none() && who.account.is_none();
        let slow_ms = self.door.policy().config.status.slow_ms;
        let meters = &self.door.status.meters;
        meters.api.note(got, is_stranger, slow_ms);
        if let Some(meter) = upstream.and_then(|name| meters.upstream(name)) {
            meter.note(got, is_stranger, slow_ms);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let outcome = if std::thread::panicking() {
            Outcome::Failed
        } else if self.door.tasks.is_closing() {
            Outcome::Drained
        } else {
            self.cell.ending().map_or(Outcome::ClientGone, Ending::outcome)
        };
        self.finish(outcome, self.used_when_dropped(outcome), Source::Estimated);
    }
}

impl Reservation {
    /// A client that leaves before the first byte pays for the input that an
    /// upstream was already given; for the door's own bug or choice nobody pays.
    fn used_when_dropped(&self, outcome: Outcome) -> Usage {
        let is_doors = matches!(outcome, Outcome::Failed | Outcome::Shed);
        let given = self.attempts > 0 && !is_doors;
        if given && self.counted == Usage::default() {
            Usage { input: self.opened.input, ..Usage::default() }
        } else {
            self.counted
        }
    }
}

/// How the request ended, for its pool's capacity.
const fn end(outcome: Outcome) -> End {
    match outcome {
        Outcome::Completed => End::Completed,
        Outcome::UpstreamFailed | Outcome::UpstreamBroke => End::Failed,
        Outcome::ClientGone
        | Outcome::Drained
        | Outcome::Failed
        | Outcome::Crash
        | Outcome::Revoked
        | Outcome::SlowReader
        | Outcome::Shed => End::Cancelled,
    }
}
