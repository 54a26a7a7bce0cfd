//! A door that runs: its line, its signals, and the commands that speak to it.

use std::path::Path;

use serde_json::Value;
use surgewall_core::files::read_text;

use crate::site::{ANY_PORTS, Site, mode};

#[test]
fn it_starts_answers_and_drains() {
    let site = Site::with(ANY_PORTS);
    let mut door = site.serve(&[]);
    assert!(door.get("public", "/healthz", None).starts_with("HTTP/1.1 200"));
    assert!(door.get("admin", "/metrics", None).starts_with("HTTP/1.1 200"));
    assert!(door.get("status", "/", None).starts_with("HTTP/1.1 200"));
    assert_eq!(mode(&site.path("surgewall-data/control.sock")), 0o600);
    let log = door.await_log("connection limit");
    assert!(log.contains("descriptors="), "{log}");
    door.signal("TERM");
    assert_eq!(door.ended(), Some(0));
    assert!(!site.path("surgewall-data/control.sock").exists());
    let export = site.stdout(&["admin", "ledger", "export"], 0);
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let actions: Vec<_> =
        lines.filter_map(|line| line["action"].as_str().map(str::to_owned)).collect();
    assert_eq!(actions, ["door.start", "door.stop"]);
}

#[test]
fn its_crash_leaves_no_dump() {
    let site = Site::with(ANY_PORTS);
    let mut door = site.serve(&[]);
    let limits = read_text(Path::new(&format!("/proc/{}/limits", door.pid())), 64 << 10).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    door.signal("ABRT");
    assert_eq!(door.ended(), None, "a signal ended it");
}

#[test]
fn without_a_configuration_it_serves_the_handbook() {
    let site = Site::new();
    site.write("other.toml", ANY_PORTS);
    let door = site.serve(&["--config", "other.toml", "--data-dir", "elsewhere"]);
    let models = door.get("public", "/v1/models", None);
    assert!(models.contains("\"handbook\""), "{models}");
    let body =
        r#"{"model":"handbook","messages":[{"role":"user","content":"How do I make a key?"}]}"#;
    let (host, length) = (door.address("public"), body.len());
    let answer = door.ask(
        "public",
        &format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"),
    );
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("docs/keys.md"), "{answer}");
    let id = answer
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .unwrap()
        .trim()
        .to_owned();
    // Beside the running door.
    let data = ["--data-dir", "elsewhere"];
    let export = site.stdout(&[&data[..], &["admin", "ledger", "export"]].concat(), 0);
    let of_request = export
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["request_id"] == id.as_str());
    let kinds: Vec<_> =
        of_request.map(|line| line["record"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["admitted", "settled"]);
    let checked: Value = serde_json::from_str(
        &site.stdout(&[&data[..], &["check", "ledger", "--format", "json"]].concat(), 0),
    )
    .unwrap();
    let sum = |name: &str| checked[name].as_u64().unwrap();
    assert_eq!((sum("admitted"), sum("open")), (1, 0));
    assert_eq!(sum("reserved"), sum("settled") + sum("refunded"));
    let usage = site.stdout(
        &[&data[..], &["report", "usage", "--by", "model", "--format", "json"]].concat(),
        0,
    );
    let usage: Value = serde_json::from_str(&usage).unwrap();
    assert_eq!(
        (&usage["rows"][0]["id"], &usage["rows"][0]["requests"]),
        (&"handbook".into(), &1.into())
    );
}

#[test]
fn admin_and_status_speak_to_the_running_door() {
    let site = Site::with(ANY_PORTS);
    let door = site.serve(&[]);
    let key = site.stdout(&["admin", "key", "create", "--name", "laptop"], 0);
    let with_key = |key: &str| door.get("public", "/v1/models", Some(key));
    assert!(with_key(key.trim()).starts_with("HTTP/1.1 200"));
    site.stdout(&["admin", "key", "revoke", "laptop"], 0);
    assert!(with_key(key.trim()).starts_with("HTTP/1.1 401"));
    let status: Value =
        serde_json::from_str(&site.stdout(&["status", "--format", "json"], 0)).unwrap();
    assert_eq!((&status["keys"], &status["draining"]), (&1.into(), &false.into()));
    let shown = site.stdout(&["status", "--once"], 0);
    for words in ["serving", "verdict     normal", "built in    handbook"] {
        assert!(shown.contains(words), "{shown}");
    }
    assert!(!shown.contains('\x1b'), "no terminal, no colour and no cursor");
    let second = site.shown(&["serve"]);
    assert!(
        second.contains("exit status 2") && second.contains("is in use by `surgewall serve`"),
        "{second}"
    );
    assert!(
        second
            .contains("hint: to change people and keys of the running door use `surgewall admin`"),
        "{second}"
    );
    insta::assert_snapshot!("running_no_such_key", site.shown(&["admin", "key", "show", "nobody"]));
}

#[test]
fn a_bad_reload_is_refused_with_a_caret_and_a_good_one_holds() {
    let site = Site::with(ANY_PORTS);
    let mut door = site.serve(&[]);
    site.write("surgewall.toml", &format!("{ANY_PORTS}[accounts]\nanonymos = true\n"));
    door.signal("HUP");
    let log = door.await_log("the old one stays");
    assert!(log.contains("| ^^^^^^^^"), "{log}");
    assert!(door.get("public", "/healthz", None).starts_with("HTTP/1.1 200"));
    site.write("surgewall.toml", &format!("{ANY_PORTS}[accounts]\nanonymous = true\n"));
    door.signal("HUP");
    door.await_log("the configuration was read again");
    door.signal("INT");
    assert_eq!(door.ended(), Some(0));
    assert!(site.stdout(&["admin", "ledger", "export"], 0).contains("\"config.reload\""));
}

#[test]
fn a_socket_of_a_dead_door_is_no_error() {
    let site = Site::with(ANY_PORTS);
    let mut door = site.serve(&[]);
    door.signal("KILL");
    assert_eq!(door.ended(), None);
    assert!(site.path("surgewall-data/control.sock").exists());
    site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    assert_eq!(site.run(&["status", "--once"]).status.code(), Some(2));
    assert!(site.serve(&[]).line.starts_with("ready "));
}
