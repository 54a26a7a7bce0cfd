//! A request, written as Anthropic's messages.

use serde_json::{Map, Value, json};
use surgewall_core::refusal::Refusal;

use crate::ir::{Effort, Medium, Part, Request, Role, Source, Thinking, Tool, ToolChoice};
use crate::request::unsupported;

/// The least budget for thinking that Anthropic takes, in tokens.
const BUDGET_TOKENS_MIN: u64 = 1_024;

/// Writes the request for `model`; `output_tokens_default` stands where it
/// has no bound, because this dialect asks for one.
///
/// # Errors
/// It asks for something that this dialect does not have.
pub(crate) fn write(
    request: &Request,
    model: &str,
    output_tokens_default: u64,
) -> Result<Value, Refusal> {
    if request.json_mode {
        // It has no JSON without a schema.
        return Err(unsupported("response_format.type"));
    }
    let output_max = request.output_max.unwrap_or(output_tokens_default).max(1);
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("max_tokens".into(), output_max.into());
    if !request.system.is_empty() {
        body.insert("system".into(), request.system.join("\n\n").into());
    }
    body.insert("messages".into(), messages(request)?);
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
        if let Some(choice) = tool_choice(request) {
            body.insert("tool_choice".into(), choice);
        }
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), request.stop.clone().into());
    }
    let thinks = thinking(request, model, output_max, &mut body);
    sampling(request, thinks, &mut body);
    if let Some(user) = &request.user {
        body.insert("metadata".into(), json!({ "user_id": user }));
    }
    if request.stream {
        body.insert("stream".into(), true.into());
    }
    Ok(Value::Object(body))
}

/// Temperature ends at 1 here, and thinking takes none at all.
fn sampling(request: &Request, thinks: bool, body: &mut Map<String, Value>) {
    if thinks {
        return;
    }
    let sampling = request.sampling;
    if let Some(temperature) = sampling.temperature {
        body.insert("temperature".into(), temperature.clamp(0.0, 1.0).into());
    }
    // 1 is the default, and newer models refuse it beside a temperature.
    if let Some(top_p) = sampling.top_p.filter(|top_p| *top_p < 1.0) {
        body.insert("top_p".into(), top_p.max(0.0).into());
    }
    if let Some(top_k) = sampling.top_k {
        body.insert("top_k".into(), top_k.into());
    }
}

/// Writes thinking and the output's schema; returns whether the model thinks.
fn thinking(
    request: &Request,
    model: &str,
    output_max: u64,
    body: &mut Map<String, Value>,
) -> bool {
    let mut config = Map::new();
    let mut thinks = false;
    match request.thinking {
        Thinking::Unsaid => {}
        Thinking::Off => {
            body.insert("thinking".into(), json!({"type": "disabled"}));
        }
        Thinking::On { effort, budget } if has_fixed_budget(model) => {
            let budget = budget.unwrap_or_else(|| budget_tokens(effort)).min(output_max / 2);
            // Where the bound leaves no room for thinking there is none.
            if budget >= BUDGET_TOKENS_MIN {
                let value = json!({"type": "enabled", "budget_tokens": budget});
                body.insert("thinking".into(), value);
                thinks = true;
            }
        }
        Thinking::On { effort, .. } => {
            body.insert("thinking".into(), json!({"type": "adaptive"}));
            thinks = true;
            if let Some(effort) = effort {
                config.insert("effort".into(), effort_word(effort).into());
            }
        }
    }
    if let Some(schema) = &request.schema {
        config.insert("format".into(), json!({"type": "json_schema", "schema": schema.schema}));
    }
    if !config.is_empty() {
        body.insert("output_config".into(), Value::Object(config));
    }
    thinks
}

/// Models up to 4.5 know only a fixed budget for thinking; later ones decide
/// themselves and refuse a budget.
fn has_fixed_budget(model: &str) -> bool {
    let old = ["claude-3", "claude-2", "-4-0", "-4-1", "-4-5", "opus-4-2025", "sonnet-4-2025"];
    old.iter().any(|mark| model.contains(mark))
}

