//! The requests that are in the server now.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Requests that are tracked at most; more are sent but teach nothing.
pub const TRACKED_MAX: usize = 65_536;

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
    pub(super) waited: Duration,
    pub(super) tokens: u64,
}

/// All requests in the server.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights {
    by_id: HashMap<u64, Flight>,
    started: u32,
    /// Requests that ended since the beginning.
    pub(super) ended: u64,
}

impl Flights {
    pub(super) fn insert(&mut self, id: u64, flight: Flight) {
        self.remove(id);
        if self.by_id.len() < TRACKED_MAX {
            self.by_id.insert(id, flight);
        }
    }

    pub(super) fn of(&mut self, id: u64) -> Option<&mut Flight> {
        self.by_id.get_mut(&id)
    }

    /// Notes a first token; `None` if it is unknown or had one.
    pub(super) fn start(&mut self, id: u64) -> Option<Flight> {
        let flight = self.by_id.get_mut(&id).filter(|flight| !flight.has_started)?;
        flight.has_started = true;
        self.started += 1;
        Some(*flight)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Flight> {
        let flight = self.by_id.remove(&id)?;
        self.started -= u32::from(flight.has_started);
        self.ended += 1;
        Some(flight)
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.by_id.len()).unwrap_or(u32::MAX)
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
