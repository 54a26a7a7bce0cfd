//! The status page from outside: people's words by the command line, and the copy
//! that outlives its door.
#![expect(clippy::disallowed_methods, reason = "the test's own clock")]

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::site::{ANY_PORTS, Site};

/// The longest wait for what happens within seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `holds`.
fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn the_copy_answers_after_its_door_was_killed_and_is_refused_once_changed() {
    let site =
        Site::with(&format!("{ANY_PORTS}[status]\nname = \"Ours\"\nbundle_dir = \"copy\"\n"));
    let mut door = site.serve(&[]);
    until("a copy is written", || site.path("copy/manifest").exists());
    let key = site.stdout(&["status", "key"], 0);
    door.signal("KILL");
    door.ended();
    let words = ["status", "serve", "copy", "--listen", "127.0.0.1:0", "--key", key.trim()];
    let replica = site.start(&words);
    let answer = replica.get("status", "/api/v2/summary.json", None);
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("access-control-allow-origin: *"));
    let summary: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(summary["page"]["name"], "Ours");
    assert!(replica.get("status", "/", None).contains("Ours"));
    drop(replica);
    let other = "00".repeat(32);
    let refused =
        site.run(&["status", "serve", "copy", "--listen", "127.0.0.1:0", "--key", &other]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the signature does not hold"));
    site.write("copy/index.html", "<h1>All is well</h1>");
    let refused = site.run(&words);
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&refused.stderr)
            .contains("index.html is not the file that was signed")
    );
}

#[test]
fn words_are_written_with_and_without_a_door_and_are_public_at_once() {
    let site = Site::with(ANY_PORTS);
    let door = site.serve(&[]);
    let said = ["admin", "status", "note", "--title", "Codes are late", "They take minutes."];
    let id = site.stdout(&said, 0);
    assert!(id.starts_with("inc_"), "{id}");
    until("it is on the page", || door.get("status", "/", None).contains("They take minutes."));
    drop(door);
    let id = id.trim();
    let over = ["admin", "status", "note", "--incident", id, "--stage", "resolved", "All is well."];
    assert_eq!(site.stdout(&over, 0).trim(), id);
    let planned = [
        "admin",
        "status",
        "maintenance",
        "--title",
        "New servers",
        "--from",
        "2126-01-01T00:00Z",
        "--until",
        "2126-01-01T01:00Z",
        "Short breaks.",
    ];
    assert!(site.stdout(&planned, 0).starts_with("mnt_"));
    let listed: Value =
        serde_json::from_str(&site.stdout(&["admin", "status", "list", "--format", "json"], 0))
            .expect("JSON");
    assert_eq!(listed["incidents"][0]["stage"], "resolved");
    assert_eq!(listed["maintenances"][0]["title"], "New servers");
    let door = site.serve(&[]);
    until("the page shows it", || door.get("status", "/history", None).contains("Short breaks."));
    for (words, why) in [
        (
            vec!["admin", "status", "note", "--incident", "inc_9", "x"],
            "there is no incident `inc_9`",
        ),
        (vec!["admin", "status", "note", "--title", "a", " "], "the words are missing"),
        (
            vec!["admin", "status", "note", "--title", "a", "--component", "local", "x"],
            "no component `local`",
        ),
        (
            vec!["admin", "status", "maintenance", "--title", "a", "x"],
            "needs a beginning and an end",
        ),
        (
            vec!["admin", "status", "maintenance", "--title", "a", "--from", "noon", "x"],
            "`noon` is no time",
        ),
    ] {
        let refused = site.run(&words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains(why), "{words:?}: {told}");
    }
}
