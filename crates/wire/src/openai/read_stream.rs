//! OpenAI's chunks, read for translation.

use std::borrow::Cow;

use super::read_answer::ended_by;
use super::stop;
use crate::chunk::{Choice, Chunk, ToolCall};
use crate::error::read_upstream;
use crate::ir::Event;
use crate::stream::StreamFault;
use crate::usage;
use surgewall_core::config::schema::Dialect;

/// The state of one such stream.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    started: bool,
    /// Tool calls begun: indices from 0 without gaps.
    tools: u32,
    stopped: bool,
}

impl Reader {
    /// Reads one event's data and hands on what it means.
    ///
    /// # Errors
    /// It is no chunk, or the upstream failed.
    pub(crate) fn event(
        &mut self,
        data: &str,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        if data.trim() == "[DONE]" {
            if !self.stopped {
                return Err(StreamFault::Truncated);
            }
            sink(Event::End);
            return Ok(());
        }
        let chunk: Chunk<'_> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
        if chunk.is_error() {
            let error = read_upstream(Dialect::Openai, data.as_bytes());
            return Err(StreamFault::UpstreamError(error));
        }
        if !self.started {
            self.started = true;
            let model = chunk.model.map(|model| serde_json::from_str::<String>(model.get()));
            let model = model.and_then(Result::ok).unwrap_or_default();
            sink(Event::Start { model: Cow::Owned(model) });
        }
        // Translated requests ask for one choice.
        if let Some(choice) =
            chunk.choices.iter().flatten().find(|choice| choice.index.unwrap_or(0) == 0)
        {
            self.choice(choice, sink)?;
        }
        if let Some(usage) = chunk.usage.and_then(|usage| usage::read_openai(usage.get())) {
            sink(Event::Usage(usage));
        }
        Ok(())
    }

    /// Whether the answer ended, with or without its terminator.
    pub(crate) const fn is_complete(&self) -> bool {
        self.stopped
    }

    fn choice(
        &mut self,
        choice: &Choice<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        if let Some(delta) = &choice.delta {
            let reasoning = delta.reasoning_content.as_ref().or(delta.reasoning.as_ref());
            if let Some(text) = reasoning.filter(|text| !text.0.is_empty()) {
                sink(Event::Thinking(Cow::Borrowed(&text.0)));
            }
            if let Some(text) = delta.content.as_ref().filter(|text| !text.0.is_empty()) {
                sink(Event::Text(Cow::Borrowed(&text.0)));
            }
            if let Some(text) = delta.refusal.as_ref().filter(|text| !text.0.is_empty()) {
                sink(Event::Refusal(Cow::Borrowed(&text.0)));
            }
            for call in delta.tool_calls.iter().flatten() {
                self.tool_call(call, sink)?;
            }
        }
        let Some(finish) = choice.finish_reason.as_ref().filter(|_| !self.stopped) else {
            return Ok(());
        };
        let sequence =
            choice.stop_reason.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let stop = stop(&finish.0, sequence.as_deref(), self.tools > 0)
            .ok_or_else(|| StreamFault::UpstreamError(ended_by(&finish.0)))?;
        self.stopped = true;
        sink(Event::Stop(stop));
        Ok(())
    }

    fn tool_call(
        &mut self,
        call: &ToolCall<'_>,
        sink: &mut impl FnMut(Event<'_>),
    ) -> Result<(), StreamFault> {
        let function = call.function.as_ref();
        let name = function.and_then(|function| function.name.as_ref());
        let index =
            call.index.unwrap_or_else(|| self.tools.saturating_sub(u32::from(call.id.is_none())));
        if index == self.tools {
            let (Some(id), Some(name)) = (&call.id, name) else {
                return Err(StreamFault::Garbage);
            };
            self.tools += 1;
            sink(Event::ToolStart {
                index,
                id: Cow::Borrowed(&id.0),
                name: Cow::Borrowed(&name.0),
            });
        } else if index > self.tools {
            return Err(StreamFault::Garbage);
        }
        let arguments = function.and_then(|function| function.arguments.as_ref());
        if let Some(text) = arguments.filter(|text| !text.0.is_empty()) {
            sink(Event::ToolArguments { index, text: Cow::Borrowed(&text.0) });
        }
        Ok(())
    }
}
