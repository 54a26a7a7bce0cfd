//! Answers in both dialects, and what the double records of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use surgewall_testkit::client::{Client, End, Flow};
use surgewall_testkit::double::{Behaviour, Double};

fn ask(text: &str, more: &Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": text}]});
    if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
        body.extend(more.clone());
    }
    body
}

const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

#[tokio::test]
async fn a_stream_has_the_tokens_asked_for_and_usage_only_if_asked() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url()).with_header("x-request-id", "r1");
    let body = ask("say 20", &json!({"stream": true}));
    let streamed = client.events(CHAT, &body).await.unwrap();
    assert_eq!((streamed.tokens(), streamed.usage()), (20, None));
    assert!(streamed.is_done());
    let more = json!({"stream": true, "max_tokens": 5, "stream_options": {"include_usage": true}});
    let streamed = client.events(CHAT, &ask("say 20", &more)).await.unwrap();
    assert_eq!(streamed.usage().unwrap()["completion_tokens"], 5);
    assert!(streamed.events.iter().any(|e| e.json()["choices"][0]["finish_reason"] == "length"));
    let seen = double.requests_of("r1");
    assert_eq!((seen.len(), seen[0].produced, seen[1].produced), (2, 20, 5));
    assert!(seen.iter().all(|seen| seen.finished && !seen.aborted));
    assert_eq!(seen[0].json(), body);
}

#[tokio::test]
async fn both_dialects_answer_whole_with_text_tools_and_thinking() {
    let double = Double::start("reasoning=2".parse().unwrap());
    let client = Client::new(&double.url());
    let schema =
        json!({"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}});
    let chat = client.post(CHAT, &ask("say 3", &json!({}))).await.unwrap().json();
    let message = &chat["choices"][0]["message"];
    assert_eq!(message["content"], "tok0 tok1 tok2 ");
    assert_eq!(message["reasoning_content"], "think0 think1 ");
    assert_eq!(chat["usage"]["completion_tokens"], 5);
    let tools =
        json!([{"type": "function", "function": {"name": "weather", "parameters": schema}}]);
    let chat =
        client.post(CHAT, &ask("call the tool", &json!({"tools": tools}))).await.unwrap().json();
    let call = &chat["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(
        (&call["name"], &call["arguments"]),
        (&json!("weather"), &json!("{\"city\":\"Paris\"}"))
    );
    let format = json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}});
    let chat =
        client.post(CHAT, &ask("x", &json!({"response_format": format}))).await.unwrap().json();
    assert_eq!(chat["choices"][0]["message"]["content"], "{\"city\":\"Paris\"}");
    let tools = json!([{"name": "weather", "input_schema": schema}]);
    let more = json!({"tools": tools, "max_tokens": 50});
    let message = client.post(MESSAGES, &ask("call the tool", &more)).await.unwrap().json();
    assert_eq!(message["content"][0]["thinking"], "think0 think1 ");
    assert_eq!(message["content"][1]["input"], json!({"city": "Paris"}));
    assert_eq!(message["stop_reason"], "tool_use");
}

#[tokio::test]
async fn streamed_tool_calls_and_structured_output_join_to_the_whole() {
    let double = Double::start(Behaviour::default());
    let client = Client::new(&double.url());
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "quote\"d": {"type": "integer"}}});
    let whole = "{\"city\":\"Paris\",\"quote\\\"d\":7}";
    let tools = json!([{"type": "function", "function": {"name": "t", "parameters": schema}}]);
    let body = ask("call the tool", &json!({"tools": tools, "stream": true}));
    let streamed = client.events(CHAT, &body).await.unwrap();
    let place = "/choices/0/delta/tool_calls/0/function/arguments";
    let pieces =
        streamed.events.iter().filter_map(|e| Some(e.json().pointer(place)?.as_str()?.to_owned()));
    assert_eq!(pieces.collect::<String>(), whole);
    let format = json!({"type": "json_schema", "json_schema": {"schema": schema}});
    let body = ask("x", &json!({"response_format": format, "stream": true}));
    assert_eq!(client.events(CHAT, &body).await.unwrap().text(), whole);
    let tools = json!([{"name": "t", "input_schema": schema}]);
    let body = ask("call the tool", &json!({"tools": tools, "stream": true, "max_tokens": 9}));
    let streamed = client.events(MESSAGES, &body).await.unwrap();
    let pieces = streamed
        .events
        .iter()
        .filter_map(|e| Some(e.json().pointer("/delta/partial_json")?.as_str()?.to_owned()));
    assert_eq!(pieces.collect::<String>(), whole);
    assert!(streamed.is_done());
}

