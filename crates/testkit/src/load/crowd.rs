//! A crowd at a door: requests come when they are due, whatever became of the
//! others.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::header::RETRY_AFTER;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::answer::{Outcome, Reading, code_of};
use super::door::Door;
use super::report::{Report, Row, Tally};
use crate::client::tokens_in;
use crate::engine::Settings;
use crate::rng::Rng;
use crate::traffic::{Arrival, Population, Traffic};

/// An answer may take this long after its first token.
const ANSWER_MAX: Duration = Duration::from_secs(600);
/// Nobody waits longer for a first token, however patient.
const PATIENCE_MAX: Duration = Duration::from_secs(600);
/// Bytes of an answer that is no stream.
const WHOLE_BYTES_MAX: usize = 16 << 20;
/// Bytes that are read of an error's body.
const ERROR_BYTES_MAX: usize = 64 << 10;

/// A run.
pub struct Course {
    /// Where they go.
    pub door: Door,
    /// Who comes.
    pub populations: Vec<Population>,
    /// The seed of everything.
    pub seed: u64,
    /// Arrivals come for so long.
    pub until: Duration,
    /// What was due before is sent, but not counted.
    pub warmup: Duration,
    /// After the last arrival, what is under way gets so long.
    pub settle: Duration,
    /// Requests under way at once; what is due beyond it is counted as unsent.
    pub in_flight_max: usize,
    /// Requests at most, retries included.
    pub count_max: u64,
    /// The engine behind the door, for what work is.
    pub engine: Settings,
}

/// What an exchange tells its client beyond the row.
struct Ended {
    row: Row,
    /// Whether an SDK would try again.
    may_retry: bool,
}

/// Runs a course; calls `each` for every request that has ended.
pub async fn crowd(course: &Course, mut each: impl FnMut(&Row)) -> Report {
    let mut rng = Rng::new(course.seed ^ 1);
    let mut tally = Tally::new(course.engine, course.warmup..course.until, &course.populations);
    let mut traffic =
        Traffic::new(course.seed, course.populations.clone(), course.until).peekable();
    let mut retries: BTreeMap<(Duration, u64), Arrival> = BTreeMap::new();
    let mut under_way = FuturesUnordered::new();
    let mut sent = 0;
    let start = Instant::now();
    let end = start + course.until + course.settle;
    loop {
        let retry_at = retries.keys().next().map(|(at, _)| *at);
        let fresh_at = traffic.peek().map(|arrival| arrival.at);
        let due = retry_at.into_iter().chain(fresh_at).min().filter(|_| sent < course.count_max);
        if due.is_none() && under_way.is_empty() {
            break;
        }
        tokio::select! {
            () = sleep_until(start + due.unwrap_or_default()), if due.is_some() => {
                let next = if retry_at == due { retries.pop_first().map(|(_, one)| one) } else { traffic.next() };
                let Some(arrival) = next else { continue };
                let is_sent = under_way.len() < course.in_flight_max;
                tally.due(&arrival, is_sent);
                if is_sent {
                    let begin = start + arrival.at;
                    tally.late_ms.push(u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX));
                    under_way.push(exchange(&course.door, arrival, begin));
                    sent += 1;
                }
            }
            Some(ended) = under_way.next() => {
                let Ended { row, may_retry } = ended;
                let population = &course.populations[row.arrival.population];
                let now = start.elapsed();
                let next = population.retries.next(&row.arrival, now, row.retry_after, &mut rng);
                if let Some(next) = next.filter(|next| may_retry && next.at < course.until) {
                    retries.insert((next.at, sent), next);
                }
                if tally.ended(&row) {
                    each(&row);
                }
            }
            () = sleep_until(end) => break,
        }
    }
    tally.report()
}

async fn exchange(door: &Door, arrival: Arrival, begin: Instant) -> Ended {
    let mut reading = Reading::new();
    let mut heard = Heard::default();
    let done = answer(door, &arrival, begin, &mut reading, &mut heard).await;
    let outcome = done.unwrap_or_else(|error| Outcome::Broken(error.to_string()));
    let tries_again = matches!(heard.status, Some(408 | 409 | 429 | 500..))
        || heard.status.is_none() && matches!(outcome, Outcome::Broken(_));
    Ended {
        row: Row {
            first: reading.first_at.map(|at| at.duration_since(begin)),
            total: begin.elapsed(),
            tokens: reading.tokens,
            etas: reading.etas(),
            retry_after: heard.retry_after,
            arrival,
            outcome,
        },
        may_retry: tries_again,
    }
}

