//! A request, written as OpenAI's chat completions.

use serde_json::{Map, Value, json};
use surgewall_core::refusal::Refusal;

use crate::ir::{Effort, Medium, Part, Request, Role, Source, Thinking, Tool, ToolChoice, Turn};
use crate::request::unsupported;

/// Budgets below these are a low or a medium effort, in tokens.
const LOW_TOKENS: u64 = 4_096;
const MEDIUM_TOKENS: u64 = 16_384;

/// Writes the request for `model`.
///
/// # Errors
/// It asks for something that this dialect does not have.
pub(crate) fn write(request: &Request, model: &str) -> Result<Value, Refusal> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("messages".into(), messages(request)?);
    insert(&mut body, output_bound(model), request.output_max);
    insert(&mut body, "temperature", request.sampling.temperature);
    insert(&mut body, "top_p", request.sampling.top_p);
    insert(&mut body, "top_k", request.sampling.top_k);
    insert(&mut body, "seed", request.sampling.seed);
    if !request.stop.is_empty() {
        body.insert("stop".into(), request.stop.clone().into());
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        insert(&mut body, "tool_choice", request.tool_choice.as_ref().map(tool_choice));
        insert(&mut body, "parallel_tool_calls", request.parallel_tools);
    }
    if let Some(schema) = &request.schema {
        let name = schema.name.as_deref().unwrap_or("answer");
        let schema = json!({"name": name, "schema": schema.schema, "strict": true});
        body.insert(
            "response_format".into(),
            json!({"type": "json_schema", "json_schema": schema}),
        );
    }
    if request.json_mode {
        body.insert("response_format".into(), json!({"type": "json_object"}));
    }
    insert(&mut body, "reasoning_effort", effort(request.thinking));
    insert(&mut body, "user", request.user.clone());
    if request.stream {
        body.insert("stream".into(), true.into());
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    Ok(Value::Object(body))
}

/// The name of the bound on output. Every server of this dialect knows the
/// older one, except for OpenAI's own reasoning models, which refuse it.
fn output_bound(model: &str) -> &'static str {
    let name = model.rsplit('/').next().unwrap_or(model);
    let after = |prefix: &str| name.strip_prefix(prefix)?.bytes().next();
    let reasons = after("o").is_some_and(|next| next.is_ascii_digit())
        || after("gpt-").is_some_and(|next| (b'5'..=b'9').contains(&next));
    if reasons { "max_completion_tokens" } else { "max_tokens" }
}

fn insert(body: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body.insert(name.to_owned(), value.into());
    }
}

/// The effort; thinking that is on without one leaves it to the server.
fn effort(thinking: Thinking) -> Option<&'static str> {
    let Thinking::On { effort, budget } = thinking else {
        return None;
    };
    match (effort, budget) {
        (Some(Effort::Low), _) => Some("low"),
        (Some(Effort::Medium), _) => Some("medium"),
        (Some(Effort::High), _) => Some("high"),
        (Some(Effort::ExtraHigh | Effort::Max), _) => Some("xhigh"),
        (None, Some(budget)) if budget < LOW_TOKENS => Some("low"),
        (None, Some(budget)) if budget < MEDIUM_TOKENS => Some("medium"),
        (None, Some(_)) => Some("high"),
        (None, None) => None,
    }
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.clone().into());
    insert(&mut function, "description", tool.description.clone());
    insert(&mut function, "parameters", tool.parameters.clone());
    insert(&mut function, "strict", tool.strict);
    json!({"type": "function", "function": function})
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => "auto".into(),
        ToolChoice::None => "none".into(),
        ToolChoice::Any => "required".into(),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn messages(request: &Request) -> Result<Value, Refusal> {
    // Anthropic goes on with the assistant's last words; here they would be a turn that is over.
    let prefill = |part: &Part| matches!(part, Part::Text(_));
    if let Some(Turn { role: Role::Assistant, parts }) = request.turns.last()
        && parts.last().is_some_and(prefill)
    {
        return Err(unsupported("messages (a last one of the assistant's)"));
    }
    let mut messages = Vec::with_capacity(request.turns.len() + 1);
    if !request.system.is_empty() {
        messages.push(json!({"role": "system", "content": request.system.join("\n\n")}));
    }
    for turn in &request.turns {
        match turn.role {
            Role::User => user(turn, &mut messages)?,
            Role::Assistant => messages.push(assistant(turn)?),
        }
    }
    Ok(Value::Array(messages))
}

