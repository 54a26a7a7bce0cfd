//! OpenAI's chunks for a client that speaks OpenAI: read lightly, forwarded as they are.

use bytes::BytesMut;
use surgewall_core::config::schema::Dialect;

use super::template::Texts;
use super::{Seen, StreamFault, StreamOptions, Tally, Verdict};
use crate::chunk::{Choice, Chunk};
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
    pub(super) fn event<'d>(
        &mut self,
        data: &'d str,
        options: &StreamOptions,
        tally: &mut Tally,
    ) -> Result<Seen<'d>, StreamFault> {
        if data.trim() == "[DONE]" {
            return Ok(Seen { verdict: Verdict::Last, lone: None });
        }
        let chunk: Chunk<'d> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
        if chunk.is_error() {
            let error = read_upstream(Dialect::Openai, data.as_bytes());
            return Err(StreamFault::UpstreamError(error));
        }
        let choices = chunk.choices.unwrap_or_default();
        if let Some(usage) = chunk.usage {
            tally.reported = usage::read_openai(usage.get());
            if choices.is_empty() && !options.include_usage {
                return Ok(Seen { verdict: Verdict::Swallow, lone: None });
            }
        }
        let mut texts = Texts::new(tally);
        for choice in &choices {
            self.choice(choice, &mut texts);
        }
        let ends = choices.iter().any(|choice| choice.finish_reason.is_some());
        let lone = texts.lone().filter(|_| !ends && chunk.usage.is_none());
        let model = options.shown_model.as_ref().and(chunk.model);
        let rename = model.map(|model| Verdict::Rename(json::span(data, model.get())));
        Ok(Seen { verdict: rename.unwrap_or(Verdict::Forward), lone })
    }

    fn choice<'d>(&mut self, choice: &Choice<'d>, texts: &mut Texts<'d, '_>) {
        let bit = 1_u128.checked_shl(choice.index.unwrap_or(0)).unwrap_or(0);
        self.begun |= bit;
        if choice.finish_reason.is_some() {
            self.ended |= bit;
        }
        texts.add(choice.text.as_ref());
        let Some(delta) = &choice.delta else { return };
        for text in [&delta.content, &delta.reasoning_content, &delta.reasoning, &delta.refusal] {
            texts.add(text.as_ref());
        }
        let calls = delta.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
        for function in calls.chain(&delta.function_call) {
            texts.add(function.name.as_ref());
            texts.add(function.arguments.as_ref());
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
