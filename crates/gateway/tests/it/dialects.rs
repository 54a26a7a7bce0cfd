//! Ollama's dialect on both sides and OpenAI's Responses, through the whole door.

use serde_json::{Value, json};
use surgewall_core::decision::Outcome;
use surgewall_core::usage::Source;
use surgewall_gateway::upstream::check_pool;
use surgewall_testkit::client::{Answer, tokens_in};
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// An upstream that speaks Ollama's dialect.
fn ollama(double: &Double, more: &str) -> String {
    let url = double.url();
    format!(
        "[[upstream]]\nname=\"local\"\ndialect=\"ollama\"\nurl=\"{url}\"\nhealth_interval_s=0\n{more}\n"
    )
}

/// The lines of a body of lines.
fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What the lines say together.
fn said(lines: &[Value]) -> String {
    let text = |line: &Value| {
        line["message"]["content"].as_str().or(line["response"].as_str()).unwrap_or("").to_owned()
    };
    lines.iter().map(text).collect()
}

/// The calls that the server saw, health checks left out.
fn calls(double: &Double) -> Vec<String> {
    let paths = double.requests().into_iter().map(|seen| seen.path);
    paths.filter(|path| !path.ends_with("/models")).collect()
}

fn tool() -> Value {
    json!({"name": "look", "parameters": {"type": "object",
        "properties": {"at": {"type": "string"}}, "required": ["at"]}})
}

#[tokio::test]
async fn an_ollama_server_answers_clients_of_every_dialect() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&ollama(&double, "")).await;
    let client = door.client().await;
    let body = |stream| chat("double", "say 5", stream);
    let openai = client.post("/v1/chat/completions", &body(false)).await.unwrap();
    let text = "tok0 tok1 tok2 tok3 tok4 ";
    assert_eq!(openai.json()["choices"][0]["message"]["content"], text);
    assert_eq!(openai.json()["usage"]["completion_tokens"], 5);
    let streamed = client.events("/v1/chat/completions", &body(true)).await.unwrap();
    assert!(streamed.is_done() && streamed.text() == text, "{:?}", streamed.events);
    let anthropic = client.events("/v1/messages", &body(true)).await.unwrap();
    assert!(anthropic.is_done() && anthropic.text() == text, "{:?}", anthropic.events);
    let completion = json!({"model": "double", "prompt": "say 5", "stream": true});
    let completion = client.events("/v1/completions", &completion).await.unwrap();
    assert!(completion.is_done());
    let parts = completion.events.iter().map(|event| event.json()["choices"][0]["text"].clone());
    let parts: String = parts.filter_map(|part| part.as_str().map(str::to_owned)).collect();
    assert_eq!(parts, text);
    let own = json!({"model": "double", "messages": [{"role": "user", "content": "say 5"}]});
    let own = client.post("/api/chat", &own).await.unwrap();
    assert_eq!(said(&lines(&own)), text);
    let responses = json!({"model": "double", "input": "say 5"});
    let responses = client.post("/v1/responses", &responses).await.unwrap();
    assert_eq!(responses.json()["output"][0]["content"][0]["text"], text);
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.settled.len(), 6);
    for settled in &story.settled {
        assert_eq!((settled.usage.output, settled.source), (5, Source::Upstream), "{settled:?}");
    }
    let paths: Vec<_> = double.requests().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths.iter().filter(|path| *path == "/api/chat").count(), 5);
    assert_eq!(paths.iter().filter(|path| *path == "/api/generate").count(), 1);
}

