//! What Ollama's and Responses' requests are read as, and what is refused of them.

use bytes::Bytes;
use serde_json::{Value, json};
use surgewall_core::config::schema::Dialect;
use surgewall_core::refusal::Refusal;
use surgewall_wire::request::{self, Facts, UpstreamOptions, read};
use surgewall_wire::{ClientDialect, Endpoint};

use crate::support::LIMITS;

fn ollama(endpoint: Endpoint, body: &Value) -> Result<Facts, Refusal> {
    read(ClientDialect::Ollama, endpoint, body.to_string().as_bytes(), &LIMITS)
}

fn responses(body: &Value) -> Result<Facts, Refusal> {
    read(ClientDialect::Responses, Endpoint::Chat, body.to_string().as_bytes(), &LIMITS)
}

fn message() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

#[test]
fn ollama_streams_unless_told_not_to() {
    for (endpoint, more, stream) in [
        (Endpoint::Chat, json!({"messages": message()}), true),
        (Endpoint::Chat, json!({"messages": message(), "stream": null}), true),
        (Endpoint::Chat, json!({"messages": message(), "stream": false}), false),
        (Endpoint::Completions, json!({"prompt": "a"}), true),
        (Endpoint::Embeddings, json!({"input": "a", "stream": true}), false),
    ] {
        let mut body = json!({"model": "m"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        assert_eq!(ollama(endpoint, &body).unwrap().stream, stream, "{body}");
    }
}

#[test]
fn ollamas_bound_is_read_and_options_of_the_server_are_refused() {
    let ask = |options: Value| {
        ollama(Endpoint::Chat, &json!({"model": "m", "messages": message(), "options": options}))
    };
    for (options, bound) in [
        (json!(null), None),
        (json!({}), None),
        (json!({"num_predict": 9}), Some(9)),
        (json!({"num_predict": -1}), None),
        (json!({"num_predict": 0}), None),
        (json!({"mirostat": 1, "num_ctx": null}), None),
    ] {
        assert_eq!(ask(options.clone()).unwrap().output_max, bound, "{options}");
    }
    for (options, code, param) in [
        (json!({"num_ctx": 9}), "unsupported_parameter", "options.num_ctx"),
        (json!({"num_gpu": 0}), "unsupported_parameter", "options.num_gpu"),
        (json!({"Num_Ctx": 9}), "invalid_request", "options"),
        (json!({"num_predict": "9"}), "invalid_request", "options"),
        (json!({"num_predict": 1.5}), "invalid_request", "options"),
        (json!([]), "invalid_request", "options"),
    ] {
        let refusal = ask(options.clone()).expect_err("it was taken");
        assert_eq!((refusal.row().code, refusal.param()), (code, Some(param)), "{options}");
    }
}

#[test]
fn how_long_a_model_stays_loaded_is_not_a_callers_to_say() {
    let body = r#"{"model":"m", "keep_alive" : "0", "messages":[{"role":"user","content":"hi"}]}"#;
    let body = Bytes::from(body);
    let facts = read(ClientDialect::Ollama, Endpoint::Chat, &body, &LIMITS).unwrap();
    let upstream = UpstreamOptions { dialect: Dialect::Ollama, output_tokens_default: 1 };
    let endpoint = Endpoint::Chat;
    let sent =
        request::for_upstream(ClientDialect::Ollama, &upstream, endpoint, &body, &facts, "other");
    let expected =
        r#"{"model":"other", "keep_alive" : null, "messages":[{"role":"user","content":"hi"}]}"#;
    assert_eq!(sent.unwrap(), expected);
}

#[test]
fn pictures_beside_the_text_are_counted() {
    let picture = "iVBORw0KGgo".repeat(10);
    let messages = json!([{"role": "user", "content": "hi", "images": [picture, picture]}]);
    let chat = ollama(Endpoint::Chat, &json!({"model": "m", "messages": messages}));
    assert_eq!(chat.unwrap().images, 2);
    let body = json!({"model": "m", "prompt": "hi", "images": [picture]});
    assert_eq!(ollama(Endpoint::Completions, &body).unwrap().images, 1);
    let input = json!([{"role": "user", "content": [
        {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA=="},
    ]}]);
    assert_eq!(responses(&json!({"model": "m", "input": input})).unwrap().images, 2);
}

#[test]
fn what_needs_a_memory_is_refused_by_name() {
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("conversation", json!({"id": "conv_1"})),
        ("background", json!(true)),
        ("prompt", json!({"id": "pmpt_1"})),
        ("context_management", json!([{"type": "compaction"}])),
    ] {
        let mut body = json!({"model": "m", "input": "hi"});
        body[name] = value;
        let refusal = responses(&body).expect_err("it was taken");
        assert_eq!((refusal.row().code, refusal.param()), ("unsupported_parameter", Some(name)));
    }
    let body = json!({"model": "m", "input": "hi", "store": true, "background": false,
        "previous_response_id": null, "max_output_tokens": 7, "user": "ann"});
    let facts = responses(&body).unwrap();
    assert_eq!((facts.output_max, facts.delegated.as_deref()), (Some(7), Some("ann")));
    assert!(!facts.stream && facts.messages == 1);
    assert_eq!(facts.form.echo, r#"{"max_output_tokens":7,"user":"ann"}"#);
}

#[test]
fn items_and_tools_are_limited() {
    let items = |n: u32| {
        let item = json!({"role": "user", "content": "hi"});
        json!({"model": "m", "input": vec![item; n as usize]})
    };
    assert!(responses(&items(LIMITS.messages_max)).is_ok());
    let refusal = responses(&items(LIMITS.messages_max + 1)).unwrap_err();
    assert_eq!(refusal.param(), Some("input"));
    let tools = |n: u32| {
        let tool = json!({"type": "function", "name": "f"});
        json!({"model": "m", "input": "hi", "tools": vec![tool; n as usize]})
    };
    assert!(responses(&tools(LIMITS.tools_max)).is_ok());
    assert_eq!(responses(&tools(LIMITS.tools_max + 1)).unwrap_err().param(), Some("tools"));
    for input in [json!(null), json!([]), json!(7), json!({"role": "user"})] {
        let refusal = responses(&json!({"model": "m", "input": input})).unwrap_err();
        assert_eq!(refusal.param(), Some("input"), "{input}");
    }
}
