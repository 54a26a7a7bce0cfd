//! The chat without script: pages and forms, with the same owners, the same
//! answers and the same conversations as the page with script.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use serde_json::json;
use surgewall_core::role::Role;
use surgewall_gateway::chat::limits::{
    LITE_PAGE_BYTES_MAX, LITE_TEXT_CHARS_MAX, LITE_VISIT_BYTES_MAX,
};
use surgewall_gateway::pages::{assets, headers};
use surgewall_gateway::routes::chat::LITE;
use surgewall_store::admin::{Request, UserSet};
use surgewall_store::conversations::{
    Body, MessageId, NewConversation, NewMessage, Own, Role as Speaker, State, Tombstone,
};
use surgewall_testkit::client::Answer;
use surgewall_testkit::{Behaviour, Double};

use super::page::Page;
use super::people::{Person, door, person, text};
use crate::browser::{between, encoded, hidden, location};
use crate::harness::TestDoor;

const PATIENCE: Duration = Duration::from_secs(30);

impl Page {
    /// Sends a form.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let page = self.with_header("content-type", "application/x-www-form-urlencoded");
        page.send(Method::POST, path, Bytes::from(pairs.join("&"))).await
    }

    /// Sends the form of a page: the fields that it hides, and these.
    async fn fill(&self, shown: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
        let names = ["id", "parent", "question"];
        let kept: Vec<_> = names.iter().map(|name| (*name, hidden(shown, name))).collect();
        let mut all: Vec<(&str, &str)> =
            kept.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend([("model", "double")].iter().chain(fields));
        self.form(path, &all).await
    }
}

impl Person {
    /// Begins a conversation with `text`: where it is.
    async fn begin(&self, text: &str) -> String {
        let front = self.page.get("/lite").await;
        let sent = self.page.fill(&front, "/lite", &[("text", text)]).await;
        assert_eq!(sent.status, 303, "{}", sent.text());
        location(&sent).to_owned()
    }
}

