//! The status page on a running door: it answers from memory, also when the
//! public listener has no room, and says what happens by itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_gateway::status::bundle::Copy;
use surgewall_gateway::status::history::minute_of;
use surgewall_gateway::status::json::Answer;
use surgewall_gateway::status::{Asked, Document, Note, Replica, Told};
use surgewall_store::status::{Probe, ProbeFile};
use surgewall_testkit::client::Client;
use surgewall_testkit::{Behaviour, Double, Fault};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::harness::{TestDoor, upstream};

/// For what happens once a second or when something changes.
const SOON: Duration = Duration::from_secs(20);

async fn page(door: &TestDoor, path: &str) -> String {
    let answer = Client::new(&door.status_url).get(path).await.unwrap();
    assert_eq!(answer.status, 200, "{path}");
    answer.text()
}

async fn json_of(door: &TestDoor, path: &str) -> Value {
    serde_json::from_str(&page(door, path).await).unwrap()
}

/// Waits until `path` satisfies `holds`.
async fn until(door: &TestDoor, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let seen = json_of(door, path).await;
            if holds(&seen) {
                return seen;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, wait).await.expect("the page says so within a while")
}

fn state<'a>(summary: &'a Value, name: &str) -> &'a str {
    let all = summary["components"].as_array().unwrap();
    let found = all.iter().find(|one| one["name"] == name).expect(name);
    found["status"].as_str().unwrap()
}

