//! Commands on a data directory without a door.

use serde_json::Value;

use crate::site::{Site, chmod, mode};

#[test]
fn a_new_key_stands_alone_on_stdout() {
    let site = Site::new();
    let output = site.run(&["admin", "key", "create", "--name", "laptop"]);
    assert_eq!(output.status.code(), Some(0));
    let key = String::from_utf8(output.stdout).unwrap();
    assert!(surgewall_core::apikey::is_well_formed(key.trim_end()) && key.ends_with('\n'));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("shown only this once") && !said.contains(key.trim_end()), "{said}");
    assert_eq!(mode(&site.path("surgewall-data")), 0o700);
    assert_eq!(mode(&site.master_key()), 0o600);
    let listed = site.stdout(&["admin", "key", "list"], 0);
    assert!(
        listed.contains("laptop") && listed.contains(&key[40..44]) && !listed.contains(&key[..20])
    );
}

#[test]
fn people_groups_and_keys() {
    let site = Site::new();
    let run = |words: &[&str]| site.stdout(words, 0);
    let group = run(&["admin", "group", "create", "--name", "course", "--limit", "requests=60/1m"]);
    assert!(group.starts_with("group_"));
    let id = run(&[
        "admin",
        "user",
        "create",
        "--email",
        "Ada@Example.org",
        "--class",
        "verified",
        "--group",
        "course",
    ]);
    assert!(id.starts_with("user_") && id.lines().count() == 1);
    run(&[
        "admin",
        "key",
        "create",
        "--name",
        "ada",
        "--account",
        "ada@example.org",
        "--models",
        "a,b*",
        "--routes",
        "chat",
        "--networks",
        "10.0.0.0/8,127.0.0.1",
        "--expires",
        "90d",
        "--delegates",
        "--limit",
        "concurrency=4",
        "--limit",
        "total_tokens=1000/1d:a",
    ]);
    insta::assert_snapshot!("list_users", site.shown(&["admin", "user", "list"]));
    insta::assert_snapshot!(
        "list_groups",
        site.shown(&["admin", "group", "show", "course"])
            .replace(|c: char| c.is_ascii_digit(), "0")
    );
    let key: Value =
        serde_json::from_str(&run(&["admin", "key", "show", "ada", "--format", "json"])).unwrap();
    assert_eq!(key["scopes"]["models"], serde_json::json!(["a", "b*"]));
    assert_eq!(key["scopes"]["networks"], serde_json::json!(["10.0.0.0/8", "127.0.0.1/32"]));
    assert_eq!(key["limits"], serde_json::json!(["concurrency=4", "total_tokens=1000/1d:a"]));
    assert_eq!((&key["account"], &key["delegates"]), (&"Ada@example.org".into(), &true.into()));
    run(&["admin", "key", "set", "ada", "--no-scopes", "--no-limits", "--delegates", "false"]);
    run(&["admin", "user", "set", "ada@example.org", "--suspend", "--no-group"]);
    let key: Value =
        serde_json::from_str(&run(&["admin", "key", "show", "ada", "--format", "json"])).unwrap();
    assert_eq!((&key["limits"], &key["state"]), (&serde_json::json!([]), &"suspended".into()));
    run(&["admin", "key", "revoke", "ada"]);
    assert!(run(&["admin", "key", "list"]).contains("revoked"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let site = Site::new();
    insta::assert_snapshot!("no_data_list", site.shown(&["admin", "key", "list"]));
    insta::assert_snapshot!("no_data_status", site.shown(&["status", "--once"]));
    insta::assert_snapshot!("no_data_ledger", site.shown(&["check", "ledger"]));
    site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    insta::assert_snapshot!("no_door_status", site.shown(&["status", "--once"]));
    insta::assert_snapshot!("name_taken", site.shown(&["admin", "key", "create", "--name", "a"]));
    insta::assert_snapshot!("no_such_key", site.shown(&["admin", "key", "revoke", "b"]));
    insta::assert_snapshot!(
        "no_such_account",
        site.shown(&["admin", "key", "create", "--name", "b", "--account", "x@y.z"])
    );
    insta::assert_snapshot!(
        "unpriced_limit",
        site.shown(&["admin", "key", "create", "--name", "b", "--limit", "money=1/1d"])
    );
    insta::assert_snapshot!(
        "bad_limit",
        site.shown(&["admin", "key", "create", "--name", "b", "--limit", "sheep=1/1d"])
    );
}

#[test]
fn one_end_user_of_a_key_is_limited_by_name_or_by_hash() {
    let prices = "[prices.\"*\"]\ninput_per_million = \"1\"\noutput_per_million = \"1\"\n\
         currency = \"EUR\"\nsource = \"a test\"\ndate = \"2026-11-01\"\n";
    let site = Site::with(prices);
    site.stdout(&["admin", "key", "create", "--name", "app", "--delegates"], 0);
    let of = |user: [&str; 2], more: &[&str]| {
        let words = [&["admin", "user", "limit", "--key", "app"], &user[..], more].concat();
        site.stdout(&words, 0)
    };
    let alice = ["--user", "alice"];
    let set = of(alice, &["--limit", "money=1/1d", "--format", "json"]);
    let set: Value = serde_json::from_str(&set).unwrap();
    assert_eq!((&set["limits"][0], &set["last_seen_at"]), (&"money=1.00/1d".into(), &Value::Null));
    let hash = set["user"].as_str().unwrap();
    let shown = of(["--hash", hash], &[]);
    assert!(shown.contains("limits      money=1.00/1d\n"), "{shown}");
    assert!(shown.contains("last seen   never\n") && !shown.contains("alice"), "{shown}");
    let key = site.stdout(&["admin", "key", "show", "app"], 0);
    assert!(key.contains(&format!("end user    {hash}  money=1.00/1d\n")), "{key}");

    site.write("surgewall.toml", "");
    let unpriced = site.stdout(&["check", "config"], 1);
    assert!(unpriced.contains("has no price"), "{unpriced}");
    assert!(of(alice, &["--no-limits"]).contains("limits      -\n"));
    site.stdout(&["check", "config"], 0);
    assert!(!site.stdout(&["admin", "key", "show", "app"], 0).contains("end user"));
}

#[test]
fn a_class_says_since_when_and_why() {
    let site = Site::new();
    site.stdout(&["admin", "user", "create", "--email", "ann@example.org"], 0);
    let user = || site.stdout(&["admin", "user", "show", "ann@example.org"], 0);
    let line = |sheet: &str| {
        let class = sheet.lines().find(|line| line.starts_with("class")).unwrap().to_owned();
        class.replace(|c: char| c.is_ascii_digit(), "0")
    };
    assert_eq!(line(&user()), "class       new since 0000-00-00 00:00Z: as every new account");
    site.stdout(&["admin", "user", "set", "ann@example.org", "--class", "established"], 0);
    let granted = "class       established since 0000-00-00 00:00Z: granted by an operator";
    assert_eq!(line(&user()), granted);
    assert!(user().contains("\ngood use    on 0 days\n"), "{}", user());
    let hash = "0".repeat(64);
    let head = "name,sha256,account,first_seen,active_days\n";
    site.write("keys.csv", &format!("{head}lab,{hash},ann@example.org,2024-05-01,40\n"));
    site.stdout(&["admin", "key", "import", "keys.csv"], 0);
    let brought = "\nknown       since 2024-05-01 00:00Z\ngood use    on 40 days\n";
    assert!(user().contains(brought), "{}", user());
    for (name, more, expected) in [
        ("hers", &["--account", "ann@example.org"][..], granted),
        ("own", &[], "class       verified since 0000-00-00 00:00Z: the operator's own key"),
    ] {
        site.stdout(&[&["admin", "key", "create", "--name", name], more].concat(), 0);
        assert_eq!(line(&site.stdout(&["admin", "key", "show", name], 0)), expected);
    }
}

#[test]
fn keys_of_another_system() {
    let site = Site::new();
    let hash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    insta::assert_snapshot!(
        "foreign_key",
        site.shown(&["admin", "key", "create", "--name", "old", "--sha256", hash])
    );
    site.write(
        "keys.csv",
        &format!(
            "name,sha256,models\nlab-1,{},m-1 m-2\nlab-2,{},\n",
            hash.replace('9', "a"),
            hash.replace('9', "b")
        ),
    );
    insta::assert_snapshot!("import", site.shown(&["admin", "key", "import", "keys.csv"]));
    site.write("keys.jsonl", "{\"name\":\"lab-3\",\"sha256\":\"ff\"}\n");
    insta::assert_snapshot!(
        "import_refused",
        site.shown(&["admin", "key", "import", "keys.jsonl"])
    );
    site.write("keys.jsonl", "{\"name\":\"lab-3\"\n");
    insta::assert_snapshot!(
        "import_malformed",
        site.shown(&["admin", "key", "import", "keys.jsonl"])
    );
    let listed = site.stdout(&["admin", "key", "list"], 0);
    assert!(listed.contains("lab-2") && !listed.contains("lab-3"), "{listed}");
}

#[test]
fn a_fresh_ledger_verifies_and_exports() {
    let site = Site::new();
    site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    let checked: Value =
        serde_json::from_str(&site.stdout(&["check", "ledger", "--format", "json"], 0)).unwrap();
    for sum in ["admitted", "reserved", "settled", "refunded", "open"] {
        assert_eq!(checked[sum], 0, "{sum}");
    }
    assert_eq!(checked["findings"], serde_json::json!([]));
    assert_eq!(checked["head"].as_str().map(str::len), Some(64));
    let lines = site.stdout(&["admin", "ledger", "export", "--format", "jsonl"], 0);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len() as u64, checked["records"].as_u64().unwrap());
    let actions: Vec<_> = lines.iter().filter_map(|line| line["action"].as_str()).collect();
    assert_eq!(actions, ["key.create", "key.create.done"]);
    assert!(lines.iter().all(|line| line["sequence"].is_u64() && line["record"].is_string()));
    insta::assert_snapshot!("usage_empty", site.shown(&["report", "usage", "--by", "key"]));
    insta::assert_snapshot!(
        "usage_empty_csv",
        site.shown(&["report", "usage", "--by", "key", "--format", "csv"])
    );
}

#[test]
fn without_the_master_key_only_the_chain_is_known() {
    let site = Site::new();
    site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    std::fs::remove_dir_all(site.path("config")).unwrap();
    let checked: Value =
        serde_json::from_str(&site.stdout(&["check", "ledger", "--format", "json"], 0)).unwrap();
    assert_eq!((&checked["admitted"], &checked["open"]), (&Value::Null, &Value::Null));
    assert!(checked["records"].as_u64().unwrap() > 0);
    assert!(
        checked["notes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|note| note.as_str().unwrap().contains("master key"))
    );
    insta::assert_snapshot!("export_without_key", site.shown(&["admin", "ledger", "export"]));
    insta::assert_snapshot!(
        "report_without_key",
        site.shown(&["report", "usage", "--by", "model"])
    );
    // A copy that is only the segments.
    let copied = site.stdout(&["check", "ledger", "surgewall-data/ledger"], 0);
    assert!(copied.contains("not known"), "{copied}");
}

#[test]
fn damage_is_status_1_in_every_format() {
    let site = Site::new();
    site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    let segment = site.only_file("surgewall-data/ledger");
    let mut bytes = surgewall_core::files::read_bounded(&segment, 1 << 20).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    assert!(site.stdout(&["check", "ledger"], 1).contains("critical ledger."));
    let checked: Value =
        serde_json::from_str(&site.stdout(&["check", "ledger", "--format", "json"], 1)).unwrap();
    assert_eq!(checked["findings"][0]["severity"], "critical");
    let sarif: Value =
        serde_json::from_str(&site.stdout(&["check", "--format", "sarif", "ledger"], 1)).unwrap();
    assert_eq!(
        (&sarif["version"], &sarif["runs"][0]["results"][0]["level"]),
        (&"2.1.0".into(), &"error".into())
    );
    assert!(
        site.stdout(&["check"], 1)
            .contains("a log database left open          findings (check ledger")
    );
}

#[test]
fn check_config_says_who_reaches_what() {
    let site = Site::new();
    insta::assert_snapshot!("check_config_defaults", site.shown(&["check", "config"]));
    // What listens on the machine of a test is not known.
    site.write("surgewall.toml", "[exposure]\nlisteners = false\n");
    insta::assert_snapshot!("check_all", site.shown(&["check"]));
    site.write(
        "surgewall.toml",
        "[listen]\npublic = \"10.0.0.5:7070\"\nbehind_proxy = [\"0.0.0.0/0\"]\n\
         [[upstream]]\nname = \"far\"\nurl = \"http://203.0.113.9/v1\"\n\
         [[upstream]]\nname = \"near\"\nurl = \"http://127.0.0.1:9000/v1\"\napi_key = { env = \"NOT_SET\" }\n\
         [accounts]\nanonymous = true\n",
    );
    insta::assert_snapshot!("check_config_risky", site.shown(&["check", "config"]));
    site.stdout(&["admin", "group", "create", "--name", "g"], 0);
    chmod(&site.path("surgewall-data"), 0o755);
    assert!(site.stdout(&["check", "config"], 1).contains("config.data.mode"));
}

#[cfg(not(feature = "otel"))]
#[test]
fn check_config_says_where_traces_would_go() {
    let site =
        Site::with("[telemetry]\notlp_endpoint = \"http://10.0.0.7:4318\"\nsample_ratio = 0.05\n");
    insta::assert_snapshot!("check_config_traces", site.shown(&["check", "config"]));
}
