//! Every golden request, answer and stream through every pair of dialects.
//! Where the dialects match the bytes are held; else the snapshot is.

use bytes::Bytes;
use serde_json::Value;
use surgewall_wire::answer::{self, AnswerOptions};
use surgewall_wire::estimate::Correction;
use surgewall_wire::request::{self, Facts, Form, UpstreamOptions};

use surgewall_wire::ClientDialect;

use crate::support::{CLIENTS, Golden, LIMITS, UPSTREAMS, golden, run, stream_options};

fn pretty(bytes: &[u8]) -> String {
    let value: Value = serde_json::from_slice(bytes).unwrap();
    serde_json::to_string_pretty(&value).unwrap()
}

fn show_facts(facts: &Facts) -> String {
    format!(
        "stream={} include_usage={} output_max={:?} choices={} messages={} tools={} images={} input={} delegated={:?}",
        facts.stream,
        facts.include_usage,
        facts.output_max,
        facts.choices,
        facts.messages,
        facts.tools,
        facts.images,
        facts.input_tokens(&Correction::default()),
        facts.delegated,
    )
}

#[test]
fn requests() {
    for golden in golden("request") {
        let body = Bytes::from(golden.bytes.clone());
        let client = golden.client();
        let facts = request::read(client, golden.endpoint(), &body, &LIMITS)
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", golden.name));
        for dialect in UPSTREAMS {
            let upstream = UpstreamOptions { dialect, output_tokens_default: 4_096 };
            let model = facts.model.clone();
            let written =
                request::for_upstream(client, &upstream, golden.endpoint(), &body, &facts, &model);
            if client.matches(dialect) {
                check_untouched(&golden, &facts, &written.unwrap());
                continue;
            }
            let shown = match &written {
                Ok(body) => pretty(body),
                Err(refusal) => format!("refused: {refusal}"),
            };
            let name = format!("{}.to-{}", golden.name, dialect.as_str());
            insta::assert_snapshot!(name, format!("{}\n{shown}", show_facts(&facts)));
        }
    }
}

/// A body of the upstream's own dialect is the client's, but for usage on streams.
fn check_untouched(golden: &Golden, facts: &Facts, written: &[u8]) {
    let text = String::from_utf8(written.to_vec()).unwrap();
    let original = String::from_utf8(golden.bytes.clone()).unwrap();
    let asked = "\"stream_options\":{\"include_usage\":true},";
    if facts.stream && golden.upstream() == surgewall_core::config::schema::Dialect::Openai {
        assert!(text.contains(asked), "{}", golden.name);
    }
    assert_eq!(text.replacen(asked, "", 1), original, "{}", golden.name);
}

#[test]
fn answers() {
    for golden in golden("answer") {
        let body = Bytes::from(golden.bytes.clone());
        for client in CLIENTS {
            let options = AnswerOptions {
                client,
                upstream: golden.upstream(),
                endpoint: golden.endpoint(),
                shown_model: None,
                request_id: "req1".to_owned(),
                created_s: 1_770_000_000,
                input_tokens_estimate: 11,
                form: Form {
                    embeddings_base64: client == ClientDialect::DeepSeek,
                    echo: "{\"top_p\":0.5}".to_owned(),
                },
            };
            let same = client.matches(golden.upstream());
            if !golden.reaches(client) {
                continue;
            }
            let (shown, tally) = match answer::for_client(&options, &body) {
                Ok((written, tally)) if same => {
                    assert_eq!(written, body, "{}", golden.name);
                    ("the upstream's bytes".to_owned(), Some(tally))
                }
                Ok((written, tally)) => (pretty(&written), Some(tally)),
                Err(fault) => (format!("{fault:?}"), None),
            };
            let counted = tally.map(|tally| (tally.reported, tally.output.raw_tokens()));
            let name = format!("{}.to-{}", golden.name, client.as_str());
            insta::assert_snapshot!(name, format!("{counted:?}\n{shown}"));
        }
    }
}

#[test]
fn streams() {
    for golden in golden("stream") {
        for client in CLIENTS {
            if !golden.reaches(client) {
                continue;
            }
            let mut options = stream_options(client, &golden);
            let whole = run(&options, [golden.bytes.as_slice()]);
            let original = String::from_utf8(golden.bytes.clone()).unwrap();
            let shown = if whole.out == original { "the upstream's bytes\n" } else { &whole.out };
            let counted = (whole.tally.reported, whole.tally.output.raw_tokens());
            let name = format!("{}.to-{}", golden.name, client.as_str());
            insta::assert_snapshot!(
                name.as_str(),
                format!("{counted:?} {:?}\n{shown}", whole.result)
            );

            options.include_usage = false;
            let unasked = run(&options, [golden.bytes.as_slice()]);
            assert_eq!(unasked.tally, whole.tally, "{name}");
            assert!(!unasked.out.contains("\"choices\":[]"), "{name}");
        }
    }
}

#[test]
fn a_shown_model_replaces_the_upstreams_and_nothing_else() {
    for golden in golden("stream").iter().filter(|golden| golden.name.starts_with("plain")) {
        for client in CLIENTS.into_iter().filter(|client| client.matches(golden.upstream())) {
            let mut options = stream_options(client, golden);
            let plain = run(&options, [golden.bytes.as_slice()]).out;
            options.shown_model = Some("shown \"x\"".to_owned());
            let shown = run(&options, [golden.bytes.as_slice()]).out;
            assert_ne!(plain, shown);
            assert_eq!(plain, shown.replace(r#"shown \"x\""#, "up-model"));
        }
    }
}
