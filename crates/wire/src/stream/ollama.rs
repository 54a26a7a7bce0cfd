//! Ollama's lines for a client that speaks Ollama: read lightly, forwarded as they are.

use bytes::{BufMut, BytesMut};
use surgewall_core::config::schema::Dialect;

use super::{StreamFault, StreamOptions, Tally, renamed};
use crate::error::read_upstream;
use crate::json;
use crate::ollama::line::Line;

/// Reads one line and forwards it, with the shown model in place of the
/// upstream's; returns whether it was the last.
///
/// # Errors
/// It is no line of an answer, or the upstream failed.
pub(super) fn line(
    data: &str,
    options: &StreamOptions,
    shown: &str,
    tally: &mut Tally,
    out: &mut BytesMut,
) -> Result<bool, StreamFault> {
    let line: Line<'_> = serde_json::from_str(data).map_err(|_| StreamFault::Garbage)?;
    if line.error.is_some() {
        let error = read_upstream(Dialect::Ollama, data.as_bytes());
        return Err(StreamFault::UpstreamError(error));
    }
    if line.message.is_none() && line.response.is_none() && !line.done {
        return Err(StreamFault::Garbage);
    }
    count(&line, tally);
    match line.model.filter(|_| options.shown_model.is_some()) {
        Some(model) => renamed(data.as_bytes(), &json::span(data, model.get()), shown, out),
        None => out.put_slice(data.as_bytes()),
    }
    out.put_u8(b'\n');
    Ok(line.done)
}

/// Counts what a line or a body hands on.
pub(crate) fn count(line: &Line<'_>, tally: &mut Tally) {
    for text in [line.thought(), line.text()].into_iter().flatten() {
        tally.output.add(&text.0);
    }
    for call in line.calls() {
        tally.output.add(&call.function.name.0);
        tally.output.add(call.arguments());
    }
    if let Some(usage) = line.usage() {
        tally.reported = Some(usage);
    }
}
