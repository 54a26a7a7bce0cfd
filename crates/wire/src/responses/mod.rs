//! OpenAI's Responses, read and written for translation: a client's dialect
//! only. Shapes after the types of OpenAI's own SDKs.
//!
//! The door keeps no answers: whatever asks for one that was kept is refused.

pub(crate) mod read_request;
pub(crate) mod write_answer;
pub(crate) mod write_stream;

use serde_json::{Map, Value, json};
use surgewall_core::refusal::Refusal;
use surgewall_core::usage::Usage;

use crate::ir::{Stop, StopReason};
use crate::json::Fields;

/// Fields of a request that its answer repeats.
const ECHOED: [&str; 14] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "user",
];
/// A field longer than this, in bytes, is not repeated: a stream says all of
/// them three times.
const ECHOED_BYTES_MAX: usize = 16 << 10;
/// Fields that name something kept, or ask to keep something.
const STATEFUL: [&str; 5] =
    ["previous_response_id", "conversation", "background", "prompt", "context_management"];

/// What the answer repeats of a request, as the text of a JSON object.
pub(crate) fn echo(fields: &Fields<'_>) -> String {
    let mut echo = String::from("{");
    for name in ECHOED {
        let Some(value) = fields.value(name).filter(|value| value.len() <= ECHOED_BYTES_MAX) else {
            continue;
        };
        if echo.len() > 1 {
            echo.push(',');
        }
        echo.push_str(&crate::json::quote(name));
        echo.push(':');
        echo.push_str(value);
    }
    echo.push('}');
    echo
}

/// Refuses what needs a memory of earlier requests.
///
/// # Errors
/// [`Refusal::UnsupportedParameter`] with the parameter's name.
pub(crate) fn refuse_stateful(fields: &Fields<'_>) -> Result<(), Refusal> {
    for name in STATEFUL {
        if fields.value(name).is_some_and(|value| value != "false") {
            return Err(stateful(name));
        }
    }
    Ok(())
}

/// A parameter that names something kept.
pub(crate) fn stateful(param: &str) -> Refusal {
    Refusal::UnsupportedParameter {
        param: param.to_owned(),
        reason: "no answer is kept here; send the whole conversation in `input`".to_owned(),
    }
}

/// The id of an item: the request's, with a kind before and a number behind.
pub(crate) fn item_id(kind: &str, request_id: &str, index: usize) -> String {
    format!("{kind}_{request_id}_{index}")
}

/// An answer that has begun, and what it repeats of its request.
pub(crate) fn begun(request_id: &str, created_s: u64, model: &str, echo: &str) -> Value {
    let mut answer = json!({
        "id": format!("resp_{request_id}"),
        "object": "response",
        "created_at": created_s,
        "status": "in_progress",
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "store": false,
        "temperature": null,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "truncation": "disabled",
        "usage": null,
        "user": null,
    });
    // The echo is JSON that was read before; an empty one is of a test.
    if let (Some(answer), Ok(echo)) =
        (answer.as_object_mut(), serde_json::from_str::<Map<String, Value>>(echo))
    {
        for (name, value) in echo {
            answer.insert(name, value);
        }
    }
    answer
}

/// Completes an answer: its items, its end and its counts.
pub(crate) fn completed(
    mut answer: Value,
    output: Vec<Value>,
    stop: &Stop,
    usage: &Usage,
) -> Value {
    let reason = incomplete(stop);
    answer["status"] = if reason.is_some() { "incomplete" } else { "completed" }.into();
    answer["incomplete_details"] = reason.map_or(Value::Null, |reason| json!({ "reason": reason }));
    answer["output"] = output.into();
    answer["usage"] = self::usage(usage);
    answer
}

/// Why an answer is not whole, if it is not.
pub(crate) const fn incomplete(stop: &Stop) -> Option<&'static str> {
    match stop.reason {
        StopReason::Length => Some("max_output_tokens"),
        StopReason::Withheld => Some("content_filter"),
        StopReason::Done | StopReason::Sequence | StopReason::ToolCall => None,
    }
}

/// `usage`.
pub(crate) fn usage(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {
            "cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total(),
    })
}

/// An item of the assistant's words; `content` are its parts.
pub(crate) fn message(id: &str, content: &[Value], status: &str) -> Value {
    json!({"type": "message", "id": id, "status": status, "role": "assistant", "content": content})
}

/// A part of text.
pub(crate) fn output_text(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// A part that declines.
pub(crate) fn refusal(text: &str) -> Value {
    json!({"type": "refusal", "refusal": text})
}

/// An item of thinking. What signs it, or what only its maker can read,
/// travels as `encrypted_content`, and may be sent back unchanged.
pub(crate) fn reasoning(id: &str, text: &str, sealed: &str) -> Value {
    let mut item = json!({"type": "reasoning", "id": id, "summary": []});
    if !text.is_empty() {
        item["summary"] = json!([{"type": "summary_text", "text": text}]);
    }
    if !sealed.is_empty() {
        item["encrypted_content"] = sealed.into();
    }
    item
}

/// An item that calls a tool.
pub(crate) fn function_call(
    id: &str,
    call_id: &str,
    name: &str,
    arguments: &str,
    status: &str,
) -> Value {
    json!({
        "type": "function_call", "id": id, "status": status,
        "call_id": call_id, "name": name, "arguments": arguments,
    })
}
