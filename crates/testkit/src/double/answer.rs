//! An answer as a body: parts in order, at a pace, until a fault.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::bank::Bank;
use super::engine::Supply;
use super::record::Run;

/// Between two bytes of a drip.
const DRIP: Duration = Duration::from_millis(1);
/// For hyper to send what it has before the connection breaks.
pub(super) const FLUSH: Duration = Duration::from_millis(10);

/// A piece of an answer.
pub(super) enum Part {
    /// Sent at once.
    Free(Bytes),
    /// Tokens `next..end` with frames of a bank.
    Tokens { bank: Arc<Bank>, next: u64, end: u64 },
    /// One frame for each token.
    Fixed(VecDeque<Bytes>),
    /// Tokens that are not sent as they come, because the answer is no stream.
    Silent(u64),
    /// Silence, until an instant that is set when the part's turn comes.
    Wait(Duration, Option<Instant>),
}

impl Part {
    /// Tokens in this part.
    pub(super) fn tokens(&self) -> u64 {
        match self {
            Self::Free(_) | Self::Wait(..) => 0,
            Self::Tokens { next, end, .. } => end.saturating_sub(*next),
            Self::Fixed(frames) => u64::try_from(frames.len()).unwrap_or(u64::MAX),
            Self::Silent(count) => *count,
        }
    }
}

/// What happens when enough tokens were made.
pub(super) enum Trouble {
    /// Nothing more, the connection stays open.
    Stall,
    /// The connection closes.
    Die,
    /// The connection is reset.
    Reset,
    /// The body ends.
    Cut,
    /// This is sent, then the body ends.
    Last(Bytes),
    /// This is sent in between.
    Extra(Bytes),
}

/// When tokens are due.
pub(super) struct Pace {
    pub(super) start: Instant,
    pub(super) first: Duration,
    pub(super) tokens_per_s: u64,
}

impl Pace {
    /// When token `index` is due; `None` is at once.
    fn due(&self, index: u64) -> Option<Instant> {
        if self.tokens_per_s == 0 && (self.first.is_zero() || index > 0) {
            return None;
        }
        let micros = index.saturating_mul(1_000_000).checked_div(self.tokens_per_s).unwrap_or(0);
        self.start.checked_add(self.first + Duration::from_micros(micros))
    }
}

/// Something sent over and over while nothing else is.
pub(super) struct Filler {
    pub(super) bytes: Bytes,
    pub(super) every: Duration,
    pub(super) next: Instant,
}

/// A body made of parts.
pub(super) struct Answer {
    pub(super) parts: VecDeque<Part>,
    pub(super) pace: Pace,
    pub(super) trouble: Option<(u64, Trouble)>,
    pub(super) filler: Option<Filler>,
    pub(super) drips: bool,
    /// Set before the connection closes if it shall be reset.
    pub(super) reset: Arc<AtomicBool>,
    pub(super) run: Run,
    /// Where an engine makes the tokens: they come when it has made them.
    pub(super) supply: Option<Supply>,
    /// Held to the end of the answer.
    pub(super) _slot: Option<OwnedSemaphorePermit>,
    pub(super) made: u64,
    pub(super) peeked: Option<Bytes>,
    pub(super) dripping: Bytes,
    pub(super) next_drip: Option<Instant>,
    /// When the connection breaks: a little after the last byte, so that it goes out first.
    pub(super) breaks_at: Option<Instant>,
    pub(super) sleep: Option<Pin<Box<Sleep>>>,
}

enum Step {
    Emit(Bytes),
    Until(Instant),
    /// Until the engine has made the next token.
    Supply,
    Forever,
    Fail,
    End,
}

