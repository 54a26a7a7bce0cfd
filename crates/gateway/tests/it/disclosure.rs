//! What strangers tell the operator, over real HTTP.

use std::time::Duration;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use serde_json::json;
use surgewall_core::apikey;
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::digest::{hex, sha256};
use surgewall_core::finding::{Confidence, Severity, State};
use surgewall_gateway::disclosure::github::{PATH, REPORT_BYTES_MAX};
use surgewall_identity::password::Cost;
use surgewall_store::admin::{KeyCreate, Named, Request};
use surgewall_store::findings::{FindingView, InboxReply, InboxRequest};
use surgewall_testkit::client::Answer;

use crate::browser::{Browser, between, hidden};
use crate::harness::TestDoor;

const PASSWORD: &str = "correct gibbon staple 94 turnip";
const ADA: &str = "ada@example.org";
const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);
const WEAKNESS: [(&str, &str); 4] = [
    ("kind", "weakness"),
    ("title", "<b>A key in a page</b>"),
    ("text", "On the page of keys\nI saw another's. \u{202e}\u{1b}[31m"),
    ("reply", "eve@example.org"),
];

/// A door under `text`, on a clock that stands.
async fn door(text: &str) -> (TestDoor, ManualClock) {
    let time = ManualClock::new(START);
    (TestDoor::start_at(text, Clock::Manual(time.clone())).await, time)
}

/// Sends a report `seconds` after its form was opened.
async fn report(
    door: &TestDoor,
    time: &ManualClock,
    seconds: u64,
    fields: &[(&str, &str)],
) -> Answer {
    let mut browser = Browser::new(&door.url);
    let ticket = hidden(&browser.get("/report").await, "ticket");
    time.advance(Duration::from_secs(seconds));
    let ticket = [("ticket", ticket.as_str())];
    browser.post("/report", &[fields, &ticket].concat()).await
}

async fn inbox(door: &TestDoor) -> Vec<FindingView> {
    let door = door.door();
    let request = InboxRequest::List { states: State::ALL.to_vec(), after: None };
    let now = door.clock.now();
    match door.findings.ask(None, &door.rules, request, now).await.unwrap() {
        InboxReply::Page(page) => page.rows,
        InboxReply::One(_) => panic!("one"),
    }
}

#[tokio::test]
async fn security_txt_is_there_where_it_is_configured() {
    let (plain, _) = door("").await;
    assert_eq!(plain.stranger().get("/.well-known/security.txt").await.unwrap().status, 404);
    let text = "[disclosure]\ncontact=[\"mailto:s@example.org\"]\nexpires=\"2027-06-01\"\n";
    let (door, _) = door(text).await;
    let file = door.stranger().get("/.well-known/security.txt").await.unwrap();
    assert_eq!(file.header("content-type"), Some("text/plain; charset=utf-8"));
    let said = "Contact: mailto:s@example.org\nExpires: 2027-06-01T00:00:00Z\n";
    assert_eq!((file.status, file.text().as_str()), (200, said));
    let page = Browser::new(&door.url).get("/report").await;
    assert!(page.text().contains("href=\"mailto:s@example.org\""), "{}", page.text());
    door.stop().await;
    plain.stop().await;
}

#[tokio::test]
async fn a_report_becomes_a_finding_and_is_shown_to_nobody_else() {
    let (door, time) = door("").await;
    let taken = report(&door, &time, 10, &WEAKNESS).await;
    assert_eq!(taken.status, 200, "{}", taken.text());
    let number = between(&taken, "name the report <code>", "<");
    for part in ["A key in a page", "another", "eve@"] {
        assert!(!taken.text().contains(part), "{part} is shown again");
    }
    let found = inbox(&door).await;
    let [view] = found.as_slice() else { panic!("{found:?}") };
    let finding = &view.finding;
    assert_eq!(finding.rule, "told.weakness");
    assert_eq!(finding.subject, format!("{number}: <b>A key in a page</b>"));
    assert_eq!(
        finding.evidence,
        "On the page of keys\nI saw another's. [31m\n\nAnswer to: eve@example.org"
    );
    assert_eq!((finding.severity, finding.confidence), (Severity::Warning, Confidence::Possible));
    // A second one with the same words is another one, and the first one stays.
    assert_eq!(report(&door, &time, 10, &WEAKNESS).await.status, 200);
    let states: Vec<_> = inbox(&door).await.iter().map(|view| view.finding.state).collect();
    assert_eq!(states, [State::Open, State::Open]);
    let story = door.stop().await;
    assert!(!format!("{:?}", story.changed).contains("another"));
}

