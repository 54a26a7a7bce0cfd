//! The drill as a person runs it. What depends on the machine's speed is not asked for.

use serde_json::Value;

use crate::site::Site;

#[test]
fn a_load_is_scored_drawn_and_settled() {
    let site = Site::new();
    let words = ["drill", "load", "--multiple", "0.5", "--warmup", "5", "--seconds", "5"];
    let more = ["--format", "json", "--picture", "load.svg"];
    let output = site.run(&[&words[..], &more[..]].concat());
    assert!(matches!(output.status.code(), Some(0..=2)), "{output:?}");
    let score: Value = serde_json::from_slice(&output.stdout).unwrap();
    let lines = score["score"].as_array().unwrap();
    let result = |what: &str| &lines.iter().find(|line| line["what"] == what).unwrap()["result"];
    assert_eq!((lines.len(), result("the ledger")), (8, &Value::from("held")), "{lines:?}");
    let sum = |name: &str| {
        let populations = score["populations"].as_array().unwrap();
        populations.iter().map(|one| one[name].as_u64().unwrap()).sum::<u64>()
    };
    assert!(sum("sent") > 10 && sum("whole") > 0, "{score}");
    assert!(score["seconds"].as_array().unwrap().len() > 5, "{score}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("calm, learning: offered") && !told.contains('\x1b'), "{told}");
    let picture = site.read("load.svg");
    assert!(picture.starts_with("<svg") && picture.contains("goodput"));
    // Nothing is left where it ran, and no data directory of one's own was made.
    assert_eq!(site.only_file(".").file_name(), Some("load.svg".as_ref()));
}
