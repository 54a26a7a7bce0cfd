//! What a rule takes out of a request is given to no upstream, and comes back in
//! the answer to that request, however the model cuts it; and nowhere else.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use surgewall_store::admin::{GroupCreate, KeyCreate, Request};
use surgewall_testkit::client::Client;

use crate::harness::{TestDoor, upstream};

const PATH: &str = "/v1/chat/completions";
const EMAIL: &str = "ada.lovelace@example.org";
const SECRET: &str = "sk_live_4eC39HqLyjWDarjtT1zdp7dc";

/// A model server that says what it was told, letter by letter on a stream.
struct Parrot {
    url: String,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Parrot {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bodies: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let heard = heard.clone();
                std::thread::spawn(move || answer(stream, &heard));
            }
        });
        Self { url, bodies }
    }

    /// The bodies that it was given since the last time.
    fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.bodies.lock().unwrap())
    }
}

fn answer(mut stream: TcpStream, heard: &Mutex<Vec<String>>) {
    let Some(body) = body(&mut stream) else { return };
    let asked: Value = serde_json::from_str(&body).unwrap();
    heard.lock().unwrap().push(body);
    let said = asked["messages"].as_array().unwrap().last().unwrap()["content"].clone();
    let said = said.as_str().unwrap().to_owned();
    let usage = json!({"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18});
    let (kind, text) = if asked["stream"] == true {
        let chunk = |choice: Value| json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        let mut text = String::new();
        for letter in said.chars() {
            let delta = json!({"index": 0, "delta": {"content": letter.to_string()}, "finish_reason": null});
            text += &format!("data: {}\n\n", chunk(delta));
        }
        let end = chunk(json!({"index": 0, "delta": {}, "finish_reason": "stop"}));
        let counted = json!({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage});
        text += &format!("data: {end}\n\ndata: {counted}\n\ndata: [DONE]\n\n");
        ("text/event-stream", text)
    } else {
        let message = json!({"role": "assistant", "content": said});
        let whole = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage});
        ("application/json", whole.to_string())
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes()).ok();
}

/// The body of a request, if one comes.
fn body(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4_096];
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase();
        let length = length.split_once("content-length: ")?.1.lines().next()?.trim().to_owned();
        if body.len() >= length.parse().ok()? {
            return Some(body.to_owned());
        }
    }
}

fn asked(text: &str, stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "max_tokens": 400, "messages": [{"role": "user", "content": text}]})
}

fn rule(more: &str) -> String {
    format!("[[rule]]\nid=\"out\"\nkind=\"redact\"\n{more}\n")
}

fn config(parrot: &Parrot, more: &str) -> String {
    upstream("lab", &parrot.url, "models=[\"m\"]") + more
}