#[tokio::test]
async fn a_form_is_good_after_a_moment_once_and_not_for_ever() {
    let (door, time) = door("").await;
    for (seconds, status) in [(0, 422), (3, 422), (4, 200), (6 * 3_600, 200), (6 * 3_600 + 4, 422)]
    {
        assert_eq!(report(&door, &time, seconds, &WEAKNESS).await.status, status, "{seconds} s");
    }
    let mut browser = Browser::new(&door.url);
    let ticket = hidden(&browser.get("/report").await, "ticket");
    time.advance(Duration::from_secs(3_600));
    let ticket = [("ticket", ticket.as_str())];
    let fields = [&WEAKNESS[..], &ticket].concat();
    let twice = [browser.post("/report", &fields).await, browser.post("/report", &fields).await];
    assert_eq!(twice.map(|answer| answer.status), [200, 422]);
    let mut elsewhere = Browser::new(&door.url).on_site(Some("cross-site"));
    assert_eq!(elsewhere.post("/report", &fields).await.status, 403);
    door.stop().await;
}

#[tokio::test]
async fn what_was_typed_and_not_taken_stands_in_the_form_again() {
    let (door, time) = door("").await;
    let mut fields = WEAKNESS;
    fields[0].1 = "fake";
    let again = report(&door, &time, 0, &fields).await;
    assert_eq!(again.status, 422);
    for kept in [
        r#"<option value="fake" selected>"#,
        r#"value="&#60;b&#62;A key in a page&#60;/b&#62;""#,
        "On the page of keys\nI saw another&#39;s.",
        r#"value="eve@example.org""#,
    ] {
        assert!(again.text().contains(kept), "{kept} in {}", again.text());
    }
    door.stop().await;
}

#[tokio::test]
async fn what_is_missing_or_too_long_is_told_and_a_flood_is_slowed() {
    let (door, time) = door("").await;
    let long = "x".repeat(3 * 1_024 + 1);
    for (name, value) in [("kind", "none"), ("title", " "), ("text", ""), ("text", &long)] {
        let mut fields = WEAKNESS;
        fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value);
        assert_eq!(report(&door, &time, 10, &fields).await.status, 422, "{name}");
    }
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(report(&door, &time, 10, &WEAKNESS).await.status);
    }
    assert_eq!(statuses[..10], [200; 10]);
    assert_eq!(statuses[10], 429);
    let slowed = report(&door, &time, 10, &WEAKNESS).await;
    assert!(slowed.header("retry-after").is_some());
    assert_eq!(inbox(&door).await.len(), 10);
    door.stop().await;
}

#[tokio::test]
async fn an_operator_can_do_without_the_form() {
    let (door, _) = door("[disclosure]\nintake=false\n").await;
    let mut browser = Browser::new(&door.url);
    let page = browser.get("/report").await;
    assert!(
        page.status == 200 && !page.text().contains("<form method=\"post\" action=\"/report\"")
    );
    assert_eq!(browser.post("/report", &WEAKNESS).await.status, 404);
    assert!(inbox(&door).await.is_empty());
    door.stop().await;
}

/// A door that has one of GitHub's keys and one of our own, with which tests sign.
fn github(public: &str, more: &str) -> String {
    let key = |id: &str, text: &str| {
        format!(
            "[[disclosure.github_key]]\nid=\"{id}\"\npem=\"\"\"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\"\"\"\n"
        )
    };
    format!("[disclosure]\n{more}\n{}{}", key(DOCUMENTED.0, DOCUMENTED.1), key("our0wn", public))
}

/// The sample of GitHub's documentation: which key, the key, the body, its signature.
const DOCUMENTED: (&str, &str, &str, &str) = (
    "bcb53661c06b4728e59d897fb6165d5c9cda0fd9cdf9d09ead458168deb7518c",
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==",
    r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#,
    "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
);

