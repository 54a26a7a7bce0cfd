//! A streamed answer, written as OpenAI's chunks.

use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use surgewall_core::usage::Usage;

use super::{finish_reason, write_answer::usage};
use crate::Endpoint;
use crate::ir::Event;
use crate::json::{put_quoted, quote};
use crate::stream::StreamOptions;

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    /// What every chunk begins with, up to its choices.
    head: String,
    usage: Option<Usage>,
}

impl Writer {
    /// Writes what `event` means.
    pub(crate) fn event(&mut self, event: Event<'_>, options: &StreamOptions, out: &mut BytesMut) {
        if options.endpoint == Endpoint::Completions {
            return self.completion(&event, options, out);
        }
        match event {
            Event::Start { model } => {
                self.head = head(options.shown_model.as_deref().unwrap_or(&model), options);
                self.delta(&json!({"role": "assistant", "content": ""}), out);
            }
            Event::Text(text) => self.text("content", &text, out),
            Event::Refusal(text) => self.text("refusal", &text, out),
            Event::Thinking(text) => self.text("reasoning_content", &text, out),
            // Signs the reasoning that went out before it.
            Event::Signature(signature) => {
                let block = json!({"type": "thinking", "thinking": "", "signature": signature});
                self.delta(&json!({"thinking_blocks": [block]}), out);
            }
            Event::Redacted(data) => {
                let block = json!({"type": "redacted_thinking", "data": data});
                self.delta(&json!({"thinking_blocks": [block]}), out);
            }
            Event::ToolStart { index, id, name } => {
                let function = json!({"name": name, "arguments": ""});
                let call =
                    json!({"index": index, "id": id, "type": "function", "function": function});
                self.delta(&json!({"tool_calls": [call]}), out);
            }
            Event::ToolArguments { index, text } => {
                let call = json!({"index": index, "function": {"arguments": text}});
                self.delta(&json!({"tool_calls": [call]}), out);
            }
            Event::Stop(stop) => {
                self.choice(b"{}", &quote(finish_reason(&stop)), out);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::End => self.end(options, out),
        }
    }

    /// The events of a completion: its text, its end and its usage.
    fn completion(&mut self, event: &Event<'_>, options: &StreamOptions, out: &mut BytesMut) {
        let (text, finish_reason) = match event {
            Event::Text(text) => (&**text, None),
            Event::Stop(stop) => ("", Some(finish_reason(stop))),
            Event::Start { model } => {
                self.head = head(options.shown_model.as_deref().unwrap_or(model), options);
                return;
            }
            Event::Usage(usage) => return self.usage = Some(*usage),
            Event::End => return self.end(options, out),
            _ => return,
        };
        let choice =
            json!({"index": 0, "text": text, "logprobs": null, "finish_reason": finish_reason});
        out.put_slice(self.head.as_bytes());
        out.put_slice(choice.to_string().as_bytes());
        out.put_slice(b"]}\n\n");
    }

    fn end(&self, options: &StreamOptions, out: &mut BytesMut) {
        if let Some(counts) = self.usage.filter(|_| options.include_usage) {
            out.put_slice(self.head.as_bytes());
            out.put_slice(b"],\"usage\":");
            out.put_slice(usage(&counts, options.client).to_string().as_bytes());
            out.put_slice(b"}\n\n");
        }
        out.put_slice(b"data: [DONE]\n\n");
    }

    /// A chunk that adds one text: most are.
    fn text(&self, name: &str, text: &str, out: &mut BytesMut) {
        let mut delta = BytesMut::with_capacity(name.len() + text.len() + 16);
        delta.put_slice(b"{\"");
        delta.put_slice(name.as_bytes());
        delta.put_slice(b"\":");
        put_quoted(&mut delta, text);
        delta.put_u8(b'}');
        self.choice(&delta, "null", out);
    }

    fn delta(&self, delta: &Value, out: &mut BytesMut) {
        self.choice(delta.to_string().as_bytes(), "null", out);
    }

    /// A chunk with one choice; `finish_reason` is JSON.
    fn choice(&self, delta: &[u8], finish_reason: &str, out: &mut BytesMut) {
        out.put_slice(self.head.as_bytes());
        out.put_slice(b"{\"index\":0,\"delta\":");
        out.put_slice(delta);
        out.put_slice(b",\"logprobs\":null,\"finish_reason\":");
        out.put_slice(finish_reason.as_bytes());
        out.put_slice(b"}]}\n\n");
    }
}

fn head(model: &str, options: &StreamOptions) -> String {
    let (kind, object) = match options.endpoint {
        Endpoint::Completions => ("cmpl", "text_completion"),
        _ => ("chatcmpl", "chat.completion.chunk"),
    };
    let head = json!({
        "id": format!("{kind}-{}", options.request_id),
        "object": object,
        "created": options.created_s,
        "model": model,
    });
    let head = head.to_string();
    format!("data: {},\"choices\":[", head.trim_end_matches('}'))
}