/// What an answer says, in whichever dialect it was asked in.
async fn said(client: &Client, path: &str, text: &str, stream: bool) -> String {
    let mut body = asked(text, stream);
    if path == "/api/chat" {
        body.as_object_mut().unwrap().remove("max_tokens");
    }
    let answer = client.post(path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{path} {:?}", answer.body);
    let dialect = match path {
        "/v1/messages" => surgewall_wire::ClientDialect::Anthropic,
        "/api/chat" => surgewall_wire::ClientDialect::Ollama,
        _ => surgewall_wire::ClientDialect::OpenAi,
    };
    let mut text = surgewall_wire::said::AnswerText::new(dialect, 1 << 20);
    if stream {
        text.delivered(&answer.body);
    } else {
        text.whole(&answer.body);
    }
    text.finish().0
}

#[tokio::test]
async fn no_upstream_is_given_it_and_the_answer_has_it_again_in_every_dialect() {
    let parrot = Parrot::start();
    let door = TestDoor::start(&config(&parrot, &rule(""))).await;
    let client = door.client().await;
    let text = format!("write to {EMAIL}, key {SECRET}, [email:000000000000] [em");
    for path in [PATH, "/v1/messages", "/api/chat"] {
        for stream in [false, true] {
            let said = said(&client, path, &text, stream).await;
            assert!(said.contains(&format!("write to {EMAIL}, key [secret:")), "{path}: {said}");
            assert!(said.contains("[email:000000000000] [em"), "{path} {stream}: {said}");
            assert!(!said.contains(SECRET), "what is secret does not come back");
            for body in parrot.heard() {
                assert!(!body.contains(EMAIL) && !body.contains(SECRET), "{body}");
                assert!(body.contains("[email:") && body.contains("[secret:"), "{body}");
            }
        }
    }
    let story = door.stop().await;
    story.check_conservation();
    for admitted in &story.admitted {
        assert_eq!(admitted.carried.redacted.to_string(), "secret, email");
    }
}

#[tokio::test]
async fn words_are_each_requests_own() {
    let parrot = Parrot::start();
    let door = TestDoor::start(&config(&parrot, &rule(""))).await;
    let client = door.client().await;
    let mut words = Vec::new();
    for _ in 0..2 {
        said(&client, PATH, EMAIL, false).await;
        let heard: Value = serde_json::from_str(&parrot.heard()[0]).unwrap();
        words.push(heard["messages"][0]["content"].as_str().unwrap().to_owned());
    }
    assert_ne!(words[0], words[1]);
    // Whoever learns another request's word gets a word.
    let text = format!("{} and bob@example.org", words[0]);
    let expected = format!("{} and bob@example.org", words[0]);
    for stream in [false, true] {
        assert!(said(&client, PATH, &text, stream).await.contains(&expected));
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn where_the_rule_does_not_hold_bodies_are_byte_by_byte_the_clients() {
    let parrot = Parrot::start();
    let more = rule("groups=[\"clinic\"]\nclasses=[\"email\"]");
    let door = TestDoor::start(&config(&parrot, &more)).await;
    let client = door.client().await;
    door.operate(Request::GroupCreate(GroupCreate { name: "clinic".into(), limits: vec![] })).await;
    let key = KeyCreate { name: "c".into(), group: Some("clinic".into()), ..KeyCreate::default() };
    let clinic = door.stranger().with_key(&door.key(key).await);
    for (client, text) in [(&client, EMAIL), (&clinic, "nothing"), (&clinic, SECRET)] {
        let sent = asked(text, false);
        client.post(PATH, &sent).await.unwrap();
        assert_eq!(parrot.heard(), [sent.to_string()]);
    }
    clinic.post(PATH, &asked(EMAIL, false)).await.unwrap();
    assert!(!parrot.heard()[0].contains(EMAIL));
    let redacted: Vec<_> =
        door.stop().await.admitted.iter().map(|a| a.carried.redacted.to_string()).collect();
    assert_eq!(redacted, ["", "", "", "email"]);
}

#[tokio::test]
async fn a_rule_for_one_upstream_is_no_claim_about_another_and_in_shadow_it_counts() {
    let (lab, own) = (Parrot::start(), Parrot::start());
    let config = upstream("lab", &lab.url, "models=[\"m\"]\nweight=1000")
        + &upstream("own", &own.url, "models=[\"m\"]\nweight=1")
        + &rule("upstreams=[\"lab\"]")
        + "[[rule]]\nid=\"all\"\nkind=\"redact\"\nstate=\"shadow\"\n";
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    for _ in 0..20 {
        client.post(PATH, &asked(EMAIL, false)).await.unwrap();
    }
    assert!(lab.heard().iter().all(|body| !body.contains(EMAIL)));
    assert!(own.heard().iter().all(|body| body.contains(EMAIL)));
    let metrics = Client::new(&door.admin_url).get("/metrics").await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    for (rule, effect) in [("out", "redacted"), ("all", "would_redact")] {
        let line = format!("surgewall_rule_hits_total{{rule=\"{rule}\",effect=\"{effect}\"}} 20");
        assert!(metrics.contains(&line), "{metrics}");
    }
    for admitted in door.stop().await.admitted {
        assert_eq!(admitted.carried.redacted.to_string(), "", "it may have gone to the other one");
        assert_eq!(admitted.carried.shadow, ["all"]);
    }
}
