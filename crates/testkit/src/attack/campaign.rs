//! One attack on many connections, at a bounded rate: for benchmarks of what
//! others feel of it.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use super::floods::{Asked, FLOODS, Flood};
use super::http1::{say, trickle};
use super::http2::{Flags, Frames, Http2, Kind};
use super::{ATTACK_MAX, Ended, From, connect};
use crate::load::Spread;

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Pieces of a flood on one connection.
const ROUNDS_MAX: u32 = 10_000;
/// Between two bytes of what is said slowly.
const SLOW_GAP: Duration = Duration::from_millis(200);
/// After a connection that could not be made.
const PAUSE: Duration = Duration::from_millis(20);
/// For what is under way when the time is over.
const LAST_LOOK: Duration = Duration::from_secs(2);
/// The default of a stream's window (RFC 9113, 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;
/// Tokens a second, where it is not the filling of buffers that makes an attack.
const MODEL_RATE: u32 = 50;
/// Tokens of an answer that nobody takes.
const LONG_ANSWER_TOKENS: u32 = 200_000;

/// What is done on each connection.
#[derive(Clone, Copy, Debug)]
pub enum Attack {
    /// A request's head, a byte at a time.
    SlowHead,
    /// A request's body, a byte at a time.
    SlowBody,
    /// A long answer that is asked for and not taken.
    SlowReader,
    /// Nothing is said.
    Silent,
    /// A long answer on an HTTP/2 stream whose window stays shut.
    ShutWindow,
    /// Frames.
    Flood(Flood),
}

/// No attack has this name.
#[derive(Debug, thiserror::Error)]
#[error("no such attack; there are {}", names().join(", "))]
pub struct Unknown;

/// The names of all attacks.
#[must_use]
pub fn names() -> Vec<&'static str> {
    let slow = ["slow-head", "slow-body", "slow-reader", "silent", "shut-window"];
    slow.into_iter().chain(FLOODS.iter().map(|flood| flood.name)).collect()
}

impl FromStr for Attack {
    type Err = Unknown;
    fn from_str(name: &str) -> Result<Self, Unknown> {
        Ok(match name {
            "slow-head" => Self::SlowHead,
            "slow-body" => Self::SlowBody,
            "slow-reader" => Self::SlowReader,
            "silent" => Self::Silent,
            "shut-window" => Self::ShutWindow,
            _ => Self::Flood(Flood::named(name).ok_or(Unknown)?),
        })
    }
}

/// A campaign.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Who is attacked, on loopback.
    pub victim: SocketAddr,
    /// How.
    pub attack: Attack,
    /// What requests that are let in need.
    pub asked: Asked,
    /// Connections at once.
    pub connections: usize,
    /// New connections, a second.
    pub per_second: u32,
    /// Of the whole.
    pub limit: Duration,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Told {
    /// Connections that were made.
    pub connections: u64,
    /// Of them, those that the victim closed.
    pub closed: u64,
    /// Of those, without having said anything.
    pub closed_silently: u64,
    /// Connections that could not be made.
    pub refused: u64,
    /// The codes with which the victim said goodbye.
    pub goaway: BTreeMap<u32, u64>,
    /// The statuses of its first answers.
    pub statuses: BTreeMap<u16, u64>,
    /// Streams that it reset.
    pub resets: u64,
    /// Bytes of frames that were sent.
    pub sent_bytes: u64,
    /// From the beginning of a connection to its close by the victim, in microseconds.
    pub closed_after_us: Spread,
}

/// One connection's end.
#[derive(Default)]
struct End {
    closed: bool,
    after: Duration,
    said: bool,
    status: Option<u16>,
    goaway: Option<u32>,
    resets: u64,
    sent_bytes: u64,
}

/// Runs `plan`: at most [`CONNECTIONS_MAX`] connections, for at most [`ATTACK_MAX`].
pub async fn run(plan: &Plan) -> Told {
    let start = Instant::now();
    let limit = plan.limit.min(ATTACK_MAX);
    let turns = Mutex::new(start);
    let ends = Mutex::new((Told::default(), Vec::new()));
    let workers = (0..plan.connections.clamp(1, CONNECTIONS_MAX)).map(|_| async {
        loop {
            sleep_until(next_turn(&turns, plan.per_second)).await;
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return;
            }
            let end = attack(plan, left).await;
            let failed = end.is_err();
            note(&ends, end, left);
            if failed {
                sleep(PAUSE).await;
            }
        }
    });
    let all: FuturesUnordered<_> = workers.collect();
    let all = all.collect::<Vec<()>>();
    // A worker whose turn comes after the end waits for nothing.
    let _ = tokio::time::timeout(limit + LAST_LOOK, all).await;
    let (mut told, after) = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    told.closed_after_us = Spread::of(&after);
    told
}

/// When the next connection may be made.
fn next_turn(turns: &Mutex<Instant>, per_second: u32) -> Instant {
    let mut next = turns.lock().unwrap_or_else(PoisonError::into_inner);
    let turn = (*next).max(Instant::now());
    *next = turn + Duration::from_secs(1) / per_second.max(1);
    turn
}

