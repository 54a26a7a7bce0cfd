//! A streamed answer, written as Ollama's lines.

use bytes::{BufMut, BytesMut};
use serde_json::Value;
use surgewall_core::limits::SSE_EVENT_BYTES_MAX;
use surgewall_core::usage::Usage;

use super::done_reason;
use super::write_answer::{counts, head, said, tool_call};
use crate::Endpoint;
use crate::ir::{Event, Stop};
use crate::json::put_quoted;
use crate::stream::{StreamFault, StreamOptions};

/// All arguments of one answer's tool calls, in bytes: they are held until
/// each call is whole, and a longer line could not be read.
const ARGUMENTS_BYTES_MAX: usize = SSE_EVENT_BYTES_MAX;

/// A call whose arguments are still coming.
#[derive(Debug)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
}

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    model: String,
    /// What every line begins with, up to what the model says.
    head: String,
    calls: Vec<Call>,
    /// Bytes of all arguments so far.
    held_bytes: usize,
    stop: Option<Stop>,
    usage: Option<Usage>,
    fault: Option<StreamFault>,
}

impl Writer {
    /// Writes what `event` means. Tool calls go out whole, before the end.
    pub(crate) fn event(
        &mut self,
        event: Event<'_>,
        options: &StreamOptions,
        output_estimate: u64,
        out: &mut BytesMut,
    ) {
        match event {
            Event::Start { model } => {
                self.model = options.shown_model.clone().unwrap_or_else(|| model.into_owned());
                let head = Value::Object(head(&self.model, options.created_s)).to_string();
                head.trim_end_matches('}').clone_into(&mut self.head);
            }
            Event::Text(text) | Event::Refusal(text) => self.text(options, &text, None, out),
            Event::Thinking(text) => self.text(options, "", Some(&text), out),
            Event::ToolStart { index, id, name } => {
                let (id, name) = (id.into_owned(), name.into_owned());
                self.hold(id.len() + name.len());
                self.calls.push(Call { index, id, name, arguments: String::new() });
            }
            Event::ToolArguments { index, text } => {
                self.hold(text.len());
                let call = self.calls.iter_mut().find(|call| call.index == index);
                match call.filter(|_| self.fault.is_none()) {
                    Some(call) => call.arguments.push_str(&text),
                    None => {
                        self.fault.get_or_insert(StreamFault::Garbage);
                    }
                }
            }
            Event::Stop(stop) => {
                self.calls(options, out);
                self.stop = Some(stop);
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::End => self.end(options, output_estimate, out),
            // Only its maker can read either.
            Event::Signature(_) | Event::Redacted(_) => {}
        }
    }

    /// Why the stream cannot go on, if it cannot.
    pub(crate) fn fault(&self) -> Option<StreamFault> {
        self.fault.clone()
    }

    fn hold(&mut self, bytes: usize) {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > ARGUMENTS_BYTES_MAX {
            self.fault.get_or_insert(StreamFault::EventTooLarge);
        }
    }

    /// Writes the calls, whose arguments are whole now.
    fn calls(&mut self, options: &StreamOptions, out: &mut BytesMut) {
        let written: Vec<Value> = std::mem::take(&mut self.calls)
            .iter()
            .map(|call| tool_call(&call.id, &call.name, &call.arguments))
            .collect();
        if !written.is_empty() {
            let mut line = head(&self.model, options.created_s);
            said(&mut line, options.endpoint, String::new(), String::new(), written);
            line.insert("done".into(), false.into());
            put(line, out);
        }
    }

    /// A line that adds a text: most are. It is what `said` makes of it.
    fn text(
        &self,
        options: &StreamOptions,
        text: &str,
        thinking: Option<&str>,
        out: &mut BytesMut,
    ) {
        let generate = options.endpoint == Endpoint::Completions;
        let (open, close): (&[u8], &[u8]) = if generate {
            (b",\"response\":", b",\"done\":false}\n")
        } else {
            (b",\"message\":{\"role\":\"assistant\",\"content\":", b"},\"done\":false}\n")
        };
        out.put_slice(self.head.as_bytes());
        out.put_slice(open);
        put_quoted(out, text);
        if let Some(thinking) = thinking.filter(|thinking| !thinking.is_empty()) {
            out.put_slice(b",\"thinking\":");
            put_quoted(out, thinking);
        }
        out.put_slice(close);
    }

    fn end(&self, options: &StreamOptions, output_estimate: u64, out: &mut BytesMut) {
        let mut line = head(&self.model, options.created_s);
        said(&mut line, options.endpoint, String::new(), String::new(), Vec::new());
        line.insert("done".into(), true.into());
        let reason = self.stop.as_ref().map_or("stop", done_reason);
        line.insert("done_reason".into(), reason.into());
        let estimate = Usage {
            input: options.input_tokens_estimate,
            output: output_estimate,
            ..Usage::default()
        };
        counts(&mut line, &self.usage.unwrap_or(estimate));
        put(line, out);
    }
}

fn put(line: serde_json::Map<String, Value>, out: &mut BytesMut) {
    out.put_slice(Value::Object(line).to_string().as_bytes());
    out.put_u8(b'\n');
}

#[cfg(test)]
mod tests {
    use surgewall_core::config::schema::Dialect;

    use super::*;
    use crate::ClientDialect;
    use crate::request::Form;

    #[test]
    fn what_is_held_of_calls_is_limited() {
        for (bytes, fault) in [
            (ARGUMENTS_BYTES_MAX, None),
            (ARGUMENTS_BYTES_MAX + 1, Some(StreamFault::EventTooLarge)),
        ] {
            let mut writer = Writer::default();
            writer.hold(bytes);
            assert_eq!(writer.fault(), fault);
        }
    }

    #[test]
    fn a_text_line_is_what_a_whole_line_would_be() {
        for endpoint in [Endpoint::Chat, Endpoint::Completions] {
            let options = StreamOptions {
                client: ClientDialect::Ollama,
                upstream: Dialect::Openai,
                endpoint,
                shown_model: None,
                include_usage: false,
                request_id: "r".into(),
                created_s: 1_732_000_000,
                input_tokens_estimate: 1,
                form: Form::default(),
            };
            let mut writer = Writer::default();
            let mut out = BytesMut::new();
            writer.event(Event::Start { model: "a \"b\"}".into() }, &options, 0, &mut out);
            for (text, thinking) in
                [("say \"x\"\n", None), ("", None), ("", Some("so")), ("", Some(""))]
            {
                out.clear();
                let event = match thinking {
                    Some(thinking) => Event::Thinking(thinking.into()),
                    None => Event::Text(text.into()),
                };
                writer.event(event, &options, 0, &mut out);
                let mut line = head("a \"b\"}", options.created_s);
                let thinking = thinking.unwrap_or_default().to_owned();
                said(&mut line, endpoint, text.to_owned(), thinking, Vec::new());
                line.insert("done".into(), false.into());
                let mut whole = BytesMut::new();
                put(line, &mut whole);
                assert_eq!(out, whole);
            }
        }
    }
}