/// What a page says, with its markup taken for what it means.
fn unescaped(html: &str) -> String {
    let pairs = [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    pairs.iter().fold(html.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[tokio::test]
async fn from_a_first_message_to_the_next_without_script() {
    let double = Double::start("reasoning=2".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.begin("say 3 <script>alert(1)</script>").await;
    let shown = ada.page.get(&chat).await;
    assert_eq!(shown.status, 200);
    for (name, value) in
        [("content-security-policy", headers::CSP_PLAIN), ("cache-control", "no-store")]
    {
        assert_eq!(shown.header(name), Some(value), "{name}");
    }
    let html = shown.text();
    for words in ["say 3 &#60;script&#62;", "tok0 tok1 tok2 </pre>", "<h2>double</h2>", "</html>"] {
        assert!(html.contains(words), "{words}: {html}");
    }
    assert!(!html.contains("<script"), "{html}");
    // The page that grew is a page like any: its form follows the answer.
    assert_eq!((hidden(&shown, "parent"), hidden(&shown, "question")), ("2".into(), "1".into()));
    let again = ada.page.get(&chat).await;
    assert!(again.text().contains("tok0 tok1 tok2 </pre>"), "{}", again.text());
    for _ in 0..2 {
        // Sent twice, it is there once.
        let sent = ada.page.fill(&shown, &chat, &[("text", "say 1\r\nand more")]).await;
        assert_eq!((sent.status, location(&sent)), (303, chat.as_str()));
    }
    let shown = ada.page.get(&chat).await;
    assert!(shown.text().contains("say 1\nand more"), "{}", shown.text());
    let id = chat.trim_start_matches("/lite/");
    let texts: Vec<_> = ada.branch(id).await.into_iter().map(|row| row.3).collect();
    assert_eq!(texts[2..], ["say 1\nand more", "tok0 "]);
    // Another answer is a version beside the first.
    let another = ada.page.fill(&shown, &format!("{chat}/again"), &[("text", "")]).await;
    assert_eq!(another.status, 303, "{}", another.text());
    ada.page.get(&chat).await;
    assert_eq!(ada.show(id).await["conversation"]["messages"], 5);
    let front = ada.page.get("/lite").await.text();
    assert!(front.contains(&format!("<a href=\"{chat}\"")) && front.contains("say 3 "), "{front}");
    door.stop().await.check_conservation();
}

/// Reads a page as it comes, until `until` is in it or it ends.
struct Reading {
    body: hyper::body::Incoming,
    html: String,
}

impl Reading {
    async fn of(page: &Page, path: &str) -> Self {
        let response = page.open(path).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), html: String::new() }
    }

    async fn until(&mut self, until: &str) {
        let reading = async {
            while !self.html.contains(until) {
                let frame = self.body.frame().await.expect(until).unwrap();
                let bytes = frame.into_data().unwrap_or_default();
                self.html.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect(until);
    }
}

#[tokio::test]
async fn an_answer_comes_while_it_is_written_and_can_be_stopped() {
    let double = Double::start("endless rate=100".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.begin("go").await;
    let mut reading = Reading::of(&ada.page, &chat).await;
    reading.until("tok3 ").await;
    assert!(!reading.html.contains("<textarea") && !reading.html.contains("</html>"));
    let answer = reading.html.split("name=\"answer\" value=\"").nth(1).unwrap();
    let answer = answer.split('"').next().unwrap().to_owned();
    let bob = person(&door, "bob@example.org").await;
    let his = bob.begin("go").await;
    for path in [&chat, &his] {
        let foreign = bob.page.form(&format!("{path}/stop"), &[("answer", &answer)]).await;
        assert_eq!(foreign.status, 404, "{path}");
    }
    let stopped = ada.page.form(&format!("{chat}/stop"), &[("answer", &answer)]).await;
    assert_eq!((stopped.status, location(&stopped)), (303, chat.as_str()));
    reading.until("</html>").await;
    for words in ["You stopped this answer.", "name=\"go_on\" value=\"2\"", "<textarea"] {
        assert!(reading.html.contains(words), "{words}: {}", reading.html);
    }
    // What was stopped goes on where it ended.
    double.set("tokens=2".parse().unwrap());
    let shown = ada.page.get(&chat).await;
    let before = between(&shown, "</h2>\n<pre class=\"words\" dir=\"auto\">\ntok0 ", "</pre>");
    let on = ada.page.fill(&shown, &format!("{chat}/again"), &[("go_on", "2")]).await;
    assert_eq!(on.status, 303, "{}", on.text());
    let whole = ada.page.get(&chat).await.text();
    assert!(whole.contains(&format!("{before}tok0 tok1 ")), "{whole}");
    for (path, answer) in [(&his, "0"), (&his, "zz")] {
        assert_eq!(bob.page.form(&format!("{path}/stop"), &[("answer", answer)]).await.status, 404);
    }
    bob.call(Method::DELETE, &his.replace("/lite", "/app/conversations"), &json!(null)).await;
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_place_in_the_line_is_told_in_words() {
    let double = Double::start("endless rate=50".parse().unwrap());
    let config = text(&double).replace("models=", "sequences_max=1\nmodels=");
    let door = TestDoor::start(&config).await;
    let ada = person(&door, "ada@example.org").await;
    let first = ada.begin("go").await;
    Reading::of(&ada.page, &first).await.until("tok0 ").await;
    let second = ada.begin("go").await;
    let mut waiting = Reading::of(&ada.page, &second).await;
    waiting.until("<p>You are number 1 in the line. Your turn comes ").await;
    waiting.until("The models are busy.</p>").await;
    double.set("tokens=2".parse().unwrap());
    let front = Reading::of(&ada.page, &first).await;
    let answer = {
        let mut front = front;
        front.until("Stop the answer").await;
        front.html.split("name=\"answer\" value=\"").nth(1).unwrap()[..32].to_owned()
    };
    ada.page.form(&format!("{first}/stop"), &[("answer", &answer)]).await;
    waiting.until("</html>").await;
    assert!(waiting.html.contains("</div>\n<article") && waiting.html.contains("tok0 tok1 </pre>"));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn whose_a_conversation_is_decides_on_every_page() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let bob = person(&door, "bob@example.org").await;
    let owner = person(&door, "owner@example.org").await;
    let role = Some(Role::Owner);
    let set = UserSet { user: "owner@example.org".into(), role, ..UserSet::default() };
    door.operate(Request::UserSet(set)).await;
    let chat = ada.begin("say 1").await;
    let before = ada.page.get(&chat).await;
    let nobody = Page::of(&door);
    for route in LITE {
        let path = route.path.replace("/lite/{id}", &chat);
        let is_form = route.method == "POST";
        for (who, page) in [("nobody", &nobody), ("bob", &bob.page), ("owner", &owner.page)] {
            let fields = [("text", "mine"), ("answer", "00000000000000000000000000000001")];
            let answer = if is_form {
                page.fill(&before, &path, &fields).await
            } else {
                page.get(&path).await
            };
            let expected = match (who, route.path) {
                ("nobody", _) if !is_form => 302,
                ("nobody", _) => 401,
                (_, "/lite") if is_form => 303,
                (_, "/lite") => 200,
                _ => 404,
            };
            assert_eq!(answer.status, expected, "{} {path} {who}", route.method);
            assert!(!answer.text().contains("tok0"), "{path} {who}");
        }
        if is_form {
            // A form of another site, or of no page, does nothing for its owner neither.
            let mut elsewhere = ada.page.with_header("sec-fetch-site", "cross-site");
            for _ in 0..2 {
                let answer = elsewhere.fill(&before, &path, &[("text", "theirs")]).await;
                assert_eq!(answer.status, 403, "{path}");
                elsewhere = elsewhere.with_header("sec-fetch-site", "none");
            }
        }
    }
    let asked = nobody.get(&chat).await;
    assert_eq!(location(&asked), format!("/sign-in?next={chat}"));
    assert_eq!(ada.branch(chat.trim_start_matches("/lite/")).await.len(), 2);
    assert_eq!(ada.page.get("/lite/chat_nobody").await.status, 404);
    assert_eq!(ada.page.get(&format!("{chat}?from=9")).await.status, 404);
    assert_eq!(ada.page.get(&format!("{chat}?at=x")).await.status, 400);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn what_cannot_be_sent_is_given_back() {
    let double = Double::start("endless rate=20".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let mut chats = Vec::new();
    for _ in 0..16 {
        chats.push(ada.begin("go").await);
    }
    let front = ada.page.get("/lite").await;
    let refused = ada.page.fill(&front, "/lite", &[("text", "one <more>")]).await;
    assert_eq!(refused.status, 429);
    assert!(refused.text().contains("one &#60;more&#62;</textarea>"), "{}", refused.text());
    assert_eq!(hidden(&refused, "id"), hidden(&front, "id"), "sent again, it is kept once");
    // The session ended meanwhile: the words are not lost.
    let gone = Page::of(&door).fill(&front, "/lite", &[("text", "a long thought")]).await;
    assert_eq!(gone.status, 401);
    assert!(gone.text().contains("a long thought") && gone.text().contains("href=\"/sign-in"));
    let empty = ada.page.fill(&front, "/lite", &[("text", " ")]).await;
    assert_eq!(empty.status, 400);
    // The longest text in the longest script fits, and one past the form's limit does not.
    let long = "漢".repeat(LITE_TEXT_CHARS_MAX);
    let sent = ada.page.fill(&front, &chats[0], &[("text", &long)]).await;
    assert_eq!(sent.status, 429, "it was read");
    let past = ada.page.fill(&front, &chats[0], &[("text", &"漢".repeat(7_300))]).await;
    assert_eq!(past.status, 413);
    for chat in &chats {
        let path = chat.replace("/lite", "/app/conversations");
        ada.call(Method::DELETE, &path, &json!(null)).await;
    }
    assert!(double.idle(PATIENCE).await);
    door.stop().await.check_conservation();
}

/// Puts a message at the end of a branch.
async fn put(door: &TestDoor, person: &Person, title: &str, bodies: Vec<Body>) -> String {
    let door = door.door();
    let own = Own::new(door.people.as_ref(), &door.vault, person.account.id);
    let new = NewConversation { title: title.to_owned(), ..NewConversation::default() };
    let made = own.create(new, door.clock.now()).await.unwrap();
    for (body, parent) in bodies.into_iter().zip(0_u32..) {
        let role = if parent % 2 == 0 { Speaker::User } else { Speaker::Assistant };
        let (id, state, attachments) = (MessageId::random(), State::Complete, Vec::new());
        let new = NewMessage { id, parent, role, state, body, attachments };
        own.append(made.id, new, door.clock.now()).await.unwrap();
    }
    format!("/lite/{}", made.public_id)
}

#[tokio::test]
async fn every_page_is_small_and_all_of_a_conversation_can_be_read() {
    let double = Double::start(Behaviour::default());
    let models: Vec<_> = (0..300).map(|nth| format!("\"model-with-a-long-name-{nth}\"")).collect();
    let all = format!("models=[\"double\",{}]", models.join(","));
    let door = TestDoor::start(&text(&double).replace("models=[\"double\"]", &all)).await;
    let ada = person(&door, "ada@example.org").await;
    let long: String = (0..6_000).map(|nth| format!("<{nth}> & ")).collect();
    let tombstone =
        Tombstone { at: 9, rule: "r-1".into(), reason: "Why.".into(), advice: "What.".into() };
    let answer = Body { withheld: vec![tombstone], ..Body::text(long.clone()) };
    let bodies = vec![Body::text("the question"), answer, Body::text("and then?")];
    let chat = put(&door, &ada, &"<".repeat(100), bodies).await;
    let newest = ada.page.get(&chat).await;
    assert!(newest.body.len() <= LITE_PAGE_BYTES_MAX, "{}", newest.body.len());
    assert!(newest.text().contains("and then?") && newest.text().contains("Ask again"));
    assert!(newest.text().contains("<option selected>double</option>"));
    // The long answer from its beginning, page by page.
    let (mut read, mut next, mut pages) = (String::new(), format!("{chat}?from=2"), 0);
    loop {
        let page = ada.page.get(&next).await;
        assert!(
            page.status == 200 && page.body.len() <= LITE_PAGE_BYTES_MAX,
            "{}",
            page.body.len()
        );
        let html = page.text();
        if pages == 0 {
            let stone = "<p class=\"warning\">Withheld by the rule r-1: Why. What.</p>";
            assert!(html.contains("the question") && html.contains(stone), "{html}");
        }
        let of_answer = html.split("class=\"message assistant\"").nth(1).unwrap();
        for part in of_answer.split("<pre class=\"words\" dir=\"auto\">\n").skip(1) {
            read.push_str(&unescaped(part.split("</pre>").next().unwrap()));
        }
        pages += 1;
        let Some(link) =
            html.split("\">Read on</a>").next().filter(|before| before.len() < html.len())
        else {
            break;
        };
        next = unescaped(link.rsplit("href=\"").next().unwrap());
    }
    assert!(read == long && pages > 5, "{pages} pages");
    // A list of long titles is small, too, and goes on.
    for _ in 0..40 {
        put(&door, &ada, &"<&>".repeat(30), Vec::new()).await;
    }
    let (mut found, mut next) = (0, "/lite".to_owned());
    loop {
        let page = ada.page.get(&next).await;
        assert!(page.body.len() <= LITE_PAGE_BYTES_MAX, "{}", page.body.len());
        let html = page.text();
        found += html.matches("<li>").count();
        let Some(at) = html.find("/lite?before=") else { break };
        next = html[at..].split('"').next().unwrap().to_owned();
    }
    assert_eq!(found, 41);
    let css = door.stranger().with_header("accept-encoding", "gzip");
    let css = css.get(assets::path("pages.css")).await.unwrap().body.len();
    let icon = door.stranger().get("/app/static/icon.svg").await.unwrap().body.len();
    assert!(LITE_PAGE_BYTES_MAX + css + icon <= LITE_VISIT_BYTES_MAX, "{css} and {icon}");
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_long_answer_that_is_being_written_goes_on_on_the_next_page() {
    let double = Double::start("endless rate=4000".parse().unwrap());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let chat = ada.begin("go").await;
    let first = ada.page.get(&chat).await;
    let html = first.text();
    assert!(first.body.len() <= LITE_PAGE_BYTES_MAX && first.body.len() > 8_000);
    assert!(html.contains("</html>") && !html.contains("<textarea"), "{html}");
    let at = between(&first, "?at=", "\"");
    let second = ada.page.get(&format!("{chat}?at={at}")).await;
    let text = |page: &Answer| {
        let html = page.text();
        let text = html.rsplit("<pre class=\"words\" dir=\"auto\">\n").next().unwrap();
        text.split("</pre>").next().unwrap().to_owned()
    };
    let both = text(&first) + &text(&second);
    let counted: String =
        (0..both.split_whitespace().count()).map(|n| format!("tok{n} ")).collect();
    assert_eq!(both, counted);
    ada.call(Method::DELETE, &chat.replace("/lite", "/app/conversations"), &json!(null)).await;
    door.stop().await.check_conservation();
}
