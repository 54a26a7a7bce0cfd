//! Answers that are not streamed.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::value::RawValue;
use surgewall_core::config::schema::Dialect;
use surgewall_core::usage::Usage;

use crate::error::{UpstreamError, read_upstream};
use crate::estimate::ByteClasses;
use crate::ir::Part;
use crate::ollama::line::Line;
use crate::request::Form;
use crate::stream::Tally;
use crate::usage::{self, AnthropicUsage};
use crate::{ClientDialect, Endpoint, anthropic, json, ollama, openai, responses};

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub struct AnswerOptions {
    /// The client's dialect.
    pub client: ClientDialect,
    /// The upstream's dialect.
    pub upstream: Dialect,
    /// What was asked for.
    pub endpoint: Endpoint,
    /// The name to show instead of the upstream's model; `None` leaves it.
    pub shown_model: Option<String>,
    /// The request's id.
    pub request_id: String,
    /// When the answer came, in seconds since 1970.
    pub created_s: u64,
    /// The door's estimate of the input, where the upstream counts nothing.
    pub input_tokens_estimate: u64,
    /// What the answer's form depends on besides.
    pub form: Form,
}

/// Why an upstream's answer is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// Not an answer of its dialect.
    #[error("not an answer of its dialect")]
    Garbage,
    /// An error under a status of success.
    #[error("an error under a status of success")]
    UpstreamError(UpstreamError),
}

/// The answer for the client: the upstream's bytes where the dialects match,
/// except for the model's name where another is shown.
///
/// # Errors
/// The body is not an answer of the upstream's dialect.
pub fn for_client(options: &AnswerOptions, body: &Bytes) -> Result<(Bytes, Tally), AnswerFault> {
    let text = std::str::from_utf8(body).map_err(|_| AnswerFault::Garbage)?;
    let head: Head<'_> = serde_json::from_str(text).map_err(|_| AnswerFault::Garbage)?;
    if head.error.is_some() {
        return Err(AnswerFault::UpstreamError(read_upstream(options.upstream, body)));
    }
    if !options.client.matches(options.upstream) {
        return if options.endpoint == Endpoint::Embeddings {
            embeddings(options, text)
        } else {
            translate(options, text)
        };
    }
    if options.upstream == Dialect::Ollama {
        let tally = own_ollama(options, text)?;
        return Ok((shown(options, body, text, head.model), tally));
    }
    let (parts, reported) = match options.upstream {
        Dialect::Openai | Dialect::Ollama => (
            head.choices.or(head.data),
            head.usage.and_then(|usage| usage::read_openai(usage.get())),
        ),
        Dialect::Anthropic => {
            let usage = head.usage.and_then(|usage| AnthropicUsage::read(usage.get()));
            (head.content, usage.and_then(|usage| usage.whole()))
        }
    };
    let parts = parts.ok_or(AnswerFault::Garbage)?;
    let mut output = ByteClasses::default();
    if options.endpoint != Endpoint::Embeddings {
        weigh(parts.get(), &mut output)?;
    }
    let tally = Tally { reported, output, events: 1 };
    Ok((shown(options, body, text, head.model), tally))
}

/// The upstream's bytes, with the model's name replaced where another is shown.
fn shown(options: &AnswerOptions, body: &Bytes, text: &str, model: Option<&RawValue>) -> Bytes {
    let renamed = options.shown_model.as_ref().zip(model);
    let shown = renamed.map(|(shown, model)| splice(body, json::span(text, model.get()), shown));
    shown.unwrap_or_else(|| body.clone())
}

/// Counts an answer of Ollama's for a client of its own dialect.
fn own_ollama(options: &AnswerOptions, text: &str) -> Result<Tally, AnswerFault> {
    let line: Line<'_> = serde_json::from_str(text).map_err(|_| AnswerFault::Garbage)?;
    let answers = match options.endpoint {
        Endpoint::Embeddings => line.embeddings.is_some(),
        _ => line.message.is_some() || line.response.is_some(),
    };
    if !answers {
        return Err(AnswerFault::Garbage);
    }
    let mut tally = Tally { events: 1, ..Tally::default() };
    if options.endpoint == Endpoint::Embeddings {
        tally.reported = line.input_tokens().map(input_alone);
    } else {
        crate::stream::ollama::count(&line, &mut tally);
    }
    Ok(tally)
}

