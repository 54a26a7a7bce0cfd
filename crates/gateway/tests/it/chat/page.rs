//! A page: it keeps its cookies, says where it comes from, and watches answers.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use surgewall_testkit::client::{Answer, Client};

use crate::harness::TestDoor;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A page of one browser.
#[derive(Clone)]
pub(crate) struct Page {
    client: Client,
}

impl Page {
    /// A page of `door` in a fresh browser.
    pub(crate) fn of(door: &TestDoor) -> Self {
        let client = door.stranger().with_header("sec-fetch-site", "same-origin");
        Self { client }
    }

    /// The same page with this cookie.
    pub(crate) fn with_cookie(&self, cookie: &str) -> Self {
        self.with_header("cookie", cookie)
    }

    /// The same page with one more header.
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        Self { client: self.client.clone().with_header(name, value) }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.client.whole(method, path, body).await.unwrap()
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Bytes) -> Answer {
        self.client.whole(method, path, body).await.unwrap()
    }

    /// An answer as it comes.
    pub(crate) async fn open(&self, path: &str) -> http::Response<Incoming> {
        self.client.send(Method::GET, path, Bytes::new()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path, body).await
    }

    /// Asks without an account; the page that has the cookie that came, and the answer's id.
    pub(crate) async fn ask(&self, id: u128, model: &str, text: &str) -> (Self, String) {
        let id = format!("{id:032x}");
        let body = json!({"id": id, "model": model, "messages": [{"role": "user", "text": text}]});
        let answer = self.post("/app/answers", &body).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert_eq!(answer.json()["answer"]["id"], id);
        let cookie = answer.header("set-cookie").map(|cookie| {
            assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
            cookie.split(';').next().unwrap().to_owned()
        });
        let page = cookie.map_or_else(|| self.clone(), |cookie| self.with_cookie(&cookie));
        (page, id)
    }

    /// Watches the answer `id` from after `last` on.
    pub(crate) async fn watch(&self, id: &str, last: Option<&str>) -> Events {
        let mut client = self.client.clone();
        if let Some(last) = last {
            client = client.with_header("last-event-id", last);
        }
        let path = format!("/app/answers/{id}");
        let response = client.send(Method::GET, &path, Bytes::new()).await.unwrap();
        Events { status: response.status().as_u16(), body: response.into_body(), held: Vec::new() }
    }

    /// All events of the answer, from its beginning.
    pub(crate) async fn all(&self, id: &str) -> Heard {
        let mut heard = Heard::default();
        let mut events = self.watch(id, None).await;
        assert_eq!(events.status, 200);
        while let Some(event) = events.next().await {
            heard.take(&event);
        }
        heard
    }
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

/// Events as they come; dropped, the page is gone.
pub(crate) struct Events {
    pub(crate) status: u16,
    body: Incoming,
    held: Vec<u8>,
}

impl Events {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        tokio::time::timeout(PATIENCE, self.event()).await.expect("no event came")
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            while let Some(at) = self.held.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.held.drain(..at + 2).collect();
                if let Some(event) = read(std::str::from_utf8(&block).unwrap()) {
                    return Some(event);
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.held.extend_from_slice(&frame.into_data().unwrap_or_default());
        }
    }
}

/// A block's event; a comment is none.
fn read(block: &str) -> Option<Event> {
    let field = |name: &str| {
        let mut lines = block.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
    };
    let (id, name, data) = (field("id")?, field("event")?, field("data")?);
    Some(Event { id, name, data: serde_json::from_str(&data).unwrap() })
}

/// What a page has of an answer, over however many connections.
#[derive(Default, Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) text: String,
    pub(crate) thinking: String,
    pub(crate) names: Vec<String>,
    pub(crate) last_id: Option<String>,
    pub(crate) last: Value,
}

impl Heard {
    pub(crate) fn take(&mut self, event: &Event) {
        match event.name.as_str() {
            "text" => self.text.push_str(event.data["text"].as_str().unwrap()),
            "thinking" => self.thinking.push_str(event.data["text"].as_str().unwrap()),
            _ => {}
        }
        if self.names.last() != Some(&event.name) {
            self.names.push(event.name.clone());
        }
        self.last_id = Some(event.id.clone());
        self.last = event.data.clone();
    }
}
