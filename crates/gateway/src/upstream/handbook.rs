//! The built-in model as an upstream: it speaks OpenAI's dialect, so that its
//! answers go the way of every other answer.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::handbook::{Handbook, MODEL, pieces};

/// The handbook behind the upstream's face.
pub struct HandbookModel {
    book: Handbook,
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    messages: Vec<Message>,
    #[serde(default)]
    prompt: Value,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

impl HandbookModel {
    /// Loads the pages that the binary carries.
    #[must_use]
    pub fn load() -> Self {
        Self { book: Handbook::load() }
    }

    /// The answer to a request in OpenAI's dialect: a whole body, or a stream.
    #[must_use]
    pub fn answer(&self, body: &[u8], stream: bool, created_s: u64) -> Bytes {
        let question = question(body);
        let text = self.book.answer(&question).text;
        // An estimate is all there is: one token a piece.
        let usage = (question.split_whitespace().count(), pieces(&text).count());
        if stream { streamed(&text, created_s, usage) } else { whole(&text, created_s, usage) }
    }
}

/// The last user message, or a completion's prompt.
fn question(body: &[u8]) -> String {
    let Ok(asked) = serde_json::from_slice::<Asked>(body) else { return String::new() };
    let last = asked.messages.iter().rev().find(|message| message.role == "user");
    text_of(last.map_or(&asked.prompt, |message| &message.content))
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text").unwrap_or(part).as_str());
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

fn usage_json((input, output): (usize, usize)) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

fn whole(text: &str, created_s: u64, usage: (usize, usize)) -> Bytes {
    let body = json!({
        "id": "handbook", "object": "chat.completion", "created": created_s, "model": MODEL,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": usage_json(usage),
    });
    Bytes::from(body.to_string())
}

fn streamed(text: &str, created_s: u64, usage: (usize, usize)) -> Bytes {
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "handbook", "object": "chat.completion.chunk", "created": created_s,
            "model": MODEL, "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, reason: Value| json!([{"index": 0, "delta": delta, "finish_reason": reason}]);
    let mut out =
        chunk(delta(json!({"role": "assistant", "content": ""}), Value::Null), Value::Null);
    for piece in pieces(text) {
        out += &chunk(delta(json!({"content": piece}), Value::Null), Value::Null);
    }
    out += &chunk(delta(json!({}), json!("stop")), Value::Null);
    out += &chunk(json!([]), usage_json(usage));
    out += "data: [DONE]\n\n";
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_the_last_user_message() {
        let cases = [
            (
                r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}"#,
                "a",
            ),
            (
                r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}"#,
                "a\nb",
            ),
            (r#"{"prompt":"p"}"#, "p"),
            (r#"{"prompt":["p","q"]}"#, "p\nq"),
            ("garbage", ""),
        ];
        for (body, expected) in cases {
            assert_eq!(question(body.as_bytes()), expected);
        }
    }
}