/// What the head said.
#[derive(Default)]
struct Heard {
    status: Option<u16>,
    retry_after: Option<Duration>,
}

async fn answer(
    door: &Door,
    arrival: &Arrival,
    begin: Instant,
    reading: &mut Reading,
    heard: &mut Heard,
) -> io::Result<Outcome> {
    let leaves_at = begin + arrival.patience.min(PATIENCE_MAX);
    let head = async {
        let mut sender = door.target.connect_from(door.source(arrival)).await?;
        let request = door.target.request_with(door.body(arrival), door.headers(arrival));
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok::<_, io::Error>((sender, response))
    };
    let Ok(head) = timeout_at(leaves_at, head).await else { return Ok(Outcome::Left) };
    let (_sender, response) = head?;
    let status = response.status();
    heard.status = Some(status.as_u16());
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    heard.retry_after = retry_after.and_then(|value| value.parse().ok()).map(Duration::from_secs);
    let mut body = response.into_body();
    if !status.is_success() {
        let code = code_of(&error_body(&mut body, leaves_at).await);
        return Ok(Outcome::Refused(format!("{} {code}", status.as_u16()).trim_end().to_owned()));
    }
    if !arrival.stream {
        return whole(&mut body, arrival, reading, leaves_at).await;
    }
    loop {
        let limit = reading.first_at.map_or(leaves_at, |first| first + ANSWER_MAX);
        let Ok(frame) = timeout_at(limit, body.frame()).await else {
            let stuck = reading.first_at.is_some();
            return Ok(if stuck { Outcome::Broken("stuck".to_owned()) } else { Outcome::Left });
        };
        let Some(frame) = frame else { return Ok(judged(reading, arrival)) };
        let data = frame.map_err(io::Error::other)?.into_data().unwrap_or_default();
        reading.bytes(&data, Instant::now());
    }
}

/// How an answer that has ended ended.
fn judged(reading: &Reading, arrival: &Arrival) -> Outcome {
    match &reading.error {
        Some(code) if reading.first_at.is_none() => Outcome::Refused(format!("200 {code}")),
        Some(code) => Outcome::Broken(format!("error event {code}")),
        None if reading.is_done && reading.tokens == u64::from(arrival.output_tokens) => {
            Outcome::Whole
        }
        None => Outcome::Broken("ended early".to_owned()),
    }
}

/// An answer that is no stream: its first token comes with its last.
async fn whole(
    body: &mut Incoming,
    arrival: &Arrival,
    reading: &mut Reading,
    leaves_at: Instant,
) -> io::Result<Outcome> {
    let mut read = Vec::new();
    loop {
        let Ok(frame) = timeout_at(leaves_at, body.frame()).await else {
            return Ok(Outcome::Left);
        };
        let Some(frame) = frame else { break };
        let data = frame.map_err(io::Error::other)?.into_data().unwrap_or_default();
        if read.len() + data.len() > WHOLE_BYTES_MAX {
            return Ok(Outcome::Broken("too large".to_owned()));
        }
        read.extend_from_slice(&data);
    }
    reading.first_at = Some(Instant::now());
    let answer: serde_json::Value = serde_json::from_slice(&read).unwrap_or_default();
    let text = answer.pointer("/choices/0/message/content").and_then(|text| text.as_str());
    reading.tokens = tokens_in(text.unwrap_or_default());
    reading.is_done = true;
    Ok(judged(reading, arrival))
}

