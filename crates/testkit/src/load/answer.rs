//! One answer of a door as its bytes come: what was said while it waited, its
//! tokens, and how it ended.

use serde::Serialize;
use serde_json::Value;
use tokio::time::Instant;

/// A line at most, in bytes; what is longer is no line of these servers.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Comments of one answer that are remembered.
const ETAS_MAX: usize = 100;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With all its tokens.
    Whole,
    /// Before any of them: the status, and the code if there was one.
    Refused(String),
    /// The client's patience was over before the first token.
    Left,
    /// After the head, or without one.
    Broken(String),
}

/// What the door said of the time to go, and what it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Eta {
    /// The place in the queue.
    pub position: u64,
    /// Seconds to go.
    pub said_s: f64,
    /// Between these, if it said so.
    pub between_s: Option<(f64, f64)>,
    /// Seconds to the first event after it; `None` where none came.
    pub actual_s: Option<f64>,
}

/// What was read so far.
pub(super) struct Reading {
    line: Vec<u8>,
    etas: Vec<(Eta, Instant)>,
    /// When the first event came: the model server has the request then.
    turn_at: Option<Instant>,
    pub(super) first_at: Option<Instant>,
    pub(super) tokens: u64,
    pub(super) is_done: bool,
    /// The code of an error event.
    pub(super) error: Option<String>,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            line: Vec::new(),
            etas: Vec::new(),
            turn_at: None,
            first_at: None,
            tokens: 0,
            is_done: false,
            error: None,
        }
    }

    /// More bytes of a stream, which came at `now`.
    pub(super) fn bytes(&mut self, bytes: &[u8], now: Instant) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() <= LINE_BYTES_MAX {
                self.line.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
                self.line(line.trim_end(), now);
            }
        }
    }

    fn line(&mut self, line: &str, now: Instant) {
        if let Some(data) = line.strip_prefix("data:") {
            self.event(data.trim_start(), now);
        } else if let Some(comment) = line.strip_prefix(": ") {
            self.comment(comment, now);
        }
    }

    fn event(&mut self, data: &str, now: Instant) {
        self.turn_at.get_or_insert(now);
        if data == "[DONE]" {
            self.is_done = true;
        } else if has_token(data) {
            self.tokens += 1;
            self.first_at.get_or_insert(now);
        } else if data.contains("\"error\"") {
            self.error = Some(code_of(data.as_bytes()));
        }
    }

    /// `queued position=12 eta_s=9`, and behind it `between 6 and 14 s`.
    fn comment(&mut self, comment: &str, now: Instant) {
        if let Some(said) = comment.strip_prefix("queued ") {
            let number = |name| {
                let mut pairs = said.split_whitespace().filter_map(|pair| pair.split_once('='));
                pairs.find(|(known, _)| *known == name)?.1.parse::<f64>().ok()
            };
            let position = said.split_whitespace().find_map(|pair| pair.strip_prefix("position="));
            let position = position.and_then(|position| position.parse().ok());
            if let (Some(position), Some(said_s)) = (position, number("eta_s"))
                && self.etas.len() < ETAS_MAX
            {
                let eta = Eta { position, said_s, between_s: None, actual_s: None };
                self.etas.push((eta, now));
            }
        } else if let Some(range) = comment.strip_prefix("between ") {
            let range = range.strip_suffix(" s").and_then(|range| range.split_once(" and "));
            let range = range.and_then(|(low, high)| low.parse().ok().zip(high.parse().ok()));
            if let Some((eta, _)) = self.etas.last_mut() {
                eta.between_s = range;
            }
        }
    }

    /// What was said while it waited, with what came of it.
    pub(super) fn etas(&self) -> Vec<Eta> {
        let etas = self.etas.iter().map(|(eta, at)| {
            let actual = self.turn_at.map(|turn| turn.duration_since(*at).as_secs_f64());
            Eta { actual_s: actual, ..*eta }
        });
        etas.collect()
    }
}

/// Whether an event holds a token of the double.
fn has_token(data: &str) -> bool {
    let mut places = data.match_indices("\"tok").map(|(at, token)| at + token.len());
    places.any(|at| data.as_bytes().get(at).is_some_and(u8::is_ascii_digit))
}

/// The code in an error's body, in any dialect; empty if there is none.
pub(super) fn code_of(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let places = ["/error/code", "/code", "/error/type"];
    let code = places.iter().find_map(|place| match json.pointer(place)? {
        Value::String(code) => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        _ => None,
    });
    code.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_queue_and_the_tokens_are_read_however_the_bytes_are_cut() {
        let queued = b": queued position=12 eta_s=9\n: between 6 and 14 s\n\n: keep-alive\n\n";
        let answer =
            b"data: {\"delta\":{\"content\":\"\"}}\n\ndata: {\"content\":\"tok0 \"}\r\n\r\n\
            data: {\"content\":\"tok1 \"}\n\ndata: {\"usage\":{\"tokens\":2}}\n\ndata: [DONE]\n\n";
        let begin = Instant::now();
        for size in [1, 7, 1_000] {
            let mut reading = Reading::new();
            queued.chunks(size).for_each(|bytes| reading.bytes(bytes, begin));
            assert_eq!(reading.etas()[0].actual_s, None);
            let later = begin + Duration::from_secs(5);
            answer.chunks(size).for_each(|bytes| reading.bytes(bytes, later));
            let eta = Eta {
                position: 12,
                said_s: 9.0,
                between_s: Some((6.0, 14.0)),
                actual_s: Some(5.0),
            };
            assert_eq!(reading.etas(), [eta]);
            assert_eq!((reading.tokens, reading.is_done), (2, true));
            assert_eq!((reading.first_at, reading.error), (Some(later), None));
        }
    }

    #[test]
    fn errors_have_codes() {
        let mut reading = Reading::new();
        reading.bytes(b"data: {\"error\":{\"code\":\"overloaded\"}}\n\n", Instant::now());
        assert_eq!(reading.error.as_deref(), Some("overloaded"));
        for (body, code) in [
            ("{\"error\":{\"type\":\"overloaded_error\"}}", "overloaded_error"),
            ("{\"error\":{\"code\":429,\"type\":\"x\"}}", "429"),
            ("upstream connect error", ""),
        ] {
            assert_eq!(code_of(body.as_bytes()), code);
        }
    }
}
