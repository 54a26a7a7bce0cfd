//! Requests that are refused, and the limits at the limit and one past it.

use std::time::Duration;

use bytes::BytesMut;
use serde_json::{Value, json};
use surgewall_core::limits::{DELEGATED_NAME_BYTES_MAX, MODEL_NAME_BYTES_MAX};
use surgewall_core::refusal::Refusal;
use surgewall_wire::error::{ErrorBody, render_event};
use surgewall_wire::request::{Facts, read};
use surgewall_wire::{ClientDialect, Endpoint};

use crate::support::LIMITS;

const MARK: &str = "s3cret-content";

fn ask(client: ClientDialect, endpoint: Endpoint, body: &[u8]) -> Result<Facts, Refusal> {
    read(client, endpoint, body, &LIMITS)
}

/// A chat request of OpenAI's dialect with these fields changed; null takes one away.
#[expect(clippy::needless_pass_by_value, reason = "every caller writes it in place")]
fn chat(change: Value) -> Result<Facts, Refusal> {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": MARK}]});
    for (name, value) in change.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.as_object_mut().unwrap().retain(|_, value| value != "absent");
    ask(ClientDialect::OpenAi, Endpoint::Chat, body.to_string().as_bytes())
}

/// The parameter that a refusal names; the refusal holds nothing of the body.
fn refused(result: Result<Facts, Refusal>) -> Option<String> {
    let refusal = result.expect_err("it was taken");
    assert!(!refusal.to_string().contains(MARK), "{refusal}");
    assert!(!refusal.public_text().contains(MARK), "{refusal}");
    assert_eq!(refusal.row().code, "invalid_request");
    refusal.param().map(str::to_owned)
}

#[test]
fn wrong_fields_are_refused_by_name() {
    for (change, param) in [
        (json!({"model": "absent"}), "model"),
        (json!({"model": null}), "model"),
        (json!({"model": 7}), "model"),
        (json!({"model": ""}), "model"),
        (json!({"model": "a\nb"}), "model"),
        (json!({"messages": "absent"}), "messages"),
        (json!({"messages": []}), "messages"),
        (json!({"messages": MARK}), "messages"),
        (json!({"messages": {"role": MARK}}), "messages"),
        (json!({"messages": [MARK]}), "messages"),
        (json!({"messages": [{"content": MARK}]}), "messages"),
        (json!({"messages": [{"role": 5, "content": MARK}]}), "messages"),
        (json!({"messages": [{"role": "user", "content": 5}]}), "messages"),
        (json!({"messages": [{"role": "user", "content": {"text": MARK}}]}), "messages"),
        (json!({"messages": [{"role": "user", "Content": MARK}]}), "messages"),
        (json!({"stream": MARK}), "stream"),
        (json!({"stream": 1}), "stream"),
        (json!({"stream_options": MARK}), "stream_options"),
        (json!({"stream_options": {"include_usage": MARK}}), "stream_options"),
        (json!({"max_tokens": 0}), "max_tokens"),
        (json!({"max_tokens": -1}), "max_tokens"),
        (json!({"max_tokens": 1.5}), "max_tokens"),
        (json!({"max_tokens": MARK}), "max_tokens"),
        (json!({"max_completion_tokens": 0}), "max_completion_tokens"),
        (json!({"n_predict": -1}), "n_predict"),
        (json!({"n": 0}), "n"),
        (json!({"n": MARK}), "n"),
        (json!({"tools": MARK}), "tools"),
        (json!({"user": 5}), "user"),
        (json!({"metadata": MARK}), "metadata"),
        (json!({"metadata": {"user_id": 5}}), "metadata"),
        (json!({"Model": MARK}), "model"),
    ] {
        assert_eq!(refused(chat(change.clone())).as_deref(), Some(param), "{change}");
    }
}

