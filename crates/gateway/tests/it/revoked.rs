//! A credential that is withdrawn ends what runs under it, and nothing else.

use serde_json::Value;
use std::time::Duration;
use surgewall_core::decision::Outcome;
use surgewall_store::admin::{KeyCreate, Named, Reply, Request, UserCreate, UserSet};
use surgewall_testkit::client::{Client, Flow};
use surgewall_testkit::{Behaviour, Double};
use tokio::sync::Notify;

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// Far longer than the second in which a withdrawal ends a stream.
const PATIENCE: Duration = Duration::from_secs(20);

async fn key(door: &TestDoor, name: &str, account: Option<&str>) -> Client {
    let account = account.map(str::to_owned);
    let asked = KeyCreate { name: name.into(), account, ..KeyCreate::default() };
    door.stranger().with_key(&door.key(asked).await)
}

fn revoke() -> Request {
    Request::KeyRevoke(Named { name: "hers".into() })
}

fn suspend() -> Request {
    let user = "ann@example.org".to_owned();
    Request::UserSet(UserSet { user, suspended: Some(true), ..UserSet::default() })
}

/// Runs a stream, carries out `request` after its third event, and returns the
/// last event that the client got.
async fn ended_by(door: &TestDoor, client: &Client, path: &str, request: Request) -> Value {
    let third = Notify::new();
    let (body, mut events) = (chat("double", "say 20", true), 0);
    let each = |_: &_| {
        events += 1;
        if events == 3 {
            third.notify_one();
        }
        Flow::Continue
    };
    let operator = async {
        third.notified().await;
        door.operate(request).await
    };
    let both = futures_util::future::join(client.stream(path, &body, each), operator);
    let (streamed, _) = tokio::time::timeout(PATIENCE, both).await.expect("the stream goes on");
    let streamed = streamed.unwrap();
    assert_eq!(streamed.status, 200);
    streamed.events.last().unwrap().json()
}

#[tokio::test]
async fn a_running_stream_ends_when_its_key_is_revoked_or_its_account_suspended() {
    for (path, request) in [
        ("/v1/chat/completions", revoke()),
        ("/v1/messages", revoke()),
        ("/v1/chat/completions", suspend()),
    ] {
        let double = Double::start("endless rate=50".parse().unwrap());
        let door = TestDoor::start(&upstream("local", &double.url(), "models=[\"double\"]")).await;
        let asked = UserCreate { email: "ann@example.org".into(), ..UserCreate::default() };
        door.operate(Request::UserCreate(asked)).await;
        let client = key(&door, "hers", Some("ann@example.org")).await;
        let last = ended_by(&door, &client, path, request).await;
        if path == "/v1/messages" {
            assert_eq!(last["error"]["type"], "authentication_error", "{last}");
        } else {
            assert_eq!(last["error"]["code"], "invalid_api_key", "{last}");
        }
        assert!(double.idle(PATIENCE).await, "the upstream's call outlived the key");
        let story = door.stop().await;
        story.check_conservation();
        let settled = story.only();
        assert_eq!(settled.outcome, Outcome::Revoked);
        assert!(settled.settled.output > 0, "what was delivered counts: {settled:?}");
    }
}

#[tokio::test]
async fn another_keys_stream_goes_on_and_so_does_one_whose_key_only_changed() {
    let double = Double::start("rate=50".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "models=[\"double\"]")).await;
    let (hers, his) = (key(&door, "hers", None).await, key(&door, "his", None).await);
    let body = chat("double", "say 20", true);
    let others = async {
        let path = "/v1/chat/completions";
        let ended = ended_by(&door, &hers, path, revoke()).await;
        assert_eq!(ended["error"]["code"], "invalid_api_key");
        let limits = Some(vec!["requests=5/1m".to_owned()]);
        let asked =
            surgewall_store::admin::KeySet { key: "his".into(), limits, ..Default::default() };
        assert!(matches!(door.operate(Request::KeySet(asked)).await, Reply::Key(_)));
    };
    let (streamed, ()) =
        futures_util::future::join(his.events("/v1/chat/completions", &body), others).await;
    assert!(streamed.unwrap().is_done());
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_request_that_waits_for_its_answer_is_refused_when_its_key_is_revoked() {
    let double = Double::start("hang".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "models=[\"double\"]")).await;
    let client = key(&door, "hers", None).await;
    let body = chat("double", "say 3", false);
    let operator = async {
        while double.in_flight() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        door.operate(revoke()).await
    };
    let both = futures_util::future::join(client.post("/v1/chat/completions", &body), operator);
    let (answer, _) = tokio::time::timeout(PATIENCE, both).await.expect("the request waits on");
    let answer = answer.unwrap();
    let code = answer.json()["error"]["code"].clone();
    assert_eq!((answer.status, code.as_str()), (401, Some("invalid_api_key")));
    double.set(Behaviour::default());
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.only().outcome, Outcome::Revoked);
}
