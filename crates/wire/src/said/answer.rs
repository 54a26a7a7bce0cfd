//! The text of an answer, from the bytes that the client was given.

use serde::Deserialize;

use super::transcript::{Kind, Transcript};
use super::walk::{Side, Walk};
use crate::ClientDialect;
use crate::chunk::{Choice, Chunk, Str};
use crate::lines::Lines;
use crate::ollama::line::Line;
use crate::sse::{Parser, Piece, TooLarge};

/// Choices of one answer that are kept apart; further ones are missing.
const CHOICES_KEPT_MAX: usize = 16;

/// The text of one answer so far.
#[derive(Debug)]
pub struct AnswerText {
    dialect: ClientDialect,
    feed: Feed,
    said: Said,
    /// What comes now is not understood any more.
    broke: bool,
}

#[derive(Debug)]
enum Feed {
    Sse(Parser),
    Lines(Lines),
}

/// One text for each choice.
#[derive(Debug)]
struct Said {
    choices: Vec<Transcript>,
    bytes_max: usize,
    lost: bool,
}

/// The reading of a stream broke; what was read stands.
struct Broke;

impl From<TooLarge> for Broke {
    fn from(_: TooLarge) -> Self {
        Self
    }
}

impl AnswerText {
    /// Of an answer of which nothing was delivered yet. `bytes_max` of its first
    /// choice are kept, and a 16th of that of each further one.
    #[must_use]
    pub fn new(dialect: ClientDialect, bytes_max: usize) -> Self {
        let feed = match dialect {
            ClientDialect::Ollama => Feed::Lines(Lines::default()),
            _ => Feed::Sse(Parser::default()),
        };
        let said = Said { choices: Vec::new(), bytes_max, lost: false };
        Self { dialect, feed, said, broke: false }
    }

    /// Takes the next bytes of a stream.
    pub fn delivered(&mut self, bytes: &[u8]) {
        let Self { dialect, feed, said, broke } = self;
        if *broke {
            return;
        }
        let fed = match feed {
            Feed::Lines(lines) => lines.feed(bytes, &mut |line| said.line(line)),
            Feed::Sse(parser) => parser.feed(bytes, &mut |piece| match piece {
                Piece::LineFeed => Ok(()),
                Piece::Block(block) => {
                    block.data().map_or(Ok(()), |data| said.event(*dialect, &data))
                }
            }),
        };
        *broke = fed.is_err();
    }

    /// Takes the body of an answer that is no stream.
    pub fn whole(&mut self, body: &[u8]) {
        let taken = match self.dialect {
            ClientDialect::Ollama => self.said.line(body),
            _ => self.said.body(body),
        };
        self.broke = taken.is_err();
    }

    /// The text, and whether there was more.
    #[must_use]
    pub fn finish(self) -> (String, bool) {
        let Said { mut choices, lost, .. } = self.said;
        let lost = lost || self.broke;
        if choices.len() == 1 {
            let (text, cut) = choices.remove(0).finish();
            return (text, cut || lost);
        }
        let (mut all, mut cut) = (String::new(), lost);
        for (nth, choice) in choices.into_iter().enumerate() {
            let (text, more) = choice.finish();
            cut |= more;
            let end = if nth > 0 { "\n" } else { "" };
            all.push_str(&format!("{end}[choice {}] {text}", nth + 1));
        }
        (all, cut)
    }
}

/// One event of OpenAI's Responses.
#[derive(Deserialize)]
struct ResponsesEvent<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow, default)]
    delta: Option<Str<'a>>,
}

/// One event of Anthropic's.
#[derive(Deserialize)]
struct AnthropicEvent<'a> {
    #[serde(borrow, default)]
    content_block: Option<Part<'a>>,
    #[serde(borrow, default)]
    delta: Option<Part<'a>>,
}

/// What such an event says.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    partial_json: Option<Str<'a>>,
}

