//! `check exposure` from the outside, and a door that looks by itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::Value;

use crate::site::{ANY_PORTS, Site};

/// A server that gives everybody the same answer.
#[expect(clippy::expect_used, reason = "a helper of tests")]
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let read = stream.read(&mut request);
            if read.is_ok_and(|read| read > 0) {
                // Whoever left does not hear it.
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    address
}

const MODELS: &str = "HTTP/1.1 200 OK\r\nContent-Length: 71\r\n\r\n{\"object\":\"list\",\"data\":[{\"id\":\"planted-model\",\"owned_by\":\"somebody\"}]}";

#[test]
fn the_exit_status_says_what_was_found() {
    let site = Site::new();
    let open = format!("redis://{}", answering("+PONG\r\n"));
    let guarded = format!("redis://{}", answering("-NOAUTH Authentication required.\r\n"));
    let unknown = format!("redis://{}", answering("220 mail.example.org\r\n"));
    for (targets, status) in [
        (vec![&guarded], 0),
        (vec![&unknown], 2),
        (vec![&guarded, &unknown], 2),
        (vec![&open], 1),
        (vec![&guarded, &unknown, &open], 1),
    ] {
        let words: Vec<_> = ["check", "exposure"]
            .into_iter()
            .chain(targets.iter().map(|target| target.as_str()))
            .collect();
        let said = site.stdout(&words, status);
        let lines = said.lines().filter(|line| line.starts_with("127.0.0.1:")).count();
        assert_eq!(lines, targets.len(), "{said}");
    }
    let json =
        site.stdout(&["check", "exposure", &open, &guarded, &unknown, "--format", "json"], 1);
    let json: Value = serde_json::from_str(&json).unwrap();
    let outcomes: Vec<_> =
        json["seen"].as_array().unwrap().iter().map(|seen| &seen["outcome"]).collect();
    assert_eq!(outcomes, ["open", "auth required", "unknown"]);
    assert_eq!(json["seen"][0]["service"], "redis");
    assert_eq!(json["findings"][0]["rule"], "exposure.redis");
    let sarif = site.stdout(&["check", "exposure", &open, "--format", "sarif"], 1);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "exposure.redis");
}

#[test]
fn without_a_target_the_configured_upstreams_are_asked() {
    let upstream = answering(MODELS);
    let site = Site::with(&format!(
        "[exposure]\nlisteners = false\n[[upstream]]\nname = \"near\"\nurl = \"http://{upstream}/v1\"\n\
         [[upstream]]\nname = \"far\"\nurl = \"http://{upstream}/v1\"\napi_key = {{ env = \"KEY\" }}\n"
    ));
    // On loopback it is a note.
    let said = site.stdout(&["check", "exposure"], 0);
    assert!(
        said.contains(&format!("note exposure.upstream: upstream `near` at {upstream}")),
        "{said}"
    );
    assert!(!said.contains("`far`") && !said.contains("planted-model"), "{said}");
}

#[test]
fn a_running_door_looks_by_itself_and_tells_its_inbox() {
    let upstream = answering(MODELS);
    let site = Site::with(&format!(
        "{ANY_PORTS}[[upstream]]\nname = \"near\"\nurl = \"http://{upstream}/v1\"\n"
    ));
    let door = site.serve(&[]);
    let log = door.await_log("producer=\"exposure\"");
    assert!(!log.contains("planted-model"), "{log}");
    let listed = site.stdout(&["admin", "finding", "list", "--format", "json"], 0);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let found = listed.as_array().unwrap().iter().find(|found| found["producer"] == "exposure");
    let found = found.expect("the upstream answers strangers");
    assert_eq!(found["rule"], "exposure.upstream");
    assert_eq!(found["subject"], format!("upstream `near` at {upstream}"));
    assert_eq!(found["severity"], "note", "it is on loopback");
}
