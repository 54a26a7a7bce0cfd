//! What the door decides on: read once, refused where it is not plain.

use std::ops::Range;

use surgewall_core::limits::{DELEGATED_NAME_BYTES_MAX, MODEL_NAME_BYTES_MAX};
use surgewall_core::refusal::Refusal;

use super::form::Form;
use super::spans::{Spans, UsageOption};
use super::weigh::{Weigh, Weight};
use super::{RequestLimits, invalid};
use crate::estimate::{ByteClasses, Correction, IMAGE_TOKENS, MESSAGE_TOKENS};
use crate::json::{self, Fields, Listener, TopLevel};
use crate::{ClientDialect, Endpoint, ollama, responses};

/// The most choices (`n`) of one request.
pub const CHOICES_MAX: u64 = 128;

/// What the door knows of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The model asked for.
    pub model: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether the client asked for usage on the stream.
    pub include_usage: bool,
    /// The most output tokens of one choice, where the request bounds them.
    pub output_max: Option<u64>,
    /// Answers asked for: `n` or `best_of`, times the prompts of a completion.
    pub choices: u32,
    /// Messages, prompts or inputs.
    pub messages: u32,
    /// Tools offered.
    pub tools: u32,
    /// The text of the input.
    pub input: ByteClasses,
    /// Images and other media in the input.
    pub images: u32,
    /// The end user that the client names.
    pub delegated: Option<String>,
    /// What the answer's form depends on.
    pub form: Form,
    pub(super) spans: Spans,
}

impl Facts {
    /// The estimate of the input in tokens, images and templates included.
    #[must_use]
    pub fn input_tokens(&self, correction: &Correction) -> u64 {
        let around = u64::from(self.messages) * MESSAGE_TOKENS;
        self.input.tokens(correction) + u64::from(self.images) * IMAGE_TOKENS + around
    }

    /// The parts of `body` that the model reads, in the order that its template
    /// probably gives them: what stays the same while a conversation goes on
    /// comes first.
    pub fn prompt<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        self.spans.prompt.iter().filter_map(|span| body.get(span.clone()))
    }
}

/// The fields that make the prompt, in the order of most models' templates.
const PROMPT: [&str; 8] =
    ["tools", "functions", "system", "instructions", "messages", "input", "prompt", "suffix"];

/// The fields that the door decides on, in every dialect.
const KNOWN: [&str; 38] = [
    "background",
    "best_of",
    "context_management",
    "conversation",
    "encoding_format",
    "format",
    "functions",
    "images",
    "input",
    "instructions",
    "keep_alive",
    "max_output_tokens",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "n",
    "n_predict",
    "options",
    "previous_response_id",
    "prompt",
    "reasoning",
    "response_format",
    "safety_identifier",
    "stop",
    "stream",
    "stream_options",
    "suffix",
    "system",
    "text",
    "think",
    "thinking",
    "tool_choice",
    "tools",
    "user",
    "user_id",
    "output_config",
];

/// Fields that bound the output. Servers differ in which one they heed, so the
/// largest holds.
const OUTPUT_BOUNDS: [&str; 3] = ["max_tokens", "max_completion_tokens", "n_predict"];

/// Reads what the door decides on.
///
/// # Errors
/// [`Refusal::InvalidRequest`] where the body is not JSON, is too deep or too
/// long in messages or tools, or where a field that the door decides on is
/// missing, doubled or of a wrong type.
pub fn read(
    client: ClientDialect,
    endpoint: Endpoint,
    body: &[u8],
    limits: &RequestLimits,
) -> Result<Facts, Refusal> {
    read_beside(client, endpoint, body, limits, &mut [])
}

