//! Traces, from a request to a collector: what is in them, what never is, and
//! that no collector can hurt a request.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message as _;
use serde_json::json;
use surgewall_testkit::client::{Client, Flow};
use surgewall_testkit::{Behaviour, Double};

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

const CHAT: &str = "/v1/chat/completions";

/// A status and a body.
type Answer = (u16, Vec<u8>);

/// A collector: answers what it was told to, the last first, then 200.
#[derive(Clone, Default)]
struct Collector {
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Collector {
    fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Self::default();
        let own = collector.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let own = own.clone();
                std::thread::spawn(move || while own.take(stream.as_ref().unwrap()).is_some() {});
            }
        });
        (collector, url)
    }

    /// Reads one request and answers it; `None` once the connection is over.
    fn take(&self, mut stream: &TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).ok()?;
        let told = self.answers.lock().unwrap().pop();
        let (status, answer) = told.unwrap_or((200, Vec::new()));
        if status == 200 {
            self.messages.lock().unwrap().push(body);
        }
        let length = answer.len();
        write!(stream, "HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n").ok()?;
        stream.write_all(&answer).ok()
    }

    fn spans(&self) -> Vec<Span> {
        let messages = self.messages.lock().unwrap();
        let decoded =
            messages.iter().map(|body| ExportTraceServiceRequest::decode(&**body).unwrap());
        let resources = decoded.flat_map(|message| message.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    /// The one trace that there is: the request's span, and those below it in order.
    fn only(&self) -> (Span, Vec<Span>) {
        let (below, mut servers): (Vec<Span>, Vec<Span>) =
            self.spans().into_iter().partition(|span| span.kind != SpanKind::Server as i32);
        assert_eq!(servers.len(), 1, "{servers:?}");
        let server = servers.remove(0);
        for span in &below {
            assert_eq!((&span.trace_id, &span.parent_span_id), (&server.trace_id, &server.span_id));
            assert!(span.start_time_unix_nano >= server.start_time_unix_nano);
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            assert!(server.end_time_unix_nano >= span.end_time_unix_nano);
        }
        (server, below)
    }
}

/// The attributes as text, with a star for what differs each time.
fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let mut said = BTreeMap::new();
    for attribute in &span.attributes {
        let value = match attribute.value.as_ref().unwrap().value.as_ref().unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            Value::BoolValue(is) => is.to_string(),
            Value::DoubleValue(seconds) => {
                assert!(*seconds > 0.0);
                "*".to_owned()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(said.insert(attribute.key.as_str(), value), None, "{}", attribute.key);
    }
    said
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_error(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == 2)
}

fn telemetry(endpoint: &str, more: &str) -> String {
    format!("[telemetry]\notlp_endpoint=\"{endpoint}/\"\n{more}\n")
}

fn port(double: &Double) -> String {
    double.address().port().to_string()
}

#[track_caller]
fn check(span: &Span, expected: &[(&str, &str)]) {
    let expected: BTreeMap<&str, String> =
        expected.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
    assert_eq!(attributes(span), expected, "{}", span.name);
}

#[tokio::test]
async fn a_request_is_one_span_and_each_call_for_it_one_below() {
    let (broken, spare) =
        (Double::start("500".parse().unwrap()), Double::start(Behaviour::default()));
    let (collector, url) = Collector::start();
    let config = telemetry(&url, "")
        + &upstream(
            "first",
            &broken.url(),
            "models=[\"m\"]\nfallback=[\"spare\"]\nweight=1000000000",
        )
        + &upstream("spare", &spare.url(), "models=[\"other\"]\naliases={m=\"double\"}");
    let door = TestDoor::start(&config).await;
    let client = door.client().await;
    let answer = client.events(CHAT, &chat("m", "say 5", true)).await.unwrap();
    let request_id = answer.header("x-request-id").unwrap().to_owned();
    door.settled().await;
    drop(client);
    door.stop().await.check_conservation();

    let (server, below) = collector.only();
    assert_eq!(format!("req_{}", hex(&server.trace_id)), request_id);
    assert_eq!((server.name.as_str(), server.parent_span_id.len()), ("chat m", 0));
    assert!(server.links.is_empty() && !is_error(&server));
    assert_eq!(server.events[0].name, "gen_ai.first_chunk");
    let input = attributes(&server)["gen_ai.usage.input_tokens"].clone();
    let mut expected = vec![
        ("gen_ai.usage.input_tokens", input.as_str()),
        ("gen_ai.usage.output_tokens", "5"),
        ("surgewall.usage.estimated", "false"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.response.model", "double"),
        ("http.response.status_code", "200"),
        ("surgewall.upstream", "spare"),
    ];
    let mut own = expected.clone();
    own.extend([
        ("gen_ai.request.model", "m"),
        ("http.request.method", "POST"),
        ("http.route", CHAT),
        ("surgewall.class", "verified"),
        ("surgewall.outcome", "completed"),
    ]);
    check(&server, &own);

    let (last, failed) = below.split_last().unwrap();
    assert!(!failed.is_empty() && failed.len() == broken_calls(&broken));
    failed.iter().for_each(|span| check_failed(span, &port(&broken)));
    let spare_port = port(&spare);
    expected.extend([
        ("gen_ai.request.model", "double"),
        ("gen_ai.response.time_to_first_chunk", "*"),
        ("server.address", "127.0.0.1"),
        ("server.port", &spare_port),
    ]);
    assert!(!is_error(last) && last.name == "chat double");
    check(last, &expected);
    // The upstream's own spans join the trace, below the call that asked it.
    let seen = &spare.requests_of(&request_id)[0];
    let parent = format!("00-{}-{}-01", hex(&server.trace_id), hex(&last.span_id));
    assert_eq!(seen.header("traceparent"), Some(parent.as_str()));
}

/// A call to the pool that answers with errors.
#[track_caller]
fn check_failed(span: &Span, port: &str) {
    assert!(is_error(span) && span.kind == SpanKind::Client as i32);
    let expected = [
        ("error.type", "server_error"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("gen_ai.request.model", "m"),
        ("server.address", "127.0.0.1"),
        ("server.port", port),
        ("surgewall.upstream", "first"),
    ];
    check(span, &expected);
}

fn broken_calls(double: &Double) -> usize {
    double.requests().iter().filter(|seen| seen.path.ends_with("completions")).count()
}

#[tokio::test]
async fn nothing_that_a_client_sent_or_a_model_said_is_in_a_trace() {
    // A server that does not say what it serves: the client's word for it is nobody else's.
    let double = Double::start("key=unknown".parse().unwrap());
    let (collector, url) = Collector::start();
    let more = "[accounts]\ndelegated_header=\"x-end-user\"\n";
    let config = telemetry(&url, more) + &upstream("local", &double.url(), "");
    let door = TestDoor::start(&config).await;
    double.set(Behaviour::default());
    let key = surgewall_store::admin::KeyCreate {
        name: "keyname-marker".into(),
        delegates: true,
        ..Default::default()
    };
    let key = door.key(key).await;
    let client = door
        .stranger()
        .with_key(&key)
        .with_header("x-end-user", "user-marker")
        .with_header("tracestate", "vendor=state-marker")
        .with_header("baggage", "who=baggage-marker")
        .with_header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
    let mut answers = Vec::new();
    for stream in [false, true] {
        let mut body = chat("model-marker", "say 7 prompt-marker", stream);
        body["user"] = json!("user-marker");
        let answer = client.post(CHAT, &body).await.unwrap();
        assert_eq!(answer.status, 200);
        answers.push(String::from_utf8(answer.body.to_vec()).unwrap());
    }
    let word = "tok6";
    assert!(answers.iter().all(|answer| answer.contains(word)), "{answers:?}");
    let refused = json!({"model": "model-marker", "messages": "prompt-marker"});
    assert_eq!(client.post(CHAT, &refused).await.unwrap().status, 400);
    door.settled().await;
    drop(client);
    let answered = double.requests().iter().filter(|seen| seen.finished).count();
    assert!(answered >= 2, "the model did answer");
    door.stop().await;

    let spans = collector.spans();
    assert_eq!(spans.len(), 5, "three requests and two calls");
    assert!(spans.iter().all(|span| span.name == "chat"), "{spans:?}");
    for body in collector.messages.lock().unwrap().iter() {
        let text = String::from_utf8_lossy(body);
        for planted in ["marker", key.as_str(), "vendor", word, "messages"] {
            assert!(!text.contains(planted), "{planted} in {text}");
        }
    }
    // A client's trace is a link: it neither is the parent nor decides what is sampled.
    for server in spans.iter().filter(|span| span.kind == SpanKind::Server as i32) {
        assert!(server.parent_span_id.is_empty());
        let linked: Vec<_> = server.links.iter().map(|link| hex(&link.trace_id)).collect();
        assert_eq!(linked, ["0af7651916cd43dd8448eb211c80319c"]);
        assert_eq!(hex(&server.links[0].span_id), "b7ad6b7169203331");
        assert_ne!(hex(&server.trace_id), linked[0]);
    }
}

#[tokio::test]
async fn refusals_are_traced_with_their_code_and_without_a_call() {
    let double = Double::start(Behaviour::default());
    for (key, model, status, code, class) in [
        (false, "double", 401, "credential_missing", "anonymous"),
        (true, "missing", 404, "model_not_found", "verified"),
    ] {
        let (collector, url) = Collector::start();
        let own = upstream("local", &double.url(), "models=[\"double\"]");
        let door = TestDoor::start(&(telemetry(&url, "") + &own)).await;
        let client = if key { door.client().await } else { door.stranger() };
        let answer = client.post(CHAT, &chat(model, "say 1", false)).await.unwrap();
        assert_eq!(answer.status, status);
        drop(client);
        door.stop().await;
        let (server, below) = collector.only();
        assert!(below.is_empty() && !is_error(&server), "a caller's mistake: {server:?}");
        let said = attributes(&server);
        assert_eq!(said["error.type"], code);
        assert_eq!(said["surgewall.class"], class);
        assert_eq!(said["http.response.status_code"], status.to_string());
        assert!(!said.contains_key("gen_ai.request.model"), "{said:?}");
    }
}

#[tokio::test]
async fn how_a_stream_ended_is_in_its_trace() {
    for (behaviour, leaves, outcome, error) in [
        ("cut after=3", false, "upstream_broke", Some("upstream_failed")),
        ("rate=50", true, "client_gone", None),
    ] {
        let double = Double::start(behaviour.parse().unwrap());
        let (collector, url) = Collector::start();
        let config = telemetry(&url, "") + &upstream("local", &double.url(), "");
        let door = TestDoor::start(&config).await;
        let client = door.client().await;
        let flow = if leaves { Flow::Leave } else { Flow::Continue };
        client.stream(CHAT, &chat("double", "say 40", true), |_| flow).await.unwrap();
        door.settled().await;
        drop(client);
        door.stop().await.check_conservation();
        let (server, below) = collector.only();
        let said = attributes(&server);
        assert_eq!(said["surgewall.outcome"], outcome);
        assert_eq!(said.get("error.type").map(String::as_str), error);
        assert_eq!((is_error(&server), is_error(&below[0])), (error.is_some(), error.is_some()));
    }
}

#[tokio::test]
async fn the_handbook_is_called_in_process() {
    let (collector, url) = Collector::start();
    let door = TestDoor::start(&telemetry(&url, "")).await;
    let client = door.stranger();
    client.post(CHAT, &chat("handbook", "What is a key?", false)).await.unwrap();
    client.get("/v1/models").await.unwrap();
    drop(client);
    door.stop().await;
    let (server, below) = collector.only();
    assert_eq!(
        (below[0].name.as_str(), below[0].kind),
        ("chat handbook", SpanKind::Internal as i32)
    );
    assert_eq!(attributes(&server)["gen_ai.provider.name"], "surgewall");
    assert!(!attributes(&below[0]).contains_key("server.address"));
}

#[tokio::test]
async fn what_is_not_sampled_is_not_sent_and_the_upstream_is_told() {
    let double = Double::start(Behaviour::default());
    let (collector, url) = Collector::start();
    let config = telemetry(&url, "sample_ratio=0.0") + &upstream("local", &double.url(), "");
    let door = TestDoor::start(&config).await;
    // A client that asks to be sampled is not.
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let client = door.client().await.with_header("traceparent", parent);
    let answer = client.post(CHAT, &chat("double", "say 1", false)).await.unwrap();
    let request_id = answer.header("x-request-id").unwrap().to_owned();
    drop(client);
    door.stop().await;
    assert!(collector.spans().is_empty());
    let seen = &double.requests_of(&request_id)[0];
    let told = seen.header("traceparent").unwrap();
    assert!(told.starts_with(&format!("00-{}-", &request_id[4..])), "{told}");
    assert!(told.ends_with("-00"), "{told}");
}

#[tokio::test]
async fn no_collector_can_hurt_a_request() {
    let double = Double::start(Behaviour::default());
    // One that is gone, and one that takes connections and never answers.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [gone, mute.local_addr().unwrap()] {
        let config =
            telemetry(&format!("http://{address}"), "") + &upstream("local", &double.url(), "");
        let door = TestDoor::start(&config).await;
        let client = door.client().await;
        for stream in [false, true] {
            let answer = client.post(CHAT, &chat("double", "say 3", stream)).await.unwrap();
            assert_eq!(answer.status, 200);
        }
        door.settled().await;
        drop(client);
        let story = door.stop().await;
        story.check_conservation();
        assert_eq!(story.settled.len(), 2);
    }
}

#[tokio::test]
async fn a_message_is_sent_again_and_what_the_collector_rejects_is_counted() {
    let (collector, url) = Collector::start();
    let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: "x".into() };
    let partial = ExportTraceServiceResponse { partial_success: Some(partial) };
    collector.answers.lock().unwrap().extend([(200, partial.encode_to_vec()), (503, Vec::new())]);
    let door = TestDoor::start(&telemetry(&url, "")).await;
    let client = door.stranger();
    client.post(CHAT, &chat("handbook", "What is a key?", false)).await.unwrap();
    let admin = Client::new(&door.admin_url);
    let counted = async {
        loop {
            let metrics = admin.get("/metrics").await.unwrap();
            let text = String::from_utf8(metrics.body.to_vec()).unwrap();
            if text.contains("trace_spans_total{fate=\"rejected\"} 1") {
                break text;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let text = tokio::time::timeout(Duration::from_secs(30), counted).await.unwrap();
    assert!(text.contains("surgewall_trace_spans_total{fate=\"delivered\"} 1"), "{text}");
    assert_eq!(collector.spans().len(), 2);
    drop((client, admin));
    door.stop().await;
}