async fn error_body(body: &mut Incoming, until: Instant) -> Vec<u8> {
    let mut read = Vec::new();
    while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
        read.extend_from_slice(&frame.into_data().unwrap_or_default());
        if read.len() > ERROR_BYTES_MAX {
            break;
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::{Behaviour, Double, Options};
    use crate::engine::StepTime;
    use crate::load::{Keys, PopulationReport};
    use crate::traffic::{Class, Flood, Patience, Retries, flood};

    fn course(double: &Double, engine: Settings, change: impl FnOnce(&mut Flood)) -> Course {
        let mut load = Flood { capacity_per_s: 60.0, multiple: 1.0, ..Flood::default() };
        change(&mut load);
        let populations = flood(&load);
        let keys: Keys = Class::ALL.map(|class| (class.name().into(), vec!["k".into()])).into();
        let target = format!("{}/v1/chat/completions", double.url()).parse().unwrap();
        Course {
            door: Door::new(target, "double", &populations, &keys, false).unwrap(),
            populations,
            seed: 1,
            until: Duration::from_secs(2),
            warmup: Duration::ZERO,
            settle: Duration::from_secs(20),
            in_flight_max: 10_000,
            count_max: 100_000,
            engine,
        }
    }

    fn sum(report: &Report, of: impl Fn(&PopulationReport) -> u64) -> u64 {
        report.populations.iter().map(of).sum()
    }

    #[tokio::test]
    async fn everything_that_is_sent_is_accounted_for() {
        let step = StepTime {
            base: Duration::from_micros(200),
            per_prefill_token: Duration::ZERO,
            per_sequence: Duration::ZERO,
        };
        let engine = Settings { step, ..Settings::default() };
        let options = Options { engine: Some(engine), ..Options::default() };
        let double = Double::start_with(options, Behaviour::default()).unwrap();
        let mut course = course(&double, engine, |_| {});
        // Some ask for a stream, some do not.
        course.populations[1].stream_percent = 50;
        let mut rows = 0;
        let report = crowd(&course, |row| {
            assert_eq!(row.outcome, Outcome::Whole);
            rows += 1;
        })
        .await;
        let sent = sum(&report, |one| one.sent);
        assert!(sent > 50, "{sent}");
        assert_eq!((sent, sum(&report, |one| one.useful)), (rows, rows));
        let seen = double.requests();
        assert_eq!(u64::try_from(seen.len()).unwrap(), rows);
        let produced = sum(&report, |one| one.useful_output_tokens);
        assert_eq!(double.produced(), produced);
        assert!(report.populations.iter().all(|one| one.unfinished == 0));
        assert!(0.0 < report.goodput() && report.goodput() < 1.0, "{}", report.goodput());
        let anonymous = seen.iter().filter(|seen| seen.header("authorization").is_none()).count();
        assert_eq!(u64::try_from(anonymous).unwrap(), report.populations[3].sent);
    }

    #[tokio::test]
    async fn refusals_are_counted_by_code_and_retried_as_sdks_do() {
        let double = Double::start("503 retry_after=61".parse().unwrap());
        let mut course = course(&double, Settings::default(), |load| load.retries = Retries::SDK);
        course.until = Duration::from_secs(3);
        let report = crowd(&course, |_| {}).await;
        let refused = sum(&report, |one| one.refused.values().sum());
        let retried = sum(&report, |one| one.retried);
        assert_eq!(sum(&report, |one| one.sent), refused);
        assert!(0 < retried && retried < refused, "{retried} of {refused}");
        let counts: Vec<_> = double.requests();
        let counts = counts.iter().map(|seen| seen.header("x-stainless-retry-count"));
        assert!(counts.clone().any(|count| count == Some("2")));
        assert!(!counts.clone().any(|count| count == Some("3")));
    }

    #[tokio::test]
    async fn who_loses_patience_leaves_and_bounds_hold() {
        let double = Double::start("first=100000".parse().unwrap());
        let mut course = course(&double, Settings::default(), |_| {});
        for population in &mut course.populations {
            population.patience = Patience { median: Duration::from_millis(50), sigma: 0.0 };
        }
        course.in_flight_max = 5;
        let report = crowd(&course, |row| assert_eq!(row.outcome, Outcome::Left)).await;
        assert_eq!(sum(&report, |one| one.sent), sum(&report, |one| one.left));
        assert_eq!(sum(&report, |one| one.useful), 0);
        assert!(double.idle(Duration::from_secs(10)).await);
        course.count_max = 3;
        assert_eq!(sum(&crowd(&course, |_| {}).await, |one| one.sent), 3);
    }
}