#[tokio::test]
async fn tools_embeddings_and_thinking_of_an_ollama_server_reach_other_clients() {
    let double = Double::start("reasoning=2".parse().unwrap());
    let door = TestDoor::start(&ollama(&double, "")).await;
    let client = door.client().await;
    for stream in [false, true] {
        let body = json!({"model": "double", "stream": stream,
            "tools": [{"type": "function", "function": tool()}],
            "messages": [{"role": "user", "content": "call the tool"}]});
        let answer = client.post("/v1/chat/completions", &body).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(text.contains("\"name\":\"look\"") && text.contains("\"tool_calls\""), "{text}");
        assert!(text.contains("reasoning_content") && text.contains("call_req_"), "{text}");
        assert!(text.contains("\"finish_reason\":\"tool_calls\""), "{text}");
    }
    for (format, is_text) in [("float", false), ("base64", true)] {
        let body = json!({"model": "double", "input": ["a", "b"], "encoding_format": format});
        let answer = client.post("/v1/embeddings", &body).await.unwrap().json();
        assert_eq!(answer["data"].as_array().unwrap().len(), 2);
        assert_eq!(answer["data"][1]["embedding"].is_string(), is_text, "{answer}");
    }
    let sent = double.requests().pop().unwrap();
    assert_eq!((sent.path.as_str(), sent.json()["input"][1].as_str()), ("/api/embed", Some("b")));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn an_ollama_servers_models_are_listed_and_its_errors_keep_their_words() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&ollama(&double, "models=[\"*\"]")).await;
    let pool = door.door().policy().pools.named("local").unwrap();
    check_pool(door.door(), &pool).await;
    let client = door.client().await;
    let models = client.get("/v1/models").await.unwrap().json();
    assert!(models.to_string().contains("\"double\""), "{models}");
    let tags = client.get("/api/tags").await.unwrap().json();
    assert!(tags["models"].to_string().contains("\"model\":\"double\""), "{tags}");
    double.set("status code=404".parse().unwrap());
    let missing =
        client.post("/v1/chat/completions", &chat("double", "say 5", false)).await.unwrap();
    assert_eq!(missing.status, 404);
    assert_eq!(missing.json()["error"]["message"], "The double was asked to fail.");
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn an_ollama_server_that_fails_in_mid_stream_is_contained() {
    for behaviour in [
        "error_event after=3",
        "die after=3",
        "cut after=3",
        "garbage after=3",
        "stall after=3",
        "oversize after=3 bytes=2000000",
    ] {
        let double = Double::start(behaviour.parse().unwrap());
        let times = "first_token_timeout_s=2\nidle_gap_timeout_s=1\ntotal_timeout_s=10";
        let door = TestDoor::start(&ollama(&double, times)).await;
        let client = door.client().await;
        let body = chat("double", "say 40", true);
        let streamed = client.events("/v1/chat/completions", &body).await.unwrap();
        assert!(!streamed.is_done(), "{behaviour}");
        let last = streamed.events.last().unwrap().json();
        assert!(last["error"]["code"].is_string(), "{behaviour}: {last}");
        let own = json!({"model": "double", "messages": [{"role": "user", "content": "say 40"}]});
        let own = client.post("/api/chat", &own).await.unwrap();
        let own = lines(&own);
        assert!(own.last().unwrap()["error"].is_string(), "{behaviour}: {own:?}");
        assert!(tokens_in(&said(&own)) >= 3, "{behaviour}: {own:?}");
        door.settled().await;
        let story = door.stop().await;
        story.check_conservation();
        for settled in &story.settled {
            assert_eq!(settled.outcome, Outcome::UpstreamBroke, "{behaviour}");
            assert!(settled.usage.output >= 3, "{behaviour}: {settled:?}");
        }
    }
}

#[tokio::test]
async fn ollamas_clients_are_served_by_servers_of_other_dialects() {
    let double = Double::start("comments=5 first=30".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    let messages = json!([{"role": "user", "content": "say 5"}]);
    let streamed = json!({"model": "double", "messages": messages});
    let streamed = client.post("/api/chat", &streamed).await.unwrap();
    assert_eq!(streamed.header("content-type"), Some("application/x-ndjson"));
    let all = lines(&streamed);
    assert_eq!(said(&all), "tok0 tok1 tok2 tok3 tok4 ");
    let last = all.last().unwrap();
    assert_eq!((&last["done"], &last["eval_count"]), (&json!(true), &json!(5)), "{last}");
    let generate = json!({"model": "double", "prompt": "say 5", "system": "x", "stream": false});
    let generate = client.post("/api/generate", &generate).await.unwrap();
    assert_eq!(generate.header("content-type"), Some("application/json"));
    assert_eq!(generate.json()["response"], "tok0 tok1 tok2 tok3 tok4 ");
    assert_eq!(double.requests().pop().unwrap().path, "/v1/chat/completions");
    let embed = client.post("/api/embed", &json!({"model": "double", "input": "a"})).await;
    assert_eq!(embed.unwrap().json()["embeddings"].as_array().unwrap().len(), 1);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn ollamas_clients_see_its_errors_its_version_and_their_models() {
    let double = Double::start(Behaviour::default());
    let config = upstream("local", &double.url(), "models=[\"double\"]");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let version = door.stranger().get("/api/version").await.unwrap().json();
    assert!(version["emulated_by"].as_str().unwrap().starts_with("surgewall "), "{version}");
    let shown = client.post("/api/show", &json!({"model": "double"})).await.unwrap();
    assert!(shown.json()["capabilities"].is_array(), "{:?}", shown.body);
    let unknown = door.stranger().post("/api/show", &json!({"model": "double"})).await.unwrap();
    assert_eq!(unknown.status, 401);
    assert!(unknown.json()["error"].is_string(), "{:?}", unknown.body);
    let options = json!({"num_ctx": 1});
    let body = json!({"model": "double", "prompt": "a", "options": options});
    let refused = client.post("/api/generate", &body).await.unwrap();
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("unsupported_parameter")));
    let deep = format!("{{\"model\":{}1{}}}", "[".repeat(500), "]".repeat(500));
    let deep = client.whole(http::Method::POST, "/api/show", deep.into()).await.unwrap();
    assert_eq!(deep.status, 400);
    assert_eq!(client.get("/api/pull").await.unwrap().status, 404);
    let story = door.stop().await;
    story.check_conservation();
    assert!(calls(&double).is_empty(), "a refused request reached the server");
}