/// A pair of keys of ours, and the public one as it stands in a configuration.
fn our_own() -> (EcdsaKeyPair, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let der = pair.public_key().as_der().unwrap();
    (pair, STANDARD.encode(der.as_ref()))
}

/// Sends `body` to the endpoint, as signed by the key `id`.
async fn tell(door: &TestDoor, id: &str, signature: &str, body: &str) -> Answer {
    let client = door
        .stranger()
        .with_header("content-type", "application/json")
        .with_header("github-public-key-identifier", id)
        .with_header("github-public-key-signature", signature);
    client.whole(Method::POST, PATH, Bytes::from(body.to_owned())).await.unwrap()
}

async fn told(door: &TestDoor, pair: &EcdsaKeyPair, body: &str) -> Answer {
    let signature = pair.sign(&SystemRandom::new(), body.as_bytes()).unwrap();
    tell(door, "our0wn", &STANDARD.encode(signature.as_ref()), body).await
}

/// A door with an account, and a key of it.
async fn with_key(text: &str) -> (TestDoor, ManualClock, String) {
    let (door, time) = door(text).await;
    door.door().identity.hash_at(Cost::LEAST);
    let fields = [("email", ADA), ("password", PASSWORD)];
    Browser::new(&door.url).post("/sign-up", &fields).await;
    let asked =
        KeyCreate { name: "laptop".into(), account: Some(ADA.into()), ..KeyCreate::default() };
    let key = door.key(asked).await;
    (door, time, key)
}

async fn works(door: &TestDoor, key: &str) -> bool {
    door.stranger().with_key(key).get("/v1/models").await.unwrap().status == 200
}

/// What Ada's page of keys says.
async fn keys_page(door: &TestDoor) -> String {
    let mut browser = Browser::new(&door.url);
    browser.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
    browser.get("/account/keys").await.text()
}

/// The inbox as soon as there is something in it: after the answer.
async fn first_found(door: &TestDoor) -> Vec<FindingView> {
    for _ in 0..1_000 {
        let found = inbox(door).await;
        if !found.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing came into the inbox");
}

/// What of an answer somebody could learn from.
fn seen(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let same = |name: &str| !["x-request-id", "date"].contains(&name);
    let heads = answer.headers.iter().filter(|(name, _)| same(name.as_str()));
    let head = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    (answer.status, heads.map(head).collect(), answer.text())
}

#[tokio::test]
async fn a_found_key_ends_and_nobody_learns_whether_it_was_one() {
    let (door, _, key) = with_key("").await;
    let revoked = door.key(KeyCreate { name: "old".into(), ..KeyCreate::default() }).await;
    door.operate(Request::KeyRevoke(Named { name: "old".into() })).await;
    let mut browser = Browser::new(&door.url);
    assert_eq!(browser.get("/report/key").await.status, 200);
    let pasted = format!("SURGEWALL_KEY=\"{key}\"");
    let unknown = apikey::generate();
    let mut answers = Vec::new();
    for text in [pasted.as_str(), unknown.expose().as_str(), &revoked, "sw_live_x", "", "é"] {
        answers.push(seen(&browser.post("/report/key", &[("key", text)]).await));
    }
    assert_eq!(answers[0].0, 200);
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    let found = first_found(&door).await;
    assert!(!works(&door, &key).await);
    let [view] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (view.finding.rule.as_str(), view.finding.severity),
        ("key.found", Severity::Warning)
    );
    assert!(!format!("{view:?}").contains(&key[8..20]));
    let page = keys_page(&door).await;
    assert!(page.contains("“laptop”") && page.contains("was found on 2026-09-21"), "{page}");
    let mut elsewhere = Browser::new(&door.url).on_site(Some("cross-site"));
    assert_eq!(elsewhere.post("/report/key", &[("key", "x")]).await.status, 403);
    let story = door.stop().await;
    let told: Vec<_> = story
        .changed
        .iter()
        .filter(|changed| changed.detail.as_deref() == Some("by=finder"))
        .map(|changed| changed.action.as_str())
        .collect();
    assert_eq!(told, ["key.found", "key.revoke", "key.revoke.done"]);
}