#[tokio::test]
async fn every_form_of_the_page_answers_to_strangers() {
    let door = TestDoor::start("").await;
    until(&door, "/api/v2/status.json", |seen| seen["status"]["indicator"] == "none").await;
    for document in Document::ALL {
        let answer = Client::new(&door.status_url).get(document.path()).await.unwrap();
        assert_eq!(answer.status, 200, "{document:?}");
        assert!(!answer.text().is_empty(), "{document:?}");
    }
    let front = page(&door, "/").await;
    assert!(front.contains("All systems are operational"), "{front}");
    let own_url = json_of(&door, "/api/v2/summary.json").await["page"]["url"].clone();
    assert_eq!(own_url, door.status_url.as_str());
    for path in ["/api/v2/", "/probes/2020-01-01.csv", "/v1/models", "/metrics"] {
        let answer = Client::new(&door.status_url).get(path).await.unwrap();
        assert_eq!(answer.status, 404, "{path}");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn only_named_upstreams_are_shown_and_they_flip_by_themselves() {
    let double = Double::start(Behaviour::default());
    let more = "[[status.component]]\nupstream=\"secret-pool\"\nname=\"Large model\"\n";
    let two = upstream("secret-pool", &double.url(), "") + &upstream("hidden", &double.url(), "");
    let door = TestDoor::start(&(two + more)).await;
    let up = |seen: &Value| state(seen, "Large model") == "operational";
    until(&door, "/api/v2/summary.json", up).await;
    let fault = Fault::Status { code: 500, retry_after_s: None };
    double.set(Behaviour { fault, ..Behaviour::default() });
    let client = door.client().await;
    let ask = json!({"model": "double", "messages": [{"role": "user", "content": "say 1"}]});
    let wait = async {
        while state(&json_of(&door, "/api/v2/summary.json").await, "Large model") == "operational" {
            let _ = client.post("/v1/chat/completions", &ask).await;
        }
    };
    timeout(SOON, wait).await.expect("what fails is not called operational");
    for document in Document::ALL {
        let text = page(&door, document.path()).await;
        assert!(!text.contains("secret-pool") && !text.contains("hidden"), "{document:?}");
    }
    drop(client);
    door.stop().await;
}

#[tokio::test]
async fn what_people_write_is_public_at_once_and_outlives_the_door() {
    let door = TestDoor::start("").await;
    let note = Note {
        title: Some("Codes are late".into()),
        body: "E-mails take minutes.".into(),
        components: vec!["API".into()],
        ..Note::default()
    };
    let config = door.door().policy().config.clone();
    let now = door.door().clock.now();
    let (told, kept) = door.door().status.ask(Asked::Note(note), &config, now).unwrap();
    let Told::Incident(incident) = told else { panic!("{told:?}") };
    assert!(kept);
    let path = "/api/v2/incidents/unresolved.json";
    let seen = until(&door, path, |seen| seen["incidents"][0].is_object()).await;
    assert_eq!(seen["incidents"][0]["id"], incident.id.as_str());
    assert!(page(&door, "/").await.contains("E-mails take minutes."));
    assert!(page(&door, "/history.atom").await.contains("Codes are late"));
    let door = door.restart("", |_| {}).await;
    let seen = until(&door, path, |seen| seen["incidents"][0].is_object()).await;
    assert_eq!(seen["incidents"][0]["status"], "investigating", "what people opened stays open");
    door.stop().await;
}

#[tokio::test]
async fn a_public_listener_without_room_takes_none_from_the_page() {
    let door = TestDoor::start("[limits]\nnetwork_connections_max=8\n").await;
    let public = door.url.trim_start_matches("http://").to_owned();
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(TcpStream::connect(&public).await.unwrap());
    }
    let refused = async {
        while Client::new(&door.url).get("/healthz").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, refused).await.expect("the public listener is full");
    for _ in 0..100 {
        let seen = json_of(&door, "/api/v2/status.json").await;
        assert!(seen["status"]["indicator"].is_string());
    }
    drop(held);
    door.stop().await;
}

#[tokio::test]
async fn minutes_that_were_recorded_are_read_at_the_start() {
    let door = TestDoor::start("").await;
    let now = minute_of(Clock::System.now());
    let id = surgewall_gateway::status::component::ComponentId::of("API");
    let door = door
        .restart("", |data| {
            let directory = surgewall_store::datadir::DataDir::open(data).unwrap();
            let (mut file, _) = ProbeFile::open(&directory, 0).unwrap();
            let probe = |minute| Probe { minute, component: id.0, ok: 9, ..Probe::default() };
            let probes: Vec<_> = (now - 3 * 1_440..now - 1_440).map(probe).collect();
            file.append(&probes).unwrap();
            // The door was killed while it wrote.
            let path = directory.status().join("probes");
            let mut bytes = surgewall_core::files::read_bounded(&path, 1 << 24).unwrap();
            bytes.truncate(bytes.len() - 5);
            std::fs::write(path, bytes).unwrap();
        })
        .await;
    let day = Timestamp::from_millis(u64::from(now - 2 * 1_440) * 60_000);
    let date = day.to_string()[..10].to_owned();
    let days = page(&door, "/days.csv").await;
    assert!(days.contains(&format!("{date},API,1440,1440,1440,0,0,0,0,100.000")), "{days}");
    let minutes = page(&door, &format!("/probes/{date}.csv")).await;
    assert_eq!(minutes.lines().count(), 1_441);
    assert!(minutes.contains(",API,operational,9,0,0,0,0"), "{minutes}");
    door.stop().await;
}

#[tokio::test]
async fn a_signed_copy_is_written_verified_and_served() {
    let base = tempfile::tempdir().unwrap();
    let dir: PathBuf = base.path().join("copy");
    let door = TestDoor::start(&format!("[status]\nname=\"Ours\"\nbundle_dir={dir:?}\n")).await;
    let key = door.door().vault.verifying_key();
    let wait = async {
        loop {
            match Copy::read(&dir, Some(key), None) {
                Ok(copy) => return copy,
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let copy = timeout(SOON, wait).await.expect("a copy is written");
    assert_eq!(copy.view.name, "Ours");
    let replica = Replica::open(dir.clone(), Some(key), Clock::System).unwrap();
    let shown = replica.current();
    let (_, front) = shown.documents().next().unwrap();
    assert!(String::from_utf8_lossy(front).contains("Ours"));
    assert_eq!(shown.view().stale_since, None);
    door.stop().await;
    goes_stale(&dir, key, copy.made_at);
    std::fs::write(dir.join("view.json"), "{}").unwrap();
    assert!(Replica::open(dir, Some(key), Clock::System).is_err(), "a changed copy is not served");
}

/// Its door is gone: 30 seconds later the copy says since when, in every form.
fn goes_stale(dir: &Path, key: [u8; 32], made_at: Timestamp) {
    let manual = ManualClock::new(made_at);
    let clock = Clock::Manual(manual.clone());
    let mut replica = Replica::open(dir.to_owned(), Some(key), clock).unwrap();
    let text = |replica: &Replica, document: Document| {
        let shown = replica.current();
        let (_, body) = shown.documents().find(|(one, _)| *one == document).unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    };
    let status = Document::Json(Answer::Status);
    manual.advance(Duration::from_secs(30));
    replica.look();
    assert!(!text(&replica, status).contains("unreachable"));
    manual.advance(Duration::from_secs(1));
    replica.look();
    let said: Value = serde_json::from_str(&text(&replica, status)).unwrap();
    assert_eq!(said["status"]["indicator"], "major");
    let description = said["status"]["description"].as_str().unwrap();
    assert!(
        description.starts_with(&format!("Source unreachable since {made_at}")),
        "{description}"
    );
    for document in [Document::Front, Document::History, Document::Rss, Document::Atom] {
        assert!(text(&replica, document).contains("Source unreachable"), "{document:?}");
    }
    assert!(!text(&replica, Document::Front).contains("All systems are operational"));
}
