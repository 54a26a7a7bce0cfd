//! A budget for the HTTP/2 frames that carry nothing (RFC 9113, 10.5): hyper
//! answers PING, SETTINGS, PRIORITY and WINDOW_UPDATE for as long as they come.

use std::time::Duration;

use surgewall_core::clock::Timestamp;
use surgewall_shield::gcra::{Gcra, Rate};
use tokio::time::Instant;

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's head, in bytes.
const HEAD_BYTES: usize = 9;
/// Frames that carry nothing, at once: each costs the door an answer, and others wait for it.
pub(super) const IDLE_FRAMES_MAX: u32 = 400;
/// Frames that carry nothing, per second in the long run.
const IDLE_FRAMES_PER_S: u32 = 200;
/// A reset is answered for by work that was begun: it counts as so many frames.
/// A client may still give up all of its 128 streams at once.
const RESET_FRAMES: u32 = 3;
/// Bytes that the door must have sent for each WINDOW_UPDATE: it gives back
/// room that DATA frames took, and the smallest of those has a head and a byte.
const WINDOW_UPDATE_BYTES: u64 = 5;
/// WINDOW_UPDATEs ahead of what was sent.
const WINDOW_UPDATES_AHEAD: u64 = 400;

/// A peer sends frames that carry nothing faster than any client has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flood of HTTP/2 frames that carry nothing")]
pub(super) struct Flood;

/// Reads along on what a peer sends. HTTP/1 is not looked at behind its first bytes.
#[derive(Debug)]
pub(super) struct FrameBudget {
    state: State,
    idle: Gcra,
    first: Option<Instant>,
    sent_bytes: u64,
    window_updates: u64,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the preface were seen.
    Preface(usize),
    /// The bytes of a frame's head so far.
    Head([u8; HEAD_BYTES], usize),
    /// So many bytes of a frame's payload are still to come.
    Payload(usize),
    /// Not HTTP/2.
    Other,
}

impl FrameBudget {
    pub(super) fn new() -> Self {
        Self {
            state: State::Preface(0),
            idle: Gcra::default(),
            first: None,
            sent_bytes: 0,
            window_updates: 0,
        }
    }

    /// Whether there is nothing to read along on.
    pub(super) const fn is_blind(&self) -> bool {
        matches!(self.state, State::Other)
    }

