//! Work of the wire, for `benches/instructions.sh`: what is counted is the
//! function `measured`, whose second argument says how often it repeats.

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use surgewall_core::config::schema::Dialect;
use surgewall_wire::request::{self, RequestLimits, UpstreamOptions};
use surgewall_wire::stream::{AnswerStream, StreamOptions};
use surgewall_wire::{ClientDialect, Endpoint};

/// Events with text in one stream.
const EVENTS: usize = 200;
const LIMITS: RequestLimits =
    RequestLimits { json_depth_max: 64, messages_max: 4_096, tools_max: 256 };

enum Work {
    /// One stream, an event at a time.
    Stream(Box<StreamOptions>, Vec<Bytes>),
    /// One request's body, read and written for the upstream.
    Request(Bytes, UpstreamOptions),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let work = work(&arguments.next().unwrap_or_default())?;
    let count = arguments.next().unwrap_or_default().parse()?;
    measured(&work, count)
}

#[inline(never)]
fn measured(work: &Work, count: u64) -> Result<(), Box<dyn Error>> {
    for _ in 0..count {
        match black_box(work) {
            Work::Stream(options, events) => {
                let mut stream = AnswerStream::new((**options).clone());
                let mut out = BytesMut::new();
                for event in events {
                    stream.feed(event, &mut out)?;
                    black_box(out.split());
                }
                stream.finish(&mut out)?;
            }
            Work::Request(body, upstream) => {
                let (client, endpoint) = (ClientDialect::OpenAi, Endpoint::Chat);
                let facts = request::read(client, endpoint, body, &LIMITS)?;
                let out = request::for_upstream(client, upstream, endpoint, body, &facts, "other")?;
                black_box(out);
            }
        }
    }
    Ok(())
}

fn work(name: &str) -> Result<Work, Box<dyn Error>> {
    let stream = |client, upstream| {
        let options = StreamOptions {
            client,
            upstream,
            endpoint: Endpoint::Chat,
            shown_model: None,
            include_usage: false,
            request_id: "req_1".to_owned(),
            created_s: 1_790_000_000,
            input_tokens_estimate: 100,
            form: surgewall_wire::request::Form::default(),
        };
        let events = match upstream {
            Dialect::Openai => openai_events(),
            Dialect::Anthropic => anthropic_events(),
            Dialect::Ollama => ollama_lines(),
        };
        Work::Stream(Box::new(options), events)
    };
    let request = |bytes, dialect| {
        Work::Request(body(bytes), UpstreamOptions { dialect, output_tokens_default: 4_096 })
    };
    Ok(match name {
        "openai-openai" => stream(ClientDialect::OpenAi, Dialect::Openai),
        "openai-anthropic" => stream(ClientDialect::Anthropic, Dialect::Openai),
        "anthropic-openai" => stream(ClientDialect::OpenAi, Dialect::Anthropic),
        "anthropic-anthropic" => stream(ClientDialect::Anthropic, Dialect::Anthropic),
        "openai-ollama" => stream(ClientDialect::Ollama, Dialect::Openai),
        "ollama-openai" => stream(ClientDialect::OpenAi, Dialect::Ollama),
        "ollama-ollama" => stream(ClientDialect::Ollama, Dialect::Ollama),
        "request-1k" => request(1 << 10, Dialect::Openai),
        "request-64k" => request(64 << 10, Dialect::Openai),
        "request-64k-anthropic" => request(64 << 10, Dialect::Anthropic),
        _ => return Err(format!("there is no work {name}").into()),
    })
}

fn openai_events() -> Vec<Bytes> {
    let event = |delta: &str, finish: &str| {
        Bytes::from(format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        ))
    };
    let mut events = vec![event("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    events.extend((0..EVENTS).map(|n| event(&format!("{{\"content\":\" word{n}\"}}"), "null")));
    events.push(event("{}", "\"stop\""));
    events.push(Bytes::from_static(
        b"data: {\"id\":\"chatcmpl-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":200,\"total_tokens\":300}}\n\n",
    ));
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    events
}

fn anthropic_events() -> Vec<Bytes> {
    let event = |name: &str, rest: &str| {
        Bytes::from(format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n"))
    };
    let mut events = vec![
        event(
            "message_start",
            ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\
             \"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}",
        ),
        event(
            "content_block_start",
            ",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}",
        ),
    ];
    events.extend((0..EVENTS).map(|n| {
        let delta =
            format!(",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" word{n}\"}}");
        event("content_block_delta", &delta)
    }));
    events.push(event("content_block_stop", ",\"index\":0"));
    events.push(event(
        "message_delta",
        ",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":200}",
    ));
    events.push(event("message_stop", ""));
    events
}

fn ollama_lines() -> Vec<Bytes> {
    let line = |content: &str, rest: &str| {
        Bytes::from(format!(
            "{{\"model\":\"m\",\"created_at\":\"2026-09-21T12:00:00Z\",\"message\":{{\"role\":\"assistant\",\
             \"content\":\"{content}\"}},{rest}}}\n"
        ))
    };
    let mut lines: Vec<_> =
        (0..EVENTS).map(|n| line(&format!(" word{n}"), "\"done\":false")).collect();
    let done =
        "\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":100,\"eval_count\":200";
    lines.push(line("", done));
    lines
}

fn body(bytes: usize) -> Bytes {
    let mut text = String::new();
    while text.len() + 120 < bytes {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "The quick brown fox jumps over the lazy dog, and the report says why.\\n"
        );
    }
    Bytes::from(format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"max_tokens\":256,\"stream\":true}}"
    ))
}
