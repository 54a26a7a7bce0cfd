//! A streamed answer, written as the events of OpenAI's Responses.

use bytes::BytesMut;
use serde_json::{Map, Value, json};
use surgewall_core::limits::UPSTREAM_BODY_BYTES_MAX;
use surgewall_core::usage::Usage;

use super::{
    begun, completed, function_call, incomplete, item_id, message, output_text, reasoning, refusal,
};
use crate::error::ErrorBody;
use crate::ir::{Event, Stop, StopReason};
use crate::sse;
use crate::stream::{StreamFault, StreamOptions};

/// The text of one answer, in bytes: its last event repeats all of it, so all
/// of it is held.
const ANSWER_BYTES_MAX: usize = UPSTREAM_BODY_BYTES_MAX / 4;

/// The item that is open.
#[derive(Debug)]
enum Open {
    Text(String),
    Refusal(String),
    Reasoning { text: String, sealed: String },
    Call { index: u32, call: String, name: String, arguments: String },
}

impl Open {
    /// What an item's id begins with.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Refusal(_) => "msg",
            Self::Reasoning { .. } => "rs",
            Self::Call { .. } => "fc",
        }
    }
}

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    sequence: u64,
    /// The answer as it began, once it has.
    head: Option<Value>,
    open: Option<Open>,
    /// Items that are whole.
    output: Vec<Value>,
    held_bytes: usize,
    stop: Option<Stop>,
    usage: Option<Usage>,
    fault: Option<StreamFault>,
}

impl Writer {
    /// Writes what `event` means. The stop and the usage are held until the
    /// end, because the last event carries both.
    pub(crate) fn event(
        &mut self,
        event: Event<'_>,
        options: &StreamOptions,
        output_estimate: u64,
        out: &mut BytesMut,
    ) {
        match event {
            Event::Start { model } => self.start(&model, options, out),
            Event::Text(text) => self.text(&text, options, out),
            Event::Refusal(text) => self.refusal(&text, options, out),
            Event::Thinking(text) => self.thinking(&text, options, out),
            Event::Signature(signature) => {
                self.ensure_reasoning(options, out);
                self.hold(signature.len());
                if let Some(Open::Reasoning { sealed, .. }) = &mut self.open {
                    sealed.push_str(&signature);
                }
            }
            Event::Redacted(data) => {
                self.close(options, "completed", out);
                self.hold(data.len());
                let sealed = data.into_owned();
                self.begin(Open::Reasoning { text: String::new(), sealed }, options, out);
                self.close(options, "completed", out);
            }
            Event::ToolStart { index, id, name } => {
                self.close(options, "completed", out);
                let (call, name) = (id.into_owned(), name.into_owned());
                let arguments = String::new();
                self.begin(Open::Call { index, call, name, arguments }, options, out);
            }
            Event::ToolArguments { index, text } => self.arguments(index, &text, options, out),
            Event::Stop(stop) => self.stop = Some(stop),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::End => self.end(options, output_estimate, out),
        }
    }

    /// Why the stream cannot go on, if it cannot.
    pub(crate) fn fault(&self) -> Option<StreamFault> {
        self.fault.clone()
    }

    /// Ends a stream that broke: as an answer that failed, if one had begun.
    pub(crate) fn fail(&mut self, error: &ErrorBody, out: &mut BytesMut) {
        let Some(mut answer) = self.head.take() else {
            let (code, param) = (&error.code, &error.param);
            let fields = json!({"code": code, "message": error.message, "param": param});
            return self.put("error", fields, out);
        };
        answer["status"] = "failed".into();
        answer["error"] = json!({"code": error.code, "message": error.message});
        answer["output"] = std::mem::take(&mut self.output).into();
        self.put("response.failed", json!({ "response": answer }), out);
    }

    fn start(&mut self, model: &str, options: &StreamOptions, out: &mut BytesMut) {
        let model = options.shown_model.as_deref().unwrap_or(model);
        let head = begun(&options.request_id, options.created_s, model, &options.form.echo);
        self.put("response.created", json!({ "response": head }), out);
        self.put("response.in_progress", json!({ "response": head }), out);
        self.head = Some(head);
    }