const fn budget_tokens(effort: Option<Effort>) -> u64 {
    match effort {
        Some(Effort::Low) => 2_048,
        None | Some(Effort::Medium) => 8_192,
        Some(Effort::High) => 16_384,
        Some(Effort::ExtraHigh | Effort::Max) => 32_768,
    }
}

const fn effort_word(effort: Effort) -> &'static str {
    match effort {
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::ExtraHigh => "xhigh",
        Effort::Max => "max",
    }
}

fn tool(tool: &Tool) -> Value {
    let mut value = Map::new();
    value.insert("name".into(), tool.name.clone().into());
    if let Some(description) = &tool.description {
        value.insert("description".into(), description.clone().into());
    }
    let schema =
        tool.parameters.clone().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    value.insert("input_schema".into(), schema);
    if let Some(strict) = tool.strict {
        value.insert("strict".into(), strict.into());
    }
    Value::Object(value)
}

fn tool_choice(request: &Request) -> Option<Value> {
    let mut choice = match (&request.tool_choice, request.parallel_tools) {
        (Some(ToolChoice::None), _) => return Some(json!({"type": "none"})),
        (Some(ToolChoice::Any), _) => json!({"type": "any"}),
        (Some(ToolChoice::Named(name)), _) => json!({"type": "tool", "name": name}),
        (Some(ToolChoice::Auto), _) | (None, Some(false)) => json!({"type": "auto"}),
        (None, _) => return None,
    };
    if let Some(parallel) = request.parallel_tools {
        choice["disable_parallel_tool_use"] = (!parallel).into();
    }
    Some(choice)
}

fn messages(request: &Request) -> Result<Value, Refusal> {
    let mut messages = Vec::with_capacity(request.turns.len());
    for turn in &request.turns {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        // Tool results come first in a turn, or the dialect refuses it.
        let first = turn.parts.iter().filter(|part| is_result(part));
        let rest = turn.parts.iter().filter(|part| !is_result(part));
        let mut content = Vec::with_capacity(turn.parts.len());
        for part in first.chain(rest) {
            content.extend(block(part)?);
        }
        if !content.is_empty() {
            messages.push(json!({"role": role, "content": shortest(content)}));
        }
    }
    Ok(Value::Array(messages))
}

const fn is_result(part: &Part) -> bool {
    matches!(part, Part::ToolResult { .. })
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

/// A content block; `None` for what this dialect would refuse and the model
/// does not need: thinking that Anthropic did not sign.
pub(super) fn block(part: &Part) -> Result<Option<Value>, Refusal> {
    Ok(Some(match part {
        // The dialect refuses an empty text.
        Part::Text(text) | Part::Refusal(text) if text.is_empty() => return Ok(None),
        Part::Text(text) | Part::Refusal(text) => json!({"type": "text", "text": text}),
        Part::Medium(Medium::Image(from)) => json!({"type": "image", "source": source(from)}),
        Part::Medium(Medium::Document { source: from, title }) => {
            let mut value = json!({"type": "document", "source": source(from)});
            if let Some(title) = title {
                value["title"] = title.clone().into();
            }
            value
        }
        Part::Thinking { signature, .. } if signature.is_empty() => return Ok(None),
        Part::Thinking { text, signature } => {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Part::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        Part::ToolCall { id, name, arguments } => {
            let input: Value =
                serde_json::from_str(arguments).map_err(|_| unsupported("messages.tool_calls"))?;
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        Part::ToolResult { id, parts, failed } => {
            let mut content = Vec::with_capacity(parts.len());
            for part in parts {
                content.extend(block(part)?);
            }
            let mut value =
                json!({"type": "tool_result", "tool_use_id": id, "content": shortest(content)});
            if *failed {
                value["is_error"] = true.into();
            }
            value
        }
    }))
}

fn source(source: &Source) -> Value {
    match source {
        Source::Base64 { media_type, data } => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        Source::Url(url) => json!({"type": "url", "url": url}),
    }
}
