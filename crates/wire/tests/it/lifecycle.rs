//! How streams begin, break and end, and what goes upstream.

use bytes::{Bytes, BytesMut};
use serde_json::json;
use surgewall_core::config::schema::Dialect;
use surgewall_core::limits::SSE_EVENT_BYTES_MAX;
use surgewall_core::refusal::Refusal;
use surgewall_wire::answer::{self, AnswerOptions};
use surgewall_wire::error::ErrorBody;
use surgewall_wire::request::{self, UpstreamOptions};
use surgewall_wire::stream::{AnswerStream, StreamFault, StreamOptions};
use surgewall_wire::{ClientDialect, Endpoint};

use crate::support::{CLIENTS, LIMITS, run};

const CHUNK: &str =
    r#"{"model":"m","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}"#;
const STOP: &str = r#"{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str =
    r#"{"model":"m","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}"#;

fn options(client: ClientDialect) -> StreamOptions {
    StreamOptions {
        client,
        upstream: Dialect::Openai,
        endpoint: Endpoint::Chat,
        shown_model: None,
        include_usage: false,
        request_id: "req1".to_owned(),
        created_s: 1,
        input_tokens_estimate: 1,
        form: surgewall_wire::request::Form::default(),
    }
}

fn events(data: &[&str]) -> String {
    data.iter().map(|data| format!("data: {data}\n\n")).collect()
}

#[test]
fn usage_goes_out_only_where_it_was_asked_for() {
    let stream = events(&[CHUNK, STOP, USAGE, "[DONE]"]);
    let mut options = options(ClientDialect::OpenAi);
    let unasked = run(&options, [stream.as_bytes()]);
    assert_eq!(unasked.out, events(&[CHUNK, STOP, "[DONE]"]));
    assert_eq!(unasked.tally.reported.map(|usage| usage.total()), Some(4));
    options.include_usage = true;
    assert_eq!(run(&options, [stream.as_bytes()]).out, stream);
}

#[test]
fn what_comes_after_the_end_is_ignored() {
    let whole = events(&[CHUNK, STOP, "[DONE]"]);
    for tail in ["data: [DONE]\n\n", "data: not json\n\n", ": late\n\n", "garbage"] {
        for client in CLIENTS {
            let plain = run(&options(client), [whole.as_bytes()]);
            let one = run(&options(client), [format!("{whole}{tail}").as_bytes()]);
            let two = run(&options(client), [whole.as_bytes(), tail.as_bytes()]);
            assert_eq!(one.out, plain.out, "{client:?} {tail:?}");
            assert_eq!(two.out, plain.out, "{client:?} {tail:?}");
            assert!(one.done && two.done);
        }
    }
}

#[test]
fn a_finished_answer_is_completed_and_an_unfinished_one_is_not() {
    let two = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"},{"index":1,"delta":{"content":"x"}}]}"#;
    for (data, result) in [
        (vec![CHUNK, STOP], Ok(())),
        (vec![CHUNK, STOP, USAGE], Ok(())),
        (vec![CHUNK], Err(StreamFault::Truncated)),
        (vec![], Err(StreamFault::Truncated)),
        // The second choice has not ended.
        (vec![two], Err(StreamFault::Truncated)),
    ] {
        let run = run(&options(ClientDialect::OpenAi), [events(&data).as_bytes()]);
        assert_eq!(run.out.ends_with("data: [DONE]\n\n"), result.is_ok(), "{data:?}");
        assert_eq!((run.done, run.result), (result.is_ok(), result));
    }
}

