//! Second factors, passkeys, the set-up link, and what needs a fresh proof.

use std::net::Ipv4Addr;
use std::time::Duration;

use aws_lc_rs::hmac;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::principal::Network;
use surgewall_core::role::Role;
use surgewall_gateway::pages::tickets::TRIES_MAX;
use surgewall_identity::delay::{ENTRIES_MAX, FREE_ATTEMPTS};
use surgewall_identity::hasher::HasherLimits;
use surgewall_identity::password::Cost;
use surgewall_store::admin::{Reply, Request, UserRecover};
use surgewall_testkit::client::Answer;

use crate::authenticator::Device;
use crate::browser::{Browser, between, hidden, location};
use crate::harness::TestDoor;

pub(crate) const PASSWORD: &str = "correct gibbon staple 94 turnip";
const NEW_PASSWORD: &str = "velvet otter parade 61 harbour";
pub(crate) const ADA: &str = "ada@example.org";
pub(crate) const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

/// A door whose time stands still, and Ada signed in.
async fn begin() -> (TestDoor, ManualClock, Browser) {
    let time = ManualClock::new(START);
    let door = TestDoor::start_at("", Clock::Manual(time.clone())).await;
    door.door().identity.hash_at(Cost::LEAST);
    let mut browser = Browser::new(&door.url);
    browser.post("/sign-up", &[("email", ADA), ("password", PASSWORD)]).await;
    let answer = sign_in(&mut browser).await;
    assert_eq!(answer.status, 303, "{}", answer.text());
    (door, time, browser)
}

async fn sign_in(browser: &mut Browser) -> Answer {
    browser.post("/sign-in", &[("email", ADA), ("password", PASSWORD)]).await
}

