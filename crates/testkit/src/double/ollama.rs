//! Ollama's dialect: chat, generate, embed, tags, errors.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Part;
use super::bank::Kind;
use super::plan::{Plan, Script};
use super::request::{Ask, Route};

/// A streamed answer: lines of JSON.
pub(super) fn stream(plan: &Plan<'_>) -> Script {
    let mut script = VecDeque::new();
    let generate = plan.route == Route::Generate;
    let (text, thinking) = if generate {
        (Kind::Generate, Kind::GenerateThinking)
    } else {
        (Kind::Lines, Kind::LinesThinking)
    };
    script.push_back(plan.reasoning_part(thinking));
    if plan.calls.is_empty() {
        script.push_back(plan.text_part(text));
    } else {
        // Calls are not cut into pieces here: each is one line.
        let calls = calls(plan).into_iter().map(|call| {
            let mut line = base(plan);
            line["message"] = json!({"role": "assistant", "content": "", "tool_calls": [call]});
            line["done"] = false.into();
            Bytes::from(format!("{line}\n"))
        });
        script.push_back(Part::Fixed(calls.collect()));
    }
    let mut last = base(plan);
    say(&mut last, plan, "", None, Vec::new());
    end(&mut last, plan);
    script.push_back(Part::Free(Bytes::from(format!("{last}\n"))));
    script
}

/// An answer that is no stream.
pub(super) fn whole(plan: &Plan<'_>) -> String {
    let mut body = base(plan);
    let text = if plan.calls.is_empty() { plan.text() } else { String::new() };
    say(&mut body, plan, &text, plan.reasoning_text(), calls(plan));
    end(&mut body, plan);
    body.to_string()
}

fn base(plan: &Plan<'_>) -> Value {
    json!({"model": plan.model, "created_at": "2023-11-14T22:13:20.5Z"})
}

/// Ollama gives the arguments as an object, and older versions no id.
fn calls(plan: &Plan<'_>) -> Vec<Value> {
    let call = |(tool, arguments): &(super::request::Tool, String)| {
        let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
        json!({"function": {"name": tool.name, "arguments": arguments}})
    };
    plan.calls.iter().map(call).collect()
}

fn say(body: &mut Value, plan: &Plan<'_>, text: &str, thinking: Option<String>, calls: Vec<Value>) {
    if plan.route == Route::Generate {
        body["response"] = text.into();
        if let Some(thinking) = thinking {
            body["thinking"] = thinking.into();
        }
        return;
    }
    let mut message = json!({"role": "assistant", "content": text});
    if let Some(thinking) = thinking {
        message["thinking"] = thinking.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    body["message"] = message;
}

fn end(body: &mut Value, plan: &Plan<'_>) {
    body["done"] = true.into();
    body["done_reason"] = if plan.is_cut { "length" } else { "stop" }.into();
    body["total_duration"] = 1_000_000.into();
    if let Some(usage) = plan.usage {
        body["prompt_eval_count"] = usage.input.into();
        body["eval_count"] = usage.output.into();
    }
}

/// The answer to an embed request: vectors that depend on the input only.
pub(super) fn embed(ask: &Ask<'_>) -> String {
    let openai: Value = serde_json::from_str(&super::openai::embeddings(ask)).unwrap_or_default();
    let data = openai["data"].as_array().into_iter().flatten();
    let embeddings: Vec<&Value> = data.map(|one| &one["embedding"]).collect();
    json!({"model": ask.model, "embeddings": embeddings, "prompt_eval_count": ask.input_tokens()})
        .to_string()
}

/// The list of models.
pub(super) fn tags(names: &[String]) -> String {
    let model = |name: &String| json!({"name": name, "model": name, "size": 1, "details": {}});
    json!({"models": names.iter().map(model).collect::<Vec<_>>()}).to_string()
}

/// An error's body.
pub(super) fn error(message: &str) -> String {
    json!({ "error": message }).to_string()
}
