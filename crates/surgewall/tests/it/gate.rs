//! `surgewall admin gate` and `surgewall admin import`, without a door and with one.

use crate::site::{ANY_PORTS, Site};

/// What differs from run to run: instants, ids and tokens.
fn steady(text: &str) -> String {
    let mut steady = String::new();
    for word in text.split_inclusive([' ', '\n']) {
        let bare = word.trim_end();
        let ending = &word[bare.len()..];
        let shown = if bare.starts_with("invite_") {
            "invite_ID".to_owned()
        } else if bare.len() == 10 && bare.starts_with("20") && bare.matches('-').count() == 2 {
            "DAY".to_owned()
        } else if bare.trim_end_matches(',').len() == 6 && bare.contains(':') && bare.contains('Z')
        {
            "TIME".to_owned()
        } else {
            bare.to_owned()
        };
        steady += &(shown + ending);
    }
    steady
}

#[test]
fn the_gate_is_shown_and_moved_without_a_door() {
    let site = Site::new();
    insta::assert_snapshot!("gate_no_data", site.shown(&["admin", "gate", "show"]));
    site.stdout(&["admin", "user", "create", "--email", "ann@example.org"], 0);
    insta::assert_snapshot!("gate_show", steady(&site.shown(&["admin", "gate", "show"])));
    let moved = ["admin", "gate", "move", "invite", "--reason", "We are growing slowly."];
    insta::assert_snapshot!("gate_move", steady(&site.shown(&moved)));
    let json = site.stdout(&["admin", "gate", "show", "--format", "json"], 0);
    let shown: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((shown["step"].as_str(), shown["by"].as_str()), (Some("invite"), Some("hand")));
    let nowhere = ["admin", "gate", "move", "region", "--reason", "x"];
    insta::assert_snapshot!("gate_region", site.shown(&nowhere));
    let told = site.stdout(&["admin", "ledger", "export", "--format", "jsonl"], 0);
    assert!(told.contains("open -> invite by=hand: We are growing slowly."), "{told}");
}

#[test]
fn invites_are_made_shown_once_listed_and_ended() {
    let site = Site::new();
    site.stdout(&["admin", "user", "create", "--email", "ann@example.org"], 0);
    let made = ["admin", "gate", "invite", "create", "--uses", "3", "--note", "spring"];
    let token = site.stdout(&made, 0);
    assert!(token.starts_with("sw_invite_") && token.trim_end().len() == 32, "{token}");
    let by = ["admin", "gate", "invite", "create", "--by", "ann@example.org"];
    site.stdout(&by, 0);
    let listed = site.stdout(&["admin", "gate", "invite", "list"], 0);
    assert!(listed.contains("spring") && listed.contains("0 of 3"), "{listed}");
    assert!(listed.contains("the operator") && listed.contains("user_"), "{listed}");
    let id = listed.split_whitespace().find(|word| word.starts_with("invite_")).unwrap();
    assert_eq!(site.stdout(&["admin", "gate", "invite", "revoke", id, "--tree"], 0).trim_end(), id);
    assert!(site.stdout(&["admin", "gate", "invite", "list"], 0).contains("revoked"));
    let unknown = ["admin", "gate", "invite", "revoke", "invite_x"];
    insta::assert_snapshot!("gate_no_such_invite", site.shown(&unknown));
    insta::assert_snapshot!(
        "gate_nobody_waits",
        site.shown(&["admin", "gate", "waiting", "admit", "5"])
    );
}

#[test]
fn a_running_door_is_moved_by_the_same_words() {
    let site = Site::with(ANY_PORTS);
    let door = site.serve(&[]);
    site.stdout(&["admin", "gate", "move", "closed", "--reason", "Moving house."], 0);
    let shown = site.stdout(&["admin", "gate", "show"], 0);
    assert!(shown.contains("closed") && shown.contains("Moving house."), "{shown}");
    site.stdout(&["admin", "gate", "invite", "create"], 0);
    drop(door);
    let again = site.serve(&[]);
    assert!(site.stdout(&["admin", "gate", "show"], 0).contains("Moving house."));
    drop(again);
}

#[test]
fn users_of_another_system_are_known_on_day_one() {
    let site = Site::new();
    let export = "id,name,email,role\n7,Ann,ann@example.org,admin\n8,Bob,bob@example.org,pending\n9,Eve,eve@example.org,user\n";
    site.write("users.csv", export);
    let dry = ["admin", "import", "users", "users.csv", "--class", "verified", "--dry-run"];
    insta::assert_snapshot!("import_users_no_data", site.shown(&dry));
    site.stdout(&["admin", "user", "create", "--email", "ann@example.org"], 0);
    insta::assert_snapshot!("import_users_dry", site.shown(&dry));
    insta::assert_snapshot!("import_users", site.shown(&dry[..6]));
    let listed = site.stdout(&["admin", "user", "list"], 0);
    assert!(listed.contains("eve@example.org") && !listed.contains("bob@example.org"), "{listed}");
    site.write("bad.csv", "email,class\na@b.c,new\n,new\nd@e.f,old\n");
    insta::assert_snapshot!(
        "import_users_bad",
        site.shown(&["admin", "import", "users", "bad.csv"])
    );
    site.write("what.csv", "who,where\na,b\n");
    insta::assert_snapshot!(
        "import_unknown",
        site.shown(&["admin", "import", "users", "what.csv"])
    );
}

#[test]
fn keys_of_another_system_go_to_their_owners() {
    let site = Site::new();
    site.write("users.json", "[{\"id\":2,\"username\":\"ann\",\"email\":\"ann@example.org\",\"quota\":1,\"status\":1,\"created_at\":1714557600}]");
    site.write("keys.json", "[{\"id\":1,\"user_id\":2,\"key\":\"abc\",\"name\":\"app\",\"status\":1,\"created_time\":1714557600},{\"id\":2,\"user_id\":2,\"key\":\"def\",\"name\":\"app\",\"status\":1},{\"id\":3,\"user_id\":2,\"key\":\"x\",\"name\":\"off\",\"status\":2}]");
    site.stdout(&["admin", "import", "users", "users.json"], 0);
    insta::assert_snapshot!(
        "import_keys_whose",
        site.shown(&["admin", "import", "keys", "keys.json"])
    );
    let keys = ["admin", "import", "keys", "keys.json", "--users", "users.json"];
    insta::assert_snapshot!("import_keys", site.shown(&keys));
    let listed = site.stdout(&["admin", "key", "list", "--account", "ann@example.org"], 0);
    assert!(listed.contains("app (2)") && !listed.contains("off"), "{listed}");
    let ann = site.stdout(&["admin", "user", "show", "ann@example.org"], 0);
    assert!(ann.contains("since 2024-05-01 10:00Z"), "{ann}");
    insta::assert_snapshot!("import_keys_again", site.shown(&keys));
}