/// A user's turn: tool results are messages of their own, and come first. Their
/// media follow in the user's message, because a tool's message takes text only.
fn user(turn: &Turn, messages: &mut Vec<Value>) -> Result<(), Refusal> {
    let mut content = Vec::new();
    for part in &turn.parts {
        let Part::ToolResult { id, parts, failed } = part else {
            content.push(content_part(part)?);
            continue;
        };
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(more) => text = join(text, more),
                other => content.push(content_part(other)?),
            }
        }
        if *failed {
            text = join("The tool failed.".to_owned(), &text);
        }
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": text}));
    }
    if !content.is_empty() {
        messages.push(json!({"role": "user", "content": shortest(content)}));
    }
    Ok(())
}

fn join(mut text: String, more: &str) -> String {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
    text
}

/// One text alone is written as a string.
fn shortest(mut content: Vec<Value>) -> Value {
    if let [only] = content.as_mut_slice()
        && only["type"] == "text"
    {
        return only["text"].take();
    }
    Value::Array(content)
}

fn content_part(part: &Part) -> Result<Value, Refusal> {
    Ok(match part {
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Medium(Medium::Image(source)) => {
            json!({"type": "image_url", "image_url": {"url": url(source)}})
        }
        Part::Medium(Medium::Document { source: Source::Url(_), .. }) => {
            return Err(unsupported("messages.content.source.url"));
        }
        Part::Medium(Medium::Document { source, title }) => {
            let name = title.as_deref().unwrap_or("document");
            json!({"type": "file", "file": {"filename": name, "file_data": url(source)}})
        }
        Part::Thinking { .. }
        | Part::Redacted(_)
        | Part::ToolCall { .. }
        | Part::ToolResult { .. } => {
            return Err(unsupported("messages.content.type"));
        }
    })
}

fn url(source: &Source) -> String {
    match source {
        Source::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
        Source::Url(url) => url.clone(),
    }
}

/// An assistant's turn in one message. Redacted thinking is left out: only its
/// maker can read it.
fn assistant(turn: &Turn) -> Result<Value, Refusal> {
    let (mut content, mut calls, mut reasoning) = (Vec::new(), Vec::new(), String::new());
    for part in &turn.parts {
        match part {
            Part::Thinking { text, .. } => reasoning = join(reasoning, text),
            Part::Redacted(_) => {}
            Part::ToolCall { id, name, arguments } => calls.push(tool_call(id, name, arguments)),
            other => content.push(content_part(other)?),
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let content = if content.is_empty() { Value::Null } else { shortest(content) };
    message.insert("content".into(), content);
    // DeepSeek asks for it back after tool calls.
    insert(&mut message, "reasoning_content", Some(reasoning).filter(|text| !text.is_empty()));
    insert(&mut message, "tool_calls", Some(calls).filter(|calls| !calls.is_empty()));
    Ok(Value::Object(message))
}

pub(super) fn tool_call(id: &str, name: &str, arguments: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openais_own_reasoning_models_get_the_newer_name() {
        for (model, newer) in [
            ("gpt-4o", false),
            ("gpt-5", true),
            ("gpt-5.2-mini", true),
            ("openai/gpt-6", true),
            ("gpt-oss:20b", false),
            ("o3", true),
            ("o4-mini", true),
            ("olmo-2", false),
            ("llama-3", false),
            ("", false),
        ] {
            assert_eq!(output_bound(model) == "max_completion_tokens", newer, "{model}");
        }
    }
}
