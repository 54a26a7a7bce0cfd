//! Whose a thing is decides on every route, and roles do not count: the matrix of
//! routes and callers, printed and held, and each flaw that other chats had.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};
use surgewall_core::id::PublicId;
use surgewall_core::incident::Verdict;
use surgewall_core::role::Role;
use surgewall_gateway::routes::chat::ROUTES;
use surgewall_gateway::routes::table::all;
use surgewall_store::admin::{KeyCreate, Request, UserSet};
use surgewall_store::notices::{Harm, Notice, Notices as _};
use surgewall_testkit::{Behaviour, Double};

use super::page::Page;
use super::people::{Person, door, person};
use crate::harness::TestDoor;

/// The incident of which the owner of all things has a notice.
const NOTICE: &str = "inc_a";

async fn with_role(door: &TestDoor, email: &str, role: Role) -> Person {
    let person = person(door, email).await;
    let user = email.to_owned();
    door.operate(Request::UserSet(UserSet { user, role: Some(role), ..UserSet::default() })).await;
    person
}

/// What is somebody's: everything that a path can name.
struct Things {
    chat: String,
    answer: String,
    share: String,
    token: String,
}

async fn things(owner: &Person, nth: u128) -> Things {
    let chat = owner.chat().await;
    let (_, answer) = owner.say(&chat, nth, 0, "say 2").await;
    owner.page.all(&answer).await;
    let shares = format!("/app/conversations/{chat}/shares");
    let made = owner.page.post(&shares, &json!({})).await.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Things { chat, answer, share: text("id"), token: text("url").replace("/app/shared/", "") }
}

impl Things {
    fn path(&self, path: &str) -> String {
        let id: &str = match path {
            path if path.starts_with("/app/shares/") => &self.share,
            path if path.starts_with("/app/notices/") => NOTICE,
            path if path.starts_with("/app/answers/") => &self.answer,
            path if path.starts_with("/app/tickets/") => &self.answer,
            _ => &self.chat,
        };
        path.replace("{id}", id).replace("{number}", "1").replace("{token}", &self.token)
    }
}

/// A body that the call takes.
fn body(method: &str, path: &str, nth: u128) -> Value {
    let id = format!("{:032x}", 0xabc_0000 + nth);
    match (method, path.rsplit('/').next().unwrap_or("")) {
        ("GET" | "DELETE", _) | (_, "stop") => Value::Null,
        (_, "messages") => {
            json!({"id": id, "parent": 0, "text": "say 1", "attachments": [], "model": "double"})
        }
        (_, "answers") if path == "/app/answers" => {
            json!({"id": id, "model": "double", "messages": [{"role": "user", "text": "say 1"}]})
        }
        (_, "answers") => json!({"id": id, "parent": 1, "model": "double"}),
        (_, "draft") => json!({"text": "a"}),
        _ => json!({}),
    }
}

#[tokio::test]
async fn the_matrix_of_the_chat() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let bob = person(&door, "bob@example.org").await;
    let auditor = with_role(&door, "auditor@example.org", Role::Auditor).await;
    let admin = with_role(&door, "admin@example.org", Role::Admin).await;
    let owner = with_role(&door, "owner@example.org", Role::Owner).await;
    let key = door.key(KeyCreate { name: "k".into(), ..KeyCreate::default() }).await;
    let nobody = Page::of(&door);
    let with_key = nobody.with_header("authorization", &format!("Bearer {key}"));
    let callers = [
        ("nobody", &nobody),
        ("key", &with_key),
        ("other user", &bob.page),
        ("auditor", &auditor.page),
        ("admin", &admin.page),
        ("owner", &owner.page),
        ("its user", &ada.page),
    ];
    let mut picture = format!("{:64}", "route");
    for (name, _) in &callers {
        let _ = write!(picture, "{name:>11}");
    }
    picture.push('\n');
    let notice = Notice {
        account: ada.account.id,
        incident: PublicId::from_stored(NOTICE.to_owned()),
        verdict: Verdict::Unclear,
        harm: Harm { cut: 1, ..Harm::default() },
        began_at: door.door().clock.now(),
        ended_at: None,
    };
    door.door().people.put_notices(&[notice]).await.unwrap();
    let mut nth = 0;
    for route in ROUTES {
        let _ = write!(picture, "{:64}", format!("{} {}", route.method, route.path));
        for (_, page) in &callers {
            nth += 1;
            let hers = things(&ada, 1_000 + nth).await;
            let method: Method = route.method.parse().unwrap();
            let sent = body(route.method, route.path, nth);
            let answer = page.call(method, &hers.path(route.path), &sent).await;
            let _ = write!(picture, "{:>11}", answer.status);
        }
        picture.push('\n');
    }
    insta::assert_snapshot!(picture);
    door.stop().await.check_conservation();
}

#[test]
fn every_route_of_the_chat_is_in_the_matrix() {
    let under = all().filter(|route| route.path.starts_with("/app/conversations"));
    for route in under {
        let listed = |one: &&surgewall_gateway::routes::table::Route| {
            one.path == route.path && one.method == route.method
        };
        assert!(ROUTES.iter().any(|one| listed(&one)), "{} {}", route.method, route.path);
    }
}