impl Said {
    /// Takes one event's data.
    fn event(&mut self, dialect: ClientDialect, data: &[u8]) -> Result<(), Broke> {
        if data == b"[DONE]" {
            return Ok(());
        }
        match dialect {
            ClientDialect::OpenAi | ClientDialect::DeepSeek => {
                let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|_| Broke)?;
                chunk.choices.iter().flatten().for_each(|choice| self.choice(choice));
            }
            ClientDialect::Anthropic => {
                let event: AnthropicEvent<'_> = serde_json::from_slice(data).map_err(|_| Broke)?;
                [event.content_block, event.delta]
                    .iter()
                    .flatten()
                    .for_each(|part| self.part(part));
            }
            ClientDialect::Responses => {
                let event: ResponsesEvent<'_> = serde_json::from_slice(data).map_err(|_| Broke)?;
                self.responses(&event);
            }
            ClientDialect::Ollama => self.line(data)?,
        }
        Ok(())
    }

    fn choice(&mut self, choice: &Choice<'_>) {
        let index = usize::try_from(choice.index.unwrap_or(0)).unwrap_or(usize::MAX);
        let Some(said) = self.of(index) else { return };
        let mut say = |kind, text: &Option<Str<'_>>| {
            if let Some(text) = text {
                said.delta(kind, &text.0);
            }
        };
        say(Kind::Text, &choice.text);
        let Some(delta) = &choice.delta else { return };
        say(Kind::Thinking, &delta.reasoning_content);
        say(Kind::Thinking, &delta.reasoning);
        say(Kind::Text, &delta.content);
        say(Kind::Text, &delta.refusal);
        let calls = delta.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        for function in calls.chain(&delta.function_call) {
            say(Kind::Tool, &function.name);
            say(Kind::Tool, &function.arguments);
        }
    }

    fn part(&mut self, part: &Part<'_>) {
        let Some(said) = self.of(0) else { return };
        for (kind, text) in [
            (Kind::Text, &part.text),
            (Kind::Thinking, &part.thinking),
            (Kind::Tool, &part.name),
            (Kind::Tool, &part.partial_json),
        ] {
            if let Some(text) = text {
                said.delta(kind, &text.0);
            }
        }
    }

    fn responses(&mut self, event: &ResponsesEvent<'_>) {
        let (Some(text), Some(said)) = (&event.delta, self.of(0)) else { return };
        let kind = match event.r#type.0.as_ref() {
            "response.output_text.delta" | "response.refusal.delta" => Kind::Text,
            "response.function_call_arguments.delta" => Kind::Tool,
            name if name.starts_with("response.reasoning") => Kind::Thinking,
            _ => return,
        };
        said.delta(kind, &text.0);
    }

    /// Takes one line of Ollama's, or a body: the two have the same form.
    fn line(&mut self, json: &[u8]) -> Result<(), Broke> {
        let Some(said) = self.of(0) else { return Ok(()) };
        let line: Line<'_> = serde_json::from_slice(json).map_err(|_| Broke)?;
        for (kind, text) in [(Kind::Thinking, line.thought()), (Kind::Text, line.text())] {
            if let Some(text) = text {
                said.delta(kind, &text.0);
            }
        }
        for call in line.calls() {
            said.delta(Kind::Tool, &call.function.name.0);
            said.delta(Kind::Tool, call.arguments());
        }
        Ok(())
    }

    /// Takes a body of any other dialect.
    fn body(&mut self, json: &[u8]) -> Result<(), Broke> {
        let Some(said) = self.of(0) else { return Ok(()) };
        Walk::body(said, Side::Answer, json).map_err(|_| Broke)
    }

    fn of(&mut self, index: usize) -> Option<&mut Transcript> {
        if index >= CHOICES_KEPT_MAX {
            self.lost = true;
            return None;
        }
        while self.choices.len() <= index {
            let share = if self.choices.is_empty() { 1 } else { CHOICES_KEPT_MAX };
            self.choices.push(Transcript::new(self.bytes_max / share));
        }
        self.choices.get_mut(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dialect: ClientDialect, stream: &str, expected: &str) {
        let whole = (expected.to_owned(), false);
        for step in [1, 7, stream.len()] {
            let mut answer = AnswerText::new(dialect, 1 << 10);
            stream.as_bytes().chunks(step).for_each(|bytes| answer.delivered(bytes));
            assert_eq!(answer.finish(), whole, "{stream} by {step}");
        }
    }

    #[test]
    fn a_stream_is_its_text_in_every_dialect_however_it_is_cut() {
        check(
            ClientDialect::OpenAi,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"reasoning_content\":\"Hm\"}}]}\n\n\
             : keep-alive\n\n\
             data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It \"}}]}\n\n\
             data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"is\\n7\"}}]}\n\n\
             data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\"}}]}}]}\n\n\
             data: [DONE]\n\n",
            "[thinking] Hm\n[text] It is\n7\n[tool] f{",
        );
        check(
            ClientDialect::DeepSeek,
            "data: {\"choices\":[{\"index\":1,\"text\":\"b\"},{\"index\":0,\"text\":\"a\"}]}\n\n",
            "[choice 1] a\n[choice 2] b",
        );
        check(
            ClientDialect::Anthropic,
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"It\"}}\n\n\
             event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\" is\"}}\n\n\
             event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            "It is",
        );
        check(
            ClientDialect::Ollama,
            "{\"message\":{\"role\":\"assistant\",\"content\":\"It\"},\"done\":false}\n\
             {\"message\":{\"content\":\" is\"},\"done\":false}\n{\"done\":true}\n",
            "It is",
        );
        check(
            ClientDialect::Responses,
            "data: {\"type\":\"response.output_text.delta\",\"delta\":\"It\"}\n\n\
             data: {\"type\":\"response.output_text.delta\",\"delta\":\" is\"}\n\n\
             data: {\"type\":\"response.output_text.done\",\"text\":\"It is\"}\n\n",
            "It is",
        );
    }

    #[test]
    fn a_body_is_its_text_in_every_dialect() {
        for (dialect, body, expected) in [
            (
                ClientDialect::OpenAi,
                r#"{"id":"x","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"Hm","content":"It is"},"logprobs":{"content":[{"token":"It"}]}}],"usage":{}}"#,
                "[thinking] Hm\n[text] It is",
            ),
            (
                ClientDialect::Anthropic,
                r#"{"role":"assistant","content":[{"type":"text","text":"It is"},{"type":"tool_use","name":"f","input":{"a":1}}]}"#,
                "It is\n[tool] f {\"a\":1}",
            ),
            (ClientDialect::Ollama, r#"{"response":"It is","done":true,"context":[1,2]}"#, "It is"),
            (
                ClientDialect::Responses,
                r#"{"instructions":"Be kind","text":{"format":{"type":"text"}},"output":[{"type":"message","content":[{"type":"output_text","text":"It is"}]}],"tools":[]}"#,
                "It is",
            ),
            (ClientDialect::OpenAi, r#"{"data":[{"embedding":[0.1]}]}"#, ""),
        ] {
            let mut answer = AnswerText::new(dialect, 1 << 10);
            answer.whole(body.as_bytes());
            assert_eq!(answer.finish(), (expected.to_owned(), false), "{body}");
        }
    }

    #[test]
    fn what_does_not_fit_or_is_not_understood_is_said_to_be_missing() {
        let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"1234\"}}]}\n\n";
        for (times, bytes_max, expected) in
            [(2, 8, ("12341234", false)), (2, 7, ("1234123", true)), (3, 7, ("1234123", true))]
        {
            let mut answer = AnswerText::new(ClientDialect::OpenAi, bytes_max);
            (0..times).for_each(|_| answer.delivered(event.as_bytes()));
            assert_eq!(answer.finish(), (expected.0.to_owned(), expected.1));
        }
        let mut answer = AnswerText::new(ClientDialect::OpenAi, 9);
        answer.delivered(event.as_bytes());
        answer.delivered(b"data: garbage\n\n");
        answer.delivered(event.as_bytes());
        assert_eq!(answer.finish(), ("1234".to_owned(), true));
        for (choices, lost) in [(CHOICES_KEPT_MAX, false), (CHOICES_KEPT_MAX + 1, true)] {
            let mut answer = AnswerText::new(ClientDialect::OpenAi, 1 << 10);
            for index in 0..choices {
                let event =
                    format!("data: {{\"choices\":[{{\"index\":{index},\"text\":\"x\"}}]}}\n\n");
                answer.delivered(event.as_bytes());
            }
            assert_eq!(answer.finish().1, lost);
        }
    }
}
