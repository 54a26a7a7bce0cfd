//! What a stream of OpenAI's chat completions says, piece by piece as it comes:
//! for whoever shows it on, and so without loss.

use surgewall_core::config::schema::Dialect;
use surgewall_core::usage::Usage;

use crate::chunk::{Choice, Chunk};
use crate::error::{UpstreamError, read_upstream};
use crate::sse::{Parser, Piece, TooLarge};
use crate::usage;

/// One thing that a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta<'a> {
    /// More of what the model thinks.
    Thinking(&'a str),
    /// More of the answer.
    Text(&'a str),
    /// Why the model stopped: `stop`, `length` and the like.
    Stop(&'a str),
    /// What was used.
    Usage(Usage),
    /// The stream broke off, and says why.
    Failed(UpstreamError),
    /// The stream is whole.
    End,
}

/// The stream is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a stream of chat completions")]
pub struct Garbled;

impl From<TooLarge> for Garbled {
    fn from(_: TooLarge) -> Self {
        Self
    }
}

/// Reads one stream. How its bytes are cut changes nothing.
#[derive(Debug, Default)]
pub struct Deltas {
    parser: Parser,
}

impl Deltas {
    /// Takes the next bytes, and hands on what they say.
    ///
    /// # Errors
    /// An event is too large, or no chunk.
    pub fn feed(&mut self, bytes: &[u8], each: &mut impl FnMut(Delta<'_>)) -> Result<(), Garbled> {
        self.parser.feed(bytes, &mut |piece| match piece {
            Piece::LineFeed => Ok(()),
            Piece::Block(block) => block.data().map_or(Ok(()), |data| event(&data, each)),
        })
    }
}

fn event(data: &[u8], each: &mut impl FnMut(Delta<'_>)) -> Result<(), Garbled> {
    if data.trim_ascii() == b"[DONE]" {
        each(Delta::End);
        return Ok(());
    }
    let chunk: Chunk<'_> = serde_json::from_slice(data).map_err(|_| Garbled)?;
    if chunk.is_error() {
        each(Delta::Failed(read_upstream(Dialect::Openai, data)));
        return Ok(());
    }
    let first = |choice: &&Choice<'_>| choice.index.unwrap_or(0) == 0;
    if let Some(choice) = chunk.choices.iter().flatten().find(first) {
        said(choice, each);
    }
    if let Some(usage) = chunk.usage.and_then(|usage| usage::read_openai(usage.get())) {
        each(Delta::Usage(usage));
    }
    Ok(())
}

fn said(choice: &Choice<'_>, each: &mut impl FnMut(Delta<'_>)) {
    if let Some(delta) = &choice.delta {
        // A server that speaks both names says the same under each.
        let thinking = delta.reasoning_content.as_ref().or(delta.reasoning.as_ref());
        if let Some(text) = thinking.filter(|text| !text.0.is_empty()) {
            each(Delta::Thinking(&text.0));
        }
        for text in [&delta.content, &delta.refusal].into_iter().flatten() {
            if !text.0.is_empty() {
                each(Delta::Text(&text.0));
            }
        }
    }
    if let Some(reason) = &choice.finish_reason {
        each(Delta::Stop(&reason.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stream: &str, expected: &str) {
        for step in [1, 7, stream.len()] {
            let (mut deltas, mut seen) = (Deltas::default(), String::new());
            let mut each = |delta: Delta<'_>| {
                seen.push_str(&match delta {
                    Delta::Thinking(text) => format!("think({text})"),
                    Delta::Text(text) => format!("say({text})"),
                    Delta::Stop(reason) => format!("stop({reason})"),
                    Delta::Usage(usage) => format!("used({}+{})", usage.input, usage.output),
                    Delta::Failed(error) => format!("failed({:?})", error.code),
                    Delta::End => "end".to_owned(),
                });
            };
            for bytes in stream.as_bytes().chunks(step) {
                deltas.feed(bytes, &mut each).unwrap();
            }
            assert_eq!(seen, expected, "{stream} by {step}");
        }
    }

    #[test]
    fn a_stream_says_the_same_however_it_is_cut() {
        check(
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"reasoning_content\":\"Hm\"}}]}\n\n\
             : keep-alive\n\n\
             data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"It \"}},{\"index\":1,\"delta\":{\"content\":\"no\"}}]}\n\n\
             data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"is\\n7\"},\"finish_reason\":\"stop\"}]}\n\n\
             data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n\
             data: [DONE]\n\n",
            "think(Hm)say(It )say(is\n7)stop(stop)used(3+2)end",
        );
        check(
            "data: {\"choices\":[{\"delta\":{\"reasoning\":\"a\",\"content\":\"\"}}]}\r\n\r\n\
             data: {\"error\":{\"message\":\"no\",\"type\":\"server_error\",\"code\":\"draining\"}}\r\n\r\n",
            "think(a)failed(Some(\"draining\"))",
        );
        check("data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n", "say(no)");
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for data in ["data: {\n\n", "data: 7\n\n", "data: \n\n"] {
            assert_eq!(Deltas::default().feed(data.as_bytes(), &mut |_| {}), Err(Garbled));
        }
    }
}
