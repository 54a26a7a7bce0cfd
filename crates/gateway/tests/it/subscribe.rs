//! Subscribers of the status page: asked, confirmed, told, ended.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::Value;
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::secret::SecretString;
use surgewall_gateway::notify::signature;
use surgewall_gateway::status::{Asked, Note};
use surgewall_testkit::client::Client;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::browser::Browser;
use crate::harness::TestDoor;
use crate::sink::{Line, Manner, Sink};

const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// Far longer than a look at what the page tells.
const PATIENCE: Duration = Duration::from_secs(30);
const PATH: &str = "/status/subscribe";

async fn door(more: &str) -> (TestDoor, ManualClock) {
    let clock = ManualClock::new(START);
    let text = format!("[status]\nsubscribe=true\nwebhook_networks=[\"127.0.0.0/8\"]\n{more}");
    (TestDoor::start_at(&text, Clock::Manual(clock.clone())).await, clock)
}

/// The next request to `hook`: its heads and its body.
async fn heard(hook: &TcpListener) -> (String, Value) {
    let accept = async {
        let (mut stream, _) = hook.accept().await.unwrap();
        let mut text = Vec::new();
        loop {
            let mut chunk = [0; 4_096];
            let read = stream.read(&mut chunk).await.unwrap();
            text.extend_from_slice(&chunk[..read]);
            let held = String::from_utf8_lossy(&text).into_owned();
            let Some((head, body)) = held.split_once("\r\n\r\n") else { continue };
            if let Ok(body) = serde_json::from_str(body) {
                let done = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                stream.write_all(done.as_bytes()).await.unwrap();
                return (head.to_owned(), body);
            }
            assert!(read > 0, "{held}");
        }
    };
    tokio::time::timeout(PATIENCE, accept).await.expect("a request within half a minute")
}

fn path(url: &str) -> String {
    url.split_once("/status/").map(|(_, rest)| format!("/status/{rest}")).unwrap()
}

fn field<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
}

fn say(door: &TestDoor, title: &str) {
    let body = "It is late.".to_owned();
    let note = Note { title: Some(title.to_owned()), body, ..Note::default() };
    let config = &door.door().policy().config;
    door.door().status.ask(Asked::Note(note), config, door.door().clock.now()).unwrap();
}

