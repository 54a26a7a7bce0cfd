//! A streamed answer, written as Anthropic's events.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use surgewall_core::usage::Usage;

use super::{stop_reason, write_answer::usage};
use crate::ir::{Event, Stop};
use crate::json::put_quoted;
use crate::sse;
use crate::stream::StreamOptions;

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    Tool(u32),
}

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    open: Option<Open>,
    /// Blocks begun; the open one is the last.
    blocks: u32,
    stop: Option<Stop>,
    usage: Option<Usage>,
    /// A tool call went on after the next block had begun.
    tangled: bool,
}

impl Writer {
    /// Writes what `event` means. The stop and the usage are held until the
    /// end, because one event carries both. `output_estimate` stands for the
    /// output where the upstream counts nothing.
    pub(crate) fn event(
        &mut self,
        event: Event<'_>,
        options: &StreamOptions,
        output_estimate: u64,
        out: &mut BytesMut,
    ) {
        match event {
            Event::Start { model } => {
                start(options.shown_model.as_deref().unwrap_or(&model), options, out)
            }
            Event::Text(text) | Event::Refusal(text) => {
                self.ensure(Open::Text, || json!({"type": "text", "text": ""}), out);
                self.delta("text_delta", "text", &text, out);
            }
            Event::Thinking(text) => {
                self.ensure(Open::Thinking, thinking, out);
                self.delta("thinking_delta", "thinking", &text, out);
            }
            Event::Signature(signature) => {
                self.ensure(Open::Thinking, thinking, out);
                self.delta("signature_delta", "signature", &signature, out);
            }
            Event::Redacted(data) => {
                self.close(out);
                self.begin(&json!({"type": "redacted_thinking", "data": data}), out);
                self.stop_block(out);
            }
            Event::ToolStart { index, id, name } => {
                self.close(out);
                self.open = Some(Open::Tool(index));
                self.begin(&json!({"type": "tool_use", "id": id, "name": name, "input": {}}), out);
            }
            Event::ToolArguments { index, .. } if self.open != Some(Open::Tool(index)) => {
                self.tangled = true;
            }
            Event::ToolArguments { text, .. } => {
                self.delta("input_json_delta", "partial_json", &text, out);
            }
            Event::Stop(stop) => self.stop = Some(stop),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::End => self.end(options, output_estimate, out),
        }
    }

    /// Whether a tool call went on after the next block had begun, which this
    /// dialect cannot express.
    pub(crate) const fn is_tangled(&self) -> bool {
        self.tangled
    }

    fn ensure(&mut self, kind: Open, block: impl Fn() -> Value, out: &mut BytesMut) {
        if self.open != Some(kind) {
            self.close(out);
            self.open = Some(kind);
            self.begin(&block(), out);
        }
    }

    fn begin(&mut self, block: &Value, out: &mut BytesMut) {
        let index = self.blocks;
        self.blocks += 1;
        event("content_block_start", &json!({"index": index, "content_block": block}), out);
    }

    /// A delta of the open block; `kind` and `name` are plain words.
    fn delta(&self, kind: &str, name: &str, text: &str, out: &mut BytesMut) {
        let mut line = String::with_capacity(128);
        let index = self.blocks.saturating_sub(1);
        line.push_str(
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":",
        );
        line.push_str(&index.to_string());
        for piece in [",\"delta\":{\"type\":\"", kind, "\",\"", name, "\":"] {
            line.push_str(piece);
        }
        out.put_slice(line.as_bytes());
        put_quoted(out, text);
        out.put_slice(b"}}\n\n");
    }

    fn close(&mut self, out: &mut BytesMut) {
        if self.open.take().is_some() {
            self.stop_block(out);
        }
    }

    fn stop_block(&self, out: &mut BytesMut) {
        event("content_block_stop", &json!({"index": self.blocks.saturating_sub(1)}), out);
    }

    fn end(&mut self, options: &StreamOptions, output_estimate: u64, out: &mut BytesMut) {
        self.close(out);
        let estimate = Usage {
            input: options.input_tokens_estimate,
            output: output_estimate,
            ..Usage::default()
        };
        let reason = self.stop.as_ref().map(stop_reason);
        let sequence = self.stop.as_ref().and_then(|stop| stop.sequence.as_ref());
        let delta = json!({"stop_reason": reason, "stop_sequence": sequence});
        let usage = usage(&self.usage.unwrap_or(estimate));
        event("message_delta", &json!({"delta": delta, "usage": usage}), out);
        event("message_stop", &json!({}), out);
    }
}

fn thinking() -> Value {
    json!({"type": "thinking", "thinking": "", "signature": ""})
}

fn start(model: &str, options: &StreamOptions, out: &mut BytesMut) {
    let estimate = Usage { input: options.input_tokens_estimate, ..Usage::default() };
    let message = json!({
        "id": format!("msg_{}", options.request_id),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(&estimate),
    });
    event("message_start", &json!({ "message": message }), out);
}

/// One event whose data repeats its name as `type`.
fn event(name: &str, fields: &Value, out: &mut BytesMut) {
    let mut data = json!({ "type": name });
    for (key, value) in fields.as_object().into_iter().flatten() {
        data[key] = value.clone();
    }
    sse::write(out, name, data.to_string().as_bytes());
}
