//! Anthropic's events, read for translation.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use surgewall_core::config::schema::Dialect;

use super::stop;
use crate::chunk::Str;
use crate::error::read_upstream;
use crate::ir::Event;
use crate::stream::StreamFault;
use crate::usage::AnthropicUsage;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    message: Option<Message<'a>>,
    #[serde(borrow, default)]
    content_block: Option<Block<'a>>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    model: Option<Str<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    r#type: Str<'a>,
    #[serde(borrow, default)]
    id: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    data: Option<Str<'a>>,
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    text: Option<Str<'a>>,
    #[serde(borrow, default)]
    thinking: Option<Str<'a>>,
    #[serde(borrow, default)]
    signature: Option<Str<'a>>,
    #[serde(borrow, default)]
    partial_json: Option<Str<'a>>,
    #[serde(borrow, default)]
    stop_reason: Option<Str<'a>>,
    #[serde(borrow, default)]
    stop_sequence: Option<Str<'a>>,
}

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    usage: AnthropicUsage,
    /// Tool calls begun, and the block of the last one.
    tools: u32,
    tool_block: Option<u32>,
    stopped: bool,
}

impl Reader {
    /// Reads one event and hands on what it means.
    ///
    /// # Errors
    /// It is no event of this dialect, or the upstream failed.
    pub(crate) fn event(
        &mut self,
        name: &[u8],
        data: &str,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let event: Wire<'_> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
        let kind = event.r#type.0.as_ref();
        if kind == "error" || name == b"error" {
            let error = read_upstream(Dialect::Anthropic, data.as_bytes());
            return Err(StreamFault::UpstreamError(error));
        }
        match kind {
            "message_start" => {
                let message = event.message.as_ref().ok_or(StreamFault::Garbage)?;
                self.count(message.usage);
                let model = message.model.as_ref().map_or("", |model| model.0.as_ref());
                sink(Event::Start { model: Cow::Borrowed(model) });
            }
            "content_block_start" => {
                let block = event.content_block.as_ref().ok_or(StreamFault::Garbage)?;
                self.block(event.index, block, sink)?;
            }
            "content_block_delta" => {
                let delta = event.delta.as_ref().ok_or(StreamFault::Garbage)?;
                self.delta(event.index, delta, sink)?;
            }
            "message_delta" => {
                self.count(event.usage);
                self.stop(event.delta.as_ref(), sink);
            }
            "message_stop" if self.stopped => sink(Event::End),
            "message_stop" => return Err(StreamFault::Truncated),
            // `ping`, `content_block_stop`, and what may be added.
            _ => {}
        }
        Ok(())
    }

    /// Whether the answer ended, with or without its terminator.
    pub(crate) const fn is_complete(&self) -> bool {
        self.stopped
    }

    fn count(&mut self, usage: Option<&RawValue>) {
        let usage = usage.and_then(|usage| AnthropicUsage::read(usage.get()));
        self.usage.update(&usage.unwrap_or_default());
    }

    fn stop(&mut self, delta: Option<&Delta<'_>>, sink: &mut impl FnMut(Event<'_>)) {
        let Some(delta) = delta else { return };
        let Some(reason) = delta.stop_reason.as_ref().filter(|_| !self.stopped) else {
            return;
        };
        self.stopped = true;
        let sequence = delta.stop_sequence.as_ref().map(|text| text.0.as_ref());
        sink(Event::Stop(stop(&reason.0, sequence)));
        if let Some(usage) = self.usage.whole() {
            sink(Event::Usage(usage));
        }
    }

    fn block(
        &mut self,
        index: Option<u32>,
        block: &Block<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        match (block.r#type.0.as_ref(), &block.id, &block.name) {
            ("tool_use", Some(id), Some(name)) => {
                let (id, name) = (Cow::Borrowed(id.0.as_ref()), Cow::Borrowed(name.0.as_ref()));
                sink(Event::ToolStart { index: self.tools, id, name });
                self.tools += 1;
                self.tool_block = index;
            }
            ("text", ..) => {
                if let Some(text) = block.text.as_ref().filter(|text| !text.0.is_empty()) {
                    sink(Event::Text(Cow::Borrowed(&text.0)));
                }
            }
            ("thinking", ..) => {}
            ("redacted_thinking", ..) => {
                let data = block.data.as_ref().ok_or(StreamFault::Garbage)?;
                sink(Event::Redacted(Cow::Borrowed(&data.0)));
            }
            // Blocks of tools that a translated request cannot have asked for.
            _ => return Err(StreamFault::Garbage),
        }
        Ok(())
    }

    fn delta(
        &mut self,
        index: Option<u32>,
        delta: &Delta<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        if let Some(text) = &delta.text {
            sink(Event::Text(Cow::Borrowed(&text.0)));
        }
        if let Some(text) = &delta.thinking {
            sink(Event::Thinking(Cow::Borrowed(&text.0)));
        }
        if let Some(text) = delta.signature.as_ref().filter(|text| !text.0.is_empty()) {
            sink(Event::Signature(Cow::Borrowed(&text.0)));
        }
        if let Some(text) = &delta.partial_json {
            let tool = self.tools.checked_sub(1).filter(|_| index == self.tool_block);
            let index = tool.ok_or(StreamFault::Garbage)?;
            sink(Event::ToolArguments { index, text: Cow::Borrowed(&text.0) });
        }
        Ok(())
    }
}