    fn text(&mut self, text: &str, options: &StreamOptions, out: &mut BytesMut) {
        if !matches!(self.open, Some(Open::Text(_))) {
            self.close(options, "completed", out);
            self.begin(Open::Text(String::new()), options, out);
        }
        self.hold(text.len());
        if let Some(Open::Text(whole)) = &mut self.open {
            whole.push_str(text);
        }
        let fields = json!({"content_index": 0, "delta": text, "logprobs": []});
        self.part("response.output_text.delta", fields, options, out);
    }

    fn refusal(&mut self, text: &str, options: &StreamOptions, out: &mut BytesMut) {
        if !matches!(self.open, Some(Open::Refusal(_))) {
            self.close(options, "completed", out);
            self.begin(Open::Refusal(String::new()), options, out);
        }
        self.hold(text.len());
        if let Some(Open::Refusal(whole)) = &mut self.open {
            whole.push_str(text);
        }
        let fields = json!({"content_index": 0, "delta": text});
        self.part("response.refusal.delta", fields, options, out);
    }

    fn ensure_reasoning(&mut self, options: &StreamOptions, out: &mut BytesMut) {
        if !matches!(self.open, Some(Open::Reasoning { .. })) {
            self.close(options, "completed", out);
            let (text, sealed) = (String::new(), String::new());
            self.begin(Open::Reasoning { text, sealed }, options, out);
        }
    }

    fn thinking(&mut self, more: &str, options: &StreamOptions, out: &mut BytesMut) {
        self.ensure_reasoning(options, out);
        self.hold(more.len());
        let Some(Open::Reasoning { text, .. }) = &mut self.open else { return };
        let first = text.is_empty();
        text.push_str(more);
        if first {
            let part = json!({"type": "summary_text", "text": ""});
            let fields = json!({"summary_index": 0, "part": part});
            self.part("response.reasoning_summary_part.added", fields, options, out);
        }
        let fields = json!({"summary_index": 0, "delta": more});
        self.part("response.reasoning_summary_text.delta", fields, options, out);
    }

    fn arguments(&mut self, at: u32, more: &str, options: &StreamOptions, out: &mut BytesMut) {
        self.hold(more.len());
        match &mut self.open {
            Some(Open::Call { index, arguments, .. }) if *index == at => arguments.push_str(more),
            // A call went on after the next item had begun.
            _ => {
                self.fault.get_or_insert(StreamFault::Garbage);
                return;
            }
        }
        if more.is_empty() {
            return;
        }
        let fields = json!({ "delta": more });
        self.part("response.function_call_arguments.delta", fields, options, out);
    }

