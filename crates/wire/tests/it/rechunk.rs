//! How an upstream's bytes are cut into chunks changes nothing.

use proptest::prelude::*;

use surgewall_core::config::schema::Dialect;
use surgewall_wire::ClientDialect;
use surgewall_wire::estimate::ByteClasses;

use crate::support::{CLIENTS, Golden, golden, run, stream_options};

/// The stream with each of the three line endings; lines of JSON have two.
fn endings(golden: &Golden) -> [Vec<u8>; 3] {
    let bytes = &golden.bytes;
    let with = |ending: &str| {
        let text = std::str::from_utf8(bytes).unwrap();
        text.replace('\n', ending).into_bytes()
    };
    let cr = if golden.upstream() == Dialect::Ollama { "\n" } else { "\r" };
    [bytes.to_vec(), with("\r\n"), with(cr)]
}

#[test]
fn every_single_cut_and_byte_by_byte() {
    for golden in golden("stream") {
        // The other line endings are cut at random below; here one case stands for them.
        let kinds = if golden.name.starts_with("plain.stream.openai-comments") { 3 } else { 1 };
        for client in CLIENTS.into_iter().filter(|client| *client != ClientDialect::DeepSeek) {
            if !golden.reaches(client) {
                continue;
            }
            let options = stream_options(client, &golden);
            for bytes in endings(&golden).iter().take(kinds) {
                let whole = run(&options, [bytes.as_slice()]);
                assert_eq!(run(&options, bytes.chunks(1)), whole, "{}", golden.name);
                // What breaks off early shares its beginning with what does not.
                let broken = ["errors", "stops"].iter().any(|case| golden.name.starts_with(case));
                // What is translated shares its reading with the first two.
                let far = matches!(client, ClientDialect::Ollama | ClientDialect::Responses);
                let step =
                    if broken || (far && golden.upstream() != Dialect::Ollama) { 7 } else { 1 };
                for at in (0..bytes.len()).step_by(step) {
                    let (a, b) = bytes.split_at(at);
                    assert_eq!(run(&options, [a, b]), whole, "{} at {at}", golden.name);
                }
            }
        }
    }
}

