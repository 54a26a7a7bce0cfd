//! Signing up where letters are sent, new passwords by letter, signing in with
//! another provider, and what the gate asks of a sign-up.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::json;
use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::gate::GateStep;
use surgewall_core::principal::Class;
use surgewall_core::role::Role;
use surgewall_gateway::admission::effort;
use surgewall_gateway::gate::ask;
use surgewall_gateway::identity::LETTERS_AT_ONCE_MAX;
use surgewall_identity::mail::PER_ADDRESS_MAX;
use surgewall_identity::password::Cost;
use surgewall_store::admin::{Named, Reply, Request, UserCreate, UserSet, UserView};
use surgewall_store::gate::{GateReply, GateRequest};
use surgewall_testkit::client::Answer;

use crate::accounts_proofs::{add, origin, present};
use crate::authenticator::Device;
use crate::browser::{Browser, between, encoded, hidden, location};
use crate::harness::TestDoor;
use crate::provider::{Double, SUBJECT};
use crate::sink::{Line, Manner, Sink, Taken};

const PASSWORD: &str = "correct gibbon staple 94 turnip";
const NEW_PASSWORD: &str = "velvet otter parade 61 harbour";
const ADA: &str = "ada@example.org";
/// The door's secret at the provider.
const SECRET: &str = "secret-of-the-door";
const START: Timestamp = Timestamp::from_millis(1_790_000_000_000);

async fn door(text: &str) -> (TestDoor, ManualClock) {
    let time = ManualClock::new(START);
    let door = TestDoor::start_at(text, Clock::Manual(time.clone())).await;
    door.door().identity.hash_at(Cost::LEAST);
    (door, time)
}

/// A door that sends its letters to a mail server in this process.
pub(crate) async fn with_mail() -> (TestDoor, ManualClock, Sink) {
    let sink = Sink::start(Line::Clear, Manner::Takes).await;
    let mail = format!(
        "[mail]\nhost=\"localhost\"\nport={}\nsecurity=\"none\"\nfrom=\"door@example.org\"\n",
        sink.port
    );
    let (door, time) = door(&mail).await;
    (door, time, sink)
}