/// The same, while others hear what the body holds: it is walked once for all.
///
/// # Errors
/// As [`read`].
pub fn read_beside<'a>(
    client: ClientDialect,
    endpoint: Endpoint,
    body: &'a [u8],
    limits: &RequestLimits,
    others: &mut [&mut dyn Listener<'a>],
) -> Result<Facts, Refusal> {
    let text = json::text(body)?;
    let mut top = TopLevel::default();
    let mut weigh = Weigh::new(client, endpoint, limits.messages_max);
    let input_name = weigh.input();
    let mut listeners: Vec<&mut dyn Listener<'a>> = vec![&mut top, &mut weigh];
    for other in others {
        listeners.push(&mut **other);
    }
    json::walk(text, limits.json_depth_max, &mut listeners)?;
    let fields = top.fields(text, &KNOWN)?;
    let weight = weigh.finish();
    let (model, model_span) = model(&fields)?;
    let stream = stream(client, endpoint, &fields)?;
    let usage = usage_option(text, &fields)?;
    if client == ClientDialect::Responses {
        responses::refuse_stateful(&fields)?;
    }
    let output_max = output_max(client, &fields)?;
    if client == ClientDialect::Anthropic && endpoint == Endpoint::Chat && output_max.is_none() {
        return Err(invalid("it is missing", Some("max_tokens")));
    }
    let tools = tools(&weight, limits)?;
    let prompts = input(&fields, input_name, &weight)?;
    if let Some(name) = weight.broken {
        return Err(invalid("it is not valid JSON", Some(name)));
    }
    Ok(Facts {
        model,
        stream,
        include_usage: usage == UsageOption::Asked,
        output_max,
        choices: choices(&fields, prompts)?,
        messages: weight.elements,
        tools,
        input: weight.classes,
        images: weight.images,
        delegated: delegated(&fields)?,
        form: Form {
            embeddings_base64: fields.value("encoding_format") == Some("\"base64\""),
            echo: match client {
                ClientDialect::Responses => responses::echo(&fields),
                _ => String::new(),
            },
        },
        spans: Spans {
            open: fields.open() + 1,
            model: model_span,
            usage,
            keep_alive: fields.value("keep_alive").map(|value| fields.span(value)),
            prompt: PROMPT
                .iter()
                .filter_map(|name| fields.value(name))
                .map(|value| fields.span(value))
                .collect(),
        },
    })
}

/// Whether the answer is streamed: Ollama's are unless told not to.
fn stream(client: ClientDialect, endpoint: Endpoint, fields: &Fields<'_>) -> Result<bool, Refusal> {
    let asked = flag(fields, "stream")?;
    if client != ClientDialect::Ollama {
        return Ok(asked.unwrap_or(false));
    }
    Ok(endpoint != Endpoint::Embeddings && asked.unwrap_or(true))
}

fn model(fields: &Fields<'_>) -> Result<(String, Range<usize>), Refusal> {
    let param = Some("model");
    let value = fields.value("model").ok_or_else(|| invalid("it is missing", param))?;
    let name = string(fields, "model")?.unwrap_or_default();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(invalid("it is empty or holds control characters", param));
    }
    if name.len() > MODEL_NAME_BYTES_MAX {
        return Err(invalid(format!("it is longer than {MODEL_NAME_BYTES_MAX} bytes"), param));
    }
    Ok((name, fields.span(value)))
}

