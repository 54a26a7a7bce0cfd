//! A request, written as Ollama's chat or generate.

use serde_json::{Map, Value, json};
use surgewall_core::refusal::Refusal;

use crate::ir::{Effort, Medium, Part, Request, Role, Source, Thinking, Tool, ToolChoice, Turn};
use crate::request::unsupported;

/// Writes the conversation for `model`.
///
/// # Errors
/// It asks for something that this dialect does not have.
pub(crate) fn chat(request: &Request, model: &str) -> Result<Value, Refusal> {
    let mut body = common(request, model);
    body.insert("messages".into(), messages(request)?);
    if matches!(request.tool_choice, Some(ToolChoice::Any | ToolChoice::Named(_))) {
        return Err(unsupported("tool_choice"));
    }
    if request.tool_choice != Some(ToolChoice::None) && !request.tools.is_empty() {
        if request.parallel_tools == Some(false) {
            return Err(unsupported("parallel_tool_calls"));
        }
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    Ok(Value::Object(body))
}

/// Writes a text to be continued for `model`.
///
/// # Errors
/// It holds more than text.
pub(crate) fn generate(request: &Request, model: &str) -> Result<Value, Refusal> {
    let mut body = common(request, model);
    let mut prompt = String::new();
    for part in request.turns.iter().flat_map(|turn| &turn.parts) {
        match part {
            Part::Text(text) => prompt.push_str(text),
            _ => return Err(unsupported("prompt")),
        }
    }
    body.insert("prompt".into(), prompt.into());
    if let Some(suffix) = &request.suffix {
        body.insert("suffix".into(), suffix.clone().into());
    }
    Ok(Value::Object(body))
}

fn common(request: &Request, model: &str) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    // It streams unless told not to.
    body.insert("stream".into(), request.stream.into());
    let mut options = Map::new();
    let sampling = request.sampling;
    for (name, value) in [
        ("num_predict", request.output_max.map(Value::from)),
        ("temperature", sampling.temperature.map(Value::from)),
        ("top_p", sampling.top_p.map(Value::from)),
        ("top_k", sampling.top_k.map(Value::from)),
        ("seed", sampling.seed.map(Value::from)),
    ] {
        if let Some(value) = value {
            options.insert(name.into(), value);
        }
    }
    if !request.stop.is_empty() {
        options.insert("stop".into(), request.stop.clone().into());
    }
    if !options.is_empty() {
        body.insert("options".into(), Value::Object(options));
    }
    if let Some(schema) = &request.schema {
        body.insert("format".into(), schema.schema.clone());
    } else if request.json_mode {
        body.insert("format".into(), "json".into());
    }
    if let Some(think) = think(request.thinking) {
        body.insert("think".into(), think);
    }
    body
}

/// `think`: a switch, or an effort for the models that have efforts.
fn think(thinking: Thinking) -> Option<Value> {
    Some(match thinking {
        Thinking::Unsaid => return None,
        Thinking::Off => false.into(),
        Thinking::On { effort: None, .. } => true.into(),
        Thinking::On { effort: Some(effort), .. } => match effort {
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High | Effort::ExtraHigh | Effort::Max => "high",
        }
        .into(),
    })
}

fn tool(tool: &Tool) -> Value {
    let parameters = tool.parameters.clone();
    json!({"type": "function", "function": {
        "name": tool.name,
        "description": tool.description.as_deref().unwrap_or_default(),
        "parameters": parameters.unwrap_or_else(|| json!({"type": "object", "properties": {}})),
    }})
}

fn messages(request: &Request) -> Result<Value, Refusal> {
    let mut messages = Vec::with_capacity(request.turns.len() + 1);
    if !request.system.is_empty() {
        messages.push(json!({"role": "system", "content": request.system.join("\n\n")}));
    }
    for (at, turn) in request.turns.iter().enumerate() {
        match turn.role {
            Role::User => user(turn, &request.turns[..at], &mut messages)?,
            Role::Assistant => messages.push(assistant(turn)?),
        }
    }
    Ok(Value::Array(messages))
}

/// A user's turn: tool results are messages of their own, and come first.
fn user(turn: &Turn, before: &[Turn], messages: &mut Vec<Value>) -> Result<(), Refusal> {
    let mut rest = Vec::new();
    for part in &turn.parts {
        let Part::ToolResult { id, parts, failed } = part else {
            rest.push(part);
            continue;
        };
        let (mut content, images) = said(parts.iter())?;
        if *failed {
            content = format!("The tool failed.\n{content}");
        }
        let mut message = message("tool", content, images);
        if let Some(name) = called(before, id) {
            message.insert("tool_name".into(), name.into());
        }
        message.insert("tool_call_id".into(), id.clone().into());
        messages.push(Value::Object(message));
    }
    if !rest.is_empty() {
        let (content, images) = said(rest.into_iter())?;
        messages.push(Value::Object(message("user", content, images)));
    }
    Ok(())
}

/// The function that call `id` was of.
fn called<'r>(before: &'r [Turn], id: &str) -> Option<&'r str> {
    let parts = before.iter().rev().flat_map(|turn| &turn.parts);
    parts.into_iter().find_map(|part| match part {
        Part::ToolCall { id: call, name, .. } if call == id => Some(name.as_str()),
        _ => None,
    })
}

fn message(role: &str, content: String, images: Vec<Value>) -> Map<String, Value> {
    let mut message = Map::new();
    message.insert("role".into(), role.into());
    message.insert("content".into(), content.into());
    if !images.is_empty() {
        message.insert("images".into(), images.into());
    }
    message
}

/// The text and the pictures of some parts.
fn said<'p>(parts: impl Iterator<Item = &'p Part>) -> Result<(String, Vec<Value>), Refusal> {
    let (mut text, mut images) = (String::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text(more) | Part::Refusal(more) => {
                if !text.is_empty() {
                    text.push('\n');
                }
                text.push_str(more);
            }
            Part::Medium(Medium::Image(Source::Base64 { data, .. })) => {
                images.push(data.clone().into());
            }
            // The server fetches nothing, and the door does not for it.
            Part::Medium(Medium::Image(Source::Url(_))) => {
                return Err(unsupported("messages.content.image_url.url (an address)"));
            }
            _ => return Err(unsupported("messages.content.type")),
        }
    }
    Ok((text, images))
}

/// An assistant's turn in one message. Redacted thinking is left out: only its
/// maker can read it.
fn assistant(turn: &Turn) -> Result<Value, Refusal> {
    let (mut rest, mut calls, mut thinking) = (Vec::new(), Vec::new(), String::new());
    for part in &turn.parts {
        match part {
            Part::Thinking { text, .. } => thinking.push_str(text),
            Part::Redacted(_) => {}
            Part::ToolCall { id, name, arguments } => {
                calls.push(super::write_answer::tool_call(id, name, arguments));
            }
            other => rest.push(other),
        }
    }
    let (content, images) = said(rest.into_iter())?;
    let mut message = message("assistant", content, images);
    if !thinking.is_empty() {
        message.insert("thinking".into(), thinking.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    Ok(Value::Object(message))
}
