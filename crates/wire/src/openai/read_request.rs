//! An OpenAI chat request, read for translation.

use serde_json::Value;
use surgewall_core::refusal::Refusal;

use crate::ir::{
    Effort, Medium, OutputSchema, Part, Request, Role, Source, Thinking, Tool, ToolChoice,
};
use crate::request::{invalid, unsupported};
use crate::value::{self, object, text};

/// Fields that change nothing of the answer's meaning, or that the door deals with itself.
const IGNORED: [&str; 16] = [
    "metadata",
    "model",
    "n_predict",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "stream_options",
    "user_id",
    "user",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "prompt_cache_options",
    "moderation",
];

/// Reads `body`, which the door's own reading has found well-formed.
///
/// # Errors
/// A parameter of a wrong type, or one that has no meaning in other dialects.
pub(crate) fn read(body: &Value) -> Result<Request, Refusal> {
    let mut request = Request::default();
    for (name, value) in object(body, "body")? {
        if !value.is_null() && !IGNORED.contains(&name.as_str()) {
            field(&mut request, name, value)?;
        }
    }
    let bounds = ["max_tokens", "max_completion_tokens", "n_predict"];
    request.output_max = bounds.iter().filter_map(|name| body.get(name)?.as_u64()).max();
    request.stream = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let users = ["safety_identifier", "user", "user_id"];
    request.user = users.iter().find_map(|name| body.get(name)?.as_str()).map(str::to_owned);
    Ok(request)
}

fn field(request: &mut Request, name: &str, value: &Value) -> Result<(), Refusal> {
    match name {
        "messages" => {
            for message in value::array(value, name)? {
                read_message(request, message)?;
            }
        }
        "prompt" => request.say(Role::User, [Part::Text(prompt(value)?)]),
        "suffix" => request.suffix = Some(text(value, name)?.to_owned()),
        "temperature" => request.sampling.temperature = Some(value::number(value, name)?),
        "top_p" => request.sampling.top_p = Some(value::number(value, name)?),
        "top_k" => request.sampling.top_k = value.as_u64(),
        "seed" => request.sampling.seed = value.as_i64(),
        "stop" => request.stop = stop(value)?,
        "tools" => request.tools = tools(value)?,
        "tool_choice" => {
            request.tool_choice = Some(tool_choice(value, &value["function"]["name"])?)
        }
        "parallel_tool_calls" => request.parallel_tools = value.as_bool(),
        "response_format" if value["type"] == "json_object" => request.json_mode = true,
        "response_format" => request.schema = response_format(value)?,
        "reasoning_effort" => {
            let word = text(value, name)?;
            request.thinking = if word == "none" {
                Thinking::Off
            } else {
                let effort = Effort::read(word)
                    .ok_or_else(|| invalid("it is no known effort", Some(name)))?;
                Thinking::On { effort: Some(effort), budget: None }
            };
        }
        // DeepSeek's switch; an effort beside it says more.
        "thinking" => match value.get("type").and_then(Value::as_str) {
            Some("disabled") => request.thinking = Thinking::Off,
            Some("enabled") if request.thinking == Thinking::Unsaid => {
                request.thinking = Thinking::On { effort: None, budget: None };
            }
            Some("enabled") => {}
            _ => return Err(invalid("its type is not enabled or disabled", Some(name))),
        },
        _ if is_default(name, value) => {}
        _ => return Err(unsupported(name)),
    }
    Ok(())
}

/// Whether a parameter that cannot be translated asks for nothing.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "n" | "best_of" => value.as_u64() == Some(1),
        "frequency_penalty" | "presence_penalty" | "top_logprobs" => value.as_f64() == Some(0.0),
        // A completion's number of them, or chat's switch.
        "logprobs" => value == &Value::Bool(false) || value.as_u64() == Some(0),
        "echo" => value == &Value::Bool(false),
        "logit_bias" => value.as_object().is_some_and(serde_json::Map::is_empty),
        "modalities" => value.as_array().is_some_and(|all| all.iter().all(|one| one == "text")),
        "verbosity" => value == "medium",
        _ => false,
    }
}

