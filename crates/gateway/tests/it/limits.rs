//! Quotas and bounds: at the limit and one past it, and whose it is.

use serde_json::json;
use surgewall_store::admin::{EndUser, GroupCreate, KeyCreate, Request, UserCreate, UserLimit};
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

fn named(name: &str) -> KeyCreate {
    KeyCreate { name: name.into(), ..KeyCreate::default() }
}

#[tokio::test]
async fn a_limit_refuses_the_one_past_it_and_says_whose_it_is() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let limited = KeyCreate { limits: vec!["requests=2/1h".into()], ..named("two") };
    let client = door.stranger().with_key(&door.key(limited).await);
    for left in [1, 0] {
        let answer =
            client.post("/v1/chat/completions", &chat("double", "say 1", false)).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(
            answer.header("x-ratelimit-remaining-requests"),
            Some(left.to_string().as_str())
        );
        assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
    }
    let before = double.calls();
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let refused = client.post(path, &chat("double", "say 1", false)).await.unwrap();
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("x-ratelimit-scope"), Some("key"));
        assert_eq!(refused.header("x-ratelimit-remaining-requests"), Some("0"));
        assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
        let text = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(text.contains("This key has 2 requests per 1h"), "{text}");
    }
    assert_eq!(double.calls(), before, "a refused request never reaches an upstream");
    let story = door.stop().await;
    story.check_conservation();
    assert_eq!(story.refused, 2);
}

