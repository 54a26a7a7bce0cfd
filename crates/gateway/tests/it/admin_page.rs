//! The admin page over real HTTP: who may see and do what, and that what is
//! done there is done, with who did it in the ledger.

use std::fmt::Write as _;
use std::time::Duration;

use surgewall_core::clock::{Clock, ManualClock, Timestamp};
use surgewall_core::finding::{Finding, Severity};
use surgewall_core::gate::GateStep;
use surgewall_core::role::Role;
use surgewall_gateway::gate::ask;
use surgewall_gateway::listen::Purpose;
use surgewall_gateway::routes::table::{Access, all};
use surgewall_identity::password::Cost;
use surgewall_store::admin::{GroupCreate, Request, UserSet};
use surgewall_store::findings::Report;
use surgewall_store::gate::GateRequest;
use surgewall_testkit::client::Answer;

use crate::browser::{Browser, between, location};
use crate::harness::TestDoor;

const PASSWORD: &str = "correct gibbon staple 94 turnip";

async fn door() -> TestDoor {
    let door = TestDoor::start("").await;
    door.door().identity.hash_at(Cost::LEAST);
    door
}

/// A browser on the admin listener in which somebody with `role` is signed in.
async fn signed_in(door: &TestDoor, role: Role) -> Browser {
    let email = format!("{role}@example.org");
    let fields = [("email", email.as_str()), ("password", PASSWORD)];
    Browser::new(&door.url).post("/sign-up", &fields).await;
    let set = UserSet { user: email.clone(), role: Some(role), ..UserSet::default() };
    door.operate(Request::UserSet(set)).await;
    let mut browser = Browser::new(&door.admin_url);
    let answer = browser.post("/sign-in", &fields).await;
    assert_eq!((answer.status, location(&answer)), (303, "/"), "{}", answer.text());
    browser
}

fn done(answer: &Answer, path: &str) {
    let to = location(answer);
    assert_eq!(answer.status, 303, "{}", answer.text());
    assert!(to.starts_with(path) && to.contains("?done="), "{to}");
}

#[tokio::test]
async fn every_page_and_role() {
    let door = door().await;
    let mut browsers = vec![("nobody", Browser::new(&door.admin_url))];
    for role in [Role::Auditor, Role::Operator, Role::Admin, Role::Owner] {
        browsers.push((role.as_str(), signed_in(&door, role).await));
    }
    let mut picture = format!("{:28}", "route");
    for (name, _) in &browsers {
        let _ = write!(picture, "{name:>10}");
    }
    picture.push('\n');
    let rows = all().filter(|route| route.listener == Purpose::Admin);
    for route in rows.filter(|route| route.access == Access::Role) {
        let _ = write!(picture, "{:28}", format!("{} {}", route.method, route.path));
        for (_, browser) in &mut browsers {
            let path = route.path.replace("{id}", "nobody_has_this");
            let answer = match route.method {
                "POST" => browser.post(&path, &[("do", "nothing")]).await,
                _ => browser.get(&path).await,
            };
            let _ = write!(picture, "{:>10}", answer.status);
        }
        picture.push('\n');
    }
    insta::assert_snapshot!(picture);
    // A user without a role has no session there at all.
    let fields = [("email", "eve@example.org"), ("password", PASSWORD)];
    Browser::new(&door.url).post("/sign-up", &fields).await;
    assert_eq!(Browser::new(&door.admin_url).post("/sign-in", &fields).await.status, 403);
    door.stop().await;
}

#[tokio::test]
async fn what_is_done_there_is_done_and_says_by_whom() {
    let door = door().await;
    let mut owner = signed_in(&door, Role::Owner).await;
    let made = owner.post("/users", &[("email", "ann@example.org"), ("class", "verified")]).await;
    done(&made, "/users/user_");
    let path = location(&made).split('?').next().unwrap().to_owned();
    let id = path.trim_start_matches("/users/").to_owned();
    let page = owner.get(&format!("{path}?done=0")).await;
    for words in ["ann@example.org", "verified", "The account was made."] {
        assert!(page.text().contains(words), "{words}");
    }
    let fields = [("name", "laptop"), ("account", "ann@example.org"), ("expires_in", "90d")];
    let made = owner.post("/keys", &fields).await;
    let key = between(&made, "<pre tabindex=\"0\">", "<").trim().to_owned();
    let api = door.stranger().with_key(&key);
    assert_eq!(api.get("/v1/models").await.unwrap().status, 200);
    let link = between(&made, "<a href=\"/keys/key_", "\"");
    let revoked = owner.post(&format!("/keys/key_{link}"), &[("do", "revoke")]).await;
    done(&revoked, "/keys/key_");
    assert_eq!(api.get("/v1/models").await.unwrap().status, 401);
    done(&owner.post(&path, &[("role", "auditor"), ("suspended", "on")]).await, &path);
    let page = owner.get(&path).await;
    assert!(page.text().contains("suspended") && page.text().contains("auditor"));
    let refused = owner.post(&path, &[("do", "erase"), ("confirm", "user_other")]).await;
    assert_eq!(refused.status, 400, "another id was typed");
    done(&owner.post(&path, &[("do", "erase"), ("confirm", &id)]).await, &path);
    done(
        &owner.post("/gate", &[("do", "move"), ("to", "closed"), ("reason", "Too many.")]).await,
        "/gate",
    );
    assert!(owner.get("/gate").await.text().contains("Too many."));
    let page = owner.get(&format!("/ledger?kind=changed&text={id}")).await;
    assert!(page.text().contains("user.create") && page.text().contains("key.create"));
    let story = door.stop().await;
    let by = |action: &str| {
        let found = story.changed.iter().find(|changed| changed.action == action);
        found.and_then(|changed| changed.detail.clone()).unwrap_or_default()
    };
    for action in ["key.create", "key.revoke"] {
        assert!(by(action).contains("by=user_"), "{action}: {}", by(action));
    }
}

