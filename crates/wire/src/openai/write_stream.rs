//! A streamed answer, written as OpenAI's chunks.

use bytes::BytesMut;
use serde_json::{Value, json};

use super::{finish_reason, write_answer::usage};
use crate::ir::Event;
use crate::sse;
use crate::stream::StreamOptions;

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    model: String,
    usage: Option<surgewall_core::usage::Usage>,
}

impl Writer {
    /// Writes what `event` means.
    pub(crate) fn event(&mut self, event: Event<'_>, options: &StreamOptions, out: &mut BytesMut) {
        let delta = match event {
            Event::Start { model } => {
                self.model = options.shown_model.clone().unwrap_or_else(|| model.into_owned());
                json!({"role": "assistant", "content": ""})
            }
            Event::Text(text) => json!({"content": text}),
            Event::Refusal(text) => json!({"refusal": text}),
            Event::Thinking(text) => json!({"reasoning_content": text}),
            // Signs the reasoning that went out before it.
            Event::Signature(signature) => json!({
                "thinking_blocks": [{"type": "thinking", "thinking": "", "signature": signature}],
            }),
            Event::Redacted(data) => {
                json!({"thinking_blocks": [{"type": "redacted_thinking", "data": data}]})
            }
            Event::ToolStart { index, id, name } => {
                let function = json!({"name": name, "arguments": ""});
                json!({"tool_calls": [{"index": index, "id": id, "type": "function", "function": function}]})
            }
            Event::ToolArguments { index, text } => {
                json!({"tool_calls": [{"index": index, "function": {"arguments": text}}]})
            }
            Event::Stop(stop) => {
                let reason = finish_reason(&stop);
                let choice =
                    json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": reason}]);
                return self.chunk(&choice, None, options, out);
            }
            Event::Usage(usage) => {
                self.usage = Some(usage);
                return;
            }
            Event::End => return self.end(options, out),
        };
        let choice = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]);
        self.chunk(&choice, None, options, out);
    }

    fn end(&self, options: &StreamOptions, out: &mut BytesMut) {
        if let Some(counts) = self.usage.filter(|_| options.include_usage) {
            self.chunk(&json!([]), Some(&usage(&counts, options.client)), options, out);
        }
        sse::write(out, "", b"[DONE]");
    }

    fn chunk(
        &self,
        choices: &Value,
        usage: Option<&Value>,
        options: &StreamOptions,
        out: &mut BytesMut,
    ) {
        let mut chunk = json!({
            "id": format!("chatcmpl-{}", options.request_id),
            "object": "chat.completion.chunk",
            "created": options.created_s,
            "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage.clone();
        }
        sse::write(out, "", chunk.to_string().as_bytes());
    }
}
