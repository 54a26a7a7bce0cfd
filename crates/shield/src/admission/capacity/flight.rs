//! The requests that are in the server now.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Requests that are tracked at most; more are sent but teach nothing.
pub const TRACKED_MAX: usize = 65_536;

/// Tokens of a stream that make one sample of the time per token.
const SAMPLE_TOKENS_MIN: u64 = 4;

/// One request in the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) dispatched: Instant,
    pub(super) group: usize,
    pub(super) streams: bool,
    pub(super) has_started: bool,
    /// In flight with it when it was dispatched.
    pub(super) sequences: u32,
    /// Requests that had ended by then.
    pub(super) ended_before: u64,
    /// Wait for tokens, and the tokens, that are no sample yet.
    waited: Duration,
    tokens: u64,
    /// Requests dispatched before that sample began; `None` if a prompt was being read then.
    sent_before: Option<u64>,
}

impl Flight {
    pub(super) const fn new(
        dispatched: Instant,
        group: usize,
        streams: bool,
        sequences: u32,
    ) -> Self {
        Self {
            dispatched,
            group,
            streams,
            has_started: false,
            sequences,
            ended_before: 0,
            waited: Duration::ZERO,
            tokens: 0,
            sent_before: None,
        }
    }
}

/// All requests in the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights {
    by_id: HashMap<u64, Flight>,
    started: u32,
    /// Requests whose prompt is being read, as far as it can be seen.
    reading: u32,
    sent: u64,
    /// Requests that ended since the beginning.
    pub(super) ended: u64,
}

impl Flights {
    pub(super) fn insert(&mut self, id: u64, flight: Flight) {
        self.remove(id);
        self.sent += 1;
        if self.by_id.len() < TRACKED_MAX {
            self.reading += u32::from(flight.streams);
            self.by_id.insert(id, Flight { ended_before: self.ended, ..flight });
        }
    }

    pub(super) fn of(&self, id: u64) -> Option<&Flight> {
        self.by_id.get(&id)
    }

    /// Notes a first token; `None` if it is unknown or had one.
    pub(super) fn start(&mut self, id: u64) -> Option<Flight> {
        let flight = self.by_id.get_mut(&id).filter(|flight| !flight.has_started)?;
        flight.has_started = true;
        self.started += 1;
        self.reading -= u32::from(flight.streams);
        flight.sent_before = (self.reading == 0).then_some(self.sent);
        Some(*flight)
    }

    /// Notes tokens of a stream. Gives the time per token once they make a
    /// sample, unless the server read a prompt meanwhile: it makes no tokens then,
    /// and that is work and not load.
    pub(super) fn tokens(&mut self, id: u64, waited: Duration, tokens: u64) -> Option<Duration> {
        let (sent, reading) = (self.sent, self.reading);
        let flight = self.by_id.get_mut(&id).filter(|flight| flight.has_started)?;
        flight.waited = flight.waited.saturating_add(waited);
        flight.tokens = flight.tokens.saturating_add(tokens);
        if flight.tokens < SAMPLE_TOKENS_MIN {
            return None;
        }
        let tokens = u32::try_from(flight.tokens).unwrap_or(u32::MAX);
        let waited = std::mem::take(&mut flight.waited);
        flight.tokens = 0;
        let before = std::mem::replace(&mut flight.sent_before, (reading == 0).then_some(sent));
        (before == Some(sent) && !waited.is_zero()).then_some(waited / tokens)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Flight> {
        let flight = self.by_id.remove(&id)?;
        if flight.has_started {
            self.started -= 1;
        } else {
            self.reading -= u32::from(flight.streams);
        }
        self.ended += 1;
        Some(flight)
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.by_id.len()).unwrap_or(u32::MAX)
    }

    pub(super) const fn has_streams(&self) -> bool {
        self.started + self.reading > 0
    }

    /// Streams that wait for their first token.
    pub(super) const fn reading(&self) -> u32 {
        self.reading
    }

    /// Requests that had their first token.
    pub(super) const fn started(&self) -> u32 {
        self.started
    }

    /// Requests dispatched at `since` or later that wait for their first token.
    pub(super) fn pending(&self, since: Instant) -> impl Iterator<Item = &Flight> {
        self.by_id.values().filter(move |flight| {
            flight.streams && !flight.has_started && flight.dispatched >= since
        })
    }
}