/// The code that an app with this secret, in base32, shows at `at` (RFC 6238).
fn code(secret: &str, at: Timestamp) -> String {
    let digit = |byte: u8| b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".iter().position(|b| *b == byte);
    let bits: Vec<u8> = secret
        .bytes()
        .filter_map(digit)
        .flat_map(|digit| (0..5).rev().map(move |bit| u8::from(digit >> bit & 1 == 1)))
        .collect();
    let bytes = bits.chunks_exact(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit));
    let bytes: Vec<u8> = bytes.collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let tag = hmac::sign(&key, &(at.seconds() / 30).to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let word = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

/// Turns the app on: its secret, and the recovery codes.
pub(crate) async fn with_app(browser: &mut Browser, at: Timestamp) -> (String, Vec<String>) {
    let begun = browser.post("/account/totp/begin", &[]).await;
    let secret = between(&begun, "class=\"secret\">", "<");
    let ticket = hidden(&begun, "ticket");
    let wrong = browser.post("/account/totp/on", &[("ticket", &ticket), ("code", "000")]).await;
    assert_eq!(wrong.status, 422);
    let fields = [("ticket", ticket.as_str()), ("code", &code(&secret, at))];
    let on = browser.post("/account/totp/on", &fields).await;
    assert_eq!(on.status, 200, "{}", on.text());
    let codes = between(&on, "<ul class=\"codes\">", "</ul>");
    let codes = codes.split("<li>").skip(1).map(|item| item.split('<').next().unwrap().to_owned());
    (secret, codes.collect())
}

#[tokio::test]
async fn an_app_is_asked_for_and_each_code_is_good_once() {
    let (door, time, mut browser) = begin().await;
    let (secret, codes) = with_app(&mut browser, START).await;
    assert_eq!(codes.len(), 10);
    let mut other = Browser::new(&door.url);
    let asked = sign_in(&mut other).await;
    assert_eq!((asked.status, asked.header("set-cookie")), (200, None));
    let ticket = hidden(&asked, "ticket");
    let mut second = async |code: &str| {
        other.post("/sign-in/second", &[("ticket", &ticket), ("code", code)]).await.status
    };
    // The code that turned it on is used up.
    assert_eq!(second(&code(&secret, START)).await, 422);
    time.advance(Duration::from_secs(60));
    let now = START.plus(Duration::from_secs(60));
    assert_eq!(second(&code(&secret, now)).await, 303);
    assert_eq!(other.get("/account").await.status, 200);
    // A recovery code stands in, once; the ticket itself is used up too.
    let mut third = Browser::new(&door.url);
    let asked = sign_in(&mut third).await;
    let ticket = hidden(&asked, "ticket");
    let typed = codes[0].to_lowercase();
    let fields = [("ticket", ticket.as_str()), ("code", &typed)];
    assert_eq!(third.post("/sign-in/second", &fields).await.status, 303);
    let again = hidden(&sign_in(&mut Browser::new(&door.url)).await, "ticket");
    let fields = [("ticket", again.as_str()), ("code", &typed)];
    assert_eq!(third.post("/sign-in/second", &fields).await.status, 422);
    // A ticket that was used up takes no code, and spends none.
    let used_up = [("ticket", ticket.as_str()), ("code", &codes[2])];
    assert_eq!(third.post("/sign-in/second", &used_up).await.status, 422);
    let fresh = [("ticket", again.as_str()), ("code", &codes[2])];
    assert_eq!(third.post("/sign-in/second", &fresh).await.status, 303, "the code is good still");
    let again = hidden(&sign_in(&mut Browser::new(&door.url)).await, "ticket");
    // A ticket is good for five minutes.
    time.advance(Duration::from_secs(300));
    let fields = [("ticket", again.as_str()), ("code", &codes[1])];
    let late = third.post("/sign-in/second", &fields).await;
    assert!(late.status == 422 && late.text().contains("too long"), "{}", late.text());
    door.stop().await;
}

#[tokio::test]
async fn a_second_factors_wait_stands_whatever_strangers_type() {
    let (door, _, mut browser) = begin().await;
    let (_, codes) = with_app(&mut browser, START).await;
    let mut other = Browser::new(&door.url);
    let ticket = hidden(&sign_in(&mut other).await, "ticket");
    let mut second = async |code: &str| {
        other.post("/sign-in/second", &[("ticket", &ticket), ("code", code)]).await
    };
    for _ in 0..FREE_ATTEMPTS {
        assert_eq!(second("000").await.status, 422);
    }
    assert_eq!(second("000").await.status, 429);
    // Strangers type more addresses than the door remembers.
    for typed in 0..=2 * u32::try_from(ENTRIES_MAX).unwrap() {
        let network = Network::of(Ipv4Addr::from_bits(typed << 8).into());
        let mut delays = door.door().identity.delays.lock().unwrap();
        assert!(delays.attempt(network, typed.into(), START).is_ok());
    }
    let waits = second(&codes[0]).await;
    assert_eq!(waits.status, 429, "{}", waits.text());
    door.stop().await;
}

#[tokio::test]
async fn one_right_password_gives_so_many_tries_of_a_code() {
    let (door, time, mut browser) = begin().await;
    let (_, codes) = with_app(&mut browser, START).await;
    let mut other = Browser::new(&door.url);
    let ticket = hidden(&sign_in(&mut other).await, "ticket");
    let mut statuses = Vec::new();
    for _ in 0..TRIES_MAX {
        let fields = [("ticket", ticket.as_str()), ("code", "000")];
        statuses.push(other.post("/sign-in/second", &fields).await.status);
    }
    assert!(statuses.iter().all(|status| [422, 429].contains(status)), "{statuses:?}");
    time.advance(Duration::from_secs(60));
    let fields = [("ticket", ticket.as_str()), ("code", &codes[0])];
    let late = other.post("/sign-in/second", &fields).await;
    assert!(late.status == 422 && late.text().contains("too many codes"), "{}", late.text());
    let ticket = hidden(&sign_in(&mut other).await, "ticket");
    let fields = [("ticket", ticket.as_str()), ("code", &codes[0])];
    assert_eq!(other.post("/sign-in/second", &fields).await.status, 303);
    door.stop().await;
}

#[tokio::test]
async fn an_attempt_that_nobody_looked_at_locks_nobody_out() {
    let (door, _, mut browser) = begin().await;
    let full = HasherLimits { waiting_max: 0, waiting_per_network_max: 0, ..Default::default() };
    door.door().identity.hash_within(Cost::LEAST, full);
    for _ in 0..3 * FREE_ATTEMPTS {
        assert_eq!(sign_in(&mut browser).await.status, 503);
    }
    door.door().identity.hash_at(Cost::LEAST);
    assert_eq!(sign_in(&mut browser).await.status, 303);
    door.stop().await;
}

#[tokio::test]
async fn what_is_dangerous_needs_a_fresh_proof() {
    let (door, time, mut browser) = begin().await;
    time.advance(Duration::from_secs(599));
    assert_eq!(browser.post("/account/totp/begin", &[]).await.status, 200);
    time.advance(Duration::from_secs(1));
    let dangerous = [
        ("/account/password", "/account/security"),
        ("/account/clean", "/account/security"),
        ("/account/totp/begin", "/account/security"),
        ("/account/totp/on", "/account/security"),
        ("/account/totp/off", "/account/security"),
        ("/account/recovery", "/account/security"),
        ("/account/passkeys/remove", "/account/security"),
        ("/account/erase", "/account/data"),
        ("/account/export", "/account/data"),
        ("/account/keys", "/account/keys"),
    ];
    for (path, back) in dangerous {
        let answer = browser.post(path, &[("password", NEW_PASSWORD), ("word", "erase")]).await;
        let expected = format!("/account/confirm?next={back}");
        assert_eq!((answer.status, location(&answer)), (303, expected.as_str()), "{path}");
    }
    let fields = [("password", "wrong"), ("next", "/account/data")];
    assert_eq!(browser.post("/account/confirm", &fields).await.status, 422);
    let before = browser.cookie("surgewall").unwrap().to_owned();
    let fields = [("password", PASSWORD), ("next", "/account/data")];
    let proved = browser.post("/account/confirm", &fields).await;
    assert_eq!((proved.status, location(&proved)), (303, "/account/data"));
    assert_ne!(browser.cookie("surgewall"), Some(before.as_str()), "a proof gives a new session");
    assert_eq!(browser.get("/account/export").await.status, 405, "a link takes no copy");
    let export = browser.post("/account/export", &[]).await;
    assert_eq!(export.json()["account"]["email"], ADA);
    assert_eq!(export.json()["export"]["asked_by"], "owner");
    let data = browser.get("/account/data?accesses=1").await;
    assert!(data.text().contains("<td>you</td>"), "{}", data.text());
    let wrong = browser.post("/account/erase", &[("word", "no")]).await;
    assert_eq!(wrong.status, 422);
    let erased = browser.post("/account/erase", &[("word", "erase")]).await;
    assert!(erased.status == 200 && erased.text().contains("signature"), "{}", erased.text());
    door.stop().await;
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let (door, _, mut browser) = begin().await;
    let mut other = Browser::new(&door.url);
    sign_in(&mut other).await;
    let set = browser.post("/account/password", &[("password", NEW_PASSWORD)]).await;
    assert_eq!(location(&set), "/account/security?password");
    let statuses = [browser.get("/account").await.status, other.get("/account").await.status];
    assert_eq!(statuses, [200, 302]);
    assert_eq!(sign_in(&mut other).await.status, 422);
    door.stop().await;
}

#[tokio::test]
async fn the_app_goes_only_where_the_password_stands_alone() {
    let (door, _, mut browser) = begin().await;
    let set = async |browser: &mut Browser, password: &str| {
        browser.post("/account/password", &[("password", password)]).await
    };
    let short = "velvet9otter";
    assert_eq!(set(&mut browser, short).await.status, 422);
    with_app(&mut browser, START).await;
    assert_eq!(set(&mut browser, short).await.status, 303, "beside the app it is enough");
    let off = browser.post("/account/totp/off", &[]).await;
    assert!(off.status == 422 && off.text().contains("stand alone"), "{}", off.text());
    assert_eq!(set(&mut browser, NEW_PASSWORD).await.status, 303);
    let token = link(&door, Some(ADA)).await;
    let mut other = Browser::new(&door.url);
    let fields = [("token", token.as_str()), ("password", PASSWORD)];
    assert_eq!(other.post("/set-up", &fields).await.status, 303);
    let ticket = hidden(&sign_in(&mut other).await, "ticket");
    assert!(!ticket.is_empty());
    door.stop().await;
}

#[tokio::test]
async fn without_the_app_the_other_sessions_end() {
    let (door, time, mut browser) = begin().await;
    let (secret, _) = with_app(&mut browser, START).await;
    time.advance(Duration::from_secs(60));
    let mut other = Browser::new(&door.url);
    let ticket = hidden(&sign_in(&mut other).await, "ticket");
    let code = code(&secret, START.plus(Duration::from_secs(60)));
    let fields = [("ticket", ticket.as_str()), ("code", &code)];
    assert_eq!(other.post("/sign-in/second", &fields).await.status, 303);
    let off = browser.post("/account/totp/off", &[]).await;
    assert_eq!(location(&off), "/account/security?totp-off");
    let statuses = [browser.get("/account").await.status, other.get("/account").await.status];
    assert_eq!(statuses, [200, 302]);
    door.stop().await;
}

#[tokio::test]
async fn sessions_end_by_themselves_and_survive_a_restart() {
    let (door, time, mut browser) = begin().await;
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    time.advance(hours(30 * 24 - 1));
    assert_eq!(browser.get("/account").await.status, 200);
    time.advance(hours(30 * 24));
    assert_eq!(browser.get("/account").await.status, 302);
    door.stop().await;
    let door = TestDoor::start("").await;
    door.door().identity.hash_at(Cost::LEAST);
    let mut browser = Browser::new(&door.url);
    browser.post("/sign-up", &[("email", ADA), ("password", PASSWORD)]).await;
    sign_in(&mut browser).await;
    let token = browser.cookie("surgewall").unwrap().to_owned();
    let door = door.restart("", |_| {}).await;
    let mut browser = Browser::new(&door.url);
    browser.set("surgewall", &token);
    assert_eq!(browser.get("/account").await.status, 200);
    door.stop().await;
}

pub(crate) async fn link(door: &TestDoor, user: Option<&str>) -> String {
    let asked = UserRecover { user: user.map(str::to_owned) };
    let Reply::Link { token } = door.operate(Request::UserRecover(asked)).await else { panic!() };
    token.0.expose().clone()
}

#[tokio::test]
async fn the_set_up_link_enrols_the_owner_once_and_on_the_admin_listener_only() {
    let door = TestDoor::start("").await;
    door.door().identity.hash_at(Cost::LEAST);
    let token = link(&door, None).await;
    let path = format!("/set-up?token={token}");
    let public = Browser::new(&door.url).get(&path).await;
    assert!(public.text().contains("used up"), "{}", public.text());
    let mut admin = Browser::new(&door.admin_url);
    let page = admin.get(&path).await;
    assert!(page.text().contains("first account") && hidden(&page, "token") == token);
    let weak = [("token", token.as_str()), ("email", ADA), ("password", "short")];
    assert_eq!(admin.post("/set-up", &weak).await.status, 422);
    let fields = [("token", token.as_str()), ("email", ADA), ("password", PASSWORD)];
    assert_eq!(location(&admin.post("/set-up", &fields).await), "/sign-in?new-password");
    assert_eq!(admin.post("/set-up", &fields).await.status, 422);
    let signed_in = sign_in(&mut admin).await;
    assert_eq!(location(&signed_in), "/");
    assert!(admin.get("/account").await.text().contains(Role::Owner.as_str()));
    // The link is nowhere: not in the ledger.
    let story = door.stop().await;
    assert!(!format!("{:?}", story.changed).contains(&token));
}

#[tokio::test]
async fn the_owner_takes_over_no_account_that_somebody_else_made() {
    let (door, _, mut stranger) = begin().await;
    let token = link(&door, None).await;
    let mut admin = Browser::new(&door.admin_url);
    let fields = [("token", token.as_str()), ("email", ADA), ("password", NEW_PASSWORD)];
    let refused = admin.post("/set-up", &fields).await;
    assert!(refused.status == 422 && refused.text().contains("already"), "{}", refused.text());
    assert!(!stranger.get("/account").await.text().contains(Role::Owner.as_str()));
    // The link is still good, for another address.
    let fields = [("token", token.as_str()), ("email", "o@example.org"), ("password", PASSWORD)];
    assert_eq!(location(&admin.post("/set-up", &fields).await), "/sign-in?new-password");
    door.stop().await;
}

#[tokio::test]
async fn after_a_recovery_what_a_stranger_left_is_shown_and_goes_at_once() {
    let (door, _, mut stranger) = begin().await;
    let fields = [("name", "left behind"), ("expires", ""), ("route", "models")];
    let made = stranger.post("/account/keys", &fields).await;
    let key = door.stranger().with_key(&between(&made, "class=\"secret\">", "<"));
    add(&stranger, &mut Device::new(&origin(&door.url))).await;
    let token = link(&door, Some(ADA)).await;
    let mut ada = Browser::new(&door.url);
    let fields = [("token", token.as_str()), ("email", ADA), ("password", NEW_PASSWORD)];
    let set = ada.post("/set-up", &fields).await;
    let next = location(&set).split_once("next=").unwrap().1.to_owned();
    let fields = [("email", ADA), ("password", NEW_PASSWORD), ("next", next.as_str())];
    let signed_in = ada.post("/sign-in", &fields).await;
    assert_eq!(location(&signed_in), "/account/security?new");
    let page = ada.get(&next).await;
    for words in ["Your password is new.", "all passkeys (1)", "</a> (1)"] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    assert_eq!(key.get("/v1/models").await.unwrap().status, 200);
    let cleaned = ada.post("/account/clean", &[]).await;
    assert_eq!(location(&cleaned), "/account/security?cleaned", "{}", cleaned.text());
    assert_eq!(key.get("/v1/models").await.unwrap().status, 401);
    assert!(ada.get("/account/security").await.text().contains("None yet."));
    door.stop().await;
}

#[tokio::test]
async fn a_recovery_link_sets_a_password_and_goes_around_no_second_factor() {
    let (door, time, mut browser) = begin().await;
    with_app(&mut browser, START).await;
    let token = link(&door, Some(ADA)).await;
    let page = Browser::new(&door.url).get(&format!("/set-up?token={token}")).await;
    assert_eq!(hidden(&page, "token"), token);
    // Another address in the form changes nothing: the link is Ada's.
    let fields =
        [("token", token.as_str()), ("email", "eve@example.org"), ("password", NEW_PASSWORD)];
    let set = Browser::new(&door.url).post("/set-up", &fields).await;
    assert_eq!(set.status, 303, "{}", set.text());
    assert_eq!(door.door().directory.sizes().accounts, 1);
    assert_eq!(browser.get("/account").await.status, 302, "its sessions ended");
    let fields = [("email", ADA), ("password", NEW_PASSWORD)];
    let asked = Browser::new(&door.url).post("/sign-in", &fields).await;
    assert!(asked.status == 200 && asked.header("set-cookie").is_none());
    assert!(!hidden(&asked, "ticket").is_empty());
    let late = link(&door, Some(ADA)).await;
    time.advance(Duration::from_secs(3_600));
    let page = Browser::new(&door.url).get(&format!("/set-up?token={late}")).await;
    assert!(page.text().contains("used up"));
    door.stop().await;
}

/// The origin that a browser on this machine calls the listener at `url` by.
pub(crate) fn origin(url: &str) -> String {
    url.replace("127.0.0.1", "localhost")
}

async fn call(browser: &Browser, path: &str, body: &Value) -> Answer {
    let client = browser.client().with_header("origin", &origin(browser.url()));
    client.whole(Method::POST, path, Bytes::from(body.to_string())).await.unwrap()
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[tokio::test]
async fn the_last_way_in_stays() {
    let door = TestDoor::start("").await;
    door.door().identity.hash_at(Cost::LEAST);
    let mut device = Device::new(&origin(&door.url));
    let stranger = Browser::new(&door.url);
    let asked = json!({"email": ADA});
    let options = call(&stranger, "/sign-up/passkey/begin", &asked).await.json();
    let made = parsed(&device.create(&options));
    let sent = json!({"ticket": options["ticket"], "credential": made});
    let finished = call(&stranger, "/sign-up/passkey/finish", &sent).await;
    assert_eq!(finished.json()["next"], "/sign-in?made", "{}", finished.text());
    let mut browser = by_passkey(&door, &device).await;
    let id = hidden(&browser.get("/account/security").await, "passkey");
    let removed = browser.post("/account/passkeys/remove", &[("passkey", &id)]).await;
    assert!(removed.status == 422 && removed.text().contains("only way"), "{}", removed.text());
    browser = by_passkey(&door, &device).await;
    // With another one it can go, and the last one with a password.
    add(&browser, &mut Device::new(&origin(&door.url))).await;
    let removed = browser.post("/account/passkeys/remove", &[("passkey", &id)]).await;
    assert_eq!(removed.status, 303);
    let last = hidden(&browser.get("/account/security").await, "passkey");
    assert_eq!(browser.post("/account/passkeys/remove", &[("passkey", &last)]).await.status, 422);
    browser.post("/account/password", &[("password", PASSWORD)]).await;
    assert_eq!(browser.post("/account/passkeys/remove", &[("passkey", &last)]).await.status, 303);
    door.stop().await;
}

/// A browser that signed in with `device`.
async fn by_passkey(door: &TestDoor, device: &Device) -> Browser {
    let mut browser = Browser::new(&door.url);
    let answer = present(&browser, device).await;
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("{}", answer.text()));
    let token = cookie.split(';').next().unwrap().split_once('=').unwrap().1;
    browser.set("surgewall", token);
    browser
}

/// What the door says to `device`, which signs in.
pub(crate) async fn present(browser: &Browser, device: &Device) -> Answer {
    let options = call(browser, "/sign-in/passkey/begin", &json!({})).await.json();
    let got = parsed(&device.get(&options));
    let sent = json!({"ticket": options["ticket"], "credential": got});
    call(browser, "/sign-in/passkey/finish", &sent).await
}

/// Makes `device` a passkey of whoever is signed in.
pub(crate) async fn add(browser: &Browser, device: &mut Device) {
    let options = call(browser, "/account/passkeys/begin", &json!({})).await.json();
    let made = parsed(&device.create(&options));
    let sent = json!({"ticket": options["ticket"], "credential": made});
    let added = call(browser, "/account/passkeys/finish", &sent).await;
    assert_eq!(added.status, 200, "{}", added.text());
}

#[tokio::test]
async fn a_passkey_is_added_signs_in_and_is_removed() {
    let (door, _, mut browser) = begin().await;
    let mut device = Device::new(&origin(&door.url));
    let options = call(&browser, "/account/passkeys/begin", &json!({})).await;
    assert_eq!(options.status, 200, "{}", options.text());
    let options = options.json();
    let made = parsed(&device.create(&options));
    let sent = json!({"ticket": options["ticket"], "credential": made, "label": "Key ring"});
    let added = call(&browser, "/account/passkeys/finish", &sent).await;
    assert_eq!(added.json()["next"], "/account/security?passkey", "{}", added.text());
    assert_eq!(call(&browser, "/account/passkeys/finish", &sent).await.status, 422, "once");
    // Without a name, and stronger than a password alone.
    let other = Browser::new(&door.url);
    let options = call(&other, "/sign-in/passkey/begin", &json!({})).await.json();
    // A wrong answer, of a device that holds another key, uses no ticket up.
    let mut forger = Device::new(&origin(&door.url));
    (forger.id, forger.user) = (device.id.clone(), device.user.clone());
    let forged = parsed(&forger.get(&options));
    let sent = json!({"ticket": options["ticket"], "credential": forged});
    assert_eq!(call(&other, "/sign-in/passkey/finish", &sent).await.status, 422);
    let got = parsed(&device.get(&options));
    let sent = json!({"ticket": options["ticket"], "credential": got, "next": "/account"});
    let answer = call(&other, "/sign-in/passkey/finish", &sent).await;
    assert_eq!(answer.json()["next"], "/account", "{}", answer.text());
    let cookie = answer.header("set-cookie").unwrap();
    let token = cookie.split(';').next().unwrap().split_once('=').unwrap().1.to_owned();
    let mut signed_in = Browser::new(&door.url);
    signed_in.set("surgewall", &token);
    assert!(signed_in.get("/account").await.text().contains("a second factor"));
    // The same answer again is nobody's.
    let again = call(&other, "/sign-in/passkey/finish", &sent).await;
    assert_eq!((again.status, again.header("set-cookie")), (422, None));
    let listed = browser.get("/account/security").await;
    assert!(listed.text().contains("Key ring"));
    let id = hidden(&listed, "passkey");
    let removed = browser.post("/account/passkeys/remove", &[("passkey", &id)]).await;
    assert_eq!(location(&removed), "/account/security?removed");
    let options = call(&other, "/sign-in/passkey/begin", &json!({})).await.json();
    let got = parsed(&device.get(&options));
    let sent = json!({"ticket": options["ticket"], "credential": got});
    assert_eq!(call(&other, "/sign-in/passkey/finish", &sent).await.status, 422);
    door.stop().await;
}

#[tokio::test]
async fn passkeys_belong_to_the_doors_own_name() {
    let (door, _, browser) = begin().await;
    let own = origin(&door.url);
    let others = [
        "http://evil.example",
        door.url.as_str(),
        "null",
        // Another service on the same name: its port or scheme is not ours.
        "http://localhost:3000",
        "http://localhost",
        &own.replace("http:", "https:"),
        // The other listener.
        &origin(&door.admin_url),
    ];
    for other in others {
        let client = browser.client().with_header("origin", other);
        let answer = client.post("/sign-in/passkey/begin", &json!({})).await.unwrap();
        assert!(answer.status == 422 && answer.json()["error"].is_string(), "{other}");
    }
    door.stop().await;
}

#[tokio::test]
async fn a_passkeys_answer_counts_where_it_was_asked_for_only() {
    let (door, _, mut browser) = begin().await;
    let mut device = Device::new(&origin(&door.url));
    add(&browser, &mut device).await;
    // What another service on the same name was given is no answer to this one.
    let other = Browser::new(&door.url);
    let options = call(&other, "/sign-in/passkey/begin", &json!({})).await.json();
    device.origin = "http://localhost:3000".to_owned();
    let phished = device.get(&options);
    let sent = json!({"ticket": options["ticket"], "credential": parsed(&phished)});
    for told in [origin(&door.url), device.origin.clone()] {
        let client = other.client().with_header("origin", &told);
        let body = Bytes::from(sent.to_string());
        let answer = client.whole(Method::POST, "/sign-in/passkey/finish", body).await.unwrap();
        assert_eq!((answer.status, answer.header("set-cookie")), (422, None), "{told}");
    }
    // Nor is a ticket of one listener good on the other.
    device.origin = origin(&door.url);
    let credential = parsed(&device.get(&options));
    let sent = json!({"ticket": options["ticket"], "credential": credential});
    let admin = Browser::new(&door.admin_url);
    assert_eq!(call(&admin, "/sign-in/passkey/finish", &sent).await.status, 422);
    assert_eq!(call(&other, "/sign-in/passkey/finish", &sent).await.status, 200);
    assert_eq!(browser.get("/account").await.status, 200);
    door.stop().await;
}
