//! Server-sent events as a client sees them.

use serde_json::Value;
use tokio::time::Instant;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field.
    pub name: Option<String>,
    /// The `data:` fields, joined by line feeds.
    pub data: String,
    /// When its last byte was read.
    pub at: Instant,
}

impl Event {
    /// The data as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }

    /// The text of the answer in this event, in either dialect.
    #[must_use]
    pub fn text(&self) -> String {
        let json = self.json();
        let places = ["/choices/0/delta/content", "/choices/0/text", "/delta/text"];
        let text = places.iter().find_map(|place| json.pointer(place)?.as_str());
        text.unwrap_or_default().to_owned()
    }
}

/// Cuts a stream's bytes into events.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    name: Option<String>,
    data: Vec<String>,
    pub(super) comments: usize,
}

impl Parser {
    /// Reads more bytes; calls `each` for every event that is whole then.
    pub(super) fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Event)) {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            if let Some(event) = self.line(line.trim_end_matches('\r')) {
                each(event);
            }
        }
    }

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let name = self.name.take();
            let data = std::mem::take(&mut self.data);
            let event = Event { name, data: data.join("\n"), at: Instant::now() };
            return (!data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => self.name = Some(value.to_owned()),
            "data" => self.data.push(value.to_owned()),
            _ => {}
        }
        None
    }
}

/// How many of the double's tokens `text` holds: words `tok0`, `tok1` and so on.
#[must_use]
pub fn tokens_in(text: &str) -> u64 {
    let words = text.split_whitespace().filter(|word| {
        let number = word.strip_prefix("tok").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    u64::try_from(words.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let bytes = b": hello\nevent: a\r\ndata: one\ndata:two\r\n\r\n\ndata: {\"delta\":{\"text\":\"tok1 \"}}\n\nlost";
        for size in 1..bytes.len() {
            let (mut parser, mut events) = (Parser::default(), Vec::new());
            for chunk in bytes.chunks(size) {
                parser.feed(chunk, |event| events.push(event));
            }
            assert_eq!(parser.comments, 1);
            assert_eq!(events.len(), 2);
            assert_eq!(
                (events[0].name.as_deref(), events[0].data.as_str()),
                (Some("a"), "one\ntwo")
            );
            assert_eq!(tokens_in(&events[1].text()), 1);
        }
    }
}
