//! Exports under way: one for each account, and each for a while only, so that
//! whoever reads slowly keeps nobody else from theirs.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use surgewall_core::clock::Clock;
use surgewall_core::id::AccountId;
use tokio::sync::mpsc::{Receiver, Sender, error::TrySendError};
use tokio::time::timeout;

use crate::sync::lock;

/// Exports at a time: each holds a thread and reads the whole ledger.
const EXPORTS_MAX: usize = 16;
/// How long one may take.
const EXPORT_LASTS: Duration = Duration::from_secs(900);
/// How long its reader may take nothing.
const READER_STALLS: Duration = Duration::from_secs(30);
/// Between two looks at whether it has read on.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Whose export is under way.
#[derive(Debug, Default)]
pub struct Exports(Arc<Mutex<HashSet<AccountId>>>);

/// One export under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    account: AccountId,
    all: Arc<Mutex<HashSet<AccountId>>>,
}

impl Exports {
    /// One for `account`; `None` while it has one, or where [`EXPORTS_MAX`] are
    /// under way.
    pub(super) fn begin(&self, account: AccountId) -> Option<Running> {
        let mut all = lock(&self.0);
        let room = all.len() < EXPORTS_MAX && all.insert(account);
        room.then(|| Running { account, all: self.0.clone() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.account);
    }
}

/// Writes to a browser. The writer's thread drives the reading of the store, so
/// it may not wait inside the runtime: it looks again until there is room, or
/// until the export took too long.
pub(super) struct Chunks {
    sender: Sender<Bytes>,
    clock: Clock,
    until: Instant,
}

impl Chunks {
    pub(super) fn new(sender: Sender<Bytes>, clock: Clock) -> Self {
        let until = clock.monotonic() + EXPORT_LASTS;
        Self { sender, clock, until }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut chunk = Bytes::copy_from_slice(bytes);
        let until = self.until.min(self.clock.monotonic() + READER_STALLS);
        loop {
            match self.sender.try_send(chunk) {
                Ok(()) => return Ok(bytes.len()),
                Err(TrySendError::Closed(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(TrySendError::Full(_)) if self.clock.monotonic() >= until => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(TrySendError::Full(back)) => {
                    chunk = back;
                    std::thread::sleep(LOOK_INTERVAL);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says that all was written: an empty chunk.
pub(super) async fn end(sender: Sender<Bytes>) {
    // Without it the connection breaks, as it does when the browser goes.
    let _ = timeout(READER_STALLS, sender.send(Bytes::new())).await;
}

/// What is sent, as it is written. A part of an export looks like a whole one:
/// where the end was not said, the connection breaks.
pub(super) fn body(receiver: Receiver<Bytes>) -> Body {
    Body::from_stream(stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(chunk) if chunk.is_empty() => None,
            Some(chunk) => Some((Ok(chunk), Some(receiver))),
            None => Some((Err(io::Error::other("the export broke off")), None)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt as _;
    use surgewall_core::clock::{ManualClock, Timestamp};
    use tokio::sync::mpsc::channel;

    use super::*;

    #[test]
    fn an_account_has_one_and_all_have_as_many_as_there_is_room_for() {
        let exports = Exports::default();
        let account = |n: usize| AccountId::from_u128(n as u128);
        let first = exports.begin(account(0)).unwrap();
        assert!(exports.begin(account(0)).is_none(), "it has one");
        let others: Vec<_> = (1..EXPORTS_MAX).map(|n| exports.begin(account(n)).unwrap()).collect();
        assert!(exports.begin(account(EXPORTS_MAX)).is_none(), "there is no room");
        drop(first);
        assert!(exports.begin(account(EXPORTS_MAX)).is_some());
        drop(others);
        assert!(lock(&exports.0).is_empty());
    }

    #[test]
    fn a_reader_that_takes_nothing_does_not_hold_it_for_ever() {
        let time = ManualClock::new(Timestamp::from_millis(1));
        let (sender, mut receiver) = channel(1);
        let mut chunks = Chunks::new(sender, Clock::Manual(time.clone()));
        assert_eq!(chunks.write(b"one").unwrap(), 3);
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) {
                    time.advance(READER_STALLS);
                    std::thread::yield_now();
                }
            });
            assert_eq!(chunks.write(b"two").unwrap_err().kind(), io::ErrorKind::TimedOut);
            over.store(true, Ordering::SeqCst);
        });
        // Whoever reads a little now and then does not hold it for ever either.
        assert_eq!(receiver.try_recv().unwrap(), "one");
        time.advance(EXPORT_LASTS);
        assert_eq!(chunks.write(b"three").unwrap(), 5, "there was room");
        assert_eq!(chunks.write(b"four").unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(receiver);
        assert_eq!(chunks.write(b"five").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn only_an_export_that_came_to_its_end_is_sent_whole() {
        for whole in [true, false] {
            let (sender, receiver) = channel(2);
            sender.send(Bytes::from_static(b"{}")).await.unwrap();
            if whole {
                end(sender).await;
            } else {
                drop(sender);
            }
            #[expect(clippy::disallowed_methods, reason = "two bytes of the test's own")]
            let sent = body(receiver).collect().await;
            assert_eq!(sent.is_ok(), whole);
        }
    }
}
