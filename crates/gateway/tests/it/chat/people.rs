//! People who are signed in.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use surgewall_core::principal::{AccountRecord, Network};
use surgewall_gateway::listen::Purpose;
use surgewall_gateway::session::{Begin, begin};
use surgewall_store::admin::{Reply, Request, UserCreate};
use surgewall_store::people::{People as _, Pick};
use surgewall_testkit::Double;
use surgewall_testkit::client::Answer;

use super::page::{Heard, Page};
use crate::harness::{TestDoor, upstream};

/// A door before `double`, whose upstream's models are for people who are known.
pub(crate) async fn door(double: &Double) -> TestDoor {
    TestDoor::start(&text(double)).await
}

/// The configuration of [`door`].
pub(crate) fn text(double: &Double) -> String {
    upstream("local", &double.url(), "models=[\"double\"]")
}

/// A page of somebody with a new account.
pub(crate) async fn person(door: &TestDoor, email: &str) -> Person {
    let asked = UserCreate { email: email.into(), ..UserCreate::default() };
    let reply = door.operate(Request::UserCreate(asked)).await;
    let Reply::UserCreated { id } = reply else { panic!("{reply:?}") };
    again(door, id.as_str()).await
}

/// A new session of an account that is there.
pub(crate) async fn again(door: &TestDoor, public_id: &str) -> Person {
    let pick = Pick::PublicId(public_id.to_owned());
    let id = door.door().people.accounts(&pick).await.unwrap()[0].id;
    let account = door.door().directory.account(id).unwrap();
    let headers = http::HeaderMap::new();
    let network = Network::of("127.0.0.1".parse().unwrap());
    let (purpose, strong) = (Purpose::Public, true);
    let session = Begin { account: &account, purpose, strong, network, headers: &headers };
    let cookie = begin(door.door(), &session).await.unwrap();
    let cookie = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
    Person { page: Page::of(door).with_cookie(&cookie), account }
}

/// Somebody, and their page.
pub(crate) struct Person {
    pub(crate) page: Page,
    pub(crate) account: Arc<AccountRecord>,
}

impl Person {
    /// A new conversation's id.
    pub(crate) async fn chat(&self) -> String {
        let made = self.page.post("/app/conversations", &json!({})).await;
        assert_eq!(made.status, 201, "{}", made.text());
        made.json()["id"].as_str().unwrap().to_owned()
    }

    /// Sends a message; its number and the answer's id.
    pub(crate) async fn say(&self, chat: &str, id: u128, parent: u64, text: &str) -> (u64, String) {
        let answer = self.send(chat, id, parent, text).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        let json = answer.json();
        let answer = json["answer"]["id"].as_str().unwrap().to_owned();
        (json["message"]["number"].as_u64().unwrap(), answer)
    }

    pub(crate) async fn send(&self, chat: &str, id: u128, parent: u64, text: &str) -> Answer {
        let body = json!({"id": format!("{id:032x}"), "parent": parent, "text": text,
            "attachments": [], "model": "double"});
        self.page.post(&format!("/app/conversations/{chat}/messages"), &body).await
    }

    /// Sends a message and hears the whole answer: its last event.
    pub(crate) async fn hear(&self, chat: &str, id: u128, parent: u64, text: &str) -> Heard {
        let (_, answer) = self.say(chat, id, parent, text).await;
        self.page.all(&answer).await
    }

    /// The conversation with its newest messages.
    pub(crate) async fn show(&self, chat: &str) -> Value {
        let shown = self.page.get(&format!("/app/conversations/{chat}")).await;
        assert_eq!(shown.status, 200, "{}", shown.text());
        shown.json()
    }

    /// Number, role, state and text of the branch's messages, oldest first.
    pub(crate) async fn branch(&self, chat: &str) -> Vec<(u64, String, String, String)> {
        let shown = self.show(chat).await;
        let messages = shown["page"]["messages"].as_array().unwrap().iter().rev();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        messages
            .map(|message| {
                let said = text(&message["body"]["text"]);
                let (role, state) = (text(&message["role"]), text(&message["state"]));
                (message["number"].as_u64().unwrap(), role, state, said)
            })
            .collect()
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.page.call(method, path, body).await
    }
}
