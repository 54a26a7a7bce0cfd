//! Random runs of requests with faults on either side, repeated by their seed.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, End, Flow, Streamed, tokens_in};
use crate::rng::Rng;

/// Faults of the double after which an answer still ends by itself.
const FAULTS: [&str; 22] = [
    "500",
    "503",
    "429 retry_after=1",
    "400",
    "401",
    "vanish",
    "empty",
    "blank",
    "redirect",
    "die after=3",
    "reset after=2",
    "cut after=4",
    "garbage after=2",
    "error_event after=3",
    "no_done",
    "double_done",
    "usage=none",
    "usage=huge",
    "usage=zero",
    "usage=negative",
    "comments=5 first=30",
    "oversize after=2 bytes=100000",
];
/// Faults of the double that only the client's leaving or a time limit ends.
const ENDLESS: [&str; 4] = ["hang", "stall after=3", "endless rate=500", "drip rate=100"];

/// What the client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Reads to the end.
    Waits,
    /// Leaves after so many events.
    LeavesAfterEvents(usize),
    /// Leaves after so many milliseconds.
    LeavesAfterMs(u64),
}

/// One request of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds after the step before it.
    pub after_ms: u64,
    /// Anthropic's dialect; else OpenAI's.
    pub is_anthropic: bool,
    /// Whether it streams.
    pub stream: bool,
    /// Tokens that the double makes.
    pub tokens: u64,
    /// The bound on output tokens.
    pub max_tokens: u64,
    /// How the double misbehaves, in its own words.
    pub words: String,
    /// What the client does.
    pub patience: Patience,
}

/// What became of a step, as the client saw it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The `x-request-id` of the answer.
    pub request_id: Option<String>,
    /// The status, if a head came.
    pub status: Option<u16>,
    /// Tokens of the double that were delivered.
    pub tokens: u64,
    /// The answer came whole.
    pub is_whole: bool,
}

/// The steps of `seed`.
#[must_use]
pub fn steps(seed: u64, count: usize) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    (0..count).map(|_| Step::random(&mut rng)).collect()
}

impl Step {
    fn random(rng: &mut Rng) -> Self {
        let mut patience = match rng.below(10) {
            0 => Patience::LeavesAfterMs(rng.between(0, 40)),
            1 | 2 => Patience::LeavesAfterEvents(usize::try_from(rng.between(1, 8)).unwrap_or(1)),
            _ => Patience::Waits,
        };
        let words = match rng.below(10) {
            0..4 => "",
            4 => {
                patience = Patience::LeavesAfterMs(rng.between(20, 150));
                rng.pick(&ENDLESS).unwrap_or(&"")
            }
            _ => rng.pick(&FAULTS).unwrap_or(&""),
        };
        let pace = if rng.chance(50) { " rate=400" } else { "" };
        let more = if rng.chance(10) { " ignore_max" } else { "" };
        Self {
            after_ms: rng.below(5),
            is_anthropic: rng.chance(30),
            stream: rng.chance(75),
            tokens: rng.between(1, 40),
            max_tokens: rng.between(1, 60),
            words: format!("{words}{pace}{more}"),
            patience,
        }
    }

    /// The path of the request.
    #[must_use]
    pub fn path(&self) -> &'static str {
        if self.is_anthropic { "/v1/messages" } else { "/v1/chat/completions" }
    }

    /// The body of the request.
    #[must_use]
    pub fn body(&self, model: &str) -> Value {
        let text = format!("say {}\n!double {}", self.tokens, self.words);
        json!({"model": model, "max_tokens": self.max_tokens, "stream": self.stream,
            "messages": [{"role": "user", "content": text}]})
    }

    /// Runs the step.
    pub async fn run(&self, client: &Client, model: &str) -> Outcome {
        let body = self.body(model);
        // What was delivered must survive the leaving: it is kept outside the future.
        let mut seen = Seen::default();
        let call = self.call(client, &body, &mut seen);
        let limit = match self.patience {
            Patience::LeavesAfterMs(ms) => Duration::from_millis(ms),
            Patience::Waits | Patience::LeavesAfterEvents(_) => Duration::from_secs(60),
        };
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => {
                Outcome { request_id: None, status: None, tokens: seen.tokens, is_whole: false }
            }
        }
    }

    async fn call(&self, client: &Client, body: &Value, seen: &mut Seen) -> io::Result<Outcome> {
        if !self.stream {
            let answer = client.post(self.path(), body).await?;
            let text = String::from_utf8_lossy(&answer.body);
            return Ok(Outcome {
                request_id: answer.header("x-request-id").map(str::to_owned),
                status: Some(answer.status),
                tokens: tokens_in(&text.replace('"', " ")),
                is_whole: true,
            });
        }
        let leaves_after = match self.patience {
            Patience::LeavesAfterEvents(events) => events,
            Patience::Waits | Patience::LeavesAfterMs(_) => usize::MAX,
        };
        let streamed = client.stream(self.path(), body, |event| {
            seen.events += 1;
            seen.tokens += tokens_in(&event.text());
            if seen.events >= leaves_after { Flow::Leave } else { Flow::Continue }
        });
        streamed.await.map(|streamed| Outcome::of(&streamed))
    }
}

#[derive(Default)]
struct Seen {
    events: usize,
    tokens: u64,
}

impl Outcome {
    fn of(streamed: &Streamed) -> Self {
        Self {
            request_id: streamed.header("x-request-id").map(str::to_owned),
            status: Some(streamed.status),
            tokens: streamed.tokens(),
            is_whole: streamed.end == End::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::double::Behaviour;

    #[test]
    fn a_seed_repeats_its_steps_and_the_double_knows_all_words() {
        assert_eq!(steps(7, 50), steps(7, 50));
        assert_ne!(steps(7, 50), steps(8, 50));
        for step in steps(1, 2_000) {
            assert!(step.words.parse::<Behaviour>().is_ok(), "{}", step.words);
        }
    }
}