#[test]
fn bodies_that_are_no_plain_object_are_refused() {
    for (body, param) in [
        (&b"\xff\xfe"[..], None),
        (b"", None),
        (b"[]", None),
        (b"s3cret-content", None),
        (br#"{"model":"m","messages":[{"role":"user","content":"x"}]"#, None),
        (br#"{"model":"m","messages":[{"role":"user","content":"x"}],"model":"n"}"#, Some("model")),
        (
            br#"{"model":"m","messages":[{"role":"user","content":"x","content":"y"}]}"#,
            Some("messages"),
        ),
        (
            br#"{"model":"m","stream":true,"stream_options":{"include_usage":true,"include_usage":false},"messages":[{"role":"user","content":"x"}]}"#,
            Some("stream_options"),
        ),
        (br#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#, Some("messages")),
    ] {
        let shown = String::from_utf8_lossy(body);
        let result = ask(ClientDialect::OpenAi, Endpoint::Chat, body);
        assert_eq!(refused(result).as_deref(), param, "{shown}");
    }
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let messages = |n: u32| {
        let one = json!({"role": "user", "content": "x"});
        json!({ "messages": (0..n).map(|_| one.clone()).collect::<Vec<_>>() })
    };
    let tools = |n: u32| json!({ "tools": (0..n).map(|_| json!({})).collect::<Vec<_>>() });
    let model = |n: usize| json!({ "model": "m".repeat(n) });
    let user = |n: usize| json!({ "user": "u".repeat(n) });
    let choices = |n: u32| json!({ "n": n });
    // The body is one level, `x` the next, so `n` arrays reach `n + 1`.
    let deep = |n: usize| {
        let nested: Value = serde_json::from_str(&("[".repeat(n) + &"]".repeat(n))).unwrap();
        json!({ "x": nested })
    };
    for (name, at, past) in [
        ("messages", messages(LIMITS.messages_max), messages(LIMITS.messages_max + 1)),
        ("tools", tools(LIMITS.tools_max), tools(LIMITS.tools_max + 1)),
        ("model", model(MODEL_NAME_BYTES_MAX), model(MODEL_NAME_BYTES_MAX + 1)),
        ("user", user(DELEGATED_NAME_BYTES_MAX), user(DELEGATED_NAME_BYTES_MAX + 1)),
        ("n", choices(128), choices(129)),
        ("", deep(63), deep(64)),
    ] {
        chat(at).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(refused(chat(past)).unwrap_or_default(), name);
    }
}

#[test]
fn the_input_of_other_endpoints_is_read_too() {
    let embed = |input: Value| {
        let body = json!({"model": "m", "input": input}).to_string();
        ask(ClientDialect::OpenAi, Endpoint::Embeddings, body.as_bytes())
    };
    for (input, elements, given) in [
        (json!("x"), 1, 0),
        (json!(["x", "y"]), 2, 0),
        (json!([1, 2, 3]), 1, 3),
        (json!([[1, 2], [3]]), 2, 3),
    ] {
        let facts = embed(input.clone()).unwrap();
        assert_eq!((facts.messages, facts.input.given), (elements, given), "{input}");
    }
    let many: Vec<&str> = vec!["x"; 17];
    for bad in [json!([]), json!(5), json!(null), json!({"a": MARK}), json!([[]]), json!(many)] {
        assert_eq!(refused(embed(bad.clone())).as_deref(), Some("input"), "{bad}");
    }
}

#[test]
fn the_largest_bound_and_the_first_name_hold() {
    let facts =
        chat(json!({"max_tokens": 5, "max_completion_tokens": 9, "n_predict": null})).unwrap();
    assert_eq!(facts.output_max, Some(9));
    for (change, expected) in [
        (json!({"user": "b", "safety_identifier": "a"}), Some("a")),
        (json!({"user": "b", "metadata": {"user_id": "c"}}), Some("b")),
        (json!({"user_id": "d"}), Some("d")),
        (json!({"metadata": {"user_id": "c"}}), Some("c")),
        (json!({"user": ""}), None),
        (json!({"metadata": {"other": 5}}), None),
    ] {
        assert_eq!(chat(change.clone()).unwrap().delegated.as_deref(), expected, "{change}");
    }
}

#[test]
fn anthropic_asks_for_max_tokens() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
    let result = ask(ClientDialect::Anthropic, Endpoint::Chat, body);
    assert_eq!(refused(result).as_deref(), Some("max_tokens"));
    assert!(ask(ClientDialect::Anthropic, Endpoint::CountTokens, body).is_ok());
}

#[test]
fn a_stream_that_is_ended_for_others_says_so_in_each_dialect() {
    let refusals = [
        Refusal::SlowReader { behind_s: 11 },
        Refusal::Shed { why: MARK.into(), retry_after: Duration::from_secs(30) },
    ];
    let mut shown = BytesMut::new();
    for refusal in &refusals {
        for client in [
            ClientDialect::OpenAi,
            ClientDialect::DeepSeek,
            ClientDialect::Responses,
            ClientDialect::Anthropic,
            ClientDialect::Ollama,
        ] {
            render_event(client, &ErrorBody::of(client, refusal, "req_1"), &mut shown);
        }
    }
    let shown = String::from_utf8(shown.to_vec()).unwrap();
    assert!(!shown.contains(MARK), "the operator's words are the operator's");
    insta::assert_snapshot!(shown);
}