#[test]
fn line_endings_change_no_meaning() {
    for golden in golden("stream") {
        for client in CLIENTS {
            let options = stream_options(client, &golden);
            let [lf, crlf, cr] = endings(&golden).map(|bytes| run(&options, [&bytes[..]]));
            assert_eq!(lf.tally, crlf.tally);
            assert_eq!(lf.tally, cr.tally);
            assert_eq!((&lf.result, lf.done), (&crlf.result, crlf.done));
            if client.matches(golden.upstream()) {
                let unified = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
                assert_eq!(lf.out, unified(&crlf.out), "{}", golden.name);
                assert_eq!(lf.out, unified(&cr.out), "{}", golden.name);
            } else {
                assert_eq!(lf.out, crlf.out);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_cuts(
        which in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        client in 0..CLIENTS.len(),
        ending in 0..3_usize,
    ) {
        let all = golden("stream");
        let golden = which.get(&all);
        let options = stream_options(CLIENTS[client], golden);
        let bytes = &endings(golden)[ending];
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]);
        prop_assert_eq!(run(&options, chunks), run(&options, [bytes.as_slice()]));
    }

    /// Events that differ in their text alone take a short way; it must come
    /// to the same as reading each event whole, in a stream of its own.
    #[test]
    fn the_short_way_comes_to_the_same(
        texts in prop::collection::vec("[a-z \"\\\\\n\u{1}é今🌞{}:,]{0,8}", 1..30),
        fields in prop::collection::vec(0..3_usize, 30),
        shown in any::<bool>(),
    ) {
        let names = ["content", "reasoning_content", "refusal"];
        let mut options = stream_options(ClientDialect::OpenAi, &golden("stream")[0]);
        options.upstream = Dialect::Openai;
        options.shown_model = shown.then(|| "other".to_owned());
        let events: Vec<String> = texts.iter().zip(&fields).map(|(text, field)| {
            let name = names[*field];
            let choice = serde_json::json!({"index": 0, "delta": {name: text}, "finish_reason": null});
            format!("data: {}\n\n", serde_json::json!({"model": "m", "choices": [choice]}))
        }).collect();
        let whole = run(&options, events.iter().map(String::as_bytes));
        let alone: Vec<_> = events.iter().map(|event| run(&options, [event.as_bytes()])).collect();
        prop_assert_eq!(&whole.out, &alone.iter().map(|run| run.out.as_str()).collect::<String>());
        let mut output = ByteClasses::default();
        texts.iter().for_each(|text| output.add(text));
        prop_assert_eq!(whole.tally.output, output);
        prop_assert_eq!(whole.tally.events, texts.len() as u64);
    }

    /// The same for a translation; a field of its own in each event bars the short way.
    #[test]
    fn the_short_way_translates_the_same(
        texts in prop::collection::vec("[a-z \"\\\\\n\u{1}é今🌞{}:,]{0,8}", 1..30),
        fields in prop::collection::vec(0..4_usize, 30),
        upstream in prop::sample::select(vec![Dialect::Openai, Dialect::Anthropic]),
    ) {
        let client = if upstream == Dialect::Openai { ClientDialect::Anthropic } else { ClientDialect::OpenAi };
        let mut options = stream_options(client, &golden("stream")[0]);
        options.upstream = upstream;
        let stream = |bar: bool| {
            let events = texts.iter().zip(&fields).enumerate();
            let mut out = String::new();
            for (i, (text, field)) in events {
                let mut event = event(upstream, *field, text);
                if bar {
                    event["bar"] = i.into();
                }
                out.push_str(&format!("data: {event}\n\n"));
            }
            out
        };
        let short = run(&options, [head(upstream).as_bytes(), stream(false).as_bytes()]);
        let long = run(&options, [head(upstream).as_bytes(), stream(true).as_bytes()]);
        prop_assert_eq!(short, long);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), client in 0..CLIENTS.len()) {
        for golden in golden("stream").iter().filter(|golden| golden.name.starts_with("plain")) {
            let options = stream_options(CLIENTS[client], golden);
            let at = bytes.len() * 7 % golden.bytes.len();
            let (head, tail) = golden.bytes.split_at(at);
            let _ = run(&options, [head, &bytes, tail]);
        }
    }
}

/// The beginning of a stream, with a tool call begun.
fn head(upstream: Dialect) -> &'static str {
    if upstream == Dialect::Anthropic {
        "data: {\"type\":\"message_start\",\"message\":{\"model\":\"m\"}}\n\n\
         data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\"}}\n\n"
    } else {
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"t\",\"function\":{\"name\":\"f\"}}]}}]}\n\n"
    }
}

/// An event with a text of one of four kinds.
fn event(upstream: Dialect, kind: usize, text: &str) -> serde_json::Value {
    if upstream == Dialect::Anthropic {
        let delta = match kind {
            0 => serde_json::json!({"type": "text_delta", "text": text}),
            1 => serde_json::json!({"type": "thinking_delta", "thinking": text}),
            2 => serde_json::json!({"type": "input_json_delta", "partial_json": text}),
            _ => serde_json::json!({"type": "signature_delta", "signature": text}),
        };
        serde_json::json!({"type": "content_block_delta", "index": 0, "delta": delta})
    } else {
        let delta = match kind {
            0 => serde_json::json!({"content": text}),
            1 => serde_json::json!({"reasoning_content": text}),
            2 => {
                let call = serde_json::json!({"index": 0, "function": {"arguments": text}});
                serde_json::json!({"tool_calls": [call]})
            }
            _ => serde_json::json!({"refusal": text}),
        };
        serde_json::json!({"model": "m", "choices": [{"index": 0, "delta": delta}]})
    }
}
