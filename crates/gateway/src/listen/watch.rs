//! What ends a connection that hyper would keep: a peer that never asks
//! anything, answers that nobody takes, and an HTTP/2 connection without streams.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use surgewall_core::config::limits::Limits;
use tokio::time::{Instant, Sleep, sleep_until};

use super::connection::Peer;
use super::streams::Streams;

/// Looks between the shorter limit's beginning and its end: a cut is late by one part of it.
const LOOKS_PER_LIMIT: u32 = 4;

/// What is to become of a connection.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No new stream; it ends with those that are open.
    Close,
    /// It ends now.
    Cut,
}

/// Watches one connection.
pub(super) struct Watch {
    peer: Arc<Peer>,
    streams: Arc<Streams>,
    idle_max: Duration,
    stall: Duration,
    closing: bool,
    timer: Pin<Box<Sleep>>,
}

impl Watch {
    /// Begins to watch a connection that was just accepted.
    pub(super) fn new(limits: &Limits, peer: Arc<Peer>, streams: Arc<Streams>) -> Self {
        let idle_max = Duration::from_secs(limits.header_read_s);
        Self {
            peer,
            streams,
            idle_max,
            stall: Duration::from_secs(limits.client_stall_s),
            closing: false,
            timer: Box::pin(sleep_until(Instant::now() + idle_max)),
        }
    }

    /// The next verdict; after [`Verdict::Cut`] there is none. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Verdict {
        loop {
            self.timer.as_mut().await;
            let now = Instant::now();
            if !self.peer.spoke.load(Ordering::Relaxed) {
                // hyper's header timeout starts after the protocol is known: a peer
                // that never says which one it speaks is cut here.
                tracing::debug!(network = %self.peer.network, "no request head in time");
                return Verdict::Cut;
            }
            if !self.streams.were_used() {
                // HTTP/1: hyper bounds its heads, and a write that waits bounds its answers.
                return std::future::pending().await;
            }
            let stalled = self.streams.cut_stalled(now, self.stall);
            if stalled > 0 {
                tracing::debug!(network = %self.peer.network, stalled, "answers that were not taken");
            }
            let step = self.idle_max.min(self.stall) / LOOKS_PER_LIMIT;
            self.timer.as_mut().reset(now + step);
            let idle = self.streams.idle_for(now);
            if self.closing && idle >= self.idle_max + self.stall {
                return Verdict::Cut;
            }
            if !self.closing && idle >= self.idle_max {
                self.closing = true;
                return Verdict::Close;
            }
        }
    }
}
