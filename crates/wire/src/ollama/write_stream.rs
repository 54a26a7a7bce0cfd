//! A streamed answer, written as Ollama's lines.

use bytes::{BufMut, BytesMut};
use serde_json::Value;
use surgewall_core::limits::SSE_EVENT_BYTES_MAX;
use surgewall_core::usage::Usage;

use super::done_reason;
use super::write_answer::{counts, head, said, tool_call};
use crate::ir::{Event, Stop};
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
            }
            Event::Text(text) | Event::Refusal(text) => {
                self.line(options, text.into_owned(), String::new(), Vec::new(), out);
            }
            Event::Thinking(text) => {
                self.line(options, String::new(), text.into_owned(), Vec::new(), out);
            }
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
            self.line(options, String::new(), String::new(), written, out);
        }
    }

    fn line(
        &self,
        options: &StreamOptions,
        text: String,
        thinking: String,
        calls: Vec<Value>,
        out: &mut BytesMut,
    ) {
        let mut line = head(&self.model, options.created_s);
        said(&mut line, options.endpoint, text, thinking, calls);
        line.insert("done".into(), false.into());
        put(line, out);
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
    use super::*;

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
}