/// A completion's prompt: one text.
fn prompt(value: &Value) -> Result<String, Refusal> {
    let one = match value.as_array().map(Vec::as_slice) {
        Some([one]) => one,
        _ => value,
    };
    one.as_str().map(str::to_owned).ok_or_else(|| unsupported("prompt (more than one text)"))
}

fn stop(value: &Value) -> Result<Vec<String>, Refusal> {
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(all) => all.iter().map(|one| text(one, "stop").map(str::to_owned)).collect(),
        _ => Err(invalid("it is not a string or an array of strings", Some("stop"))),
    }
}

fn tools(value: &Value) -> Result<Vec<Tool>, Refusal> {
    let read = |tool: &Value| {
        if tool.get("type").is_some_and(|kind| kind != "function") {
            return Err(unsupported("tools.type"));
        }
        function(tool.get("function").unwrap_or(&Value::Null))
    };
    value::array(value, "tools")?.iter().map(read).collect()
}

/// A function as both of OpenAI's APIs describe it.
pub(crate) fn function(value: &Value) -> Result<Tool, Refusal> {
    Ok(Tool {
        name: text(&value["name"], "tools")?.to_owned(),
        description: value["description"].as_str().map(str::to_owned),
        parameters: value.get("parameters").filter(|value| value.is_object()).cloned(),
        strict: value["strict"].as_bool(),
    })
}

/// The choice of a tool; `named` is where the API puts a chosen function's name.
pub(crate) fn tool_choice(value: &Value, named: &Value) -> Result<ToolChoice, Refusal> {
    match value.as_str() {
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("required") => Ok(ToolChoice::Any),
        Some(_) => Err(invalid("it is no known choice", Some("tool_choice"))),
        None if value["type"] == "function" => {
            Ok(ToolChoice::Named(text(named, "tool_choice")?.to_owned()))
        }
        None => Err(unsupported("tool_choice.type")),
    }
}

fn response_format(value: &Value) -> Result<Option<OutputSchema>, Refusal> {
    match value["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_schema") => {
            let format = &value["json_schema"];
            let name = format["name"].as_str().map(str::to_owned);
            let schema = format.get("schema").filter(|schema| schema.is_object()).cloned();
            let schema =
                schema.ok_or_else(|| invalid("it has no schema", Some("response_format")))?;
            Ok(Some(OutputSchema { name, schema }))
        }
        _ => Err(unsupported("response_format.type")),
    }
}

fn read_message(request: &mut Request, message: &Value) -> Result<(), Refusal> {
    const PARAM: &str = "messages";
    let content = &message["content"];
    match message["role"].as_str() {
        Some("system" | "developer") => {
            for part in parts(content)? {
                match part {
                    Part::Text(text) => request.system.push(text),
                    _ => {
                        return Err(invalid("a system message holds more than text", Some(PARAM)));
                    }
                }
            }
        }
        Some("user") => request.say(Role::User, parts(content)?),
        Some("assistant") => {
            let all = assistant(message)?;
            request.say(Role::Assistant, all);
        }
        Some("tool") => {
            let id = text(&message["tool_call_id"], PARAM)?.to_owned();
            let result = Part::ToolResult { id, parts: parts(content)?, failed: false };
            request.say(Role::User, [result]);
        }
        Some("function") => return Err(unsupported("messages.role")),
        _ => return Err(invalid("a message has no known role", Some(PARAM))),
    }
    Ok(())
}

