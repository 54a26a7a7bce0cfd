//! Signing up, signing in and the own account, over real HTTP.

use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::principal::Class;
use surgewall_core::role::Role;
use surgewall_identity::password::Cost;
use surgewall_store::admin::{Request, UserCreate, UserSet};
use surgewall_testkit::client::Answer;

use crate::browser::{Browser, between, hidden, location};
use crate::harness::{LISTEN, TestDoor};

/// A password that is long enough, and no common one.
const PASSWORD: &str = "correct gibbon staple 94 turnip";
const ADA: &str = "ada@example.org";

async fn door() -> TestDoor {
    door_under("").await
}

async fn door_under(text: &str) -> TestDoor {
    let door = TestDoor::start(text).await;
    door.door().identity.hash_at(Cost::LEAST);
    door
}

/// Signs `email` up.
async fn sign_up(door: &TestDoor, email: &str) {
    let mut browser = Browser::new(&door.url);
    let made = browser.post("/sign-up", &[("email", email), ("password", PASSWORD)]).await;
    assert_eq!((made.status, location(&made)), (303, "/sign-in?made"), "{}", made.text());
}

/// A browser in which `email` is signed in.
async fn signed_in(door: &TestDoor, email: &str) -> Browser {
    let mut browser = Browser::new(&door.url);
    let answer = browser.post("/sign-in", &[("email", email), ("password", PASSWORD)]).await;
    assert_eq!((answer.status, location(&answer)), (303, "/"), "{}", answer.text());
    browser
}

#[tokio::test]
async fn from_signing_up_to_a_key_to_signing_out() {
    let door = door().await;
    for path in ["/", "/sign-in", "/sign-up"] {
        assert_eq!(Browser::new(&door.url).get(path).await.status, 200, "{path}");
    }
    sign_up(&door, ADA).await;
    let mut browser = signed_in(&door, ADA).await;
    let account = browser.get("/account").await;
    assert!(account.status == 200 && account.text().contains(ADA));
    let fields = [("name", "laptop"), ("expires", "90d"), ("route", "models"), ("route", "chat")];
    let made = browser.post("/account/keys", &fields).await;
    let key = between(&made, "class=\"secret\">", "<");
    assert!(key.starts_with("sw_live_"), "{key}");
    let api = door.stranger().with_key(&key);
    assert_eq!(api.get("/v1/models").await.unwrap().status, 200);
    let listed = browser.get("/account/keys").await;
    assert!(listed.text().contains("laptop") && !listed.text().contains(&key));
    let id = hidden(&listed, "key");
    assert_eq!(browser.post("/account/keys/revoke", &[("key", &id)]).await.status, 303);
    assert_eq!(api.get("/v1/models").await.unwrap().status, 401);
    let before = browser.cookie("surgewall").unwrap().to_owned();
    let out = browser.post("/sign-out", &[]).await;
    assert_eq!((out.status, location(&out)), (303, "/sign-in?out"));
    assert_eq!(browser.cookie("surgewall"), None);
    // The session is over, and not only forgotten by the browser.
    browser.set("surgewall", &before);
    let answer = browser.get("/account").await;
    assert_eq!((answer.status, location(&answer)), (302, "/sign-in?next=/account"));
    let story = door.stop().await;
    let actions: Vec<_> = story.changed.iter().map(|changed| changed.action.as_str()).collect();
    for action in ["user.create", "password.set", "session.begin", "key.create", "session.end"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
    for action in ["key.create", "key.revoke"] {
        let changed = story.changed.iter().find(|changed| changed.action == action).unwrap();
        let detail = changed.detail.as_deref().unwrap_or_default();
        assert!(detail.contains("by=user_"), "{action}: {detail}");
    }
    assert!(!format!("{:?}", story.changed).contains("ada"), "no address in the ledger");
}

#[tokio::test]
async fn cookies_have_their_flags_and_hold_on_their_own_listener_only() {
    let door = door().await;
    sign_up(&door, ADA).await;
    let set = UserSet { user: ADA.into(), role: Some(Role::Owner), ..UserSet::default() };
    door.operate(Request::UserSet(set)).await;
    let sign_in = [("email", ADA), ("password", PASSWORD)];
    let check = |answer: &Answer, expected: &str| {
        let line = answer.header("set-cookie").unwrap();
        let (pair, flags) = line.split_once(';').unwrap();
        let (name, token) = pair.split_once('=').unwrap();
        assert_eq!(format!("{name};{flags}"), expected);
        assert!(token.len() >= 22 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        token.to_owned()
    };
    let public = Browser::new(&door.url).post("/sign-in", &sign_in).await;
    let public = check(&public, "surgewall; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax");
    let admin = Browser::new(&door.admin_url).post("/sign-in", &sign_in).await;
    let admin =
        check(&admin, "surgewall-admin; Path=/; Max-Age=34560000; HttpOnly; SameSite=Strict");
    for (url, name, token, status) in [
        (&door.url, "surgewall", &public, 200),
        (&door.admin_url, "surgewall-admin", &admin, 200),
        (&door.url, "surgewall", &admin, 302),
        (&door.admin_url, "surgewall-admin", &public, 302),
        (&door.admin_url, "surgewall", &admin, 302),
    ] {
        let mut browser = Browser::new(url);
        browser.set(name, token);
        assert_eq!(browser.get("/account").await.status, status, "{name} at {url}");
    }
    // Without a role there is no session on the admin listener.
    sign_up(&door, "bob@example.org").await;
    let sign_in = [("email", "bob@example.org"), ("password", PASSWORD)];
    let refused = Browser::new(&door.admin_url).post("/sign-in", &sign_in).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, None));
    door.stop().await;
}

