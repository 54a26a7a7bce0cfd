//! An Ollama chat or generate request, read for translation.

use std::collections::VecDeque;

use serde_json::Value;
use surgewall_core::refusal::Refusal;

use crate::ir::{
    Effort, Medium, OutputSchema, Part, Request, Role, Sampling, Source, Thinking, Tool,
};
use crate::request::{invalid, unsupported};
use crate::value::{self, object, text};

/// Fields that change nothing of the answer's meaning, or that the door deals with itself.
const IGNORED: [&str; 6] = ["keep_alive", "model", "shift", "stream", "truncate", "user"];
/// What a base64 picture begins with, and its type.
const PICTURES: [(&str, &str); 4] = [
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGgo", "image/png"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
];

/// Reads `body`, which the door's own reading has found well-formed; `stream`
/// is what that reading came to, because this dialect streams unless told not to.
///
/// # Errors
/// A parameter of a wrong type, or one that has no meaning in other dialects.
pub(crate) fn read(body: &Value, stream: bool) -> Result<Request, Refusal> {
    let mut request = Request { stream, ..Request::default() };
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
            let mut pending = Pending::default();
            for message in value::array(value, name)? {
                read_message(request, message, &mut pending)?;
            }
        }
        "prompt" => {
            let prompt = Part::Text(text(value, name)?.to_owned());
            request.say(Role::User, [prompt]);
        }
        "images" => request.say(Role::User, images(value)?),
        "system" => {
            let system = text(value, name)?;
            request.system.extend(Some(system.to_owned()).filter(|text| !text.is_empty()));
        }
        "tools" => request.tools = tools(value)?,
        "format" => format(request, value)?,
        "options" => options(request, value)?,
        "think" => request.thinking = thinking(value)?,
        _ if is_default(name, value) => {}
        _ => return Err(unsupported(name)),
    }
    Ok(())
}

/// Whether a parameter that cannot be translated asks for nothing.
fn is_default(name: &str, value: &Value) -> bool {
    match name {
        "raw" | "logprobs" => value == &Value::Bool(false),
        "top_logprobs" => value == &Value::from(0),
        "suffix" | "template" => value == "",
        "context" => value.as_array().is_some_and(Vec::is_empty),
        _ => false,
    }
}

fn format(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    match value {
        Value::String(text) if text.is_empty() => {}
        Value::String(text) if text == "json" => request.json_mode = true,
        Value::Object(_) => {
            request.schema = Some(OutputSchema { name: None, schema: value.clone() });
        }
        _ => return Err(invalid("it is not `json` or a schema", Some("format"))),
    }
    Ok(())
}

fn thinking(value: &Value) -> Result<Thinking, Refusal> {
    match value {
        Value::Bool(false) => Ok(Thinking::Off),
        Value::Bool(true) => Ok(Thinking::On { effort: None, budget: None }),
        Value::String(word) => Effort::read(word)
            .map(|effort| Thinking::On { effort: Some(effort), budget: None })
            .ok_or_else(|| invalid("it is no known effort", Some("think"))),
        _ => Err(invalid("it is not true, false or an effort", Some("think"))),
    }
}

fn options(request: &mut Request, value: &Value) -> Result<(), Refusal> {
    const PARAM: &str = "options";
    let Sampling { temperature, top_p, top_k, seed } = &mut request.sampling;
    for (name, value) in object(value, PARAM)? {
        match name.as_str() {
            _ if value.is_null() => {}
            "temperature" => *temperature = Some(value::number(value, PARAM)?),
            "top_p" => *top_p = Some(value::number(value, PARAM)?),
            "top_k" => *top_k = value.as_u64(),
            "seed" => *seed = value.as_i64(),
            // A number below one means as many as there is room for.
            "num_predict" => request.output_max = value.as_u64().filter(|most| *most > 0),
            "stop" => {
                let one = |one: &Value| text(one, PARAM).map(str::to_owned);
                request.stop = match value {
                    Value::String(_) => vec![one(value)?],
                    _ => value::array(value, PARAM)?.iter().map(one).collect::<Result<_, _>>()?,
                };
            }
            "frequency_penalty" | "presence_penalty" if value.as_f64() == Some(0.0) => {}
            "repeat_penalty" if value.as_f64() == Some(1.0) => {}
            _ => return Err(unsupported(&format!("{PARAM}.{name}"))),
        }
    }
    Ok(())
}

