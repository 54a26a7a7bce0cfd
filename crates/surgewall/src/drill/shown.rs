//! Answers in the chat break off in every way that a model server knows, and their
//! readers leave and come back: what was shown once is never taken back.

use serde_json::{Value, json};
use surgewall_testkit::client::{Client, Event, Flow};

use super::acts::{Played, held};
use super::gate::{Browser, MEMBER};
use super::stage::Stage;
use crate::fault::Fault;

/// How answers end: the words for the double, and the state that the chat says.
const ENDINGS: [(&str, &str); 6] = [
    ("", "whole"),
    ("die after=12", "partial"),
    ("reset after=12", "partial"),
    ("garbage after=12", "partial"),
    ("status code=500", "failed"),
    ("no_done", "whole"),
];
/// Tokens of each answer, and how many come in a second.
const PACE: &str = "tokens=24 rate=200";
/// Events after which a reader leaves.
const LEAVES_AFTER: usize = 6;

/// Plays it.
pub(super) async fn shown() -> Played {
    let stage = Stage::signing_up("[gate]\nstart = \"open\"\n").await?;
    let browser = Browser::signed_in(&stage, "192.0.2.1", MEMBER).await?;
    let reader = browser.client().with_header("content-type", "application/json");
    let made = reader.post("/app/conversations", &json!({})).await?;
    let chat = format!("/app/conversations/{}", made.json()["id"].as_str().unwrap_or_default());
    let (mut parent, mut bytes) = (0, 0);
    for (nth, (words, state)) in ENDINGS.into_iter().enumerate() {
        let text = format!("answer at length\n!double {PACE} {words}");
        let told = Told::of(&reader, &chat, nth, parent, &text).await?;
        held(told.state == state, || format!("`{words}`: told as `{}`", told.state))?;
        let page = reader.get(&chat).await?.json();
        let newest = page["page"]["messages"][0].clone();
        parent = newest["number"].as_u64().unwrap_or_default();
        if state == "failed" {
            held(newest["body"]["text"] == text, || "a question was lost".to_owned())?;
            continue;
        }
        kept(&newest, &told, words)?;
        bytes += told.last.len();
    }
    Ok(format!(
        "answers ended in {} ways: each of {bytes} bytes that were shown is still there, for who came back too, and what broke off says so",
        ENDINGS.len(),
    ))
}

/// The message holds what both readers were shown, and its state.
fn kept(message: &Value, told: &Told, words: &str) -> Result<(), Fault> {
    let text = message["body"]["text"].as_str().unwrap_or_default();
    held(!told.first.is_empty() && told.last.starts_with(&told.first), || {
        format!("`{words}`: who came back was shown something else")
    })?;
    held(text == told.last, || format!("`{words}`: {text:?} is not what was shown"))?;
    let state = if told.state == "whole" { "complete" } else { &told.state };
    held(message["state"] == state, || {
        format!("`{words}`: the message says that it is {}", message["state"])
    })
}

/// What was told of one answer.
struct Told {
    /// To a reader who left.
    first: String,
    /// To the same, who came back and read to the end.
    last: String,
    state: String,
}

impl Told {
    async fn of(
        reader: &Client,
        chat: &str,
        nth: usize,
        parent: u64,
        text: &str,
    ) -> Result<Self, Fault> {
        let sent = json!({ "id": format!("{:032x}", nth + 1), "parent": parent, "text": text, "model": "double" });
        let answer = reader.post(&format!("{chat}/messages"), &sent).await?;
        let id = answer.json()["answer"]["id"].as_str().unwrap_or_default().to_owned();
        held(answer.status == 202, || format!("a message got {}", answer.status))?;
        let path = format!("/app/answers/{id}");
        let (mut first, mut seen) = (String::new(), 0);
        reader
            .watch(&path, |event| {
                first.push_str(&shown_by(event));
                seen += 1;
                if seen > LEAVES_AFTER { Flow::Leave } else { Flow::Continue }
            })
            .await?;
        let whole = reader.watch(&path, |_| Flow::Continue).await?;
        let last = whole.events.iter().map(shown_by).collect();
        let ended = whole.events.last().map(state_of).unwrap_or_default();
        Ok(Self { first, last, state: ended })
    }
}

/// The text that a page shows for an event.
fn shown_by(event: &Event) -> String {
    let is_text = event.name.as_deref() == Some("text");
    let text = event.json()["text"].as_str().unwrap_or_default().to_owned();
    if is_text { text } else { String::new() }
}

/// How the last event says that the answer ended.
fn state_of(event: &Event) -> String {
    match event.name.as_deref() {
        Some("done") => event.json()["state"].as_str().unwrap_or_default().to_owned(),
        Some(name) => name.to_owned(),
        None => String::new(),
    }
}
