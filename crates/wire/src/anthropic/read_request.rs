//! An Anthropic messages request, read for translation.

use serde_json::Value;
use surgewall_core::refusal::Refusal;

use crate::ir::{
    Effort, Medium, OutputSchema, Part, Request, Role, Source, Thinking, Tool, ToolChoice,
};
use crate::request::{invalid, unsupported};
use crate::value::{self, object, text};

/// Fields that change nothing of the answer's meaning, or that the door deals with itself.
const IGNORED: [&str; 4] = ["cache_control", "model", "service_tier", "betas"];

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
    Ok(request)
}

fn field(request: &mut Request, name: &str, value: &Value) -> Result<(), Refusal> {
    match name {
        "messages" => {
            for message in value::array(value, name)? {
                read_message(request, message)?;
            }
        }
        "system" => request.system = system(value)?,
        "max_tokens" => request.output_max = value.as_u64(),
        "stream" => request.stream = value.as_bool().unwrap_or(false),
        "temperature" => request.sampling.temperature = Some(value::number(value, name)?),
        "top_p" => request.sampling.top_p = Some(value::number(value, name)?),
        "top_k" => request.sampling.top_k = value.as_u64(),
        "stop_sequences" => {
            let all = value::array(value, name)?.iter();
            request.stop =
                all.map(|one| text(one, name).map(str::to_owned)).collect::<Result<_, _>>()?;
        }
        "tools" => request.tools = tools(value)?,
        "tool_choice" => tool_choice(request, value)?,
        "thinking" => request.thinking = thinking(value, request.thinking)?,
        "output_config" => output_config(request, value)?,
        "output_format" => request.schema = format(value)?,
        "metadata" => request.user = value["user_id"].as_str().map(str::to_owned),
        _ if value.as_array().is_some_and(Vec::is_empty) => {}
        _ => return Err(unsupported(name)),
    }
    Ok(())
}

fn system(value: &Value) -> Result<Vec<String>, Refusal> {
    match value {
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.clone()]),
        _ => value::array(value, "system")?
            .iter()
            .map(|block| text(&block["text"], "system").map(str::to_owned))
            .collect(),
    }
}

fn tools(value: &Value) -> Result<Vec<Tool>, Refusal> {
    let read = |tool: &Value| {
        // Anthropic's own tools run on its servers.
        if tool.get("type").is_some_and(|kind| !kind.is_null() && kind != "custom") {
            return Err(unsupported("tools.type"));
        }
        Ok(Tool {
            name: text(&tool["name"], "tools")?.to_owned(),
            description: tool["description"].as_str().map(str::to_owned),
            parameters: tool.get("input_schema").filter(|value| value.is_object()).cloned(),
            strict: tool["strict"].as_bool(),
        })
    };
    value::array(value, "tools")?.iter().map(read).collect()
}

fn tool_choice(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    request.tool_choice = Some(match value["type"].as_str() {
        Some("auto") => ToolChoice::Auto,
        Some("none") => ToolChoice::None,
        Some("any") => ToolChoice::Any,
        Some("tool") => ToolChoice::Named(text(&value["name"], "tool_choice")?.to_owned()),
        _ => return Err(invalid("it has no known type", Some("tool_choice"))),
    });
    let disabled = value["disable_parallel_tool_use"].as_bool();
    request.parallel_tools = disabled.map(|disabled| !disabled);
    Ok(())
}

/// `thinking`; an effort that `output_config` gave before is kept.
fn thinking(value: &Value, before: Thinking) -> Result<Thinking, Refusal> {
    let effort = match before {
        Thinking::On { effort, .. } => effort,
        Thinking::Unsaid | Thinking::Off => None,
    };
    match value["type"].as_str() {
        Some("disabled") => Ok(Thinking::Off),
        Some("adaptive") => Ok(Thinking::On { effort, budget: None }),
        Some("enabled") => {
            let budget = value["budget_tokens"].as_u64();
            Ok(Thinking::On { effort, budget })
        }
        _ => Err(invalid("it has no known type", Some("thinking"))),
    }
}

