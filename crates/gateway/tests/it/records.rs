//! What the operator keeps of traffic, through the whole door.

use std::fs;
use std::path::Path;

use serde_json::json;
use surgewall_core::decision::Outcome;
use surgewall_core::files::read_bounded;
use surgewall_core::subject::Subject;
use surgewall_store::records::{Cursor, Event, RecordsReader};
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::chat::page::Page;
use crate::harness::{TestDoor, upstream};

const ALL: &str = "[vault]\nrecord=\"all\"\n";
/// A secret that the guard knows, and an address.
const SECRET: &str = "AKIAQ3EGRIXAHVNT5ZKM";
const EMAIL: &str = "jane.roe@mail.example.org";
/// A file of a door that did little, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// All records of a door that was stopped, in the order of time.
async fn records(door: &TestDoor) -> Vec<Event> {
    let (directory, vault) = door.store();
    let Some(mut reader) = RecordsReader::open(&directory, &vault).await.unwrap() else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for subject in reader.subjects().await.unwrap() {
        let mut cursor = Cursor::default();
        while let Some(found) = reader.next(subject, &mut cursor).await.unwrap() {
            all.extend(found.events.unwrap());
        }
    }
    all.sort_by_key(|event: &Event| event.at);
    all
}

#[tokio::test]
async fn every_dialect_is_recorded_as_it_was_asked_and_delivered() {
    let double = Double::start(Behaviour::default());
    let mut door = TestDoor::start(&format!("{ALL}{}", upstream("local", &double.url(), ""))).await;
    let client = door.client().await;
    let said = "tok0 tok1 ";
    let completion = json!({"model": "double", "prompt": "say 2", "stream": true});
    for stream in [false, true] {
        client.post("/v1/chat/completions", &chat("double", "say 2", stream)).await.unwrap();
        client.post("/v1/messages", &chat("double", "say 2", stream)).await.unwrap();
        let ollama = json!({"model": "double", "stream": stream,
            "messages": [{"role": "user", "content": "say 2"}]});
        client.post("/api/chat", &ollama).await.unwrap();
        let input = json!({"model": "double", "input": "say 2", "stream": stream});
        client.post("/v1/responses", &input).await.unwrap();
    }
    client.post("/v1/completions", &completion).await.unwrap();
    door.halt().await;
    let records = records(&door).await;
    assert_eq!(records.len(), 9);
    for record in &records {
        assert_eq!((record.request.cut, record.answer.cut), (false, false), "{record:?}");
        assert!(record.request.text.ends_with("say 2"), "{record:?}");
        assert_eq!(record.answer.text, said, "{record:?}");
        assert_eq!(
            (record.outcome, record.model.as_str()),
            (Outcome::Completed, "double"),
            "{record:?}"
        );
        assert!(matches!(record.subject, Subject::Key(_)), "{record:?}");
        assert!(record.input_tokens > 0, "{record:?}");
    }
    let story = door.stop().await;
    for settled in &story.settled {
        let same = |record: &&Event| record.request_id == settled.request_id;
        assert_eq!(records.iter().filter(same).count(), 1, "{settled:?}");
    }
}

#[tokio::test]
async fn what_is_kept_is_redacted_and_no_file_holds_the_rest() {
    let double = Double::start(Behaviour::default());
    let mut door = TestDoor::start(&format!("{ALL}{}", upstream("local", &double.url(), ""))).await;
    let client = door.client().await;
    let asked = format!("my key is {SECRET} and my address {EMAIL}\nsay 1");
    client.post("/v1/chat/completions", &chat("double", &asked, true)).await.unwrap();
    door.halt().await;
    let records = records(&door).await;
    let [record] = &records[..] else { panic!("{records:?}") };
    assert!(!record.request.text.contains(SECRET) && !record.request.text.contains(EMAIL));
    assert!(record.request.text.contains("my key is [secret:"), "{}", record.request.text);
    assert!(record.request.text.contains("my address [email:"), "{}", record.request.text);
    let (directory, _) = door.store();
    search(directory.path(), &[SECRET, EMAIL, "my address"]);
}

fn search(folder: &Path, needles: &[&str]) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, needles);
            continue;
        }
        // The control socket and the like are no files.
        let bytes = read_bounded(&path, FILE_BYTES_MAX).unwrap_or_default();
        for needle in needles {
            let holds = bytes.windows(needle.len()).any(|part| part == needle.as_bytes());
            assert!(!holds, "{} holds {needle}", path.display());
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_recorded_as_far_as_it_came() {
    let double = Double::start("cut after=3".parse().unwrap());
    let mut door = TestDoor::start(&format!("{ALL}{}", upstream("local", &double.url(), ""))).await;
    let client = door.client().await;
    client.events("/v1/chat/completions", &chat("double", "say 9", true)).await.unwrap();
    double.set("status code=500".parse().unwrap());
    client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
    door.halt().await;
    let records = records(&door).await;
    let ends: Vec<_> = records.iter().map(|r| (r.outcome, r.answer.text.as_str())).collect();
    let broke = (Outcome::UpstreamBroke, "tok0 tok1 tok2 ");
    assert_eq!(ends, [broke, (Outcome::UpstreamFailed, "")]);
}

#[tokio::test]
async fn nothing_is_recorded_unless_it_is_asked_for() {
    for mode in ["", "[vault]\nrecord=\"off\"\n"] {
        let double = Double::start(Behaviour::default());
        let mut door =
            TestDoor::start(&format!("{mode}{}", upstream("local", &double.url(), ""))).await;
        let client = door.client().await;
        client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
        door.halt().await;
        assert!(!door.store().0.records().exists(), "{mode}");
    }
}

#[tokio::test]
async fn answers_of_the_chat_can_be_recorded_alone() {
    let double = Double::start(Behaviour::default());
    let text = upstream("local", &double.url(), "");
    let mode = "[accounts]\nanonymous=true\n[vault]\nrecord=\"chat\"\n";
    let mut door = TestDoor::start(&format!("{mode}{text}")).await;
    let client = door.client().await;
    client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
    let (page, id) = Page::of(&door).ask(1, "double", "say 2").await;
    assert_eq!(page.all(&id).await.last["state"], "whole");
    door.halt().await;
    let records = records(&door).await;
    let kept: Vec<_> =
        records.iter().map(|r| (r.request.text.as_str(), r.answer.text.as_str())).collect();
    assert_eq!(kept, [("[user] say 2", "tok0 tok1 ")]);
}

#[tokio::test]
async fn records_of_before_are_still_there_when_nothing_is_recorded_any_more() {
    let double = Double::start(Behaviour::default());
    let text = upstream("local", &double.url(), "");
    let door = TestDoor::start(&format!("{ALL}{text}")).await;
    let client = door.client().await;
    client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
    let mut door = door.restart(&text, |_| {}).await;
    let client = door.client_again("second").await;
    client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
    door.halt().await;
    assert_eq!(records(&door).await.len(), 1);
}
