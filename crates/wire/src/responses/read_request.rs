//! A Responses request, read for translation.

use serde_json::Value;
use surgewall_core::refusal::Refusal;

use super::stateful;
use crate::ir::{Effort, Medium, OutputSchema, Part, Request, Role, Source, Thinking, Tool};
use crate::openai::read_request::{function, source, tool_choice};
use crate::request::{invalid, unsupported};
use crate::value::{self, object, text};

const INPUT: &str = "input";
/// Fields that change nothing of the answer's meaning, or that the door deals with itself.
const IGNORED: [&str; 17] = [
    "background",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "truncation",
    "user",
    "user_id",
    "client_metadata",
];

/// Reads `body`, which the door's own reading has found well-formed.
///
/// # Errors
/// A parameter of a wrong type, or one that has no meaning in other dialects.
pub(crate) fn read(body: &Value) -> Result<Request, Refusal> {
    let mut request = Request::default();
    // What the operator says stands first, wherever its field does.
    if let Some(instructions) = body["instructions"].as_str().filter(|text| !text.is_empty()) {
        request.system.push(instructions.to_owned());
    }
    for (name, value) in object(body, "body")? {
        if !value.is_null() && !IGNORED.contains(&name.as_str()) {
            field(&mut request, name, value)?;
        }
    }
    request.stream = body["stream"].as_bool().unwrap_or(false);
    let users = ["safety_identifier", "user", "user_id"];
    request.user = users.iter().find_map(|name| body.get(name)?.as_str()).map(str::to_owned);
    Ok(request)
}

fn field(request: &mut Request, name: &str, value: &Value) -> Result<(), Refusal> {
    match name {
        "input" => input(request, value)?,
        "instructions" => {
            text(value, name)?;
        }
        "temperature" => request.sampling.temperature = Some(value::number(value, name)?),
        "top_p" => request.sampling.top_p = Some(value::number(value, name)?),
        "max_output_tokens" => request.output_max = value.as_u64(),
        "tools" => request.tools = tools(value)?,
        "tool_choice" => request.tool_choice = Some(tool_choice(value, &value["name"])?),
        "parallel_tool_calls" => request.parallel_tools = value.as_bool(),
        "reasoning" => reasoning(request, value)?,
        "text" => format(request, value)?,
        // Sealed thinking comes without being asked for.
        "include" if asks_only_for_reasoning(value) => {}
        "top_logprobs" if value == &Value::from(0) => {}
        _ => return Err(unsupported(name)),
    }
    Ok(())
}

fn asks_only_for_reasoning(include: &Value) -> bool {
    let sealed = |one: &Value| one == "reasoning.encrypted_content";
    include.as_array().is_some_and(|all| all.iter().all(sealed))
}

fn tools(value: &Value) -> Result<Vec<Tool>, Refusal> {
    let read = |tool: &Value| {
        // Hosted tools run on OpenAI's servers.
        if tool["type"] != "function" {
            return Err(unsupported("tools.type"));
        }
        function(tool)
    };
    value::array(value, "tools")?.iter().map(read).collect()
}

/// The effort; whether thinking is summed up is the server's to say.
fn reasoning(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    request.thinking = match &object(value, "reasoning")?.get("effort") {
        None | Some(Value::Null) => return Ok(()),
        Some(word) if *word == "none" => Thinking::Off,
        Some(word) => {
            let effort = Effort::read(text(word, "reasoning")?);
            let reason = "its effort is not a known one";
            let effort = effort.ok_or_else(|| invalid(reason, Some("reasoning")))?;
            Thinking::On { effort: Some(effort), budget: None }
        }
    };
    Ok(())
}

fn format(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    for (name, value) in object(value, "text")? {
        match (name.as_str(), value["type"].as_str()) {
            _ if value.is_null() => {}
            ("format", Some("text")) => {}
            ("format", Some("json_object")) => request.json_mode = true,
            ("format", Some("json_schema")) => {
                let name = value["name"].as_str().map(str::to_owned);
                let schema = value.get("schema").filter(|schema| schema.is_object()).cloned();
                let schema =
                    schema.ok_or_else(|| invalid("its format has no schema", Some("text")))?;
                request.schema = Some(OutputSchema { name, schema });
            }
            ("format", _) => return Err(unsupported("text.format.type")),
            ("verbosity", _) if value == "medium" => {}
            _ => return Err(unsupported(&format!("text.{name}"))),
        }
    }
    Ok(())
}

