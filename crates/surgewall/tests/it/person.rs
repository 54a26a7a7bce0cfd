//! `report user`: what one person is given, beside a door, without one, and on a copy.
#![expect(clippy::unwrap_used, reason = "a test without its data has failed")]

use std::process::Command;

use serde_json::Value;
use surgewall_core::clock::Timestamp;
use surgewall_store::conversations::{
    Attachment, Body, MessageId, NewConversation, NewMessage, Own, Role, State,
};
use surgewall_store::datadir::DataDir;
use surgewall_store::people::{People as _, Pick};
use surgewall_store::sqlite::Sqlite;
use surgewall_store::vault::Vault;

use crate::site::{ANY_PORTS, Site, mode};

/// What somebody wrote who wants the page to run it.
const HOSTILE: &str = "</pre><script>alert(1)</script><img src=\"http://x/\" onerror='y'>&amp;";

fn vault(site: &Site) -> Vault {
    let data = DataDir::open(&site.path("surgewall-data")).unwrap();
    Vault::open(&data, Some(&site.master_key())).unwrap()
}

/// A site with two people, each with a key and a conversation.
fn site() -> Site {
    let site = Site::with(ANY_PORTS);
    site.stdout(&["admin", "group", "create", "--name", "course"], 0);
    for name in ["ada", "bob"] {
        let email = format!("{name}@example.org");
        site.stdout(&["admin", "user", "create", "--email", &email, "--group", "course"], 0);
        let key = format!("key of {name}");
        site.stdout(&["admin", "key", "create", "--name", &key, "--account", &email], 0);
    }
    let data = DataDir::open(&site.path("surgewall-data")).unwrap();
    let vault = vault(&site);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Sqlite::open(&data.database()).await.unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let rows = store.accounts(&Pick::After { id: 0, rows_max: 9 }).await.unwrap();
        for (row, name) in rows.iter().zip(["ada", "bob"]) {
            let own = Own::new(&store, &vault, row.id);
            let title = format!("Talk of {name} {HOSTILE}");
            let new = NewConversation { title, system_prompt: None, temporary: false };
            let chat = own.create(new, now).await.unwrap();
            let said = format!("words of {name} {HOSTILE}");
            let attachment = Attachment { name: HOSTILE.to_owned(), text: HOSTILE.to_owned() };
            let message = NewMessage {
                id: MessageId::random(),
                parent: 0,
                role: Role::User,
                state: State::Complete,
                body: Body { thinking: HOSTILE.to_owned(), ..Body::text(said) },
                attachments: vec![attachment],
            };
            own.append(chat.id, message, now).await.unwrap();
            own.save_draft(chat.id, format!("draft of {name}"), now).await.unwrap();
        }
        store.close().await;
    });
    site
}

fn json(site: &Site, words: &[&str]) -> Value {
    let words = [&["report", "user"], words, &["--format", "json"]].concat();
    serde_json::from_str(&site.stdout(&words, 0)).unwrap()
}