#[tokio::test]
async fn a_planted_token_is_not_taken_and_each_sign_in_has_its_own() {
    let door = door().await;
    sign_up(&door, ADA).await;
    let mut browser = Browser::new(&door.url);
    browser.set("surgewall", "aaaaaaaaaaaaaaaaaaaaaa");
    browser.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
    let first = browser.cookie("surgewall").unwrap().to_owned();
    assert_ne!(first, "aaaaaaaaaaaaaaaaaaaaaa");
    browser.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
    let second = browser.cookie("surgewall").unwrap().to_owned();
    assert_ne!(first, second);
    // The session that the browser came with ended.
    let mut old = Browser::new(&door.url);
    old.set("surgewall", &first);
    assert_eq!(old.get("/account").await.status, 302);
    door.stop().await;
}

#[tokio::test]
async fn only_our_own_pages_change_something() {
    let door = door().await;
    sign_up(&door, ADA).await;
    for site in [Some("cross-site"), Some("same-site"), Some("none"), None] {
        let mut browser = Browser::new(&door.url).on_site(site);
        for path in ["/sign-in", "/sign-up", "/sign-out", "/account/keys", "/account/erase"] {
            let fields = [("email", ADA), ("password", PASSWORD)];
            let answer = browser.post(path, &fields).await;
            assert_eq!(
                (answer.status, answer.header("set-cookie")),
                (403, None),
                "{path} {site:?}"
            );
        }
    }
    // A form is a form: other content types are not read.
    let client = Browser::new(&door.url).client();
    let body = serde_json::json!({"email": ADA, "password": PASSWORD});
    assert_eq!(client.post("/sign-in", &body).await.unwrap().status, 400);
    door.stop().await;
}

#[tokio::test]
async fn no_api_route_takes_a_cookie() {
    let door = door_under("[accounts]\nanonymous=false\n").await;
    sign_up(&door, ADA).await;
    let browser = signed_in(&door, ADA).await;
    let with_cookie = browser.client();
    for path in ["/user/balance", "/v1/models/double"] {
        assert_eq!(with_cookie.get(path).await.unwrap().status, 401, "{path}");
    }
    let body =
        serde_json::json!({"model": "double", "messages": [{"role": "user", "content": "x"}]});
    let answer = with_cookie.post("/v1/chat/completions", &body).await.unwrap();
    assert!([401, 404].contains(&answer.status), "{}", answer.status);
    door.stop().await;
}

#[tokio::test]
async fn what_is_not_ones_own_is_not_there() {
    let door = door().await;
    let bob = "bob@example.org";
    sign_up(&door, ADA).await;
    sign_up(&door, bob).await;
    let (mut ada, mut bobs) = (signed_in(&door, ADA).await, signed_in(&door, bob).await);
    let fields = [("name", "k"), ("expires", "90d"), ("route", "chat")];
    ada.post("/account/keys", &fields).await;
    let key = hidden(&ada.get("/account/keys").await, "key");
    let mut other = signed_in(&door, ADA).await;
    let session = hidden(&other.get("/account/sessions").await, "session");
    assert_eq!(bobs.post("/account/keys/revoke", &[("key", &key)]).await.status, 404);
    assert_eq!(bobs.post("/account/sessions/end", &[("session", &session)]).await.status, 404);
    let unknown = bobs.post("/account/sessions/end", &[("session", "session_x")]).await;
    assert_eq!(unknown.status, 404);
    // Its owner can; the session that was ended does not hold, the one that ended it does.
    assert_eq!(other.post("/account/sessions/end", &[("session", &session)]).await.status, 303);
    let statuses = [ada.get("/account").await.status, other.get("/account").await.status];
    assert_eq!(statuses, [302, 200]);
    assert_eq!(bobs.post("/account/sessions/end", &[("session", "others")]).await.status, 303);
    assert_eq!(bobs.get("/account").await.status, 200);
    door.stop().await;
}