#[tokio::test]
async fn the_other_routes_answer() {
    let double = Double::start("models=a,b".parse().unwrap());
    let client = Client::new(&double.url());
    let models = client.get("/v1/models").await.unwrap().json();
    assert_eq!((&models["data"][0]["id"], &models["data"][1]["id"]), (&json!("a"), &json!("b")));
    assert_eq!(client.get("/v1/models/b").await.unwrap().status, 200);
    assert_eq!(client.get("/v1/models/c").await.unwrap().status, 404);
    let anthropic = client.clone().with_header("anthropic-version", "2023-06-01");
    assert_eq!(anthropic.get("/v1/models").await.unwrap().json()["first_id"], "a");
    let body = json!({"model": "e", "input": ["x", "y"], "dimensions": 3});
    let embeddings = client.post("/v1/embeddings", &body).await.unwrap().json();
    assert_eq!(embeddings["data"][1]["embedding"].as_array().unwrap().len(), 3);
    let count =
        client.post("/v1/messages/count_tokens", &ask("12345678", &json!({}))).await.unwrap();
    assert_eq!(count.json()["input_tokens"], 2);
    let body = json!({"model": "m", "prompt": "say 2", "stream": true});
    let text = client.events("/v1/completions", &body).await.unwrap();
    assert_eq!(text.tokens(), 2);
    assert_eq!(client.get("/health").await.unwrap().status, 200);
    assert_eq!(client.get("/nothing").await.unwrap().status, 404);
    let stats = client.get("/double/stats").await.unwrap().json();
    assert_eq!((&stats["total"], &stats["in_flight"]), (&json!(8), &json!(0)));
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_and_what_was_made_is_counted() {
    let double = Double::start("rate=200 tokens=1000".parse().unwrap());
    let client = Client::new(&double.url());
    for (path, stream) in [(CHAT, true), (MESSAGES, true), (CHAT, false)] {
        double.clear();
        let body = ask("x", &json!({"stream": stream}));
        if stream {
            let mut tokens = 0;
            let leave = client.stream(path, &body, |event| {
                tokens += u64::from(!event.text().is_empty());
                if tokens == 5 { Flow::Leave } else { Flow::Continue }
            });
            assert_eq!(leave.await.unwrap().end, End::Left);
        } else {
            let call = client.post(path, &body);
            assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err());
        }
        assert!(double.idle(Duration::from_secs(2)).await, "{path} {stream}");
        let seen = double.requests().remove(0);
        assert!(seen.aborted && !seen.finished);
        assert!((5..200).contains(&seen.produced), "{}", seen.produced);
    }
}

#[tokio::test]
async fn a_pace_is_kept() {
    let double = Double::start("first=100 rate=100 tokens=11".parse().unwrap());
    let client = Client::new(&double.url());
    let streamed = client.events(CHAT, &ask("x", &json!({"stream": true}))).await.unwrap();
    let at: Vec<_> =
        streamed.events.iter().filter(|e| !e.text().is_empty()).map(|e| e.at).collect();
    assert!(at[0] - streamed.sent_at >= Duration::from_millis(100));
    assert!(at[10] - at[0] >= Duration::from_millis(95), "{:?}", at[10] - at[0]);
}

#[tokio::test]
async fn slots_bound_what_runs_at_once_and_the_queue_what_waits() {
    let double = Double::start("slots=1 queue=1 first=150".parse().unwrap());
    let client = Client::new(&double.url());
    let body = ask("say 1", &json!({}));
    let (first, second, third) =
        tokio::join!(client.post(CHAT, &body), client.post(CHAT, &body), client.post(CHAT, &body),);
    let mut statuses = [first, second, third].map(|answer| answer.unwrap().status);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 503]);
}

#[tokio::test(start_paused = true)]
async fn an_in_memory_network_and_a_paused_clock_do_as_well() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let double = Arc::new(Double::start("first=60000 tokens=2".parse().unwrap()));
    let (mut client, server) = tokio::io::duplex(64 << 10);
    let body = ask("x", &json!({"stream": true})).to_string();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let talk = async {
        client.write_all((head + &body).as_bytes()).await.unwrap();
        let mut read = String::new();
        client.read_to_string(&mut read).await.unwrap();
        read
    };
    let begin = tokio::time::Instant::now();
    let ((), read) = tokio::join!(double.serve(server), talk);
    assert!(read.contains("tok1 ") && read.contains("[DONE]"));
    assert!(begin.elapsed() >= Duration::from_secs(60));
}