/// Holds an export of Ada's against what was planted.
fn check(held: &Value) {
    let text = held.to_string();
    assert!(!text.contains("bob"), "{text}");
    assert_eq!(held["export"]["version"], 1);
    assert_eq!(held["account"]["email"], "ada@example.org");
    assert_eq!(held["export"]["about"], held["account"]["id"]);
    assert_eq!(held["group"]["name"], "course");
    assert_eq!(held["keys"][0]["name"], "key of ada");
    assert_eq!((&held["end_user"], &held["records"]), (&Value::Null, &serde_json::json!([])));
    let chat = &held["conversations"][0];
    assert_eq!(chat["title"], format!("Talk of ada {HOSTILE}"));
    assert_eq!(chat["content"][0]["body"]["text"], format!("words of ada {HOSTILE}"));
    assert_eq!(chat["content"][0]["attached"][0]["text"], HOSTILE);
    assert_eq!(chat["draft"]["text"], "draft of ada");
    assert_eq!(
        (&chat["answers"], &chat["shares"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    let accesses = held["summary"]["accesses"].as_array().unwrap();
    let last = accesses.last().unwrap();
    assert_eq!((&last["action"], &last["detail"]), (&"user.export".into(), &"by=operator".into()));
}

#[test]
fn a_person_is_given_all_of_their_own_and_it_is_recorded() {
    let site = site();
    let held = json(&site, &["ada@example.org"]);
    check(&held);
    let id = held["account"]["id"].as_str().unwrap();
    assert_eq!(json(&site, &[id])["summary"]["accesses"].as_array().unwrap().len(), 2);
    let ledger = site.stdout(&["admin", "ledger", "export"], 0);
    assert_eq!(ledger.matches("\"action\":\"user.export\"").count(), 2);

    let page = site.stdout(&["report", "user", "ada@example.org", "--format", "html"], 0);
    assert!(page.contains("words of ada &lt;/pre&gt;&lt;script&gt;alert(1)"), "{page}");
    for never in ["<script", "<img", "onerror='", "http://x/\"", "bob"] {
        assert!(!page.contains(never), "{never}");
    }
    assert!(page.contains("default-src 'none'") && page.ends_with("</html>\n"));
    let text = site.stdout(&["report", "user", "ada@example.org"], 0);
    assert!(text.contains("ada@example.org") && text.contains("Talk of ada"), "{text}");
    assert!(!text.contains("words of ada") && !text.contains("bob"), "{text}");
}

#[test]
fn beside_a_door_and_on_a_copy() {
    let site = site();
    let door = site.serve(&[]);
    check(&json(&site, &["ada@example.org"]));
    drop(door);
    let (from, to) = (site.path("surgewall-data"), site.path("copy"));
    assert!(Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success());
    check(&json(&site, &["--data-dir", "copy", "ada@example.org"]));
}

#[test]
fn after_an_erasure_it_says_so() {
    let site = site();
    let door = site.serve(&[]);
    site.stdout(&["admin", "vault", "erase", "--account", "ada@example.org"], 0);
    erased(&site);
    drop(door);
    erased(&site);
    let bob = json(&site, &["bob@example.org"]);
    assert!(bob.to_string().contains("words of bob"));
    site.stdout(&["admin", "vault", "erase", "--account", "bob@example.org"], 0);
    assert_eq!(json(&site, &["bob@example.org"])["conversations"], serde_json::json!([]));
}

/// That of what Ada wrote nothing is left but the receipt.
fn erased(site: &Site) {
    let held = json(site, &["ada@example.org"]);
    assert_eq!(held["conversations"], serde_json::json!([]));
    assert_eq!(held["account"]["email"], "ada@example.org");
    assert!(!held.to_string().contains("words of ada"));
    assert_eq!(held["summary"]["erasures"][0]["keys"], 1);
    assert_eq!(held["summary"]["erasures"][0]["subject"], held["account"]["id"]);
    assert!(held["summary"]["notes"][0].as_str().unwrap().contains("nobody can read it"));
}

#[test]
fn a_file_is_new_and_private_and_nothing_is_written_for_nobody() {
    let site = site();
    let words = ["report", "user", "ada@example.org", "--format", "json", "--out", "ada.json"];
    insta::assert_snapshot!("person_out", site.shown(&words));
    assert_eq!(mode(&site.path("ada.json")), 0o600);
    check(&serde_json::from_str(&site.read("ada.json")).unwrap());
    insta::assert_snapshot!("person_out_again", site.shown(&words));
    let nobody = ["report", "user", "eve@example.org", "--out", "eve.txt"];
    insta::assert_snapshot!("person_none", site.shown(&nobody));
    assert!(!site.path("eve.txt").exists());
    std::fs::remove_file(site.master_key()).unwrap();
    let closed = site.shown(&["report", "user", "ada@example.org", "--out", "b.txt"]);
    assert!(closed.contains("exit status 2") && !site.path("b.txt").exists(), "{closed}");
}

#[test]
fn an_end_user_and_a_key_of_the_operators() {
    let site = site();
    site.stdout(&["admin", "key", "create", "--name", "app", "--delegates"], 0);
    let limit = ["admin", "user", "limit", "--key", "app", "--user"];
    for (user, amount) in [("alice", "requests=3/1m"), ("carol", "requests=4/1m")] {
        site.stdout(&[&limit[..], &[user, "--limit", amount]].concat(), 0);
    }
    let held = json(&site, &["--key", "app", "--user", "alice"]);
    assert_eq!(held["account"], Value::Null);
    assert_eq!(held["end_user"]["limits"], serde_json::json!(["requests=3/1m"]));
    assert!(!held.to_string().contains("requests=4/1m"), "{held}");
    let hash = held["export"]["about"].as_str().unwrap();
    let by_hash = json(&site, &["--key", "app", "--hash", hash]);
    assert_eq!(by_hash["end_user"]["user"], held["end_user"]["user"]);
    assert_eq!(by_hash["summary"]["accesses"].as_array().unwrap().len(), 2);
    let key = json(&site, &["--key", "app"]);
    assert_eq!(key["keys"][0]["name"], "app");
    insta::assert_snapshot!(
        "person_account_key",
        site.shown(&["report", "user", "--key", "key of ada"])
    );
}