#[tokio::test]
async fn keys_are_handed_in_at_a_pace_whether_they_are_one_or_not() {
    let (door, _, key) = with_key("").await;
    let mut browser = Browser::new(&door.url);
    let mut statuses = Vec::new();
    for _ in 0..21 {
        statuses.push(browser.post("/report/key", &[("key", "x")]).await.status);
    }
    assert_eq!(statuses[..20], [200; 20]);
    assert_eq!(statuses[20], 429);
    assert_eq!(browser.post("/report/key", &[("key", &key)]).await.status, 429);
    assert!(works(&door, &key).await);
    door.stop().await;
}

#[tokio::test]
async fn the_documented_report_is_taken_and_another_signature_is_not() {
    let (_, public) = our_own();
    let (door, _) = door(&github(&public, "")).await;
    let (id, _, body, signature) = DOCUMENTED;
    let answer = tell(&door, id, signature, body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let hash = hex(&sha256(b"some_token"));
    let expected =
        json!([{"token_hash": hash, "token_type": "some_type", "label": "false_positive"}]);
    assert_eq!(answer.json(), expected);
    let changed = body.replace("commit", "content");
    for (id, signature, body) in [
        ("our0wn", signature, body),
        ("nobody", signature, body),
        (id, "", body),
        (id, signature, &changed),
    ] {
        assert_eq!(tell(&door, id, signature, body).await.status, 401, "{id} {signature} {body}");
    }
    assert_eq!(door.stranger().post(PATH, &json!([])).await.unwrap().status, 401);
    door.stop().await;
    let (without, _) = self::door("").await;
    assert_eq!(tell(&without, id, signature, body).await.status, 404);
    without.stop().await;
}

#[tokio::test]
async fn what_github_saw_ends_and_is_labelled() {
    let (pair, public) = our_own();
    let (door, _, key) = with_key(&github(&public, "")).await;
    let unknown = apikey::generate();
    let seen = |token: &str| json!({"token": token, "type": "surgewall_key", "url": "https://github.com/a/b", "source": "content", "new": 1});
    let body = json!([seen(&key), seen(unknown.expose()), {"token": "x"}, seen(&key)]).to_string();
    let label = |token: &str, kind: &str, label: &str| json!({"token_hash": hex(&sha256(token.as_bytes())), "token_type": kind, "label": label});
    let expected = json!([
        label(&key, "surgewall_key", "true_positive"),
        label(unknown.expose(), "surgewall_key", "false_positive"),
        label("x", "", "false_positive"),
        label(&key, "surgewall_key", "true_positive"),
    ]);
    // Sent again it is answered in the same way, and done once.
    for _ in 0..2 {
        let answer = told(&door, &pair, &body).await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()));
        assert!(!works(&door, &key).await, "it is revoked before the answer");
    }
    let found = inbox(&door).await;
    let [view] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(view.finding.evidence, "GitHub saw it in public (content): https://github.com/a/b");
    for (body, status) in [("{}", 400), ("[1]", 400), ("[{}]", 400), ("[]", 200)] {
        assert_eq!(told(&door, &pair, body).await.status, status, "{body}");
    }
    let room = " ".repeat(REPORT_BYTES_MAX - 2);
    for (body, status) in [(format!("[{room}]"), 200), (format!("[{room} ]"), 413)] {
        assert_eq!(told(&door, &pair, &body).await.status, status, "{} bytes", body.len());
    }
    let story = door.stop().await;
    let revoked = story.changed.iter().filter(|changed| changed.action == "key.revoke");
    let by: Vec<_> = revoked.map(|changed| changed.detail.as_deref().unwrap_or("")).collect();
    assert_eq!(by, ["by=github"]);
}

#[tokio::test]
async fn where_it_is_only_reported_the_key_goes_on_and_its_owner_sees_it() {
    let (pair, public) = our_own();
    let (door, _, key) = with_key(&github(&public, "found_keys=\"report\"")).await;
    let body = json!([{"token": key, "type": "t", "url": "", "source": "npm"}]).to_string();
    for seen in 1..3 {
        assert_eq!(told(&door, &pair, &body).await.json()[0]["label"], "true_positive");
        let found = inbox(&door).await;
        assert_eq!((found.len(), found[0].seen), (1, seen));
        assert_eq!(found[0].finding.severity, Severity::Critical);
    }
    assert!(works(&door, &key).await);
    assert!(keys_page(&door).await.contains("It still works"));
    door.stop().await;
}