#[test]
fn an_error_event_ends_a_stream_once() {
    for client in CLIENTS {
        let mut stream = AnswerStream::new(options(client));
        let mut out = BytesMut::new();
        stream.feed(events(&[CHUNK]).as_bytes(), &mut out).unwrap();
        let before = out.len();
        let error = ErrorBody::of(client, &Refusal::Draining, "req1");
        stream.fail(&error, &mut out);
        let shown = String::from_utf8(out[before..].to_vec()).unwrap();
        let (start, end) = match client {
            ClientDialect::Anthropic => ("event: error\ndata: ", "}\n\n"),
            ClientDialect::Ollama => ("{\"error\":", "}\n"),
            ClientDialect::Responses => ("event: response.failed\ndata: ", "}\n\n"),
            ClientDialect::OpenAi | ClientDialect::DeepSeek => ("data: ", "}\n\n"),
        };
        assert!(shown.starts_with(start) && shown.ends_with(end), "{shown}");
        assert!(shown.contains("\"code\":\"draining\""), "{shown}");
        assert!(stream.is_done());
        let ended = out.len();
        stream.fail(&error, &mut out);
        stream.feed(events(&[CHUNK, "[DONE]"]).as_bytes(), &mut out).unwrap();
        stream.finish(&mut out).unwrap();
        assert_eq!(out.len(), ended);
    }
}

#[test]
fn an_event_past_the_limit_breaks_the_stream() {
    let event = |bytes: usize| {
        let text = "x".repeat(bytes - events(&[CHUNK]).len() + 2);
        events(&[&CHUNK.replace("\"x\"", &format!("\"{text}\""))])
    };
    let run = |bytes| run(&options(ClientDialect::OpenAi), event(bytes).as_bytes().chunks(50_000));
    assert_eq!(run(SSE_EVENT_BYTES_MAX).result, Err(StreamFault::Truncated));
    assert_eq!(run(SSE_EVENT_BYTES_MAX + 1).result, Err(StreamFault::EventTooLarge));
}

#[test]
fn usage_that_is_no_count_is_no_report() {
    for usage in ["-1", "1.5", "\"7\"", "null", "1e300"] {
        let usage = USAGE.replace('3', usage);
        let run = run(&options(ClientDialect::OpenAi), [events(&[CHUNK, STOP, &usage]).as_bytes()]);
        assert_eq!((run.tally.reported, run.result), (None, Ok(())), "{usage}");
    }
}

fn upstream_body(body: &str, model: &str) -> String {
    let body = Bytes::from(body.to_owned());
    let facts = request::read(ClientDialect::OpenAi, Endpoint::Chat, &body, &LIMITS).unwrap();
    let upstream = UpstreamOptions { dialect: Dialect::Openai, output_tokens_default: 9 };
    let client = ClientDialect::OpenAi;
    let out =
        request::for_upstream(client, &upstream, Endpoint::Chat, &body, &facts, model).unwrap();
    String::from_utf8(out.to_vec()).unwrap()
}