#[tokio::test]
async fn a_suspension_ends_the_sessions_for_good() {
    let door = door().await;
    sign_up(&door, ADA).await;
    let mut browser = signed_in(&door, ADA).await;
    for suspended in [true, false] {
        let set = UserSet { user: ADA.into(), suspended: Some(suspended), ..UserSet::default() };
        door.operate(Request::UserSet(set)).await;
        assert_eq!(browser.get("/account").await.status, 302, "{suspended}");
    }
    let mut again = signed_in(&door, ADA).await;
    // What else is set ends none.
    let set = UserSet { user: ADA.into(), suspended: Some(false), ..UserSet::default() };
    door.operate(Request::UserSet(set)).await;
    assert_eq!(again.get("/account").await.status, 200);
    let story = door.stop().await;
    let ended = story.changed.iter().filter(|changed| changed.action == "session.end");
    assert_eq!(ended.count(), 1);
}

/// What two answers must have in common: everything but the request's id and what was typed.
fn seen(answer: &Answer, email: &str) -> (u16, Vec<(String, String)>, String) {
    let mut heads: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    heads.sort();
    (answer.status, heads, answer.text().replace(email, "EMAIL"))
}

#[tokio::test]
async fn no_answer_tells_whether_there_is_such_an_account() {
    let door = door().await;
    sign_up(&door, ADA).await;
    let no_password = UserCreate { email: "given@example.org".into(), ..UserCreate::default() };
    door.operate(Request::UserCreate(no_password)).await;
    sign_up(&door, "gone@example.org").await;
    let gone =
        UserSet { user: "gone@example.org".into(), suspended: Some(true), ..UserSet::default() };
    door.operate(Request::UserSet(gone)).await;
    let known = [ADA, "given@example.org", "gone@example.org", "nobody@example.org", "no address"];
    let calls = || door.door().identity.hasher().counts().calls;
    let mut answers = Vec::new();
    for email in known {
        let before = calls();
        let password = if email.starts_with("gone") { PASSWORD } else { "another word here" };
        let fields = [("email", email), ("password", password)];
        let answer = Browser::new(&door.url).post("/sign-in", &fields).await;
        assert_eq!(calls() - before, 1, "one Argon2 call for {email}");
        answers.push(seen(&answer, email));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert_eq!(answers[0].0, 422);
    // Signing up says the same for a free address and a taken one.
    let mut answers = Vec::new();
    for email in [ADA, "given@example.org", "new@example.org"] {
        let before = calls();
        let fields = [("email", email), ("password", "some other long passphrase 17")];
        let answer = Browser::new(&door.url).post("/sign-up", &fields).await;
        assert_eq!(calls() - before, 1, "one Argon2 call for {email}");
        answers.push(seen(&answer, email));
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    // And a taken one keeps its password.
    signed_in(&door, ADA).await;
    let given = [("email", "given@example.org"), ("password", "some other long passphrase 17")];
    assert_eq!(Browser::new(&door.url).post("/sign-in", &given).await.status, 422);
    door.stop().await;
}

#[tokio::test]
async fn failures_delay_their_network_and_nobody_else_is_locked_out() {
    let door = door().await;
    sign_up(&door, ADA).await;
    let mut browser = Browser::new(&door.url);
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let fields = [("email", ADA), ("password", "wrong")];
        statuses.push(browser.post("/sign-in", &fields).await.status);
    }
    assert_eq!(statuses.first(), Some(&422));
    assert_eq!(statuses.last(), Some(&429));
    let waits = browser.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await;
    assert!(waits.status == 429 && waits.header("retry-after").is_some());
    // Another account from the same network goes on.
    sign_up(&door, "bob@example.org").await;
    signed_in(&door, "bob@example.org").await;
    door.stop().await;
}

#[tokio::test]
async fn an_account_that_its_owner_closes_is_gone() {
    let door = door().await;
    sign_up(&door, ADA).await;
    let mut browser = signed_in(&door, ADA).await;
    let mut second = signed_in(&door, ADA).await;
    let fields = [("name", "k"), ("expires", "90d"), ("route", "models")];
    let key = between(&browser.post("/account/keys", &fields).await, "class=\"secret\">", "<");
    let api = door.stranger().with_key(&key);
    assert_eq!(api.get("/v1/models").await.unwrap().status, 200);
    let id = between(&browser.get("/account").await, "<code>", "<");
    let chat = browser.client().post("/app/conversations", &serde_json::json!({})).await.unwrap();
    assert_eq!(chat.status, 201, "{}", chat.text());
    for word in ["", "erase", "closed"] {
        let refused = browser.post("/account/close", &[("word", word)]).await;
        assert!(refused.status == 422 && refused.text().contains("Nothing was closed"), "{word}");
    }
    let closed = browser.post("/account/close", &[("word", "close")]).await;
    assert_eq!(closed.status, 200, "{}", closed.text());
    assert!(closed.text().contains(&id) && closed.text().contains("signature"));
    assert_eq!(browser.cookie("surgewall"), None);
    assert_eq!(second.get("/account").await.status, 302, "every session ended");
    assert_eq!(api.get("/v1/models").await.unwrap().status, 401, "and every key");
    let sign_in = [("email", ADA), ("password", PASSWORD)];
    assert_eq!(Browser::new(&door.url).post("/sign-in", &sign_in).await.status, 422);
    // The address is free: who comes with it begins anew.
    sign_up(&door, ADA).await;
    let mut anew = signed_in(&door, ADA).await;
    assert_ne!(between(&anew.get("/account").await, "<code>", "<"), id);
    let chats = anew.client().get("/app/conversations").await.unwrap().json();
    assert_eq!(chats["conversations"], serde_json::json!([]));
    let story = door.stop().await;
    let find = |action: &str| story.changed.iter().find(|changed| changed.action == action);
    let change = find("user.close").unwrap();
    assert_eq!(change.subject.as_deref(), Some(id.as_str()));
    assert_eq!(change.detail, Some(format!("keys=1 by={id}")));
    assert!(find("user.close.done").is_some() && find("vault.erase").is_some());
}

#[tokio::test]
async fn closing_an_account_needs_a_fresh_proof() {
    let time = ManualClock::new(Timestamp::from_millis(1_790_000_000_000));
    let door = TestDoor::start_at("", Clock::Manual(time.clone())).await;
    door.door().identity.hash_at(Cost::LEAST);
    sign_up(&door, ADA).await;
    let mut browser = signed_in(&door, ADA).await;
    time.advance(Duration::from_secs(601));
    let asked = browser.post("/account/close", &[("word", "close")]).await;
    assert_eq!((asked.status, location(&asked)), (303, "/account/confirm?next=/account/data"));
    assert_eq!(browser.get("/account").await.status, 200);
    door.stop().await;
}

#[tokio::test]
async fn a_weak_password_is_refused_with_words() {
    let door = door().await;
    let cases = [
        (ADA, "short", "at least 15"),
        (ADA, "passwordpassword", "easy to guess"),
        ("no address", PASSWORD, "no e-mail address"),
    ];
    for (email, password, words) in cases {
        let answer = Browser::new(&door.url)
            .post("/sign-up", &[("email", email), ("password", password)])
            .await;
        assert!(answer.status == 422 && answer.text().contains(words), "{}", answer.text());
    }
    assert_eq!(door.door().directory.sizes().accounts, 0);
    door.stop().await;
}

#[tokio::test]
async fn the_gate_outside_of_loopback_makes_no_accounts_and_says_so() {
    let door = door_under("behind_proxy=[\"192.0.2.0/24\"]\n").await;
    assert!(LISTEN.starts_with("[listen]"));
    let page = Browser::new(&door.url).get("/sign-up").await;
    assert!(page.status == 200 && page.text().contains("class=\"note\""), "{}", page.text());
    let fields = [("email", ADA), ("password", PASSWORD)];
    let answer = Browser::new(&door.url).post("/sign-up", &fields).await;
    assert_eq!((answer.status, door.door().directory.sizes().accounts), (403, 0));
    // Whoever has an account signs in as ever, with a cookie for TLS.
    let user =
        UserCreate { email: ADA.into(), class: Some(Class::Verified), ..UserCreate::default() };
    door.operate(Request::UserCreate(user)).await;
    door.stop().await;
}
