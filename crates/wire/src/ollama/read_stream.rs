//! Ollama's lines, read for translation.

use std::borrow::Cow;

use surgewall_core::config::schema::Dialect;

use super::line::Line;
use super::{call_id, stop};
use crate::error::read_upstream;
use crate::ir::Event;
use crate::stream::StreamFault;

/// The state of one such stream.
#[derive(Debug)]
pub(crate) struct Reader {
    request_id: String,
    started: bool,
    /// Tool calls so far.
    tools: u32,
    stopped: bool,
}

impl Reader {
    /// A reader that has seen nothing; `request_id` makes the ids of calls.
    pub(crate) fn new(request_id: &str) -> Self {
        Self { request_id: request_id.to_owned(), started: false, tools: 0, stopped: false }
    }

    /// Reads one line and hands on what it means.
    ///
    /// # Errors
    /// It is no line of an answer, or the upstream failed.
    pub(crate) fn event(
        &mut self,
        data: &str,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let line: Line<'_> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
        if line.error.is_some() {
            let error = read_upstream(Dialect::Ollama, data.as_bytes());
            return Err(StreamFault::UpstreamError(error));
        }
        if line.message.is_none() && line.response.is_none() && !line.done {
            return Err(StreamFault::Garbage);
        }
        if !std::mem::replace(&mut self.started, true) {
            sink(Event::Start { model: Cow::Owned(line.model_name()) });
        }
        if let Some(text) = line.thought() {
            sink(Event::Thinking(Cow::Borrowed(&text.0)));
        }
        if let Some(text) = line.text() {
            sink(Event::Text(Cow::Borrowed(&text.0)));
        }
        for call in line.calls() {
            let index = self.tools;
            self.tools += 1;
            let made = || Cow::Owned(call_id(&self.request_id, index as usize));
            let id = call.id.as_ref().map_or_else(made, |id| Cow::Borrowed(&*id.0));
            sink(Event::ToolStart { index, id, name: Cow::Borrowed(&call.function.name.0) });
            sink(Event::ToolArguments { index, text: Cow::Borrowed(call.arguments()) });
        }
        if line.done && !std::mem::replace(&mut self.stopped, true) {
            let reason = line.done_reason.as_ref().map(|reason| &*reason.0);
            sink(Event::Stop(stop(reason, self.tools > 0)));
            if let Some(usage) = line.usage() {
                sink(Event::Usage(usage));
            }
            sink(Event::End);
        }
        Ok(())
    }
}