#[tokio::test]
async fn nobody_changes_whom_they_do_not_outrank_and_the_last_owner_stays() {
    let door = door().await;
    let mut owner = signed_in(&door, Role::Owner).await;
    let mut admin = signed_in(&door, Role::Admin).await;
    let list = owner.get("/users").await.text();
    let page = |role: Role| {
        let row = list.split("<tr>").find(|row| row.contains(&format!("{role}@example.org")));
        let id = row.unwrap().split("/users/").nth(1).unwrap().split('"').next().unwrap();
        format!("/users/{id}")
    };
    let (of_owner, of_admin) = (page(Role::Owner), page(Role::Admin));
    let key = [("name", "theirs"), ("account", "owner@example.org"), ("expires_in", "90d")];
    for (path, fields) in [
        (of_owner.as_str(), &[("suspended", "on")][..]),
        (&of_owner, &[("do", "end-sessions")]),
        (&of_owner, &[("do", "erase"), ("confirm", of_owner.trim_start_matches("/users/"))]),
        (&of_admin, &[("class", "verified")]),
        ("/keys", &key),
    ] {
        let answer = admin.post(path, fields).await;
        assert_eq!(answer.status, 403, "{path} {fields:?}: {}", answer.text());
    }
    assert!(!admin.get(&of_owner).await.text().contains("Change it"));
    // An owner changes anybody, and is not the last one to go.
    for fields in [[("role", "user")], [("suspended", "on")]] {
        let answer = owner.post(&of_owner, &fields).await;
        assert_eq!(answer.status, 409, "{fields:?}: {}", answer.text());
    }
    done(&owner.post(&of_admin, &[("was_role", "admin"), ("role", "owner")]).await, &of_admin);
    done(&owner.post(&of_owner, &[("suspended", "on")]).await, &of_owner);
    assert_eq!(owner.get("/users").await.status, 303, "its sessions do not hold");
    done(&admin.post(&of_owner, &[("was_suspended", "on")]).await, &of_owner);
    door.stop().await;
}

#[tokio::test]
async fn what_gives_power_needs_a_fresh_proof_and_the_gate_does_not() {
    let time = ManualClock::new(Timestamp::from_millis(1_790_000_000_000));
    let door = TestDoor::start_at("", Clock::Manual(time.clone())).await;
    door.door().identity.hash_at(Cost::LEAST);
    let mut owner = signed_in(&door, Role::Owner).await;
    time.advance(Duration::from_secs(599));
    done(&owner.post("/users", &[("email", "ann@example.org")]).await, "/users/user_");
    time.advance(Duration::from_secs(1));
    for path in ["/users", "/users/user_a", "/groups", "/keys", "/keys/key_a", "/configuration"] {
        let answer = owner.post(path, &[("email", "bob@example.org"), ("do", "revoke")]).await;
        let expected = format!("/account/confirm?next={path}");
        assert_eq!((answer.status, location(&answer)), (303, expected.as_str()));
    }
    let gate = [("do", "move"), ("to", "closed"), ("reason", "A flood.")];
    done(&owner.post("/gate", &gate).await, "/gate");
    let proof = [("password", PASSWORD), ("next", "/users")];
    let proved = owner.post("/account/confirm", &proof).await;
    assert_eq!((proved.status, location(&proved)), (303, "/users"), "{}", proved.text());
    done(&owner.post("/users", &[("email", "bob@example.org")]).await, "/users/user_");
    door.stop().await;
}

