//! OpenAI's dialect: chat, completions, embeddings, models, errors.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Part;
use super::bank::Kind;
use super::behaviour::Done;
use super::plan::{Plan, Script, Usage, escape, pieces};
use super::request::{Ask, Route};

/// Numbers in an embedding when the request does not say.
const DIMENSIONS_DEFAULT: usize = 8;
/// Numbers in an embedding at most.
const DIMENSIONS_MAX: usize = 4_096;

/// A streamed answer.
pub(super) fn stream(plan: &Plan<'_>) -> Script {
    let mut script = VecDeque::new();
    let chat = plan.route == Route::Chat;
    if chat {
        let delta = json!({"role": "assistant", "content": ""});
        script.push_back(Part::Free(event(&chunk(plan, &delta, None))));
        script.push_back(plan.reasoning_part(Kind::ChatReasoning));
    }
    if plan.calls.is_empty() || !chat {
        script.push_back(plan.text_part(if chat { Kind::Chat } else { Kind::Completion }));
    } else {
        for (index, (tool, arguments)) in plan.calls.iter().enumerate() {
            script.push_back(Part::Free(call_head(plan, index, &tool.name)));
            let frames = pieces(arguments).map(|piece| call_piece(plan, index, &piece));
            script.push_back(Part::Fixed(frames.collect()));
        }
    }
    script.push_back(Part::Free(event(&chunk(plan, &json!({}), Some(finish(plan))))));
    if let Some(usage) = plan.usage {
        let mut last = base(plan, true);
        last["choices"] = json!([]);
        last["usage"] = usage_json(usage, plan.model);
        script.push_back(Part::Free(event(&last)));
    }
    let dones = match plan.done {
        Done::Once => 1,
        Done::Missing => 0,
        Done::Twice => 2,
    };
    script.extend((0..dones).map(|_| Part::Free(Bytes::from_static(b"data: [DONE]\n\n"))));
    script
}

/// An answer that is no stream.
pub(super) fn whole(plan: &Plan<'_>) -> String {
    let mut body = base(plan, false);
    body["choices"] = if plan.route == Route::Completions {
        json!([{"index": 0, "text": plan.text(), "logprobs": null, "finish_reason": finish(plan)}])
    } else {
        json!([{"index": 0, "message": message(plan), "logprobs": null, "finish_reason": finish(plan)}])
    };
    if let Some(usage) = plan.usage {
        body["usage"] = usage_json(usage, plan.model);
    }
    body.to_string()
}

fn message(plan: &Plan<'_>) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    if let Some(reasoning) = plan.reasoning_text() {
        message["reasoning_content"] = json!(reasoning);
    }
    if plan.calls.is_empty() {
        message["content"] = json!(plan.text());
    } else {
        let calls = plan.calls.iter().enumerate();
        let calls = calls.map(|(index, (tool, arguments))| {
            json!({"id": format!("call_double_{index}"), "type": "function",
                "function": {"name": tool.name, "arguments": arguments}})
        });
        message["tool_calls"] = calls.collect();
    }
    message
}

fn base(plan: &Plan<'_>, stream: bool) -> Value {
    let (id, object) = match (plan.route, stream) {
        (Route::Completions, _) => ("cmpl-double", "text_completion"),
        (_, true) => ("chatcmpl-double", "chat.completion.chunk"),
        (_, false) => ("chatcmpl-double", "chat.completion"),
    };
    json!({"id": id, "object": object, "created": 1_700_000_000, "model": plan.model})
}

fn chunk(plan: &Plan<'_>, delta: &Value, finish: Option<&str>) -> Value {
    let mut chunk = base(plan, true);
    chunk["choices"] = if plan.route == Route::Completions {
        json!([{"index": 0, "text": "", "logprobs": null, "finish_reason": finish}])
    } else {
        json!([{"index": 0, "delta": delta, "finish_reason": finish}])
    };
    chunk
}

fn call_head(plan: &Plan<'_>, index: usize, name: &str) -> Bytes {
    let id = format!("call_double_{index}");
    let call = json!({"tool_calls": [{"index": index, "id": id, "type": "function",
        "function": {"name": name, "arguments": ""}}]});
    event(&chunk(plan, &call, None))
}

fn call_piece(plan: &Plan<'_>, index: usize, piece: &str) -> Bytes {
    let call = json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]});
    event(&chunk(plan, &call, None))
}

fn event(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

fn finish(plan: &Plan<'_>) -> &'static str {
    match (plan.calls.is_empty(), plan.is_cut) {
        (false, _) => "tool_calls",
        (true, true) => "length",
        (true, false) => "stop",
    }
}

fn usage_json(usage: Usage, model: &str) -> Value {
    let Usage { input, cached, output, reasoning } = usage;
    let mut json = json!({"prompt_tokens": input, "completion_tokens": output,
        "total_tokens": input.saturating_add(output)});
    if cached > 0 {
        json["prompt_tokens_details"] = json!({"cached_tokens": cached});
    }
    if reasoning > 0 {
        json["completion_tokens_details"] = json!({"reasoning_tokens": reasoning});
    }
    if model.starts_with("deepseek") {
        json["prompt_cache_hit_tokens"] = json!(cached);
        json["prompt_cache_miss_tokens"] = json!(input - cached);
    }
    json
}

/// The answer to an embeddings request: vectors that depend on the input only.
pub(super) fn embeddings(ask: &Ask<'_>) -> String {
    let input: Value =
        ask.input.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let texts = match input {
        Value::Array(many) if many.first().is_some_and(|one| !one.is_number()) => many,
        one => vec![one],
    };
    let dimensions = ask.dimensions.unwrap_or(DIMENSIONS_DEFAULT).min(DIMENSIONS_MAX);
    let base64 = ask.encoding_format.as_deref() == Some("base64");
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(&text.to_string(), dimensions);
            let embedding = if base64 { as_base64(&vector) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = ask.input_tokens();
    json!({"object": "list", "model": ask.model, "data": data,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    .to_string()
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = 0_u32;
    let mut bytes = text.bytes().cycle();
    (0..dimensions)
        .map(|_| {
            let byte = bytes.next().unwrap_or(0);
            state = (state ^ u32::from(byte)).wrapping_mul(16_777_619).wrapping_add(1);
            // 12 bits: exact in an f32 and in its decimal form.
            f32::from(u16::try_from(state >> 20).unwrap_or(0)) / 4_096.0
        })
        .collect()
}

fn as_base64(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    json!(STANDARD.encode(bytes))
}

/// The list of models.
pub(super) fn models(names: &[String]) -> String {
    let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
    json!({"object": "list", "data": data}).to_string()
}

/// One model.
pub(super) fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "double"})
}

/// An error's body.
pub(super) fn error(status: u16, message: &str) -> String {
    let kind = match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let message = escape(message);
    format!(
        "{{\"error\":{{\"message\":\"{message}\",\"type\":\"{kind}\",\"param\":null,\"code\":\"double_{status}\"}}}}"
    )
}