/// An assistant's message: its thinking first, then its text, then its calls.
fn assistant(message: &Value) -> Result<Vec<Part>, Refusal> {
    const PARAM: &str = "messages";
    for name in ["function_call", "audio"] {
        if message.get(name).is_some_and(|value| !value.is_null()) {
            return Err(unsupported(&format!("{PARAM}.{name}")));
        }
    }
    let mut all = thinking(message);
    all.extend(parts(&message["content"])?);
    if let Some(refusal) = message["refusal"].as_str() {
        all.push(Part::Text(refusal.to_owned()));
    }
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let arguments = function["arguments"].as_str().unwrap_or_default().trim();
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        if !serde_json::from_str::<Value>(arguments).is_ok_and(|value| value.is_object()) {
            return Err(invalid("a tool call's arguments are not a JSON object", Some(PARAM)));
        }
        all.push(Part::ToolCall {
            id: text(&call["id"], PARAM)?.to_owned(),
            name: text(&function["name"], PARAM)?.to_owned(),
            arguments: arguments.to_owned(),
        });
    }
    Ok(all)
}

/// `thinking_blocks` as the door writes them (see [`super::write_answer`]), or
/// a bare `reasoning_content`. A block without text signs `reasoning_content`.
fn thinking(message: &Value) -> Vec<Part> {
    let plain = message["reasoning_content"].as_str().unwrap_or_default();
    let blocks = message["thinking_blocks"].as_array().map_or(&[][..], Vec::as_slice);
    let read = |block: &Value| {
        if let Some(data) = block["data"].as_str() {
            return Part::Redacted(data.to_owned());
        }
        let text = block["thinking"].as_str().filter(|text| !text.is_empty()).unwrap_or(plain);
        let signature = block["signature"].as_str().unwrap_or_default();
        Part::Thinking { text: text.to_owned(), signature: signature.to_owned() }
    };
    let mut parts: Vec<Part> = blocks.iter().map(read).collect();
    if parts.is_empty() && !plain.is_empty() {
        parts.push(Part::Thinking { text: plain.to_owned(), signature: String::new() });
    }
    parts
}

fn parts(content: &Value) -> Result<Vec<Part>, Refusal> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::Text(text.clone())]),
        Value::Array(all) => all.iter().map(part).collect(),
        _ => Err(invalid("a message's content is not a string or an array", Some("messages"))),
    }
}

fn part(part: &Value) -> Result<Part, Refusal> {
    const PARAM: &str = "messages";
    match part["type"].as_str() {
        Some("text") => Ok(Part::Text(text(&part["text"], PARAM)?.to_owned())),
        Some("refusal") => Ok(Part::Text(text(&part["refusal"], PARAM)?.to_owned())),
        Some("image_url") => {
            let image = &part["image_url"];
            let url = text(image.get("url").unwrap_or(image), PARAM)?;
            Ok(Part::Medium(Medium::Image(source(url, PARAM)?)))
        }
        Some("file") => {
            let file = &part["file"];
            if file.get("file_id").is_some() {
                return Err(unsupported("messages.content.file.file_id"));
            }
            let title = file["filename"].as_str().map(str::to_owned);
            let source = source(text(&file["file_data"], PARAM)?, PARAM)?;
            Ok(Part::Medium(Medium::Document { source, title }))
        }
        Some("input_audio") => Err(unsupported("messages.content.input_audio")),
        Some("video_url") => Err(unsupported("messages.content.video_url")),
        _ => Err(invalid("a content part has no known type", Some(PARAM))),
    }
}

/// A data URL or an address.
pub(crate) fn source(url: &str, param: &str) -> Result<Source, Refusal> {
    let fault =
        || invalid("an image or file is no base64 data URL and no http address", Some(param));
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(Source::Url(url.to_owned()));
    }
    let (head, data) =
        url.strip_prefix("data:").and_then(|rest| rest.split_once(',')).ok_or_else(fault)?;
    let media_type = head.strip_suffix(";base64").ok_or_else(fault)?;
    let media_type = media_type.split(';').next().unwrap_or_default();
    Ok(Source::Base64 { media_type: media_type.to_owned(), data: data.to_owned() })
}
