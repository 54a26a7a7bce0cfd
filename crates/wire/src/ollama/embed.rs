//! Embeddings between OpenAI's form and Ollama's.

use serde_json::{Map, Value, json};
use surgewall_core::refusal::Refusal;

use super::line::Line;
use crate::answer::{AnswerFault, AnswerOptions};
use crate::request::{invalid, unsupported};
use crate::value::{object, text};

/// OpenAI's request, as Ollama's.
///
/// # Errors
/// A parameter that Ollama has nothing for.
pub(crate) fn to_ollama(body: &Value, model: &str) -> Result<Value, Refusal> {
    let mut written = Map::from_iter([("model".to_owned(), Value::from(model))]);
    for (name, value) in object(body, "body")? {
        match name.as_str() {
            _ if value.is_null() => {}
            "model" | "user" | "safety_identifier" | "user_id" | "metadata" => {}
            "input" => {
                written.insert("input".into(), texts(value)?);
            }
            "dimensions" => {
                written.insert("dimensions".into(), value.clone());
            }
            "encoding_format" if value == "float" || value == "base64" => {}
            "encoding_format" => return Err(invalid("it is not float or base64", Some(name))),
            _ => return Err(unsupported(name)),
        }
    }
    Ok(Value::Object(written))
}

/// The input, which must be text: token numbers mean nothing to another server.
fn texts(value: &Value) -> Result<Value, Refusal> {
    let all_text = value.as_array().is_some_and(|all| all.iter().all(Value::is_string));
    if value.is_string() || all_text { Ok(value.clone()) } else { Err(unsupported("input")) }
}

/// Ollama's request, as OpenAI's.
///
/// # Errors
/// A parameter that OpenAI has nothing for.
pub(crate) fn to_openai(body: &Value, model: &str) -> Result<Value, Refusal> {
    let mut written = Map::from_iter([("model".to_owned(), Value::from(model))]);
    for (name, value) in object(body, "body")? {
        match name.as_str() {
            _ if value.is_null() => {}
            "model" | "keep_alive" => {}
            // Servers of OpenAI's dialect refuse a text that is too long.
            "truncate" if value == &Value::Bool(true) => {}
            "options" if value.as_object().is_some_and(Map::is_empty) => {}
            "input" | "dimensions" => {
                written.insert(name.clone(), value.clone());
            }
            _ => return Err(unsupported(name)),
        }
    }
    Ok(Value::Object(written))
}

/// Ollama's answer, as OpenAI's; and the count of the input.
///
/// # Errors
/// The body is no such answer.
pub(crate) fn answer_to_openai(
    body: &str,
    options: &AnswerOptions,
) -> Result<(Value, Option<u64>), AnswerFault> {
    let line: Line<'_> = serde_json::from_str(body).map_err(|_| AnswerFault::Garbage)?;
    let embeddings = line.embeddings.ok_or(AnswerFault::Garbage)?;
    let embeddings: Vec<Vec<f32>> =
        serde_json::from_str(embeddings.get()).map_err(|_| AnswerFault::Garbage)?;
    let data: Vec<Value> = embeddings
        .iter()
        .enumerate()
        .map(|(index, vector)| {
            let embedding =
                if options.form.embeddings_base64 { base64(vector).into() } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let input = line.input_tokens();
    let tokens = input.unwrap_or(options.input_tokens_estimate);
    let model = options.shown_model.clone().unwrap_or_else(|| line.model_name());
    let body = json!({
        "object": "list", "data": data, "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok((body, input))
}

/// OpenAI's answer, as Ollama's; and the count of the input.
///
/// # Errors
/// The body is no such answer.
pub(crate) fn answer_to_ollama(
    body: &Value,
    options: &AnswerOptions,
) -> Result<(Value, Option<u64>), AnswerFault> {
    let data = body["data"].as_array().ok_or(AnswerFault::Garbage)?;
    let embeddings: Vec<&Value> = data.iter().map(|one| &one["embedding"]).collect();
    if !embeddings.iter().all(|vector| vector.is_array()) {
        return Err(AnswerFault::Garbage);
    }
    let input = body["usage"]["prompt_tokens"].as_u64();
    let model = text(&body["model"], "model").unwrap_or_default();
    let body = json!({
        "model": options.shown_model.as_deref().unwrap_or(model),
        "embeddings": embeddings,
        "prompt_eval_count": input.unwrap_or(options.input_tokens_estimate),
    });
    Ok((body, input))
}

/// The numbers as little-endian bytes in base64, which OpenAI's clients ask for.
fn base64(vector: &[f32]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * at) & 63).unwrap_or(0);
            text.push(if at <= group.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_written_as_little_endian_base64() {
        for (vector, expected) in
            [(&[][..], ""), (&[1.0_f32], "AACAPw=="), (&[1.0, -2.5, 0.0], "AACAPwAAIMAAAAAA")]
        {
            assert_eq!(base64(vector), expected);
        }
    }
}