#[tokio::test]
async fn responses_are_served_whole_and_streamed() {
    let double = Double::start("reasoning=2 cached=1".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    let ask = |stream: bool| {
        json!({"model": "double", "instructions": "x", "input": "say 5", "stream": stream,
            "max_output_tokens": 50, "metadata": {"a": "b"}})
    };
    let whole = client.post("/v1/responses", &ask(false)).await.unwrap().json();
    assert_eq!((&whole["object"], &whole["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(whole["output"][0]["type"], "reasoning");
    assert_eq!(whole["output"][1]["content"][0]["text"], "tok0 tok1 tok2 tok3 tok4 ");
    assert_eq!(whole["usage"]["output_tokens_details"]["reasoning_tokens"], 2);
    assert_eq!(whole["usage"]["input_tokens_details"]["cached_tokens"], 1);
    assert_eq!((&whole["store"], &whole["metadata"]["a"]), (&json!(false), &json!("b")));
    let streamed = client.events("/v1/responses", &ask(true)).await.unwrap();
    for (at, event) in streamed.events.iter().enumerate() {
        let data = event.json();
        assert_eq!(data["sequence_number"], at, "{data}");
        assert_eq!(event.name.as_deref(), data["type"].as_str(), "{data}");
    }
    let last = streamed.events.last().unwrap().json();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["response"]["usage"], whole["usage"]);
    assert_eq!(last["response"]["output"][1]["content"], whole["output"][1]["content"]);
    let story = door.stop().await;
    story.check_conservation();
    for settled in &story.settled {
        assert_eq!((settled.usage.output, settled.source), (7, Source::Upstream));
    }
}

#[tokio::test]
async fn responses_refuse_what_needs_a_memory_and_fail_in_their_own_shape() {
    let double = Double::start("error_event after=3".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    for (name, value) in [
        ("previous_response_id", json!("resp_1")),
        ("conversation", json!("conv_1")),
        ("background", json!(true)),
        ("input", json!([{"type": "item_reference", "id": "msg_1"}])),
        ("tools", json!([{"type": "web_search"}])),
    ] {
        let mut body = json!({"model": "double", "input": "say 5"});
        body[name] = value;
        let refused = client.post("/v1/responses", &body).await.unwrap();
        let error = &refused.json()["error"];
        assert_eq!((refused.status, &error["code"]), (400, &json!("unsupported_parameter")));
    }
    assert!(calls(&double).is_empty(), "a refused request reached the server");
    let body = json!({"model": "double", "input": "say 9", "stream": true});
    let streamed = client.events("/v1/responses", &body).await.unwrap();
    let last = streamed.events.last().unwrap().json();
    assert_eq!(last["type"], "response.failed");
    assert_eq!(last["response"]["status"], "failed");
    assert_eq!(last["response"]["error"]["message"], "The double is overloaded.");
    door.settled().await;
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn the_handbook_answers_the_new_dialects() {
    let door = TestDoor::start("").await;
    let client = door.stranger();
    let question = "How do I revoke a key?";
    let messages = json!([{"role": "user", "content": question}]);
    let own = json!({"model": "handbook", "messages": messages});
    let own = said(&lines(&client.post("/api/chat", &own).await.unwrap()));
    assert!(own.contains("docs/keys.md"), "{own}");
    let generate = json!({"model": "handbook", "prompt": question, "stream": false});
    let generate = client.post("/api/generate", &generate).await.unwrap();
    assert_eq!(generate.json()["response"], own, "{:?}", generate.body);
    let responses = json!({"model": "handbook", "input": question});
    let responses = client.post("/v1/responses", &responses).await.unwrap();
    assert_eq!(responses.json()["output"][0]["content"][0]["text"], own);
    door.stop().await.check_conservation();
}
