//! The inbox of findings and the file of events, before a running door and without one.
#![expect(clippy::unwrap_used, reason = "a test that cannot read what it asked for has failed")]

use serde_json::Value;

use crate::site::{ANY_PORTS, Site, mode};

/// A configuration with something to find.
const OPEN: &str = "[accounts]\nanonymous = true\n";

fn list(site: &Site, words: &[&str], status: i32) -> Vec<Value> {
    let words = [&["admin", "finding", "list", "--format", "json"], words].concat();
    serde_json::from_str(&site.stdout(&words, status)).unwrap()
}

fn rules(findings: &[Value]) -> Vec<&str> {
    findings.iter().map(|finding| finding["rule"].as_str().unwrap()).collect()
}

#[test]
fn a_door_keeps_what_it_finds_and_an_operator_says_what_becomes_of_it() {
    let site = Site::with(&format!("{ANY_PORTS}{OPEN}"));
    let mut door = site.serve(&[]);
    let found = list(&site, &[], 1);
    assert_eq!(rules(&found), ["config.anonymous"]);
    assert_eq!((&found[0]["state"], &found[0]["producer"]), (&"open".into(), &"config".into()));
    let id = found[0]["id"].as_str().unwrap().to_owned();
    let status = site.stdout(&["status", "--once"], 0);
    assert!(status.contains("1 open: 0 critical, 1 warning, 0 note"), "{status}");
    let metrics = door.get("admin", "/metrics", None);
    assert!(metrics.contains("surgewall_findings_open{severity=\"warning\"} 1"), "{metrics}");
    let sarif = site.stdout(&["admin", "finding", "list", "--format", "sarif"], 1);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["fingerprints"]["surgewall/id"], id.as_str());
    assert!(result["suppressions"].is_null());

    let refused = site.run(&["admin", "finding", "rule", &id]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("no rule can be made"), "{said}");
    let note = ["admin", "finding", "acknowledge", &id, "--note", "a demonstration"];
    let sheet = site.stdout(&note, 0);
    assert!(sheet.contains("acknowledged since") && sheet.contains("a demonstration"), "{sheet}");
    assert!(!site.stdout(&["status", "--once"], 0).contains("open:"));
    assert_eq!(rules(&list(&site, &["--state", "open"], 0)).len(), 0);
    let sarif = site.stdout(&["admin", "finding", "list", "--format", "sarif"], 0);
    assert!(sarif.contains("a demonstration") && sarif.contains("\"suppressions\""), "{sarif}");

    // A reload without it fixes it, a refused one is a finding itself.
    site.write("surgewall.toml", ANY_PORTS);
    door.signal("HUP");
    door.await_log("was read again");
    site.write("surgewall.toml", "[listen]\nport = 1\n");
    door.signal("HUP");
    door.await_log("was refused and the old one stays");
    let all = || list(&site, &["--state", "all"], 1);
    let mut found = all();
    found.sort_by_key(|finding| finding["rule"].to_string());
    let states: Vec<_> = found.iter().map(|finding| finding["state"].clone()).collect();
    assert_eq!(
        (rules(&found), states),
        (vec!["config.anonymous", "config.reload"], vec!["fixed".into(), "open".into()])
    );
    door.signal("TERM");
    assert_eq!(door.ended(), Some(0));

    // Without a door the data directory itself is opened.
    site.write("surgewall.toml", ANY_PORTS);
    let reopened = site.stdout(&["admin", "finding", "reopen", &id, "--format", "json"], 0);
    let reopened: Value = serde_json::from_str(&reopened).unwrap();
    assert_eq!((&reopened["state"], &reopened["changed_by"]), (&"open".into(), &"operator".into()));
    let export = site.stdout(&["admin", "ledger", "export"], 0);
    let lines = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let steps = lines.filter(|line| line["record"] == "finding" && line["id"] == id.as_str());
    let steps: Vec<_> = steps.map(|line| line["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(steps, ["open", "acknowledged", "fixed", "open"]);
    assert!(!export.contains("a demonstration"), "a note is no word of the ledger");
}

#[test]
fn without_a_data_directory_there_is_no_inbox() {
    let site = Site::new();
    insta::assert_snapshot!("no_data_findings", site.shown(&["admin", "finding", "list"]));
    site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    insta::assert_snapshot!("no_findings", site.shown(&["admin", "finding", "list"]));
    insta::assert_snapshot!("no_such_finding", site.shown(&["admin", "finding", "show", "fnd_x"]));
}

#[test]
fn decisions_and_findings_are_events_in_a_file() {
    let telemetry = "[telemetry]\nocsf_file = \"events.jsonl\"\n";
    let site = Site::with(&format!("{ANY_PORTS}{OPEN}{telemetry}"));
    let mut door = site.serve(&[]);
    let key = site.stdout(&["admin", "key", "create", "--name", "secret-name"], 0);
    let key = key.trim();
    let id = list(&site, &[], 1)[0]["id"].as_str().unwrap().to_owned();
    site.stdout(&["admin", "finding", "acknowledge", &id], 0);
    let body = r#"{"model":"handbook","messages":[{"role":"user","content":"planted-prompt"}]}"#;
    let (host, length) = (door.address("public"), body.len());
    let answer = door.ask(
        "public",
        &format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let metrics = door.get("admin", "/metrics", None);
    assert!(
        metrics.contains("surgewall_ocsf_events_total{destination=\"file\",fate=\"lost\"} 0"),
        "{metrics}"
    );
    door.signal("TERM");
    assert_eq!(door.ended(), Some(0));
    let path = site.path("events.jsonl");
    assert_eq!(mode(&path), 0o600);
    let text = surgewall_core::files::read_text(&path, 1 << 20).unwrap();
    for planted in [key, "secret-name", "planted-prompt"] {
        assert!(!text.contains(planted), "{planted} in {text}");
    }
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let codes: Vec<_> =
        events.iter().map(|event| event["metadata"]["event_code"].as_str().unwrap()).collect();
    let expected =
        ["changed", "finding", "changed", "changed", "finding", "admitted", "settled", "changed"];
    assert_eq!(codes, expected, "start, finding, key, its end, acknowledged, request, stop");
    let request: Vec<_> = events.iter().filter(|event| event["class_uid"] == 6003).collect();
    let uid = request[0].pointer("/metadata/correlation_uid").unwrap();
    assert_eq!(request[1].pointer("/metadata/correlation_uid"), Some(uid));
    for event in request {
        let user = event.pointer("/actor/user/uid").and_then(Value::as_str).unwrap();
        assert!(user.starts_with("key_"), "{event}");
    }
}

#[test]
fn a_door_that_would_write_events_into_its_data_directory_does_not_start() {
    let inside = "[telemetry]\nocsf_file = \"surgewall-data/events.jsonl\"\n";
    let site = Site::with(&format!("{ANY_PORTS}{inside}"));
    let refused = site.run(&["serve"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("lies inside the data directory"), "{said}");
    assert!(!site.path("surgewall-data/events.jsonl").exists());
}

#[test]
fn events_go_to_a_syslog_server_and_a_far_one_is_found() {
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
    let telemetry = format!("[telemetry]\nsyslog = \"udp://{}\"\n", server.local_addr().unwrap());
    let site = Site::with(&format!("{ANY_PORTS}{telemetry}"));
    let mut door = site.serve(&[]);
    door.signal("TERM");
    assert_eq!(door.ended(), Some(0));
    let mut buffer = [0; 65_536];
    for action in ["door.start", "door.stop"] {
        let length = server.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(
            text.starts_with("<110>1 ") && text.contains(" - surgewall - changed - {"),
            "{text}"
        );
        assert!(text.contains(&format!("\"action\":\"{action}\"")), "{text}");
    }
    assert!(
        site.stdout(&["check", "config"], 0)
            .contains("events  Decisions and findings are sent to 127.0.0.1:")
    );
    let site = Site::with("[telemetry]\nsyslog = \"tcp://203.0.113.5:601\"\n");
    assert!(site.stdout(&["check", "config"], 1).contains("critical config.syslog.plain"));
}

#[test]
fn a_finding_becomes_a_rule_which_is_set_and_removed_on_the_running_door() {
    let upstream = "[[upstream]]\nname = \"far\"\nurl = \"http://192.0.2.1:9/v1\"\nmodels = [\"m\"]\n\
         health_interval_s = 0\ngauges = \"off\"\n";
    let site = Site::with(&format!("{ANY_PORTS}{upstream}"));
    let mut door = site.serve(&[]);
    let key = site.stdout(&["admin", "key", "create", "--name", "a"], 0);
    let found = list(&site, &[], 1);
    let plain = found.iter().find(|finding| finding["rule"] == "config.upstream.plain").unwrap();
    let finding = plain["id"].as_str().unwrap();
    let sheet = site.stdout(&["admin", "finding", "rule", finding], 0);
    let id = sheet.lines().find_map(|line| line.strip_prefix("became")).unwrap().trim().to_owned();
    assert!(id.starts_with("rule_") && sheet.contains("rule since"), "{sheet}");
    let all = || -> Value {
        let all = site.stdout(&["admin", "rule", "list", "--format", "json"], 0);
        serde_json::from_str(&all).unwrap()
    };
    let shown = all();
    let [rule] = &shown.as_array().unwrap()[..] else { panic!("one rule") };
    assert_eq!((&rule["id"], &rule["state"]), (&id.as_str().into(), &"shadow".into()));
    assert_eq!((&rule["finding"], &rule["hits"]["would_refuse"]), (&finding.into(), &0.into()));
    let text = site.stdout(&["admin", "rule", "set", &id, "on"], 0);
    assert!(text.contains("requests of everybody do not go to far"), "{text}");
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
    let (host, length, key) = (door.address("public"), body.len(), key.trim());
    let answer = door.ask(
        "public",
        &format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"),
    );
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"barred\""), "{answer}");
    let table = site.stdout(&["admin", "rule", "list"], 0);
    assert!(table.contains("refused 1"), "{table}");
    door.signal("TERM");
    assert_eq!(door.ended(), Some(0));
    // Without a door the data directory itself is opened.
    site.stdout(&["admin", "rule", "remove", &id], 0);
    assert_eq!(all(), serde_json::json!([]));
    let bad = site.run(&["admin", "rule", "show", &id]);
    assert_eq!(bad.status.code(), Some(2));
}