#[tokio::test]
async fn a_group_shares_its_budget_over_its_accounts_keys() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let limits = vec!["output_tokens=100/1d".to_owned()];
    door.operate(Request::GroupCreate(GroupCreate { name: "course".into(), limits })).await;
    let mut clients = Vec::new();
    for nth in 0..2 {
        let email = format!("student{nth}@example.org");
        let user = UserCreate {
            email: email.clone(),
            group: Some("course".into()),
            ..UserCreate::default()
        };
        door.operate(Request::UserCreate(user)).await;
        let key = door.key(KeyCreate { account: Some(email), ..named("laptop") }).await;
        clients.push(door.stranger().with_key(&key));
    }
    // Each reserves 50 and uses 10: the 41 that the second one asks for fit, 100 would not.
    let ask = |max: u64| json!({"model": "double", "max_tokens": max, "messages": [{"role": "user", "content": "say 10"}]});
    assert_eq!(clients[0].post("/v1/chat/completions", &ask(50)).await.unwrap().status, 200);
    assert_eq!(clients[1].post("/v1/chat/completions", &ask(91)).await.unwrap().status, 429);
    assert_eq!(clients[1].post("/v1/chat/completions", &ask(90)).await.unwrap().status, 200);
    let refused = clients[0].post("/v1/chat/completions", &ask(81)).await.unwrap();
    assert_eq!(refused.header("x-ratelimit-scope"), Some("group"));
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn concurrency_is_given_back_when_a_request_ends() {
    let double = Double::start("first=300".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let limited = KeyCreate { limits: vec!["concurrency=1".into()], ..named("one") };
    let client = door.stranger().with_key(&door.key(limited).await);
    let body = chat("double", "say 1", false);
    let (first, second) = tokio::join!(client.post("/v1/chat/completions", &body), async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        client.post("/v1/chat/completions", &body).await
    });
    assert_eq!((first.unwrap().status, second.unwrap().status), (200, 429));
    assert_eq!(client.post("/v1/chat/completions", &body).await.unwrap().status, 200);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn delegated_users_have_limits_of_their_own_under_the_keys() {
    let double = Double::start(Behaviour::default());
    let config = upstream("local", &double.url(), "")
        + "[[limits.quota]]\nper=\"user\"\nlimit=\"requests=1/1h\"\n";
    let door = TestDoor::start(&config).await;
    let key = door.key(KeyCreate { delegates: true, ..named("portal") }).await;
    let client = door.stranger().with_key(&key);
    let ask = |user: &str| {
        let mut body = chat("double", "say 1", false);
        body["user"] = json!(user);
        body
    };
    for (user, status) in [("ann", 200), ("ann", 429), ("bob", 200), ("bob", 429)] {
        let answer = client.post("/v1/chat/completions", &ask(user)).await.unwrap();
        assert_eq!(answer.status, status, "{user}");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn one_delegated_user_can_be_limited_alone() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let key = door.key(KeyCreate { delegates: true, ..named("portal") }).await;
    let client = door.stranger().with_key(&key);
    let asked = UserLimit {
        key: "portal".into(),
        user: EndUser::Name("ann".into()),
        limits: Some(vec!["requests=1/1h".into()]),
    };
    door.operate(Request::UserLimit(asked)).await;
    let mut scopes = Vec::new();
    for (user, status) in [("ann", 200), ("ann", 429), ("bob", 200), ("bob", 200)] {
        let mut body = chat("double", "say 1", false);
        body["user"] = json!(user);
        let answer = client.post("/v1/chat/completions", &body).await.unwrap();
        assert_eq!(answer.status, status, "{user}");
        scopes.extend(answer.header("x-ratelimit-scope").map(str::to_owned));
    }
    assert_eq!(scopes, ["user"]);
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn bodies_are_bounded_in_bytes_messages_tools_and_depth() {
    let config = "[limits]\nbody_bytes_max=2000\nmessages_max=3\ntools_max=1\njson_depth_max=8\n";
    let door = TestDoor::start(config).await;
    let client = door.stranger();
    let message = json!({"role": "user", "content": "hello"});
    let ask = |messages: usize, tools: usize, pad: usize| {
        let tool = json!({"type": "function", "function": {"name": "f"}});
        json!({"model": "handbook", "messages": vec![message.clone(); messages],
               "tools": vec![tool; tools], "pad": "x".repeat(pad)})
    };
    let exact = 2_000 - ask(1, 0, 0).to_string().len();
    for (body, status) in [
        (ask(3, 0, 0), 200),
        (ask(4, 0, 0), 400),
        (ask(1, 1, 0), 200),
        (ask(1, 2, 0), 400),
        (ask(1, 0, exact), 200),
        (ask(1, 0, exact + 1), 413),
    ] {
        let answer = client.post("/v1/chat/completions", &body).await.unwrap();
        assert_eq!(answer.status, status, "{:?}", answer.body);
    }
    for (depth, status) in [(6, 200), (9, 400)] {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!(r#"{{"model":"handbook","messages":[{message}],"deep":{deep}}}"#);
        let answer =
            client.whole(http::Method::POST, "/v1/chat/completions", body.into()).await.unwrap();
        assert_eq!(answer.status, status, "{depth} {:?}", answer.body);
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn no_number_that_a_client_names_bends_the_ledgers_sums() {
    let door = TestDoor::start("").await;
    let client = door.stranger();
    for output_max in [u64::MAX, u64::MAX, (1 << 32) + 1, 1 << 32, 100] {
        let mut body = chat("handbook", "key?", false);
        body["max_tokens"] = json!(output_max);
        body["n"] = json!(128);
        assert_eq!(client.post("/v1/chat/completions", &body).await.unwrap().status, 200);
    }
    let story = door.stop().await;
    story.check_conservation();
    assert!(story.admitted.iter().all(|admitted| admitted.reserved.output <= 1 << 32));
    assert!(story.verification.reserved < Some(u64::MAX));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_pays_for_the_input() {
    let double = Double::start("first=3000".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let client = door.client().await;
    let body = chat("double", &"many words ".repeat(200), true);
    let call = client.post("/v1/chat/completions", &body);
    let left = tokio::time::timeout(std::time::Duration::from_millis(400), call).await;
    assert!(left.is_err(), "the answer is not there yet");
    door.settled().await;
    let story = door.stop().await;
    story.check_conservation();
    let settled = story.only();
    assert_eq!(settled.usage.output, 0);
    assert!(settled.usage.input > 200, "{settled:?}");
}

#[tokio::test]
async fn another_sites_page_cannot_spend_models_through_its_visitor() {
    let door = TestDoor::start("").await;
    let body = chat("handbook", "hello", false);
    for (site, status) in [("cross-site", 401), ("same-origin", 200), ("none", 200)] {
        let browser = door.stranger().with_header("sec-fetch-site", site);
        let answer = browser.post("/v1/chat/completions", &body).await.unwrap();
        assert_eq!(answer.status, status, "{site}");
    }
    door.stop().await.check_conservation();
}

#[tokio::test]
async fn a_dearer_fallback_is_charged_at_its_own_price() {
    let broken = Double::start("500".parse().unwrap());
    let spare = Double::start("models=dear".parse().unwrap());
    let price = |model: &str, output: &str| {
        format!(
            "[prices.\"{model}\"]\ninput_per_million=\"0\"\noutput_per_million=\"{output}\"\ncurrency=\"USD\"\nsource=\"test\"\ndate=\"2026-11-01\"\n"
        )
    };
    let config = upstream("first", &broken.url(), "models=[\"cheap\"]\nfallback=[\"spare\"]")
        + &upstream("spare", &spare.url(), "models=[\"dear\"]\naliases={cheap=\"dear\"}")
        + &price("cheap", "1")
        + &price("dear", "1000");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let body = json!({"model": "cheap", "max_tokens": 20, "messages": [{"role": "user", "content": "say 20"}]});
    let mut dear = 0;
    for _ in 0..6 {
        assert_eq!(client.post("/v1/chat/completions", &body).await.unwrap().status, 200);
    }
    let story = door.stop().await;
    story.check_conservation();
    for settled in &story.settled {
        dear += u64::from(settled.cost == 20 * 1_000_000);
        assert!(settled.cost == 20 * 1_000_000 || settled.cost == 20 * 1_000, "{settled:?}");
    }
    assert!(dear > 0, "the fallback answered and was charged at its price");
}

/// A peer let 663 tokens through a limit of 100 (BerriAI/litellm#18730).
#[tokio::test]
async fn five_hundred_at_once_pass_no_more_than_the_limit_and_no_fewer() {
    const LIMIT: u64 = 4_000;
    const ASKED: u64 = 50;
    let double = Double::start("first=200".parse().unwrap());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let limited = KeyCreate { limits: vec![format!("output_tokens={LIMIT}/1d")], ..named("k") };
    let client = door.stranger().with_key(&door.key(limited).await);
    // The server says 20 more than each may have: what is past the bound is topped up and recorded.
    let body = json!({"model": "double", "max_tokens": ASKED,
        "messages": [{"role": "user", "content": "say 70\n!double ignore_max"}]});
    let all = (0..500).map(|_| client.post("/v1/chat/completions", &body));
    let answers = futures_util::future::join_all(all).await;
    let served = answers.iter().filter(|answer| answer.as_ref().unwrap().status == 200).count();
    let refused = answers.iter().filter(|answer| answer.as_ref().unwrap().status == 429).count();
    assert_eq!(served + refused, 500);
    let story = door.stop().await;
    story.check_conservation();
    let topped_up: u64 = story.settled.iter().map(|settled| settled.topped_up.output).sum();
    let used: u64 = story.settled.iter().map(|settled| settled.settled.output).sum();
    assert_eq!(story.settled.len(), served);
    assert!(topped_up > 0 && used <= LIMIT + topped_up, "{used} used, {topped_up} topped up");
    // Past the limit only by top-ups; and nobody is refused while a whole reservation still fits.
    assert!(used + ASKED > LIMIT, "{used} of {LIMIT} were used, and {refused} were refused");
}
