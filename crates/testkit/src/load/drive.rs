//! Requests at a constant rate, or one after the other on each connection.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::measure::{Measured, Times};
use super::target::Target;

/// An answer may take this long.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// An answer may have this many bytes.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Answers that are whole.
    Whole,
    /// Streams.
    Stream,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is loaded.
    pub target: Target,
    /// Whole or streamed.
    pub mode: Mode,
    /// The request's body.
    pub body: Bytes,
    /// Tokens that each stream must hold.
    pub tokens: u64,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Between two requests; zero sends the next when the last was answered.
    pub every: Duration,
    /// Requests at most.
    pub count: u64,
    /// Time for sending, at most.
    pub limit: Duration,
    /// Requests of each connection that are not measured.
    pub warmup: u64,
}

struct Shared {
    plan: Plan,
    next: AtomicU64,
    measured: Mutex<Measured>,
}

/// Runs `plan` and gives what it took.
///
/// With a rate, a request that had to wait for a free connection is measured
/// from when it was due: a server that falls behind cannot hide it.
pub async fn drive(plan: Plan) -> Measured {
    let connections = plan.connections.max(1);
    let shared = Arc::new(Shared { plan, next: AtomicU64::new(0), measured: Mutex::default() });
    let ready = Arc::new(tokio::sync::Barrier::new(connections));
    let workers = (0..connections).map(|index| {
        let (shared, ready) = (Arc::clone(&shared), Arc::clone(&ready));
        async move {
            let mut line = Line { index, sender: None };
            for _ in 0..shared.plan.warmup {
                let begin = Instant::now();
                let done = line.exchange(&shared.plan, begin).await;
                shared.note(done.map(|_| None));
            }
            ready.wait().await;
            work(&shared, &mut line).await;
        }
    });
    let all: futures_util::stream::FuturesUnordered<_> = workers.collect();
    futures_util::StreamExt::collect::<Vec<()>>(all).await;
    let mut measured = shared.measured.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut measured)
}

async fn work(shared: &Shared, line: &mut Line) {
    let plan = &shared.plan;
    let start = Instant::now();
    loop {
        let ticket = shared.next.fetch_add(1, Ordering::Relaxed);
        let step = u32::try_from(ticket).unwrap_or(u32::MAX);
        let due = start + plan.every * step;
        if ticket >= plan.count || due.max(Instant::now()) - start >= plan.limit {
            return;
        }
        let begin = if plan.every.is_zero() {
            Instant::now()
        } else if Instant::now() < due {
            tokio::time::sleep_until(due).await;
            // The timer's own lateness is not the server's.
            Instant::now()
        } else {
            due
        };
        shared.note(line.exchange(plan, begin).await.map(Some));
    }
}

impl Shared {
    fn note(&self, done: Result<Option<Times>, String>) {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        measured.sent += 1;
        match done {
            Ok(Some(times)) => measured.add(&times),
            Ok(None) => {}
            Err(why) => measured.fail(why),
        }
    }
}

/// One connection, opened again when the server closes it.
struct Line {
    index: usize,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Line {
    async fn exchange(&mut self, plan: &Plan, begin: Instant) -> Result<Times, String> {
        let done = tokio::time::timeout(ANSWER_MAX, self.answer(plan, begin)).await;
        let done = match done {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        };
        if done.is_err() {
            self.sender = None;
        }
        done
    }

    async fn answer(&mut self, plan: &Plan, begin: Instant) -> io::Result<Times> {
        let mut sender = match self.sender.take().filter(|sender| !sender.is_closed()) {
            Some(sender) => sender,
            None => plan.target.connect(self.index).await?,
        };
        sender.ready().await.map_err(io::Error::other)?;
        let request = plan.target.request(plan.body.clone());
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let mut body = response.into_body();
        let mut times = Times::new(begin);
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(io::Error::other)?.into_data().unwrap_or_default();
            read += data.len();
            if read > ANSWER_BYTES_MAX {
                return Err(io::Error::other("the answer is too large"));
            }
            if plan.mode == Mode::Stream {
                times.bytes(&data, Instant::now());
            }
        }
        times.end(Instant::now());
        if !status.is_success() {
            return Err(io::Error::other(format!("status {}", status.as_u16())));
        }
        if plan.mode == Mode::Stream && times.tokens != plan.tokens {
            return Err(io::Error::other(format!("{} tokens", times.tokens)));
        }
        self.sender = Some(sender);
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::{Behaviour, Double};
    use crate::load::conversation;

    fn plan(double: &Double, mode: Mode, words: &str) -> Plan {
        let url = format!("{}/v1/chat/completions", double.url());
        Plan {
            target: url.parse().unwrap(),
            mode,
            body: conversation("m", words, mode == Mode::Stream, 1_024),
            tokens: 5,
            connections: 2,
            every: Duration::ZERO,
            count: 20,
            limit: Duration::from_secs(30),
            warmup: 1,
        }
    }

    #[tokio::test]
    async fn requests_are_counted_and_short_answers_are_errors() {
        let double = Double::start(Behaviour::default());
        for (mode, words, good, gaps) in [
            (Mode::Whole, "tokens=5", 20, 0),
            (Mode::Stream, "tokens=5 rate=500", 20, 80),
            (Mode::Stream, "tokens=4", 0, 0),
            (Mode::Whole, "429", 0, 0),
        ] {
            let measured = drive(plan(&double, mode, words)).await;
            assert_eq!(measured.sent, 22, "{words}");
            assert_eq!(measured.first_us.len(), good, "{words}: {:?}", measured.errors);
            let seen = u64::try_from(measured.gap_us.len()).unwrap() + measured.coalesced;
            assert_eq!(seen, gaps, "{words}");
            assert_eq!(measured.failed(), if good == 0 { 22 } else { 0 });
        }
    }

    #[tokio::test]
    async fn a_rate_is_kept_and_the_time_is_bounded() {
        let double = Double::start(Behaviour::default());
        let mut plan = plan(&double, Mode::Whole, "tokens=5");
        plan.every = Duration::from_millis(10);
        plan.limit = Duration::from_millis(100);
        let measured = drive(plan).await;
        assert_eq!(measured.failed(), 0);
        assert!((1..=10).contains(&measured.first_us.len()), "{}", measured.first_us.len());
    }
}