    /// The door sent so many bytes.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent_bytes = self.sent_bytes.saturating_add(bytes as u64);
    }

    /// The peer's next bytes. `now` is asked only when a frame is to be paid for.
    pub(super) fn received(
        &mut self,
        mut bytes: &[u8],
        now: impl Fn() -> Instant,
    ) -> Result<(), Flood> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Other => return Ok(()),
                State::Preface(seen) => {
                    let count = bytes.len().min(PREFACE.len() - *seen);
                    if bytes[..count] != PREFACE[*seen..*seen + count] {
                        self.state = State::Other;
                        return Ok(());
                    }
                    *seen += count;
                    if *seen == PREFACE.len() {
                        self.state = State::Head([0; HEAD_BYTES], 0);
                    }
                    bytes = &bytes[count..];
                }
                State::Head(head, seen) => {
                    let count = bytes.len().min(HEAD_BYTES - *seen);
                    head[*seen..*seen + count].copy_from_slice(&bytes[..count]);
                    *seen += count;
                    bytes = &bytes[count..];
                    if *seen == HEAD_BYTES {
                        let head = *head;
                        self.frame(head, &now)?;
                    }
                }
                State::Payload(left) => {
                    let count = bytes.len().min(*left);
                    bytes = &bytes[count..];
                    *left -= count;
                    if *left == 0 {
                        self.state = State::Head([0; HEAD_BYTES], 0);
                    }
                }
            }
        }
        Ok(())
    }

    /// A frame's head is whole: its kind is paid for, its payload skipped.
    fn frame(&mut self, head: [u8; HEAD_BYTES], now: &impl Fn() -> Instant) -> Result<(), Flood> {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        self.state =
            if length == 0 { State::Head([0; HEAD_BYTES], 0) } else { State::Payload(length) };
        match head[3] {
            // HEADERS begin a request, and DATA and CONTINUATION are bounded by h2 itself.
            0 | 1 | 9 => Ok(()),
            3 => self.pay(RESET_FRAMES, now()),
            8 => self.window_update(),
            _ => self.pay(1, now()),
        }
    }

    fn pay(&mut self, frames: u32, now: Instant) -> Result<(), Flood> {
        // The limiter counts in instants of the wall clock; here its epoch is the first frame.
        let first = *self.first.get_or_insert(now);
        let now = Timestamp::default().plus(now.saturating_duration_since(first));
        let rate = Rate::new(IDLE_FRAMES_PER_S, Duration::from_secs(1), IDLE_FRAMES_MAX);
        (0..frames).try_for_each(|_| self.idle.admit(now, rate)).map_err(|_| Flood)
    }

    fn window_update(&mut self) -> Result<(), Flood> {
        self.window_updates += 1;
        let earned = self.sent_bytes / WINDOW_UPDATE_BYTES + WINDOW_UPDATES_AHEAD;
        if self.window_updates > earned { Err(Flood) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a payload: a flood is told at a frame's head, and what follows it is not read.
    const PING: [u8; 9] = [0, 0, 0, 6, 0, 0, 0, 0, 0];
    const RESET: [u8; 13] = [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8];
    const WINDOW_UPDATE: [u8; 13] = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const DATA: [u8; 10] = [0, 0, 1, 0, 0, 0, 0, 0, 1, b'x'];

    fn speaking() -> FrameBudget {
        let mut budget = FrameBudget::new();
        budget.received(PREFACE, Instant::now).unwrap();
        budget
    }

    /// So many of `frame` are let through and the next is a flood.
    fn check(budget: &mut FrameBudget, frame: &[u8], now: Instant, let_through: u64) {
        for nth in 0..let_through {
            assert_eq!(budget.received(frame, || now), Ok(()), "frame {nth}");
        }
        assert_eq!(budget.received(frame, || now), Err(Flood));
    }

    #[test]
    fn idle_frames_have_a_burst_and_a_rate_and_resets_cost_more() {
        let now = Instant::now();
        let mut budget = speaking();
        check(&mut budget, &PING, now, u64::from(IDLE_FRAMES_MAX));
        check(&mut budget, &PING, now + Duration::from_secs(1), u64::from(IDLE_FRAMES_PER_S));
        check(&mut budget, &PING, now + Duration::from_secs(100), u64::from(IDLE_FRAMES_MAX));
        check(&mut speaking(), &RESET, now, u64::from(IDLE_FRAMES_MAX / RESET_FRAMES));
    }

    #[test]
    fn window_updates_are_earned_by_what_was_sent() {
        let mut budget = speaking();
        budget.sent(500);
        check(&mut budget, &WINDOW_UPDATE, Instant::now(), WINDOW_UPDATES_AHEAD + 100);
    }

    #[test]
    fn data_and_other_protocols_are_not_counted() {
        let (now, mut budget) = (Instant::now(), speaking());
        for _ in 0..10 * IDLE_FRAMES_MAX {
            assert_eq!(budget.received(&DATA, || now), Ok(()));
        }
        let mut other = FrameBudget::new();
        other.received(b"POST / HTTP/1.1\r\n", || now).unwrap();
        assert!(other.is_blind());
    }

    #[test]
    fn frames_are_counted_alike_in_any_pieces() {
        let now = Instant::now();
        let count = usize::try_from(IDLE_FRAMES_MAX).unwrap();
        let mut bytes = PREFACE.to_vec();
        bytes.extend(std::iter::repeat_n(PING, count).flatten());
        for step in [1, 7, 24, 1_000] {
            let mut budget = FrameBudget::new();
            for piece in bytes.chunks(step) {
                assert_eq!(budget.received(piece, || now), Ok(()), "{step}");
            }
            assert_eq!(budget.received(&PING, || now), Err(Flood), "{step}");
        }
    }
}