fn output_config(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    for (name, value) in object(value, "output_config")? {
        match name.as_str() {
            _ if value.is_null() => {}
            "format" => request.schema = format(value)?,
            "effort" => {
                let effort = Effort::read(text(value, "output_config")?);
                let reason = "its effort is not a known one";
                let effort = effort.ok_or_else(|| invalid(reason, Some("output_config")))?;
                request.thinking = match request.thinking {
                    Thinking::Off => Thinking::Off,
                    Thinking::On { budget, .. } => Thinking::On { effort: Some(effort), budget },
                    Thinking::Unsaid => Thinking::On { effort: Some(effort), budget: None },
                };
            }
            _ => return Err(unsupported(&format!("output_config.{name}"))),
        }
    }
    Ok(())
}

fn format(value: &Value) -> Result<Option<OutputSchema>, Refusal> {
    let schema = value.get("schema").filter(|_| value["type"] == "json_schema");
    match schema {
        Some(schema) if schema.is_object() => {
            Ok(Some(OutputSchema { name: None, schema: schema.clone() }))
        }
        _ => Err(invalid("its format is not a json_schema with a schema", Some("output_config"))),
    }
}

fn read_message(request: &mut Request, message: &Value) -> Result<(), Refusal> {
    let role = match message["role"].as_str() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => {
            request.system.extend(system(&message["content"])?);
            return Ok(());
        }
        _ => return Err(invalid("a message has no known role", Some("messages"))),
    };
    let parts = parts(&message["content"])?;
    request.say(role, parts);
    Ok(())
}

fn parts(content: &Value) -> Result<Vec<Part>, Refusal> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(vec![Part::Text(text.clone())]),
        Value::Array(blocks) => blocks.iter().map(part).collect(),
        _ => Err(invalid("a message's content is not a string or an array", Some("messages"))),
    }
}

fn part(block: &Value) -> Result<Part, Refusal> {
    const PARAM: &str = "messages";
    let owned = |name: &str| text(&block[name], PARAM).map(str::to_owned);
    Ok(match block["type"].as_str() {
        Some("text") => Part::Text(owned("text")?),
        Some("image") => Part::Medium(Medium::Image(source(&block["source"])?)),
        Some("document") => document(block)?,
        Some("thinking") => {
            let signature = block["signature"].as_str().unwrap_or_default().to_owned();
            Part::Thinking { text: owned("thinking")?, signature }
        }
        Some("redacted_thinking") => Part::Redacted(owned("data")?),
        Some("tool_use") => {
            let arguments = block.get("input").filter(|input| input.is_object());
            let arguments = arguments.map_or_else(|| "{}".to_owned(), Value::to_string);
            Part::ToolCall { id: owned("id")?, name: owned("name")?, arguments }
        }
        Some("tool_result") => Part::ToolResult {
            id: owned("tool_use_id")?,
            parts: parts(&block["content"])?,
            failed: block["is_error"].as_bool().unwrap_or(false),
        },
        // Blocks of Anthropic's own tools, search results, containers.
        Some(_) => return Err(unsupported("messages.content.type")),
        None => return Err(invalid("a content block has no type", Some(PARAM))),
    })
}

fn source(source: &Value) -> Result<Source, Refusal> {
    const PARAM: &str = "messages";
    match source["type"].as_str() {
        Some("base64") => Ok(Source::Base64 {
            media_type: text(&source["media_type"], PARAM)?.to_owned(),
            data: text(&source["data"], PARAM)?.to_owned(),
        }),
        Some("url") => Ok(Source::Url(text(&source["url"], PARAM)?.to_owned())),
        // Files that lie on Anthropic's servers.
        _ => Err(unsupported("messages.content.source.type")),
    }
}

/// A document: a text document is text, another one keeps its form.
fn document(block: &Value) -> Result<Part, Refusal> {
    if block["citations"]["enabled"] == true {
        return Err(unsupported("messages.content.citations"));
    }
    let from = &block["source"];
    if from["type"] == "text" {
        return Ok(Part::Text(text(&from["data"], "messages")?.to_owned()));
    }
    let title = block["title"].as_str().map(str::to_owned);
    Ok(Part::Medium(Medium::Document { source: source(from)?, title }))
}