#[tokio::test]
async fn an_address_is_told_after_it_confirmed_signed_and_until_it_ends_it() {
    let (door, clock) = door("").await;
    let hook = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", hook.local_addr().unwrap());
    let mut browser = Browser::new(&door.url);
    let form = browser.get(PATH).await;
    assert!(form.status == 200 && !form.text().contains("Tell me by e-mail"), "no mail server");
    say(&door, "Before");
    let asked = browser.post(PATH, &[("kind", "webhook"), ("address", &url)]).await;
    assert_eq!(asked.status, 200);
    let (_, message) = heard(&hook).await;
    assert_eq!(message["type"], "subscription.confirm");
    let confirm = path(message["data"]["confirm_url"].as_str().unwrap());
    let end = path(message["data"]["unsubscribe_url"].as_str().unwrap());

    // A program that opens links changes nothing; the button does.
    assert!(browser.get(&confirm).await.text().contains("Yes, tell it"));
    let elsewhere = Browser::new(&door.url).on_site(Some("cross-site")).post(&confirm, &[]).await;
    assert_eq!(elsewhere.status, 403);
    let done = browser.post(&confirm, &[]).await;
    let secret = done.text().split("<code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(!browser.post(&confirm, &[]).await.text().contains(&secret), "it is shown once");

    clock.advance(Duration::from_secs(100));
    say(&door, "Codes are late");
    let (head, message) = heard(&hook).await;
    assert_eq!(message["type"], "status.updated");
    let updates = message["data"]["updates"].as_array().unwrap();
    assert_eq!(updates.len(), 1, "what was said before is not told: {message}");
    assert_eq!(
        (&updates[0]["title"], &updates[0]["body"]),
        (&"Codes are late".into(), &"It is late.".into())
    );
    let seconds = field(&head, "webhook-timestamp").parse().unwrap();
    let body = message.to_string();
    let signed =
        signature(&SecretString::new(secret), field(&head, "webhook-id"), seconds, body.as_bytes());
    assert_eq!(field(&head, "webhook-signature"), signed);

    // One click of a mail program, which is no page of ours.
    let strange = Browser::new(&door.url).on_site(None);
    let client = strange.client().with_header("content-type", "application/x-www-form-urlencoded");
    let body = Bytes::from_static(b"List-Unsubscribe=One-Click");
    assert_eq!(client.whole(Method::POST, &end, body).await.unwrap().status, 200);
    assert_eq!(browser.get(&confirm).await.status, 404);
    door.stop().await;
}

#[tokio::test]
async fn a_letter_has_the_links_and_its_reader_is_told() {
    let sink = Sink::start(Line::Clear, Manner::Takes).await;
    let mail = format!(
        "[mail]\nhost=\"localhost\"\nport={}\nsecurity=\"none\"\nfrom=\"door@example.org\"\n",
        sink.port
    );
    let (door, clock) = door(&mail).await;
    let letters = async |count: usize| {
        for _ in 0..600 {
            if sink.letters().len() >= count {
                return sink.letters().pop().unwrap().text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} letters of {count}", sink.letters().len());
    };
    let mut browser = Browser::new(&door.url);
    let asked = browser.post(PATH, &[("kind", "email"), ("address", "Ann@Example.org")]).await;
    let letter = letters(1).await.replace("=\r\n", "").replace("=3D", "=");
    let link = |letter: &str, page: &str| {
        let at = letter.find(&format!("/status/{page}?token=")).unwrap();
        letter[at..].chars().take_while(|c| !c.is_whitespace() && *c != '>').collect::<String>()
    };
    assert!(letter.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{letter}");
    let (confirm, end) = (link(&letter, "confirm"), link(&letter, "unsubscribe"));
    assert_eq!(browser.post(&confirm, &[]).await.status, 200);
    clock.advance(Duration::from_secs(100));
    say(&door, "Codes are late");
    let letter = letters(2).await;
    assert!(letter.contains("Codes are late") && letter.contains("List-Unsubscribe:"), "{letter}");
    assert!(letter.contains("It is late."), "{letter}");

    // Who subscribed already is answered as everybody is, and gets no letter.
    let again = browser.post(PATH, &[("kind", "email"), ("address", "Ann@example.org")]).await;
    assert_eq!((again.status, again.text()), (asked.status, asked.text()));
    assert_eq!(browser.post(&end, &[]).await.status, 200);
    assert_eq!(sink.letters().len(), 2);
    door.stop().await;
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_a_network_may_ask_only_so_often() {
    let (door, _clock) = door("").await;
    let mut browser = Browser::new(&door.url);
    for address in
        ["", "https://localhost/", "http://example.org/", "https://169.254.169.254/", "x"]
    {
        let asked = browser.post(PATH, &[("kind", "webhook"), ("address", address)]).await;
        assert_eq!(asked.status, 422, "{address}");
    }
    let mut statuses = Vec::new();
    for number in 0..=surgewall_gateway::subscribe::ASKS_PER_NETWORK_MAX {
        let address = format!("http://127.0.0.1:9/{number}");
        statuses
            .push(browser.post(PATH, &[("kind", "webhook"), ("address", &address)]).await.status);
    }
    // Five wait for their confirmation, further ones find no place, and then it asked often.
    assert_eq!(statuses[..5], [200; 5]);
    assert_eq!(statuses[5..10], [503; 5]);
    assert_eq!(statuses[10], 429);
    assert_eq!(browser.get("/status/confirm?token=x").await.status, 404);
    let front = Client::new(&door.status_url).get("/").await.unwrap().text();
    assert!(front.contains("/status/subscribe\">Be told"), "the page leads there");
    door.stop().await;
}

#[tokio::test]
async fn without_the_key_nothing_of_it_is_there() {
    let door = TestDoor::start("").await;
    let mut browser = Browser::new(&door.url);
    assert_eq!(browser.get(PATH).await.status, 404);
    let front = Client::new(&door.status_url).get("/").await.unwrap().text();
    assert!(!front.contains("/status/subscribe"));
    door.stop().await;
}