impl Answer {
    /// Waits for the first bytes and keeps them, so that the head goes out with them.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(self.poll_bytes(cx)) {
            Some(Ok(bytes)) => self.peeked = Some(bytes),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => {}
        }
        Poll::Ready(Ok(()))
    }

    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(bytes) = self.peeked.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        loop {
            match self.step() {
                Step::Emit(bytes) => {
                    self.end_if_empty();
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Step::Until(instant) => ready!(self.poll_until(instant, cx)),
                Step::Supply => {
                    if let Some(filler) = ready!(self.poll_supply(cx)) {
                        return Poll::Ready(Some(Ok(filler)));
                    }
                }
                Step::Forever => return Poll::Pending,
                Step::Fail => {
                    self.run.fail();
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
                Step::End => return Poll::Ready(None),
            }
        }
    }

    /// A body of known length is not polled again after its last byte, so the
    /// end is noted with that byte.
    fn end_if_empty(&self) {
        if self.parts.is_empty() && self.dripping.is_empty() {
            self.run.finish();
        }
    }

    fn poll_until(&mut self, instant: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(instant)));
        if sleep.deadline() != instant {
            sleep.as_mut().reset(instant);
        }
        sleep.as_mut().poll(cx)
    }

    /// Waits for the engine; gives what is sent in the meantime.
    fn poll_supply(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let supply = self.supply.as_ref();
        if supply.is_none_or(|supply| supply.poll(self.made, cx).is_ready()) {
            return Poll::Ready(None);
        }
        let Some(next) = self.filler.as_ref().map(|filler| filler.next) else {
            return Poll::Pending;
        };
        ready!(self.poll_until(next, cx));
        let filler = self.filler.as_mut();
        Poll::Ready(filler.map(|filler| {
            filler.next += filler.every;
            filler.bytes.clone()
        }))
    }

    fn step(&mut self) -> Step {
        if !self.dripping.is_empty() {
            return self.drip();
        }
        if self.is_in_trouble() {
            return self.fall();
        }
        match self.next_part() {
            Step::Emit(bytes) if self.drips => {
                self.dripping = bytes;
                self.drip()
            }
            Step::Until(due) => self.fill_until(due),
            step => step,
        }
    }

    /// One byte now, the next a millisecond later.
    fn drip(&mut self) -> Step {
        let now = Instant::now();
        match self.next_drip {
            Some(next) if next > now => Step::Until(next),
            _ => {
                self.next_drip = Some(now + DRIP);
                Step::Emit(self.dripping.split_to(1))
            }
        }
    }

    /// What is sent while nothing else is due before `due`.
    fn fill_until(&mut self, due: Instant) -> Step {
        let Some(filler) = self.filler.as_mut().filter(|filler| filler.next < due) else {
            return Step::Until(due);
        };
        if Instant::now() < filler.next {
            return Step::Until(filler.next);
        }
        filler.next += filler.every;
        Step::Emit(filler.bytes.clone())
    }

    fn fall(&mut self) -> Step {
        if let Some((_, Trouble::Die | Trouble::Reset)) = self.trouble {
            let now = Instant::now();
            let at = *self.breaks_at.get_or_insert(now + FLUSH);
            if now < at {
                return Step::Until(at);
            }
        }
        match self.trouble.take() {
            Some((_, Trouble::Reset)) => {
                self.reset.store(true, Ordering::SeqCst);
                Step::Fail
            }
            Some((_, Trouble::Die)) => Step::Fail,
            Some((_, Trouble::Extra(bytes))) => Step::Emit(bytes),
            Some((_, Trouble::Last(bytes))) => {
                self.run.fail();
                self.parts.clear();
                Step::Emit(bytes)
            }
            Some((_, Trouble::Cut)) => {
                self.run.fail();
                self.parts.clear();
                Step::End
            }
            Some((after, Trouble::Stall)) => {
                self.trouble = Some((after, Trouble::Stall));
                Step::Forever
            }
            None => Step::End,
        }
    }

    fn next_part(&mut self) -> Step {
        loop {
            let due = self.pace.due(self.made);
            let Some(part) = self.parts.front_mut() else {
                self.run.finish();
                return Step::End;
            };
            // As vLLM does, even what holds no token waits for the first one.
            let waits = self.made == 0 || part.tokens() > 0;
            if waits && self.supply.as_ref().is_some_and(|supply| !supply.has(self.made)) {
                return Step::Supply;
            }
            let frame = match part {
                Part::Free(bytes) => {
                    let bytes = std::mem::take(bytes);
                    self.parts.pop_front();
                    return Step::Emit(bytes);
                }
                Part::Wait(duration, until) => {
                    let now = Instant::now();
                    let until = *until.get_or_insert(now + *duration);
                    if now < until {
                        return Step::Until(until);
                    }
                    self.parts.pop_front();
                    continue;
                }
                _ if part.tokens() == 0 => {
                    self.parts.pop_front();
                    continue;
                }
                _ if due.is_some_and(|due| Instant::now() < due) => {
                    return due.map_or(Step::End, Step::Until);
                }
                Part::Silent(count) => {
                    *count -= 1;
                    None
                }
                Part::Tokens { bank, next, .. } => {
                    *next += 1;
                    Some(bank.frame(*next - 1))
                }
                Part::Fixed(frames) => frames.pop_front(),
            };
            self.made += 1;
            self.run.produced(self.made);
            match frame {
                Some(frame) => {
                    self.drop_if_empty();
                    return Step::Emit(frame);
                }
                None if self.is_in_trouble() => return self.fall(),
                None => {}
            }
        }
    }

    fn drop_if_empty(&mut self) {
        if self.parts.front().is_some_and(|part| part.tokens() == 0)
            && !matches!(self.parts.front(), Some(Part::Free(_) | Part::Wait(..)))
        {
            self.parts.pop_front();
        }
    }

    fn is_in_trouble(&self) -> bool {
        self.trouble.as_ref().is_some_and(|(after, _)| self.made >= *after)
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let answer = self.get_mut();
        answer.poll_bytes(cx).map(|bytes| bytes.map(|bytes| bytes.map(Frame::data)))
    }
}
