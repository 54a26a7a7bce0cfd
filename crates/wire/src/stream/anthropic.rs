//! Anthropic's events for a client that speaks Anthropic: read lightly, forwarded as they are.

use bytes::BytesMut;
use serde::Deserialize;
use serde_json::value::RawValue;
use surgewall_core::config::schema::Dialect;

use super::template::Texts;
use super::{Seen, StreamFault, StreamOptions, Tally, Verdict};
use crate::chunk::Str;
use crate::error::read_upstream;
use crate::usage::AnthropicUsage;
use crate::{json, sse};

/// What the door reads of one event.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Piece<'a>>,
    #[serde(borrow, default)]
    delta: Option<Piece<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    partial_json: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Str<'a>>,
}

/// The state of one such stream.
#[derive(Debug, Default)]
pub(super) struct Pass {
    usage: AnthropicUsage,
    stopped: bool,
}

impl Pass {
    /// Reads one event.
    pub(super) fn event<'d>(
        &mut self,
        name: &[u8],
        data: &'d str,
        options: &StreamOptions,
        tally: &mut Tally,
    ) -> Result<Seen<'d>, StreamFault> {
        let event: Event<'d> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
        let kind = event.r#type.0.as_ref();
        if kind == "error" || name == b"error" {
            let error = read_upstream(Dialect::Anthropic, data.as_bytes());
            return Err(StreamFault::UpstreamError(error));
        }
        let mut texts = Texts::new(tally);
        for piece in [&event.content_block, &event.delta].into_iter().flatten() {
            for text in [&piece.text, &piece.thinking, &piece.partial_json, &piece.name] {
                texts.add(text.as_ref());
            }
            self.stopped |= piece.stop_reason.is_some();
        }
        let lone = texts.lone().filter(|_| kind == "content_block_delta" && event.usage.is_none());
        let message = event.message.as_ref();
        for usage in message.and_then(|message| message.usage).into_iter().chain(event.usage) {
            self.usage.update(&AnthropicUsage::read(usage.get()).unwrap_or_default());
        }
        if kind == "message_delta" {
            tally.reported = self.usage.whole();
        }
        let model = options.shown_model.as_ref().and(message).and_then(|message| message.model);
        let verdict = match (kind, model) {
            ("message_stop", _) => Verdict::Last,
            (_, Some(model)) => Verdict::Rename(json::span(data, model.get())),
            _ => Verdict::Forward,
        };
        Ok(Seen { verdict, lone })
    }

    /// Ends the stream where a stop reason was given.
    pub(super) fn complete(&self, out: &mut BytesMut) -> bool {
        if self.stopped {
            sse::write(out, "message_stop", br#"{"type":"message_stop"}"#);
        }
        self.stopped
    }
}