#[test]
fn bodies_are_changed_in_place() {
    const M: &str = r#""messages":[{"role":"user","content":"x"}]"#;
    for (body, expected) in [
        (format!(r#" {{ "model" : "m" ,{M}}} "#), format!(r#" {{ "model" : "n\"" ,{M}}} "#)),
        (
            format!(r#"{{"stream":true,{M},"model":"m"}}"#),
            format!(
                r#"{{"stream_options":{{"include_usage":true}},"stream":true,{M},"model":"n\""}}"#
            ),
        ),
        (
            format!(r#"{{"stream":true,{M},"stream_options":null,"model":"m"}}"#),
            format!(
                r#"{{"stream":true,{M},"stream_options":{{"include_usage":true}},"model":"n\""}}"#
            ),
        ),
        (
            format!(r#"{{"stream":true,{M},"stream_options":{{}},"model":"m"}}"#),
            format!(
                r#"{{"stream":true,{M},"stream_options":{{"include_usage":true}},"model":"n\""}}"#
            ),
        ),
        (
            format!(r#"{{"stream":true,{M},"model":"m","stream_options":{{"a":1}}}}"#),
            format!(
                r#"{{"stream":true,{M},"model":"n\"","stream_options":{{"include_usage":true,"a":1}}}}"#
            ),
        ),
        (
            format!(
                r#"{{"stream":true,{M},"model":"m","stream_options":{{"include_usage":false}}}}"#
            ),
            format!(
                r#"{{"stream":true,{M},"model":"n\"","stream_options":{{"include_usage":true}}}}"#
            ),
        ),
        (
            format!(
                r#"{{"stream":true,{M},"model":"m","stream_options":{{"include_usage": true}}}}"#
            ),
            format!(
                r#"{{"stream":true,{M},"model":"n\"","stream_options":{{"include_usage": true}}}}"#
            ),
        ),
    ] {
        assert_eq!(upstream_body(&body, "n\""), expected);
    }
}

#[test]
fn the_prompt_is_what_the_model_reads_in_its_own_order() {
    let check = |client, endpoint, body: &str, parts: &[&str]| {
        let facts = request::read(client, endpoint, body.as_bytes(), &LIMITS).unwrap();
        let prompt = facts.prompt(body.as_bytes()).map(|part| std::str::from_utf8(part).unwrap());
        assert_eq!(prompt.collect::<Vec<_>>(), parts, "{body}");
        // Another body's facts give what there is, and no panic.
        assert!(facts.prompt(b"{}").all(<[u8]>::is_empty));
    };
    let chat = r#"{"messages":[{"role":"user","content":"a"}],"user":"u","model":"m","tools":[{"type":"function","function":{"name":"f"}}]}"#;
    let tools = r#"[{"type":"function","function":{"name":"f"}}]"#;
    let messages = r#"[{"role":"user","content":"a"}]"#;
    check(ClientDialect::OpenAi, Endpoint::Chat, chat, &[tools, messages]);
    let anthropic = r#"{"model":"m","max_tokens":5,"messages":[{"role":"user","content":"a"}],"system":"be kind"}"#;
    check(ClientDialect::Anthropic, Endpoint::Chat, anthropic, &["\"be kind\"", messages]);
    let completion = r#"{"model":"m","suffix":"z","prompt":"a b"}"#;
    check(ClientDialect::OpenAi, Endpoint::Completions, completion, &["\"a b\"", "\"z\""]);
    check(ClientDialect::OpenAi, Endpoint::Completions, r#"{"model":"m"}"#, &[]);
}

#[test]
fn facts_of_another_body_are_an_error_and_not_a_panic() {
    let body = Bytes::from(format!(
        r#"{{"messages":[{{"role":"user","content":"{}"}}],"model":"m"}}"#,
        "x".repeat(99)
    ));
    let facts = request::read(ClientDialect::OpenAi, Endpoint::Chat, &body, &LIMITS).unwrap();
    let upstream = UpstreamOptions { dialect: Dialect::Openai, output_tokens_default: 9 };
    let other = Bytes::from_static(b"{}");
    let client = ClientDialect::OpenAi;
    let result = request::for_upstream(client, &upstream, Endpoint::Chat, &other, &facts, "n");
    assert!(matches!(result, Err(Refusal::Internal { .. })));
}

#[test]
fn a_shown_model_is_put_into_an_answer() {
    for (upstream, client, body) in [
        (Dialect::Openai, ClientDialect::OpenAi, r#"{"choices":[], "model" : "up", "x":1}"#),
        (Dialect::Anthropic, ClientDialect::Anthropic, r#"{"content":[], "model" : "up", "x":1}"#),
    ] {
        let options = AnswerOptions {
            client,
            upstream,
            endpoint: Endpoint::Chat,
            shown_model: Some("shown".to_owned()),
            request_id: "req1".to_owned(),
            created_s: 1,
            input_tokens_estimate: 1,
            form: surgewall_wire::request::Form::default(),
        };
        let (out, _) = answer::for_client(&options, &Bytes::from(body.to_owned())).unwrap();
        assert_eq!(out, body.replace("up", "shown"));
    }
}

#[test]
fn an_error_never_holds_what_the_upstream_should_not_show() {
    let long =
        json!({"error": {"message": "x".repeat(9_999), "code": "y".repeat(999)}}).to_string();
    let fault = run(&options(ClientDialect::OpenAi), [events(&[&long]).as_bytes()]).result;
    let Err(StreamFault::UpstreamError(said)) = fault else { panic!("{fault:?}") };
    assert_eq!(said.message.unwrap().len(), 512);
    assert_eq!(said.code.unwrap().len(), 64);
}