fn input(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    if let Some(text) = value.as_str() {
        request.say(Role::User, [Part::Text(text.to_owned())]);
        return Ok(());
    }
    for item in value::array(value, INPUT)? {
        read_item(request, item)?;
    }
    Ok(())
}

fn read_item(request: &mut Request, item: &Value) -> Result<(), Refusal> {
    let owned = |name: &str| text(&item[name], INPUT).map(str::to_owned);
    match item["type"].as_str() {
        Some("message") => read_message(request, item)?,
        None if item.get("role").is_some() => read_message(request, item)?,
        // An item without a type names one that was kept.
        Some("item_reference") | None => return Err(stateful("input.item_reference")),
        Some("function_call") => {
            let arguments = text(&item["arguments"], INPUT)?.trim();
            let arguments = if arguments.is_empty() { "{}" } else { arguments };
            if !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object()) {
                let reason = "a function call's arguments are not a JSON object";
                return Err(invalid(reason, Some(INPUT)));
            }
            let call = Part::ToolCall {
                id: owned("call_id")?,
                name: owned("name")?,
                arguments: arguments.to_owned(),
            };
            request.say(Role::Assistant, [call]);
        }
        Some("function_call_output") => {
            let parts = parts(&item["output"])?;
            let result = Part::ToolResult { id: owned("call_id")?, parts, failed: false };
            request.say(Role::User, [result]);
        }
        Some("reasoning") => request.say(Role::Assistant, thinking(item)),
        Some(_) => return Err(unsupported("input.type")),
    }
    Ok(())
}

fn read_message(request: &mut Request, item: &Value) -> Result<(), Refusal> {
    let said = parts(&item["content"])?;
    match item["role"].as_str() {
        Some("system" | "developer") => {
            for part in said {
                match part {
                    Part::Text(text) => request.system.push(text),
                    _ => {
                        let reason = "a system message holds more than text";
                        return Err(invalid(reason, Some(INPUT)));
                    }
                }
            }
        }
        Some("user") => request.say(Role::User, said),
        Some("assistant") => request.say(Role::Assistant, said),
        _ => return Err(invalid("a message has no known role", Some(INPUT))),
    }
    Ok(())
}

/// Thinking as the door writes it (see [`super::reasoning`]): without a text,
/// what is sealed is all there is.
fn thinking(item: &Value) -> Option<Part> {
    let texts = |name: &str| {
        let parts = item[name].as_array().into_iter().flatten();
        parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
    };
    let text = Some(texts("content")).filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| texts("summary"));
    let sealed = item["encrypted_content"].as_str().unwrap_or_default().to_owned();
    match (text.is_empty(), sealed.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Part::Redacted(sealed)),
        (false, _) => Some(Part::Thinking { text, signature: sealed }),
    }
}

fn parts(content: &Value) -> Result<Vec<Part>, Refusal> {
    match content {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::Text(text.clone())]),
        Value::Array(all) => all.iter().map(part).collect(),
        _ => Err(invalid("a content is not a string or an array", Some(INPUT))),
    }
}

fn part(part: &Value) -> Result<Part, Refusal> {
    let string = |name: &str| text(&part[name], INPUT);
    match part["type"].as_str() {
        Some("input_text" | "output_text" | "text") => Ok(Part::Text(string("text")?.to_owned())),
        Some("refusal") => Ok(Part::Text(string("refusal")?.to_owned())),
        Some("input_image") if part["file_id"].is_string() => {
            Err(unsupported("input.content.file_id"))
        }
        Some("input_image") => {
            Ok(Part::Medium(Medium::Image(source(string("image_url")?, INPUT)?)))
        }
        Some("input_file") if part["file_id"].is_string() => {
            Err(unsupported("input.content.file_id"))
        }
        Some("input_file") => {
            let title = part["filename"].as_str().map(str::to_owned);
            let from = part["file_data"].as_str().or_else(|| part["file_url"].as_str());
            let from = from.ok_or_else(|| invalid("a file has no data", Some(INPUT)))?;
            let source: Source = source(from, INPUT)?;
            Ok(Part::Medium(Medium::Document { source, title }))
        }
        Some("input_audio") => Err(unsupported("input.content.input_audio")),
        _ => Err(invalid("a content part has no known type", Some(INPUT))),
    }
}
