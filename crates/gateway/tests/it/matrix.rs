//! The permission matrix: every route x role, asked on a real door, printed
//! and held. A new route without a row changes the picture and fails.

use std::fmt::Write as _;

use serde_json::json;
use surgewall_core::principal::Scopes;
use surgewall_gateway::listen::Purpose;
use surgewall_gateway::pages::assets;
use surgewall_gateway::routes::table;
use surgewall_store::admin::{KeyCreate, Named, Request, UserCreate, UserSet};
use surgewall_testkit::client::Client;
use surgewall_testkit::{Behaviour, Double};

use crate::harness::{TestDoor, upstream};

/// Who asks, in the order of the columns.
async fn roles(door: &TestDoor) -> Vec<(&'static str, Client)> {
    let key = |name: &str| KeyCreate { name: name.into(), ..KeyCreate::default() };
    let stranger = door.stranger();
    let plain = door.key(key("plain")).await;
    let scoped = |name: &str, scopes: Scopes| KeyCreate { scopes, ..key(name) };
    let routes = Scopes { routes: vec!["embeddings".into()], ..Scopes::default() };
    let models = Scopes { models: vec!["elsewhere".into()], ..Scopes::default() };
    let networks = Scopes { networks: vec!["192.0.2.0/24".parse().unwrap()], ..Scopes::default() };
    let embeddings = door.key(scoped("embeddings", routes)).await;
    let other_model = door.key(scoped("model", models)).await;
    let elsewhere = door.key(scoped("network", networks)).await;
    let revoked = door.key(key("revoked")).await;
    door.operate(Request::KeyRevoke(Named { name: "revoked".into() })).await;
    let email = "ann@example.org".to_owned();
    door.operate(Request::UserCreate(UserCreate { email: email.clone(), ..UserCreate::default() }))
        .await;
    let suspended = door.key(KeyCreate { account: Some(email.clone()), ..key("suspended") }).await;
    door.operate(Request::UserSet(UserSet {
        user: email,
        suspended: Some(true),
        ..UserSet::default()
    }))
    .await;
    let unknown = surgewall_core::apikey::generate().expose().clone();
    vec![
        ("stranger", stranger.clone()),
        ("key", stranger.clone().with_key(&plain)),
        ("embeddings", stranger.clone().with_key(&embeddings)),
        ("model", stranger.clone().with_key(&other_model)),
        ("network", stranger.clone().with_key(&elsewhere)),
        ("revoked", stranger.clone().with_key(&revoked)),
        ("suspended", stranger.clone().with_key(&suspended)),
        ("unknown", stranger.clone().with_key(&unknown)),
        ("malformed", stranger.clone().with_key("sw_live_x")),
        ("two", stranger.with_key(&plain).with_header("x-api-key", &embeddings)),
    ]
}

#[tokio::test]
async fn the_permission_matrix() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let roles = roles(&door).await;
    let mut picture = format!("{:42}", "route");
    for (name, _) in &roles {
        let _ = write!(picture, "{name:>11}");
    }
    picture.push('\n');
    // Calls of the chat take sessions and no keys: their matrix is in `chat/strangers.rs`.
    let is_chats = |route: &&table::Route| matches!(route.handler, table::Handler::Chat(_));
    let public = table::all().filter(|route| route.listener == Purpose::Public);
    for route in public.filter(|route| !is_chats(route)) {
        let _ = write!(picture, "{:42}", format!("{} {}", route.method, route.path));
        for (_, client) in &roles {
            let path = match route.path.strip_prefix(assets::FOLDER) {
                Some(_) => assets::path("pages.css").to_owned(),
                None => route.path.replace("{*id}", "double"),
            };
            let body = match route.family {
                "chat" if route.path == "/v1/responses" => {
                    json!({"model": "double", "input": "say 1"})
                }
                "chat" if route.path == "/api/chat" => {
                    json!({"model": "double", "messages": [{"role": "user", "content": "say 1"}]})
                }
                "chat" => json!({"model": "double", "max_tokens": 1,
                    "messages": [{"role": "user", "content": "say 1"}]}),
                "completions" => json!({"model": "double", "prompt": "a"}),
                _ => json!({"model": "double", "input": "a"}),
            };
            let answer = match route.method {
                "POST" => client.post(&path, &body).await.unwrap(),
                _ => client.get(&path).await.unwrap(),
            };
            let _ = write!(picture, "{:>11}", answer.status);
        }
        picture.push('\n');
    }
    insta::assert_snapshot!(picture);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn strangers_see_only_the_handbook_and_of_the_admin_listener_only_metrics() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let models = door.stranger().get("/v1/models").await.unwrap().json();
    let ids: Vec<_> =
        models["data"].as_array().unwrap().iter().map(|model| model["id"].clone()).collect();
    assert_eq!(ids, ["handbook"]);
    let known = door.stranger().get("/v1/models/double").await.unwrap();
    let unknown = door.stranger().get("/v1/models/nonsense").await.unwrap();
    assert_eq!((known.status, unknown.status), (401, 401));
    let admin = Client::new(&door.admin_url);
    assert_eq!(admin.get("/metrics").await.unwrap().status, 200);
    for path in ["/v1/models", "/app/me", "/debug"] {
        assert_eq!(admin.get(path).await.unwrap().status, 404, "{path}");
    }
    for path in ["/", "/live", "/users", "/ledger"] {
        assert_eq!(admin.get(path).await.unwrap().status, 303, "{path}");
    }
    let rebound =
        Client::new(&door.url).with_header("host", "evil.example").get("/v1/models").await.unwrap();
    assert_eq!(rebound.status, 421);
    assert!(door.door().open.count() == 0);
    door.stop().await.check_conservation();
}