fn tools(value: &Value) -> Result<Vec<Tool>, Refusal> {
    let read = |tool: &Value| {
        if tool.get("type").is_some_and(|kind| kind != "function") {
            return Err(unsupported("tools.type"));
        }
        let function = tool.get("function").unwrap_or(&Value::Null);
        Ok(Tool {
            name: text(&function["name"], "tools")?.to_owned(),
            description: function["description"].as_str().map(str::to_owned),
            parameters: function.get("parameters").filter(|value| value.is_object()).cloned(),
            strict: None,
        })
    };
    value::array(value, "tools")?.iter().map(read).collect()
}

/// Calls that no result was seen for: this dialect's results may name the
/// function alone, or nothing, and then stand in the order of the calls.
#[derive(Default)]
struct Pending {
    calls: VecDeque<(String, String)>,
    made: usize,
}

impl Pending {
    /// Notes a call, and gives it an id where it has none.
    fn call(&mut self, id: Option<&str>, name: &str) -> String {
        let id = id.map_or_else(|| format!("call_{}", self.made), str::to_owned);
        self.made += 1;
        self.calls.push_back((id.clone(), name.to_owned()));
        id
    }

    /// The id of the call that a result is of.
    fn result(&mut self, id: Option<&str>, name: Option<&str>) -> Option<String> {
        let fits = |call: &(String, String)| match (id, name) {
            (Some(id), _) => call.0 == id,
            (None, Some(name)) => call.1 == name,
            (None, None) => true,
        };
        let at = self.calls.iter().position(fits)?;
        self.calls.remove(at).map(|(id, _)| id)
    }
}

fn read_message(
    request: &mut Request,
    message: &Value,
    pending: &mut Pending,
) -> Result<(), Refusal> {
    const PARAM: &str = "messages";
    let content = match &message["content"] {
        Value::Null => "",
        value => text(value, PARAM)?,
    };
    let said = Some(content).filter(|text| !text.is_empty());
    let said = said.map(|text| Part::Text(text.to_owned()));
    let pictures = match &message["images"] {
        Value::Null => Vec::new(),
        value => images(value)?,
    };
    match message["role"].as_str() {
        Some("system") => request.system.extend((!content.is_empty()).then(|| content.to_owned())),
        Some("user") => request.say(Role::User, said.into_iter().chain(pictures)),
        Some("assistant") => {
            let parts = assistant(message, said, pending)?;
            request.say(Role::Assistant, parts);
        }
        Some("tool") => {
            let name = |field: &str| message[field].as_str().filter(|text| !text.is_empty());
            let id = pending.result(name("tool_call_id"), name("tool_name"));
            let id = id.ok_or_else(|| invalid("a tool's result is of no call", Some(PARAM)))?;
            let parts = said.into_iter().chain(pictures).collect();
            request.say(Role::User, [Part::ToolResult { id, parts, failed: false }]);
        }
        _ => return Err(invalid("a message has no known role", Some(PARAM))),
    }
    Ok(())
}

fn assistant(
    message: &Value,
    said: Option<Part>,
    pending: &mut Pending,
) -> Result<Vec<Part>, Refusal> {
    let thinking = message["thinking"].as_str().filter(|text| !text.is_empty());
    let thinking =
        thinking.map(|text| Part::Thinking { text: text.to_owned(), signature: String::new() });
    let mut parts: Vec<Part> = thinking.into_iter().chain(said).collect();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        let name = text(&function["name"], "messages")?;
        let arguments = match &function["arguments"] {
            Value::Null => "{}".to_owned(),
            value @ Value::Object(_) => value.to_string(),
            _ => {
                let reason = "a tool call's arguments are not a JSON object";
                return Err(invalid(reason, Some("messages")));
            }
        };
        let id = call["id"].as_str().filter(|id| !id.is_empty());
        parts.push(Part::ToolCall { id: pending.call(id, name), name: name.to_owned(), arguments });
    }
    Ok(parts)
}

/// Pictures are base64 without a type, which the other dialects ask for.
fn images(value: &Value) -> Result<Vec<Part>, Refusal> {
    let read = |image: &Value| {
        let data = text(image, "images")?;
        let kind = PICTURES.iter().find(|(start, _)| data.starts_with(start));
        let (_, kind) = kind.ok_or_else(|| {
            invalid("it is no JPEG, PNG, GIF or WebP picture in base64", Some("images"))
        })?;
        let source = Source::Base64 { media_type: (*kind).to_owned(), data: data.to_owned() };
        Ok(Part::Medium(Medium::Image(source)))
    };
    value::array(value, "images")?.iter().map(read).collect()
}