    fn hold(&mut self, bytes: usize) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > ANSWER_BYTES_MAX {
            self.fault.get_or_insert(StreamFault::EventTooLarge);
        }
    }

    /// Opens an item and, where it is words, its one part.
    fn begin(&mut self, open: Open, options: &StreamOptions, out: &mut BytesMut) {
        let index = self.output.len();
        let id = item_id(open.kind(), &options.request_id, index);
        let (item, part) = match &open {
            Open::Text(_) => (message(&id, &[], "in_progress"), Some(output_text(""))),
            Open::Refusal(_) => (message(&id, &[], "in_progress"), Some(refusal(""))),
            Open::Reasoning { .. } => (reasoning(&id, "", ""), None),
            Open::Call { call, name, .. } => {
                (function_call(&id, call, name, "", "in_progress"), None)
            }
        };
        self.open = Some(open);
        let fields = json!({"output_index": index, "item": item});
        self.put("response.output_item.added", fields, out);
        if let Some(part) = part {
            let fields = json!({"content_index": 0, "part": part});
            self.part("response.content_part.added", fields, options, out);
        }
    }

    /// Ends the open item, if one is.
    fn close(&mut self, options: &StreamOptions, status: &str, out: &mut BytesMut) {
        let Some(open) = &self.open else { return };
        let index = self.output.len();
        let id = item_id(open.kind(), &options.request_id, index);
        let (item, events) = finished(open, &id, status);
        for (name, fields) in events {
            self.part(name, fields, options, out);
        }
        self.open = None;
        let fields = json!({"output_index": index, "item": item});
        self.put("response.output_item.done", fields, out);
        self.output.push(item);
    }

    fn end(&mut self, options: &StreamOptions, output_estimate: u64, out: &mut BytesMut) {
        let done = Stop { reason: StopReason::Done, sequence: None };
        let stop = self.stop.take().unwrap_or(done);
        let cut = incomplete(&stop).is_some();
        self.close(options, if cut { "incomplete" } else { "completed" }, out);
        let estimate = Usage {
            input: options.input_tokens_estimate,
            output: output_estimate,
            ..Usage::default()
        };
        let usage = self.usage.unwrap_or(estimate);
        let head = self.head.take().unwrap_or_default();
        let answer = completed(head, std::mem::take(&mut self.output), &stop, &usage);
        let name = if cut { "response.incomplete" } else { "response.completed" };
        self.put(name, json!({ "response": answer }), out);
    }

    /// An event of the open item.
    fn part(&mut self, name: &str, fields: Value, options: &StreamOptions, out: &mut BytesMut) {
        let index = self.output.len();
        let kind = self.open.as_ref().map_or("msg", Open::kind);
        let mut of = json!({
            "item_id": item_id(kind, &options.request_id, index), "output_index": index,
        });
        if let (Value::Object(of), Value::Object(fields)) = (&mut of, fields) {
            of.extend(fields);
        }
        self.put(name, of, out);
    }

    fn put(&mut self, name: &str, fields: Value, out: &mut BytesMut) {
        let mut event = Map::new();
        event.insert("type".into(), name.into());
        event.insert("sequence_number".into(), self.sequence.into());
        self.sequence += 1;
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        sse::write(out, name, Value::Object(event).to_string().as_bytes());
    }
}

/// An item that is whole, and the events that say so.
fn finished(open: &Open, id: &str, status: &str) -> (Value, Vec<(&'static str, Value)>) {
    match open {
        Open::Text(text) => {
            let part = output_text(text);
            let events = vec![
                (
                    "response.output_text.done",
                    json!({"content_index": 0, "text": text, "logprobs": []}),
                ),
                ("response.content_part.done", json!({"content_index": 0, "part": part})),
            ];
            (message(id, &[part], status), events)
        }
        Open::Refusal(text) => {
            let part = refusal(text);
            let events = vec![
                ("response.refusal.done", json!({"content_index": 0, "refusal": text})),
                ("response.content_part.done", json!({"content_index": 0, "part": part})),
            ];
            (message(id, &[part], status), events)
        }
        Open::Reasoning { text, sealed } => {
            let mut events = Vec::new();
            if !text.is_empty() {
                let part = json!({"type": "summary_text", "text": text});
                events.push((
                    "response.reasoning_summary_text.done",
                    json!({"summary_index": 0, "text": text}),
                ));
                events.push((
                    "response.reasoning_summary_part.done",
                    json!({"summary_index": 0, "part": part}),
                ));
            }
            (reasoning(id, text, sealed), events)
        }
        Open::Call { call, name, arguments, .. } => {
            let events = vec![(
                "response.function_call_arguments.done",
                json!({"name": name, "arguments": arguments}),
            )];
            (function_call(id, call, name, arguments, status), events)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_of_an_answer_is_limited() {
        for (bytes, fault) in
            [(ANSWER_BYTES_MAX, None), (ANSWER_BYTES_MAX + 1, Some(StreamFault::EventTooLarge))]
        {
            let mut writer = Writer::default();
            writer.hold(bytes);
            assert_eq!(writer.fault(), fault);
        }
    }
}