/// Continuing somebody's conversation by its id, in the path or in the body
/// (CVE-2026-45349).
#[tokio::test]
async fn a_foreign_conversation_is_not_there_in_path_or_body() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let (ada, bob) =
        (person(&door, "ada@example.org").await, person(&door, "bob@example.org").await);
    let hers = things(&ada, 1).await;
    let his = bob.chat().await;
    let before = ada.branch(&hers.chat).await;
    let sent = bob.send(&hers.chat, 5, 2, "go on").await;
    assert_eq!((sent.status, sent.json()["error"]["code"].as_str()), (404, Some("not_found")));
    for name in ["conversation", "conversation_id", "chat_id", "account", "owner"] {
        let mut body = json!({"id": format!("{:032x}", 6), "parent": 0, "text": "a",
            "attachments": [], "model": "double"});
        body[name] = json!(hers.chat);
        let sent = bob.page.post(&format!("/app/conversations/{his}/messages"), &body).await;
        assert_eq!(sent.status, 400, "{name}");
    }
    assert_eq!(ada.branch(&hers.chat).await, before);
    assert!(bob.branch(&his).await.is_empty());
    door.stop().await.check_conservation();
}

/// Overwriting by id, as imports did (CVE-2026-44562): an id of somebody else's
/// message, or of one's own, changes nothing that is there.
#[tokio::test]
async fn an_id_that_is_there_overwrites_nothing() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let (ada, bob) =
        (person(&door, "ada@example.org").await, person(&door, "bob@example.org").await);
    let hers = things(&ada, 1).await;
    let his = bob.chat().await;
    bob.hear(&his, 1, 0, "say 1, mine").await;
    let other = ada.chat().await;
    ada.hear(&other, 1, 0, "say 1, elsewhere").await;
    assert_eq!(ada.branch(&hers.chat).await[0].3, "say 2");
    assert_eq!(bob.branch(&his).await[0].3, "say 1, mine");
    assert_eq!(ada.branch(&other).await[0].3, "say 1, elsewhere");
    // The id of an answer that is a message already is not answered again.
    let body = json!({"id": hers.answer, "parent": 1, "model": "double"});
    let path = format!("/app/conversations/{}/answers", hers.chat);
    assert_eq!(ada.page.post(&path, &body).await.status, 202);
    assert_eq!(ada.branch(&hers.chat).await[1].3, "tok0 tok1 ");
    assert_eq!(ada.show(&hers.chat).await["conversation"]["messages"], 2);
    door.stop().await.check_conservation();
}

/// Watching somebody's answer by its id (CVE-2026-31950), also after an attach of
/// one's own, and also with the id that one's own answer has.
#[tokio::test]
async fn an_attach_is_judged_each_time() {
    let double = Double::start("endless rate=50".parse().unwrap());
    let door = door(&double).await;
    let (ada, bob) =
        (person(&door, "ada@example.org").await, person(&door, "bob@example.org").await);
    let chat = ada.chat().await;
    let (_, id) = ada.say(&chat, 1, 0, "go").await;
    let mut events = ada.page.watch(&id, None).await;
    let last = events.next().await.unwrap().id;
    for last in [None, Some("0"), Some(last.as_str()), Some("0.end")] {
        assert_eq!(bob.page.watch(&id, last).await.status, 404, "{last:?}");
        assert_eq!(Page::of(&door).watch(&id, last).await.status, 404, "{last:?}");
    }
    ada.page.post(&format!("/app/answers/{id}/stop"), &Value::Null).await;
    door.stop().await.check_conservation();
}

/// A request that is no request ends itself, and not the process (a malformed
/// DELETE ended one); and what costs much is not for strangers (CVE-2024-12537).
#[tokio::test]
async fn malformed_calls_end_themselves_and_strangers_cost_nothing() {
    let double = Double::start(Behaviour::default());
    let door = door(&double).await;
    let ada = person(&door, "ada@example.org").await;
    let nobody = Page::of(&door);
    let ids =
        ["%00", "%ff", "..", "chat_", "' OR 1=1", &"x".repeat(4_000), "%E2%80%AE", "{id}", "*"];
    for id in ids {
        let id =
            id.replace(' ', "%20").replace('\'', "%27").replace('{', "%7B").replace('}', "%7D");
        // A path that is no text is none, whoever asks.
        let unknown = if id == "%ff" { 404 } else { 401 };
        for (page, expected) in [(&ada.page, 404), (&nobody, unknown)] {
            for path in ["/app/conversations/ID", "/app/shares/ID"] {
                let path = path.replace("ID", &id);
                let answer = page.call(Method::DELETE, &path, &json!({"a": 1})).await;
                assert_eq!(answer.status, expected, "{path}");
            }
        }
    }
    let big = json!({"text": "x".repeat(1 << 20)});
    for (method, path) in
        [(Method::POST, "/app/conversations"), (Method::PUT, "/app/conversations/chat_x/draft")]
    {
        assert_eq!(nobody.call(method, path, &big).await.status, 401, "{path}");
    }
    assert_eq!(nobody.get("/app/search?q=a").await.status, 401);
    assert_eq!(ada.page.get("/app/me").await.status, 200, "the door goes on");
    door.stop().await.check_conservation();
}