/// Writes embeddings anew in the client's dialect.
fn embeddings(options: &AnswerOptions, text: &str) -> Result<(Bytes, Tally), AnswerFault> {
    let (written, input) = if options.upstream == Dialect::Ollama {
        ollama::embed::answer_to_openai(text, options)?
    } else {
        let body = serde_json::from_str(text).map_err(|_| AnswerFault::Garbage)?;
        ollama::embed::answer_to_ollama(&body, options)?
    };
    let tally = Tally { reported: input.map(input_alone), events: 1, ..Tally::default() };
    Ok((Bytes::from(written.to_string()), tally))
}

/// Embeddings have no output.
fn input_alone(input: u64) -> Usage {
    Usage { input, ..Usage::default() }
}

/// Writes an answer anew in the client's dialect.
fn translate(options: &AnswerOptions, text: &str) -> Result<(Bytes, Tally), AnswerFault> {
    let body: serde_json::Value = serde_json::from_str(text).map_err(|_| AnswerFault::Garbage)?;
    let mut answer = match options.upstream {
        Dialect::Openai => openai::read_answer::read(&body)?,
        Dialect::Anthropic => anthropic::read_answer::read(&body)?,
        Dialect::Ollama => ollama::read_answer::read(text, &options.request_id)?,
    };
    let mut output = ByteClasses::default();
    for part in &answer.parts {
        match part {
            Part::Text(text) | Part::Refusal(text) | Part::Thinking { text, .. } => {
                output.add(text)
            }
            Part::ToolCall { name, arguments, .. } => {
                output.add(name);
                output.add(arguments);
            }
            Part::Redacted(_) | Part::Medium(_) | Part::ToolResult { .. } => {}
        }
    }
    let tally = Tally { reported: answer.usage, output, events: 1 };
    let estimate = Usage {
        input: options.input_tokens_estimate,
        output: output.raw_tokens(),
        ..Usage::default()
    };
    answer.usage.get_or_insert(estimate);
    let written = match options.client {
        ClientDialect::OpenAi | ClientDialect::DeepSeek => {
            openai::write_answer::write(&answer, options)
        }
        ClientDialect::Anthropic => anthropic::write_answer::write(&answer, options),
        ClientDialect::Ollama => ollama::write_answer::write(&answer, options),
        ClientDialect::Responses => responses::write_answer::write(&answer, options),
    };
    Ok((Bytes::from(written.to_string()), tally))
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    choices: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

fn splice(body: &Bytes, span: std::ops::Range<usize>, shown: &str) -> Bytes {
    let name = json::quote(shown);
    let mut out = BytesMut::with_capacity(body.len() + name.len());
    out.extend_from_slice(&body[..span.start]);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(&body[span.end..]);
    out.freeze()
}

/// Counts the text of choices or content blocks.
fn weigh(parts: &str, output: &mut ByteClasses) -> Result<(), AnswerFault> {
    let parts: Vec<serde_json::Value> =
        serde_json::from_str(parts).map_err(|_| AnswerFault::Garbage)?;
    for part in &parts {
        for name in ["text", "thinking", "input"] {
            weigh_value(part.get(name), output);
        }
        let message = part.get("message");
        for name in ["content", "reasoning_content", "reasoning", "refusal", "tool_calls"] {
            weigh_value(message.and_then(|message| message.get(name)), output);
        }
    }
    Ok(())
}

/// Counts all strings of a value.
fn weigh_value(value: Option<&serde_json::Value>, output: &mut ByteClasses) {
    match value {
        Some(serde_json::Value::String(text)) => output.add(text),
        Some(serde_json::Value::Array(values)) => {
            values.iter().for_each(|value| weigh_value(Some(value), output));
        }
        Some(serde_json::Value::Object(fields)) => {
            fields.values().for_each(|value| weigh_value(Some(value), output));
        }
        _ => {}
    }
}
