//! OpenAI's chunks for a client that speaks OpenAI: read lightly, forwarded as they are.

use bytes::BytesMut;
use surgewall_core::config::schema::Dialect;

use super::{StreamFault, StreamOptions, Tally, Verdict};
use crate::chunk::{Choice, Chunk, Str};
use crate::error::read_upstream;
use crate::{json, sse, usage};

/// The state of one such stream: which choices began and which ended.
#[derive(Debug, Default)]
pub(super) struct Pass {
    begun: u128,
    ended: u128,
}

impl Pass {
    /// Reads one event's data.
    pub(super) fn event(
        &mut self,
        data: &str,
        options: &StreamOptions,
        tally: &mut Tally,
    ) -> Result<Verdict, StreamFault> {
        if data.trim() == "[DONE]" {
            return Ok(Verdict::Last);
        }
        let chunk: Chunk<'_> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
        if chunk.error.is_some() {
            let error = read_upstream(Dialect::Openai, data.as_bytes());
            return Err(StreamFault::UpstreamError(error));
        }
        let choices = chunk.choices.unwrap_or_default();
        if let Some(usage) = chunk.usage {
            tally.reported = usage::read_openai(usage.get());
            if choices.is_empty() && !options.include_usage {
                return Ok(Verdict::Swallow);
            }
        }
        for choice in &choices {
            self.choice(choice, tally);
        }
        let shown = options.shown_model.as_ref().and(chunk.model);
        Ok(shown.map_or(Verdict::Forward, |model| Verdict::Rename(json::span(data, model.get()))))
    }

    fn choice(&mut self, choice: &Choice<'_>, tally: &mut Tally) {
        let bit = 1_u128.checked_shl(choice.index.unwrap_or(0)).unwrap_or(0);
        self.begun |= bit;
        if choice.finish_reason.is_some() {
            self.ended |= bit;
        }
        let mut add = |text: &Option<Str<'_>>| {
            if let Some(text) = text {
                tally.output.add(&text.0);
            }
        };
        add(&choice.text);
        let Some(delta) = &choice.delta else { return };
        for text in [&delta.content, &delta.reasoning_content, &delta.reasoning, &delta.refusal] {
            add(text);
        }
        let calls = delta.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        for function in calls.chain(&delta.function_call) {
            add(&function.name);
            add(&function.arguments);
        }
    }

    /// Ends the stream where every choice that began has ended.
    pub(super) fn complete(&self, out: &mut BytesMut) -> bool {
        let complete = self.begun != 0 && self.begun == self.ended;
        if complete {
            sse::write(out, "", b"[DONE]");
        }
        complete
    }
}
