//! Changing a body without writing it anew: replaced spans, all else byte-exact.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use surgewall_core::config::schema::Dialect;
use surgewall_core::refusal::Refusal;

use super::facts::Facts;
use super::spans::UsageOption;
use crate::json;

/// The body with the model's name replaced where it differs, usage asked for
/// on OpenAI's streams, and without Ollama's `keep_alive`.
pub(super) fn splice(
    body: &Bytes,
    facts: &Facts,
    model: &str,
    upstream: Dialect,
) -> Result<Bytes, Refusal> {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    if model != facts.model {
        edits.push((facts.spans.model.clone(), json::quote(model)));
    }
    if facts.stream && upstream == Dialect::Openai {
        edits.extend(usage_edit(facts));
    }
    if let Some(span) = &facts.spans.keep_alive {
        // How long a model stays loaded is for the server to say, not for a caller.
        edits.push((span.clone(), "null".to_owned()));
    }
    if edits.is_empty() {
        return Ok(body.clone());
    }
    edits.sort_by_key(|(span, _)| span.start);
    let mut out = BytesMut::with_capacity(body.len() + model.len() + 64);
    let mut from = 0;
    for (span, text) in edits {
        let kept = body.get(from..span.start).ok_or_else(|| other_body(&span))?;
        out.extend_from_slice(kept);
        out.extend_from_slice(text.as_bytes());
        from = span.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Ok(out.freeze())
}

fn usage_edit(facts: &Facts) -> Option<(Range<usize>, String)> {
    let at = |at: usize| at..at;
    match &facts.spans.usage {
        UsageOption::Asked => None,
        UsageOption::NoOptions => {
            Some((at(facts.spans.open), "\"stream_options\":{\"include_usage\":true},".to_owned()))
        }
        UsageOption::NullOptions(span) => {
            Some((span.clone(), "{\"include_usage\":true}".to_owned()))
        }
        UsageOption::Value(span) => Some((span.clone(), "true".to_owned())),
        UsageOption::Absent { open, empty } => {
            let comma = if *empty { "" } else { "," };
            Some((at(*open), format!("\"include_usage\":true{comma}")))
        }
    }
}

fn other_body(span: &Range<usize>) -> Refusal {
    Refusal::Internal { why: format!("the facts at byte {} are of another body", span.start) }
}