/// The letters, once there are `count` of them.
pub(crate) async fn letters(sink: &Sink, count: usize) -> Vec<Taken> {
    for _ in 0..500 {
        let letters = sink.letters();
        if letters.len() >= count {
            return letters;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} letters of {count}", sink.letters().len());
}

/// The code in a letter: two times four digits.
fn code_in(letter: &Taken) -> String {
    let is_code = |line: &&str| {
        let digits: Vec<_> = line.trim().chars().filter(|c| !c.is_whitespace()).collect();
        digits.len() == 8 && digits.iter().all(char::is_ascii_digit)
    };
    let found = letter.text.lines().find(is_code);
    found.unwrap_or_else(|| panic!("no code: {}", letter.text)).trim().to_owned()
}

async fn sign_in(browser: &mut Browser, password: &str) -> Answer {
    browser.post("/sign-in", &[("email", ADA), ("password", password)]).await
}

#[tokio::test]
async fn a_code_by_mail_proves_the_address_and_known_ones_look_the_same() {
    let (door, time, sink) = with_mail().await;
    let fields = [("email", ADA), ("password", PASSWORD)];
    let mut browser = Browser::new(&door.url);
    let asked = browser.post("/sign-up", &fields).await;
    assert_eq!((asked.status, door.door().directory.sizes().accounts), (200, 0));
    let token = hidden(&asked, "token");
    let code = code_in(&letters(&sink, 1).await[0]);
    let wrong = browser.post("/sign-up/code", &[("token", &token), ("code", "00000000")]).await;
    assert_eq!(wrong.status, 422);
    let made = browser.post("/sign-up/code", &[("token", &token), ("code", &code)]).await;
    assert_eq!((made.status, location(&made)), (303, "/"), "{}", made.text());
    assert!(browser.get("/account").await.text().contains(ADA));
    let again = browser.post("/sign-up/code", &[("token", &token), ("code", &code)]).await;
    assert_eq!(again.status, 422, "a code is good once");
    // The address has an account now: the page is the same, the letter says it, no code is right.
    let mut other = Browser::new(&door.url);
    let known = other.post("/sign-up", &fields).await;
    let second = hidden(&known, "token");
    let plain = |answer: &Answer, token: &str| answer.text().replace(token, "TOKEN");
    assert_eq!(plain(&known, &second), plain(&asked, &token));
    let letter = &letters(&sink, 2).await[1];
    assert!(letter.text.contains("/sign-in") && letter.to[0].contains(ADA), "{}", letter.text);
    for _ in 0..6 {
        let guess = other.post("/sign-up/code", &[("token", &second), ("code", "11112222")]).await;
        assert_eq!(guess.status, 422);
    }
    // A code is good for ten minutes.
    let late = [("email", "bob@example.org"), ("password", PASSWORD)];
    let token = hidden(&other.post("/sign-up", &late).await, "token");
    let code = code_in(&letters(&sink, 3).await[2]);
    time.advance(Duration::from_secs(600));
    let answer = other.post("/sign-up/code", &[("token", &token), ("code", &code)]).await;
    assert_eq!((answer.status, door.door().directory.sizes().accounts), (422, 1));
    door.stop().await;
}

#[tokio::test]
async fn a_new_password_by_letter_tells_nobody_who_has_an_account() {
    let (door, _, sink) = with_mail().await;
    let mut browser = Browser::new(&door.url);
    let asked = browser.post("/sign-up", &[("email", ADA), ("password", PASSWORD)]).await;
    let code = code_in(&letters(&sink, 1).await[0]);
    let token = hidden(&asked, "token");
    browser.post("/sign-up/code", &[("token", &token), ("code", &code)]).await;
    assert!(browser.get("/sign-in").await.text().contains("/sign-in/reset"));
    let mut answers = Vec::new();
    for email in [ADA, "nobody@example.org", "no address"] {
        let answer = Browser::new(&door.url).post("/sign-in/reset", &[("email", email)]).await;
        answers.push((answer.status, answer.text()));
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    assert_eq!(answers[0].0, 200);
    let letters = letters(&sink, 2).await;
    assert_eq!(letters.len(), 2, "nobody else gets one");
    let token = link_in(&letters[1]);
    let fields = [("token", token.as_str()), ("email", ADA), ("password", NEW_PASSWORD)];
    let set = Browser::new(&door.url).post("/set-up", &fields).await;
    assert_eq!(location(&set), "/sign-in?new-password&next=/account/security?new");
    assert_eq!(browser.get("/account").await.status, 302, "its sessions ended");
    let mut browser = Browser::new(&door.url);
    assert_eq!(sign_in(&mut browser, PASSWORD).await.status, 422);
    assert_eq!(sign_in(&mut browser, NEW_PASSWORD).await.status, 303);
    door.stop().await;
}

/// The token of the link in a letter.
fn link_in(letter: &Taken) -> String {
    let mut words = letter.text.split_whitespace();
    let link = words.find(|word| word.contains("/set-up?token="));
    link.unwrap_or_else(|| panic!("{}", letter.text)).split_once("token=").unwrap().1.to_owned()
}

#[tokio::test]
async fn letters_with_links_are_bounded_and_of_an_account_the_last_counts() {
    let (door, time, sink) = with_mail().await;
    let user = UserCreate { email: ADA.into(), ..UserCreate::default() };
    door.operate(Request::UserCreate(user)).await;
    let mut browser = Browser::new(&door.url);
    // Sign-ups with her address take nothing from her.
    for _ in 0..PER_ADDRESS_MAX {
        browser.post("/sign-up", &[("email", ADA), ("password", PASSWORD)]).await;
    }
    let before = usize::try_from(PER_ADDRESS_MAX).unwrap();
    letters(&sink, before).await;
    // However the address is written, it is one.
    let written =
        [ADA, " ada@example.org", "ADA@example.org ", "Ada@EXAMPLE.org", " ada@Example.org"];
    let (mut asked, mut sent) = (0, 0);
    for text in written.iter().cycle().take(18) {
        let answer = browser.post("/sign-in/reset", &[("email", text)]).await;
        if answer.status == 429 {
            time.advance(Duration::from_secs(
                answer.header("retry-after").unwrap().parse().unwrap(),
            ));
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        asked += 1;
        if sent < before {
            sent += 1;
            letters(&sink, before + sent).await;
        }
    }
    assert!(asked > before, "{asked}");
    while door.door().identity.letters.available_permits() < LETTERS_AT_ONCE_MAX {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let all = sink.letters();
    assert_eq!(all.len(), 2 * before);
    for (letter, lives) in [(&all[before], false), (&all[2 * before - 1], true)] {
        let page = browser.get(&format!("/set-up?token={}", link_in(letter))).await;
        assert_eq!(page.text().contains("used up"), !lives, "{}", page.text());
    }
    let story = door.stop().await;
    let recorded = story.changed.iter().filter(|changed| changed.action == "user.reset");
    assert_eq!(recorded.count(), before, "what is not sent is not written");
}

/// A door with one provider, its secret in a file.
async fn with_provider(more: &str) -> (TestDoor, Double, tempfile::TempDir) {
    let double = Double::start(START.seconds()).await;
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    fs::write(&secret, SECRET).unwrap();
    double.says().secret = SECRET.to_owned();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        "[[accounts.oidc]]\nname=\"double\"\nlabel=\"Double\"\nissuer=\"{}\"\nclient_id=\"surgewall\"\n\
         client_secret={{file=\"{}\"}}\n{more}",
        double.issuer,
        secret.display()
    );
    let (door, _) = door(&text).await;
    (door, double, dir)
}

/// The way to the provider and back; the address that the browser comes back to.
async fn away(browser: &mut Browser, double: &Double) -> String {
    let sent = browser.get("/sign-in/with/double").await;
    assert_eq!(sent.status, 302, "{}", sent.text());
    assert!(location(&sent).starts_with(&double.issuer), "{}", location(&sent));
    let (code, state) = double.consent(location(&sent));
    format!("/sign-in/back/double?code={code}&state={state}&iss={}", encoded(&double.issuer))
}

#[tokio::test]
async fn another_provider_signs_in_and_the_way_back_is_the_browsers_own() {
    let (door, double, _dir) = with_provider("admin=true\n").await;
    let page = Browser::new(&door.url).get("/sign-in").await;
    assert!(page.text().contains("href=\"/sign-in/with/double\">Sign in with Double"));
    let mut browser = Browser::new(&door.url);
    let back = away(&mut browser, &double).await;
    // Somebody else's browser, with the same address, gets nowhere.
    let stolen = Browser::new(&door.url).get(&back).await;
    assert_eq!((stolen.status, stolen.header("set-cookie")), (422, None));
    // What proves nothing uses no ticket up.
    let wrong = browser.get(&back.replace("state=", "state=x")).await;
    assert_eq!((wrong.status, wrong.header("set-cookie")), (422, None));
    let home = browser.get(&back).await;
    assert_eq!(home.status, 200, "{}", home.text());
    assert_eq!(browser.get("/account").await.status, 200);
    let again = browser.get(&back).await;
    assert_eq!(again.status, 422, "once");
    let id = between(&browser.get("/account").await, "<code>", "<");
    let Reply::User(user) = door.operate(Request::UserShow(Named { name: id.clone() })).await
    else {
        panic!()
    };
    let external = user.external.unwrap();
    assert_eq!((external.issuer, external.subject.as_str()), (double.issuer.clone(), SUBJECT));
    assert_eq!((user.class, user.role), (Class::Verified, Role::User));
    // The second time it is the same account.
    let mut second = Browser::new(&door.url);
    let back = away(&mut second, &double).await;
    assert_eq!(second.get(&back).await.status, 200);
    assert_eq!(door.door().directory.sizes().accounts, 1);
    // Without a role there is no way in at the admin listener.
    let mut admin = Browser::new(&door.admin_url);
    let back = away(&mut admin, &double).await;
    assert_eq!(admin.get(&back).await.status, 422);
    assert_eq!(admin.get("/account").await.status, 302);
    // An unknown provider, or one that said no.
    assert_eq!(second.get("/sign-in/with/other").await.status, 422);
    let sent = second.get("/sign-in/with/double").await;
    let (_, state) = double.consent(location(&sent));
    let iss = encoded(&double.issuer);
    let back = format!("/sign-in/back/double?error=access_denied&state={state}&iss={iss}");
    let no = second.get(&back).await;
    assert!(no.status == 422 && no.text().contains("cancelled"), "{}", no.text());
    door.stop().await;
}

#[tokio::test]
async fn a_providers_group_gives_a_role_and_it_is_recorded() {
    let grant = "admin=true\n[[accounts.oidc.grant]]\nof=\"*\"\nrole=\"operator\"\n";
    let (door, double, _dir) = with_provider(grant).await;
    let mut admin = Browser::new(&door.admin_url);
    let back = away(&mut admin, &double).await;
    assert_eq!(admin.get(&back).await.status, 200);
    assert!(admin.get("/account").await.text().contains("operator"));
    let story = door.stop().await;
    let given = story.changed.iter().find(|changed| changed.action == "account.ensure").unwrap();
    assert_eq!(given.detail.as_deref(), Some("class=verified role=operator by=oidc:double"));
}

#[tokio::test]
async fn a_role_that_a_provider_gave_lets_in_by_that_provider_only() {
    let grant = "admin=true\n[[accounts.oidc.grant]]\nof=\"*\"\nrole=\"operator\"\n";
    let (door, double, _dir) = with_provider(grant).await;
    let mut admin = Browser::new(&door.admin_url);
    let back = away(&mut admin, &double).await;
    assert_eq!(admin.get(&back).await.status, 200);
    let mut device = Device::new(&origin(&door.admin_url));
    add(&admin, &mut device).await;
    let by_passkey = async || present(&Browser::new(&door.admin_url), &device).await;
    let refused = by_passkey().await;
    assert_eq!((refused.status, refused.header("set-cookie")), (403, None));
    assert!(refused.text().contains("has its role from another service"), "{}", refused.text());
    // Given by hand, it is the account's own.
    let user = between(&admin.get("/account").await, "<code>", "<");
    let set = UserSet { user, role: Some(Role::Operator), ..UserSet::default() };
    door.operate(Request::UserSet(set)).await;
    assert_eq!(by_passkey().await.status, 200);
    door.stop().await;
}

#[tokio::test]
async fn what_a_provider_no_longer_grants_is_taken_back() {
    let grants = "admin=true\n[[accounts.oidc.grant]]\nof=\"staff\"\nrole=\"operator\"\n\
         class=\"established\"\n";
    let (door, double, _dir) = with_provider(grants).await;
    let in_groups = async |groups: &[&str]| {
        let groups = json!(groups);
        double.says().claims = Box::new(move |claims| claims["groups"] = groups.clone());
        let mut browser = Browser::new(&door.admin_url);
        let back = away(&mut browser, &double).await;
        (browser.get(&back).await.status, browser)
    };
    let (status, mut first) = in_groups(&["staff"]).await;
    assert_eq!((status, first.get("/").await.status), (200, 200));
    let id = between(&first.get("/account").await, "<code>", "<");
    let standing = async || match door.operate(Request::UserShow(Named { name: id.clone() })).await
    {
        Reply::User(user) => (user.role, user.class),
        other => panic!("{other:?}"),
    };
    assert_eq!(standing().await, (Role::Operator, Class::Established));
    let (status, _) = in_groups(&[]).await;
    assert_eq!((status, standing().await), (422, (Role::User, Class::Verified)));
    assert_eq!(first.get("/account").await.status, 302, "the session of before ended");
    // By hand it stays, whatever the provider says.
    let set = UserSet { user: id.clone(), role: Some(Role::Auditor), ..UserSet::default() };
    door.operate(Request::UserSet(set)).await;
    for groups in [&["staff"][..], &[]] {
        assert_eq!(in_groups(groups).await.0, 200);
        assert_eq!(standing().await.0, Role::Auditor, "{groups:?}");
    }
    door.stop().await;
}

/// Somebody whom the provider proved signs in: the account, as the operator sees it.
async fn came(door: &TestDoor, double: &Double) -> UserView {
    let mut browser = Browser::new(&door.url);
    let back = away(&mut browser, double).await;
    let home = browser.get(&back).await;
    assert_eq!(home.status, 200, "{}", home.text());
    shown(door, &between(&browser.get("/account").await, "<code>", "<")).await
}

async fn shown(door: &TestDoor, name: &str) -> UserView {
    let asked = Request::UserShow(Named { name: name.to_owned() });
    let Reply::User(user) = door.operate(asked).await else { panic!("{name}") };
    user
}

const JANE: &str = "jane@example.org";

#[tokio::test]
async fn an_address_that_a_provider_verified_is_kept_and_found() {
    let (door, double, _dir) = with_provider("").await;
    let jane = came(&door, &double).await;
    assert_eq!(jane.email.as_deref(), Some(JANE));
    assert_eq!(shown(&door, " JANE@example.org").await.id, jane.id);
    // Another subject with the same address is another person, without it.
    double.says().claims = Box::new(|claims| claims["sub"] = "another".into());
    let other = came(&door, &double).await;
    assert_ne!(other.id, jane.id);
    assert_eq!((other.email, shown(&door, JANE).await.id), (None, jane.id));
    // An address that changes elsewhere does not change here.
    double.says().claims = Box::new(|claims| claims["email"] = "new@example.org".into());
    assert_eq!(came(&door, &double).await.email.as_deref(), Some(JANE));
    door.stop().await;
}

#[tokio::test]
async fn an_address_that_nobody_verified_is_not_kept() {
    let (door, double, _dir) = with_provider("").await;
    double.says().user_info = serde_json::json!({"sub": SUBJECT});
    double.says().claims = Box::new(|claims| claims["email_verified"] = false.into());
    let jane = came(&door, &double).await;
    assert_eq!(jane.email, None);
    // Verified later, it is; one that is no address never.
    double.says().claims = Box::new(|claims| claims["email"] = "no address".into());
    assert_eq!(came(&door, &double).await.email, None);
    double.says().claims = Box::new(|_| {});
    assert_eq!(came(&door, &double).await.email.as_deref(), Some(JANE));
    door.stop().await;
}

/// A provider that says of its own people whatever helps it: it gets no account
/// of another way of signing in, nor a letter that opens its own for others.
#[tokio::test]
async fn a_provider_takes_no_account_over_by_an_address() {
    let (door, double, _dir) = with_provider("").await;
    let fields = [("email", JANE), ("password", PASSWORD)];
    Browser::new(&door.url).post("/sign-up", &fields).await;
    let before = shown(&door, JANE).await;
    let claimed = came(&door, &double).await;
    assert_ne!(claimed.id, before.id);
    assert_eq!((claimed.email, before.external.is_none()), (None, true));
    assert_eq!(shown(&door, JANE).await.id, before.id);
    let mut jane = Browser::new(&door.url);
    assert_eq!(jane.post("/sign-in", &fields).await.status, 303);
    let id = between(&jane.get("/account").await, "<code>", "<");
    assert_eq!(id, before.id.as_str());
    door.stop().await;
}

async fn move_to(door: &TestDoor, to: GateStep) {
    let request = GateRequest::Move { to, reason: "Many came at once.".into() };
    ask(door.door(), request).await.unwrap();
}

#[tokio::test]
async fn the_gate_is_asked_and_the_page_says_why() {
    let (door, time) = door("[gate]\nwait_s=60\n").await;
    let accounts = || door.door().directory.sizes().accounts;
    let sign_up = async |email: &str, more: &[(&str, &str)]| {
        let fields = [&[("email", email), ("password", PASSWORD)], more].concat();
        Browser::new(&door.url).post("/sign-up", &fields).await
    };
    let page = async || Browser::new(&door.url).get("/sign-up").await;
    assert_eq!(sign_up(ADA, &[]).await.status, 303);
    move_to(&door, GateStep::Closed).await;
    let closed = page().await;
    assert_eq!(closed.status, 200);
    assert!(
        closed.text().contains("Many came at once.")
            && !closed.text().contains("type=\"password\"")
    );
    assert_eq!((sign_up("b@example.org", &[]).await.status, accounts()), (403, 1));
    move_to(&door, GateStep::Invite).await;
    assert_eq!(sign_up("b@example.org", &[]).await.status, 403);
    let request = GateRequest::InviteCreate { uses: 1, days: 9, note: None, by: None };
    let GateReply::Invited(made) = ask(door.door(), request).await.unwrap() else { panic!() };
    let token = made.token.0.expose().clone();
    let invited = Browser::new(&door.url).get(&format!("/sign-up?invite={token}")).await;
    assert!(invited.text().contains(&format!("value=\"{token}\"")));
    assert_eq!(sign_up("b@example.org", &[("invite", &token)]).await.status, 303);
    assert_eq!(
        (sign_up("c@example.org", &[("invite", &token)]).await.status, accounts()),
        (403, 2)
    );
    let waits = Browser::new(&door.url).post("/sign-up/wait", &[("email", "c@example.org")]).await;
    assert!(waits.text().contains("next on the waiting list"), "{}", waits.text());
    move_to(&door, GateStep::Work).await;
    // Without a script: the page's ticket is good after the wait.
    let ticket = hidden(&page().await, "work");
    let early = sign_up("d@example.org", &[("work", &ticket)]).await;
    assert_eq!((early.status, hidden(&early, "work")), (403, ticket.clone()), "the wait goes on");
    time.advance(Duration::from_secs(60));
    assert_eq!((sign_up("d@example.org", &[("work", &ticket)]).await.status, accounts()), (303, 3));
    let used = sign_up("e@example.org", &[("work", &ticket)]).await;
    assert_eq!(used.status, 403);
    assert_ne!(hidden(&used, "work"), ticket, "a used one is not waited with again");
    // With one: what is asked for at this moment, done.
    let asked = Browser::new(&door.url).get("/sign-up/work").await.json();
    let effort = asked["effort"].as_u64().and_then(|effort| u32::try_from(effort).ok()).unwrap();
    let bid = effort::bid(asked["challenge"].as_str().unwrap(), effort);
    assert_eq!((sign_up("e@example.org", &[("work", &bid)]).await.status, accounts()), (303, 4));
    let again = sign_up("f@example.org", &[("work", &bid)]).await;
    assert_eq!((again.status, accounts()), (403, 4));
    assert!(hidden(&again, "work").starts_with("wait:"), "without a script one can still wait");
    move_to(&door, GateStep::Open).await;
    assert_eq!(Browser::new(&door.url).get("/sign-up/work").await.text(), "{}");
    // Whoever has an account signs in at every step.
    for step in GateStep::ALL.into_iter().filter(|step| *step != GateStep::Region) {
        move_to(&door, step).await;
        assert_eq!(sign_in(&mut Browser::new(&door.url), PASSWORD).await.status, 303, "{step}");
    }
    door.stop().await;
}
