//! Bodies that were damaged or made up: an error or an answer, never a panic.

use bytes::Bytes;
use proptest::prelude::*;
use surgewall_wire::answer::{self, AnswerOptions};
use surgewall_wire::request::{self, UpstreamOptions};
use surgewall_wire::{error, json, models};

use crate::support::{CLIENTS, Golden, LIMITS, UPSTREAMS, golden};

/// One thing done to a body: a range replaced by other bytes.
#[derive(Debug, Clone)]
struct Damage {
    at: prop::sample::Index,
    len: usize,
    put: &'static str,
}

fn damage() -> impl Strategy<Value = Damage> {
    let put = prop::sample::select(vec![
        "",
        "\"",
        "\\",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "null",
        "0",
        "-1",
        "1e999",
        "\"\"",
        "[]",
        "{}",
        "true",
        "\u{0}",
        "é",
        "\\ud800",
        "18446744073709551616",
    ]);
    (any::<prop::sample::Index>(), 0..6_usize, put).prop_map(|(at, len, put)| Damage {
        at,
        len,
        put,
    })
}

fn damaged(golden: &Golden, all: &[Damage]) -> Bytes {
    let mut bytes = golden.bytes.clone();
    for damage in all {
        let at = damage.at.index(bytes.len() + 1);
        let end = (at + damage.len).min(bytes.len());
        bytes.splice(at..end, damage.put.bytes());
    }
    Bytes::from(bytes)
}

/// Replaces one value somewhere in the body, which stays JSON.
fn twisted(golden: &Golden, which: &prop::sample::Index, value: &serde_json::Value) -> Bytes {
    let mut body: serde_json::Value = serde_json::from_slice(&golden.bytes).unwrap();
    let mut paths = Vec::new();
    collect(&body, &mut String::new(), &mut paths);
    if let Some(place) = body.pointer_mut(&paths[which.index(paths.len())]) {
        *place = value.clone();
    }
    Bytes::from(body.to_string())
}

fn collect(value: &serde_json::Value, path: &mut String, paths: &mut Vec<String>) {
    paths.push(path.clone());
    let children: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), v)).collect(),
        serde_json::Value::Array(all) => {
            all.iter().enumerate().map(|(i, v)| (i.to_string(), v)).collect()
        }
        _ => Vec::new(),
    };
    for (key, child) in children {
        let len = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        collect(child, path, paths);
        path.truncate(len);
    }
}

fn check_request(golden: &Golden, body: &Bytes) {
    let (client, endpoint) = (golden.client(), golden.endpoint());
    let Ok(facts) = request::read(client, endpoint, body, &LIMITS) else { return };
    for dialect in UPSTREAMS {
        let upstream = UpstreamOptions { dialect, output_tokens_default: 9 };
        let written = request::for_upstream(client, &upstream, endpoint, body, &facts, "other");
        if let Ok(written) = written {
            let fields = json::Fields::read(std::str::from_utf8(&written).unwrap(), &[]).unwrap();
            assert_eq!(fields.value("model"), Some("\"other\""));
        }
    }
}

fn check_answer(golden: &Golden, body: &Bytes) {
    for client in CLIENTS {
        let options = AnswerOptions {
            client,
            upstream: golden.upstream(),
            endpoint: golden.endpoint(),
            shown_model: Some("shown".to_owned()),
            request_id: "req1".to_owned(),
            created_s: 1,
            input_tokens_estimate: 1,
            form: surgewall_wire::request::Form::default(),
        };
        if golden.reaches(client) {
            let _ = answer::for_client(&options, body);
        }
    }
    let _ = error::read_upstream(golden.upstream(), body);
    let _ = models::read_upstream(golden.upstream(), body);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_bodies(
        which in any::<prop::sample::Index>(),
        all in prop::collection::vec(damage(), 1..4),
    ) {
        let requests = golden("request");
        let one = which.get(&requests);
        check_request(one, &damaged(one, &all));
        let answers = golden("answer");
        let one = which.get(&answers);
        check_answer(one, &damaged(one, &all));
    }

    #[test]
    fn twisted_bodies(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            serde_json::json!(null), serde_json::json!(0), serde_json::json!(-1.5),
            serde_json::json!(""), serde_json::json!("x"), serde_json::json!([]),
            serde_json::json!({}), serde_json::json!([null]), serde_json::json!({"type": "text"}),
            serde_json::json!(true), serde_json::json!(u64::MAX),
        ]),
    ) {
        let requests = golden("request");
        let one = which.get(&requests);
        check_request(one, &twisted(one, &place, &value));
        let answers: Vec<Golden> = golden("answer").into_iter().filter(|golden| !golden.name.contains("html")).collect();
        let one = which.get(&answers);
        check_answer(one, &twisted(one, &place, &value));
    }
}