fn note(ends: &Mutex<(Told, Vec<u64>)>, end: io::Result<End>, left: Duration) {
    let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
    let (told, after) = &mut *ends;
    let Ok(end) = end else {
        told.refused += 1;
        return;
    };
    told.connections += 1;
    told.resets += end.resets;
    told.sent_bytes += end.sent_bytes;
    if let Some(code) = end.goaway {
        *told.goaway.entry(code).or_default() += 1;
    }
    if let Some(status) = end.status {
        *told.statuses.entry(status).or_default() += 1;
    }
    if end.closed {
        told.closed += 1;
        told.closed_silently += u64::from(!end.said);
        after.push(u64::try_from(end.after.min(left).as_micros()).unwrap_or(u64::MAX));
    }
}

/// One connection's part, for at most `left`.
async fn attack(plan: &Plan, left: Duration) -> io::Result<End> {
    let victim = plan.victim;
    let body = long_answer(if matches!(plan.attack, Attack::SlowReader) { 0 } else { MODEL_RATE });
    match plan.attack {
        Attack::Silent => say(victim, b"", left).await.map(End::from),
        Attack::SlowHead => {
            let head = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n";
            trickle(victim, head, b"x-a: b\r\n", SLOW_GAP, left).await.map(End::from)
        }
        Attack::SlowBody => {
            let head = head(&plan.asked, body.len());
            trickle(victim, head.as_bytes(), b" ", SLOW_GAP, left).await.map(End::from)
        }
        Attack::SlowReader => {
            let mut stream = connect(victim, From::SmallBuffer).await?;
            let request = format!("{}{body}", head(&plan.asked, body.len()));
            stream.write_all(request.as_bytes()).await?;
            Ok(until_broken(&mut stream, left).await)
        }
        Attack::ShutWindow => {
            let frames = Frames::default()
                .frame(Kind::Headers, Flags::END_HEADERS, 1, &plan.asked.post())
                .frame(Kind::Data, Flags::END_STREAM, 1, body.as_bytes());
            let connection = Http2::open(victim, &[(INITIAL_WINDOW_SIZE, 0)]).await?;
            connection.linger(&frames, left).await.map(End::from)
        }
        Attack::Flood(flood) => {
            let connection = Http2::open(victim, &[]).await?;
            let piece = |round| flood.piece(&plan.asked, round);
            Ok(connection.flood(ROUNDS_MAX, piece, left).await.into())
        }
    }
}

/// Takes nothing, and learns from a write that fails that the victim is gone:
/// what it said last stands behind all that was not taken.
async fn until_broken(stream: &mut TcpStream, left: Duration) -> End {
    let start = Instant::now();
    let mut end = End { said: true, ..End::default() };
    while start.elapsed() < left && !end.closed {
        sleep(SLOW_GAP.min(left)).await;
        end.closed = stream.write_all(b" ").await.is_err();
    }
    end.after = start.elapsed();
    end
}

/// A request for an answer of so many tokens a second; 0 is as fast as it goes.
fn long_answer(rate: u32) -> String {
    let words = format!("say {LONG_ANSWER_TOKENS}\n!double rate={rate}");
    json!({"model": "double", "stream": true, "max_tokens": LONG_ANSWER_TOKENS,
        "messages": [{"role": "user", "content": words}]})
    .to_string()
}

fn head(asked: &Asked, length: usize) -> String {
    let authorization = asked.authorization.as_deref().unwrap_or("none");
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         authorization: {authorization}\r\ncontent-length: {length}\r\n\r\n"
    )
}

impl std::convert::From<Ended> for End {
    fn from(ended: Ended) -> Self {
        let status = ended.status();
        Self {
            closed: ended.closed,
            after: ended.after,
            said: !ended.answer.is_empty(),
            status: (status > 0).then_some(status),
            ..Self::default()
        }
    }
}

impl std::convert::From<super::Seen> for End {
    fn from(seen: super::Seen) -> Self {
        Self {
            closed: seen.closed || seen.went_away.is_some(),
            after: seen.after,
            said: seen.went_away.is_some() || seen.heads > 0 || seen.acknowledged > 0,
            goaway: seen.went_away,
            resets: seen.resets,
            sent_bytes: seen.sent_bytes,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::{Behaviour, Double};

    #[test]
    fn every_attack_is_found_by_its_name() {
        for name in names() {
            assert!(name.parse::<Attack>().is_ok(), "{name}");
        }
        assert!("smile".parse::<Attack>().is_err());
    }

    #[tokio::test]
    async fn connections_are_bounded_in_number_rate_and_time() {
        let double = Double::start(Behaviour::default());
        let plan = Plan {
            victim: double.url().trim_start_matches("http://").parse().unwrap(),
            attack: Attack::Silent,
            asked: Asked::default(),
            connections: 3,
            per_second: 1_000,
            limit: Duration::from_millis(200),
        };
        let told = run(&plan).await;
        assert_eq!((told.connections, told.closed, told.refused), (3, 0, 0), "each is held");
        let slow = Plan { connections: 64, per_second: 10, ..plan };
        let told = run(&slow).await;
        assert!((1..=3).contains(&told.connections), "{told:?}");
    }
}