#[tokio::test]
async fn a_form_changes_what_differs_and_leaves_the_rest() {
    let door = door().await;
    let mut owner = signed_in(&door, Role::Owner).await;
    let made = owner.post("/users", &[("email", "ann@example.org")]).await;
    let path = location(&made).split('?').next().unwrap().to_owned();
    // While the page is open, somebody else suspends the account and gives it a role.
    let shown = [("was_suspended", ""), ("was_role", "user"), ("role", "user")];
    let set = UserSet {
        user: "ann@example.org".into(),
        suspended: Some(true),
        role: Some(Role::Auditor),
        ..UserSet::default()
    };
    door.operate(Request::UserSet(set)).await;
    let fields = [&shown[..], &[("class", "verified")]].concat();
    done(&owner.post(&path, &fields).await, &path);
    let page = owner.get(&path).await;
    for words in ["suspended", "auditor", "verified"] {
        assert!(page.text().contains(&format!(">{words}")), "{words}: {}", page.text());
    }
    let story = door.stop().await;
    let set = story.changed.iter().rfind(|changed| changed.action == "user.set").unwrap();
    let detail = set.detail.as_deref().unwrap();
    assert!(detail.starts_with("class=verified by=user_"), "{detail}");
}

#[tokio::test]
async fn the_gate_rules_and_findings_say_by_whom_too() {
    let door = door().await;
    let mut operator = signed_in(&door, Role::Operator).await;
    let open = Finding::new(Severity::Warning, "exposure.upstream", "upstream `a` at 127.0.0.1:1");
    let reported = door.door().report(Report::new("exposure", vec![open])).await.unwrap();
    let finding = format!("/findings/{}", reported.changes[0].id);
    done(&operator.post(&finding, &[("to", "rule")]).await, &finding);
    let rule = door.door().rules.current()[0].id.to_string();
    let fields = [("do", "set"), ("id", rule.as_str()), ("state", "on")];
    done(&operator.post("/rules", &fields).await, "/rules");
    let moved = [("do", "move"), ("to", "work"), ("reason", "Robots.")];
    done(&operator.post("/gate", &moved).await, "/gate");
    // On the machine itself nobody has a session.
    let request = GateRequest::Move { to: GateStep::Open, reason: "Calm.".into() };
    ask(door.door(), request).await.unwrap();
    let story = door.stop().await;
    let who = |action: &str| {
        let found = story.changed.iter().filter(|changed| changed.action == action);
        let found: Vec<_> = found.map(|changed| changed.detail.clone().unwrap()).collect();
        found.join("; ")
    };
    let by = who("rule.create").split("by=").nth(1).unwrap().to_owned();
    assert!(by.starts_with("user_"), "{by}");
    assert_eq!(who("rule.create"), format!("bar shadow by={by}"));
    assert_eq!(who("rule.set"), format!("bar on by={by}"));
    assert_eq!(
        who("gate.move"),
        format!("open -> work by={by}: Robots.; work -> open by=hand: Calm.")
    );
    let accounts: Vec<_> = story.findings.iter().map(|changed| &changed.account).collect();
    assert_eq!(accounts[0], &None, "its producer");
    assert_eq!(accounts[1].as_ref().unwrap().as_str(), by);
}

#[tokio::test]
async fn a_form_of_another_site_and_a_name_with_markup_do_nothing() {
    let door = door().await;
    let mut admin = signed_in(&door, Role::Admin).await;
    let name = "<script>alert(1)</script>";
    let group = GroupCreate { name: name.into(), ..GroupCreate::default() };
    door.operate(Request::GroupCreate(group)).await;
    let page = admin.get("/groups").await;
    assert!(!page.text().contains(name) && page.text().contains("&#60;script&#62;"));
    assert!(page.header("content-security-policy").unwrap().contains("trusted-types 'none'"));
    let mut elsewhere = Browser::new(&door.admin_url).on_site(Some("cross-site"));
    elsewhere.set("surgewall-admin", admin.cookie("surgewall-admin").unwrap());
    let answer = elsewhere.post("/groups", &[("name", "theirs")]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert!(!admin.get("/groups").await.text().contains("theirs"));
    // An admin gives no roles: the field is not read.
    let made = admin.post("/users", &[("email", "bob@example.org")]).await;
    let path = location(&made).split('?').next().unwrap().to_owned();
    admin.post(&path, &[("role", "owner")]).await;
    assert!(!admin.get(&path).await.text().contains("<dd>owner"));
    for strange in ["/users/../keys", "/incidents/x'y", "/users?after=%00", "/ledger?kind=nothing"]
    {
        let status = admin.get(strange).await.status;
        assert!(matches!(status, 200 | 303 | 400 | 404), "{strange}: {status}");
    }
    door.stop().await;
}