fn string(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Refusal> {
    let value = fields.value(name).map(serde_json::from_str::<String>);
    value.transpose().map_err(|_| invalid("it is not a string", Some(name)))
}

fn flag(fields: &Fields<'_>, name: &str) -> Result<Option<bool>, Refusal> {
    let value = fields.value(name).map(serde_json::from_str::<bool>);
    value.transpose().map_err(|_| invalid("it is not true or false", Some(name)))
}

/// A whole number from 1 to `most`.
fn count(fields: &Fields<'_>, name: &str, most: u64) -> Result<Option<u64>, Refusal> {
    let value = fields.value(name).map(|value| value.parse::<u64>().ok());
    match value {
        None => Ok(None),
        Some(Some(count)) if (1..=most).contains(&count) => Ok(Some(count)),
        Some(_) if most == u64::MAX => {
            Err(invalid("it is not a whole number of at least 1", Some(name)))
        }
        Some(_) => Err(invalid(format!("it is not a whole number from 1 to {most}"), Some(name))),
    }
}

fn output_max(client: ClientDialect, fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    match client {
        ClientDialect::Responses => return count(fields, "max_output_tokens", u64::MAX),
        ClientDialect::Ollama => return ollama_output_max(fields),
        ClientDialect::OpenAi | ClientDialect::DeepSeek | ClientDialect::Anthropic => {}
    }
    let mut most = None;
    for name in OUTPUT_BOUNDS {
        most = most.max(count(fields, name, u64::MAX)?);
    }
    Ok(most)
}

/// Ollama's bound; a number below one means as many as there is room for. The
/// options that concern the server are refused here, before any server is asked.
fn ollama_output_max(fields: &Fields<'_>) -> Result<Option<u64>, Refusal> {
    let param = Some("options");
    let Some(raw) = fields.value("options") else { return Ok(None) };
    let mut known = vec!["num_predict"];
    known.extend(ollama::SERVER_OPTIONS);
    let options = Fields::read(raw, &known);
    let options = options.map_err(|fault| invalid(fault.to_string(), param))?;
    for name in ollama::SERVER_OPTIONS {
        if options.value(name).is_some() {
            return Err(Refusal::UnsupportedParameter {
                param: format!("options.{name}"),
                reason: "it changes how the server runs the model for everybody".to_owned(),
            });
        }
    }
    let Some(bound) = options.value("num_predict") else { return Ok(None) };
    let bound: i64 =
        bound.parse().map_err(|_| invalid("num_predict is not a whole number", param))?;
    Ok(u64::try_from(bound).ok().filter(|bound| *bound > 0))
}

fn choices(fields: &Fields<'_>, prompts: u32) -> Result<u32, Refusal> {
    let n = count(fields, "n", CHOICES_MAX)?;
    let best_of = count(fields, "best_of", CHOICES_MAX)?;
    let each = n.max(best_of).unwrap_or(1);
    Ok(u32::try_from(each).unwrap_or(u32::MAX).saturating_mul(prompts))
}

fn usage_option(text: &str, fields: &Fields<'_>) -> Result<UsageOption, Refusal> {
    let param = Some("stream_options");
    let Some(raw) = fields.raw("stream_options") else {
        return Ok(UsageOption::NoOptions);
    };
    if raw == "null" {
        return Ok(UsageOption::NullOptions(fields.span(raw)));
    }
    let options = Fields::read(raw, &["include_usage"]);
    let options = options.map_err(|fault| match fault {
        json::Fault::NotObject => invalid("it is not an object", param),
        fault => invalid(fault.to_string(), param),
    })?;
    let Some(value) = options.raw("include_usage") else {
        let open = fields.span(raw).start + 1;
        return Ok(UsageOption::Absent { open, empty: options.all().is_empty() });
    };
    let value_span = json::span(text, value);
    match flag(&options, "include_usage") {
        Ok(Some(true)) => Ok(UsageOption::Asked),
        Ok(_) => Ok(UsageOption::Value(value_span)),
        Err(_) => Err(invalid("include_usage is not true or false", param)),
    }
}

/// Tools and the older functions together.
fn tools(weight: &Weight, limits: &RequestLimits) -> Result<u32, Refusal> {
    if let Some(name) = weight.no_tools {
        return Err(invalid("it is not an array", Some(name)));
    }
    match u32::try_from(weight.tools) {
        Ok(count) if count <= limits.tools_max => Ok(count),
        _ => Err(invalid(format!("there are more than {}", limits.tools_max), Some("tools"))),
    }
}

/// How many prompts are answered one by one.
fn input(fields: &Fields<'_>, name: &str, weight: &Weight) -> Result<u32, Refusal> {
    if fields.value(name).is_none() {
        // A completion without a prompt starts from nothing.
        return if name == "prompt" { Ok(1) } else { Err(invalid("it is missing", Some(name))) };
    }
    if let Some(fault) = weight.fault {
        return Err(invalid(fault, Some(name)));
    }
    if weight.elements == 0 {
        return Err(invalid("it is empty", Some(name)));
    }
    Ok(if name == "prompt" { weight.elements } else { 1 })
}

/// The end user: the first of the fields that name one.
fn delegated(fields: &Fields<'_>) -> Result<Option<String>, Refusal> {
    for name in ["safety_identifier", "user", "user_id"] {
        if let Some(user) = string(fields, name)? {
            return fit_user(user, name);
        }
    }
    let Some(metadata) = fields.value("metadata") else {
        return Ok(None);
    };
    let inner = Fields::read(metadata, &["user_id"])
        .map_err(|fault| invalid(fault.to_string(), Some("metadata")))?;
    let user = string(&inner, "user_id")
        .map_err(|_| invalid("user_id is not a string", Some("metadata")))?;
    user.map_or(Ok(None), |user| fit_user(user, "metadata"))
}

fn fit_user(user: String, name: &str) -> Result<Option<String>, Refusal> {
    if user.len() > DELEGATED_NAME_BYTES_MAX {
        let reason = format!("it is longer than {DELEGATED_NAME_BYTES_MAX} bytes");
        return Err(invalid(reason, Some(name)));
    }
    Ok(Some(user).filter(|user| !user.is_empty()))
}
