//! One function per parser of hostile bytes: it must not panic, and what it
//! lets through must hold what the rest of the door relies on.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use surgewall_core::config::schema::{Dialect, JwtIssuer};
use surgewall_core::limits::{MODEL_NAME_BYTES_MAX, SSE_EVENT_BYTES_MAX};
use surgewall_core::principal::Class;
use surgewall_core::quota::LimitSpec;
use surgewall_core::{apikey, config};
use surgewall_gateway::control::Question;
use surgewall_gateway::jwt::{Issuers, looks_like_token};
use surgewall_guard::redact::{HOLD_BYTES_MAX, Redactor};
use surgewall_guard::rules::RuleSet;
use surgewall_scan::ledger::verify;
use surgewall_store::datadir::DataDir;
use surgewall_store::ledger::read::export;
use surgewall_store::vault::Vault;
use surgewall_wire::answer::{AnswerOptions, for_client};
use surgewall_wire::error::{CODE_CHARS_MAX, ErrorBody, MESSAGE_CHARS_MAX, read_upstream, render};
use surgewall_wire::models::{self, UPSTREAM_MODELS_MAX};
use surgewall_wire::request::{self, RequestLimits, UpstreamOptions};
use surgewall_wire::stream::{AnswerStream, StreamFault, StreamOptions, Tally};
use surgewall_wire::{ClientDialect, Endpoint};

/// A target: its name, which is its corpus folder's, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 13] = [
    ("request", request),
    ("upstream_stream", upstream_stream),
    ("upstream_answer", upstream_answer),
    ("upstream_error", upstream_error),
    ("upstream_models", upstream_models),
    ("config", config),
    ("ledger_segment", ledger_segment),
    ("control_question", control_question),
    ("jwt", jwt),
    ("api_key", api_key),
    ("limit_spec", limit_spec),
    ("rule_file", rule_file),
    ("redaction", redaction),
];

const CLIENTS: [ClientDialect; 5] = [
    ClientDialect::OpenAi,
    ClientDialect::DeepSeek,
    ClientDialect::Anthropic,
    ClientDialect::Ollama,
    ClientDialect::Responses,
];
const UPSTREAMS: [Dialect; 3] = [Dialect::Openai, Dialect::Anthropic, Dialect::Ollama];
const ENDPOINTS: [Endpoint; 4] =
    [Endpoint::Chat, Endpoint::Completions, Endpoint::Embeddings, Endpoint::CountTokens];

/// A request's body, in each dialect and for each endpoint; what is understood
/// goes on to each upstream as JSON.
pub fn request(data: &[u8]) {
    let limits = RequestLimits { json_depth_max: 64, messages_max: 64, tools_max: 16 };
    let body = Bytes::copy_from_slice(data);
    for client in CLIENTS {
        for endpoint in ENDPOINTS {
            let Ok(facts) = request::read(client, endpoint, &body, &limits) else { continue };
            assert!(facts.messages <= limits.messages_max && facts.tools <= limits.tools_max);
            assert!(facts.model.len() <= MODEL_NAME_BYTES_MAX && !facts.model.is_empty());
            for dialect in UPSTREAMS {
                let upstream = UpstreamOptions { dialect, output_tokens_default: 100 };
                let sent =
                    request::for_upstream(client, &upstream, endpoint, &body, &facts, "renamed");
                let Ok(sent) = sent else { continue };
                // The client's own bytes may hold half a surrogate pair: JSON, but no text.
                serde_json::from_slice::<&serde_json::value::RawValue>(&sent)
                    .expect("what goes to an upstream is JSON");
                if let Ok(sent) = serde_json::from_slice::<serde_json::Value>(&sent) {
                    assert_eq!(sent["model"], "renamed");
                }
            }
        }
    }
}

/// A stream. Its first byte says how it is cut into pieces; whole, cut and
/// byte by byte it must come to the same for the client.
pub fn upstream_stream(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let step = usize::from(*cut % 61) + 1;
    for client in CLIENTS {
        for upstream in UPSTREAMS {
            for endpoint in [Endpoint::Chat, Endpoint::Completions] {
                let whole = run(client, upstream, endpoint, stream, stream.len().max(1));
                let cut = run(client, upstream, endpoint, stream, step);
                assert_eq!(whole, cut, "{client:?} {upstream:?} in pieces of {step}");
            }
        }
    }
}

type Ran = (Vec<u8>, Result<(), StreamFault>, bool, Tally);

fn run(
    client: ClientDialect,
    upstream: Dialect,
    endpoint: Endpoint,
    stream: &[u8],
    step: usize,
) -> Ran {
    let mut machine = AnswerStream::new(StreamOptions {
        client,
        upstream,
        endpoint,
        shown_model: Some("shown".into()),
        include_usage: false,
        request_id: "req".into(),
        created_s: 1_790_000_000,
        input_tokens_estimate: 7,
        form: surgewall_wire::request::Form::default(),
    });
    let mut out = BytesMut::new();
    let mut ended = Ok(());
    for piece in stream.chunks(step) {
        ended = machine.feed(piece, &mut out);
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = machine.finish(&mut out);
    }
    if ended.is_err() {
        // The door then says so, in any state.
        let mut error = BytesMut::new();
        machine.fail(&an_error(client), &mut error);
        assert!(!error.is_empty(), "never a silent end");
    }
    assert!(out.len() <= 64 * (stream.len() + SSE_EVENT_BYTES_MAX), "no stream is blown up");
    (out.to_vec(), ended, machine.is_done(), machine.tally())
}

fn an_error(client: ClientDialect) -> ErrorBody {
    ErrorBody::of(client, &surgewall_core::refusal::Refusal::Draining, "req")
}

/// A whole answer: what is let through is JSON.
pub fn upstream_answer(data: &[u8]) {
    let body = Bytes::copy_from_slice(data);
    for client in CLIENTS {
        for upstream in UPSTREAMS {
            for endpoint in ENDPOINTS {
                let options = AnswerOptions {
                    client,
                    upstream,
                    endpoint,
                    shown_model: Some("shown".into()),
                    request_id: "req".into(),
                    created_s: 1_790_000_000,
                    input_tokens_estimate: 7,
                    form: surgewall_wire::request::Form::default(),
                };
                if let Ok((answer, _)) = for_client(&options, &body) {
                    serde_json::from_slice::<&serde_json::value::RawValue>(&answer)
                        .expect("what goes to a client is JSON");
                }
            }
        }
    }
}

/// An upstream's error body: what is quoted from it is short and plain.
pub fn upstream_error(data: &[u8]) {
    for dialect in UPSTREAMS {
        let said = read_upstream(dialect, data);
        let plain = |text: &Option<String>, max: usize| {
            text.as_ref().is_none_or(|text| {
                text.chars().count() <= max + 1 && !text.chars().any(char::is_control)
            })
        };
        assert!(plain(&said.message, MESSAGE_CHARS_MAX), "{said:?}");
        assert!(plain(&said.code, CODE_CHARS_MAX), "{said:?}");
        for client in CLIENTS {
            let mut error = an_error(client);
            error.message = said.message.clone().unwrap_or_default();
            let body = render(client, &error);
            serde_json::from_slice::<serde_json::Value>(&body).expect("an error is JSON");
        }
    }
}

/// An upstream's list of models.
pub fn upstream_models(data: &[u8]) {
    for dialect in UPSTREAMS {
        if let Ok(models) = models::read_upstream(dialect, data) {
            assert!(models.len() <= UPSTREAM_MODELS_MAX);
            assert!(models.iter().all(|model| model.id.len() <= MODEL_NAME_BYTES_MAX));
        }
    }
}

/// A configuration's text: refused with a place, or accepted.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = config::parse("surgewall.toml", text) {
        assert!(!error.to_string().is_empty());
    }
}

struct Store {
    _dir: tempfile::TempDir,
    ledger: PathBuf,
    vault: Vault,
}

fn store() -> &'static Store {
    static STORE: OnceLock<Store> = OnceLock::new();
    STORE.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let data = DataDir::open_or_create(&dir.path().join("data")).expect("a data directory");
        let vault = Vault::open_or_create(&data, Some(&dir.path().join("master.key")));
        let ledger = data.ledger();
        std::fs::create_dir_all(&ledger).expect("a ledger's directory");
        Store { ledger, vault: vault.expect("a vault"), _dir: dir }
    })
}

/// A ledger's segment: read with and without the key, it comes to findings.
pub fn ledger_segment(data: &[u8]) {
    let store = store();
    std::fs::write(store.ledger.join(format!("{:020}.seg", 1)), data).expect("a segment");
    for vault in [None, Some(&store.vault)] {
        let _ = verify(&store.ledger, vault);
    }
    let _ = export(&store.ledger, &store.vault, |_, _| {});
}

/// A line on the control socket.
pub fn control_question(data: &[u8]) {
    if let Ok(question) = serde_json::from_slice::<Question>(data) {
        let again = serde_json::to_vec(&question).expect("a question is JSON");
        serde_json::from_slice::<Question>(&again).expect("and reads as it was written");
    }
}

/// A public key of which nobody has the private one.
const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","alg":"EdDSA",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn issuers() -> &'static Issuers {
    static ISSUERS: OnceLock<Issuers> = OnceLock::new();
    ISSUERS.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let jwks_file = dir.path().join("jwks.json");
        std::fs::write(&jwks_file, JWKS).expect("a key set");
        let issuer = JwtIssuer {
            issuer: "https://issuer.example".into(),
            audience: "door".into(),
            jwks_file,
            account_claim: "sub".into(),
            group_claim: Some("team".into()),
            class_claim: None,
            class: Class::Verified,
        };
        Issuers::new(&[issuer]).expect("an issuer")
    })
}

/// A bearer token: without the private key none is good.
pub fn jwt(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = looks_like_token(text);
    assert!(issuers().verify(text).is_err(), "a token that nobody signed");
}

/// A key: one is well formed in exactly one way.
pub fn api_key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert!(apikey::last_four(text).chars().count() <= 4);
    if apikey::is_well_formed(text) {
        assert!(text.is_ascii() && text.starts_with("sw_live_"));
        assert!(!apikey::is_well_formed(&text.to_lowercase()) || text.to_lowercase() == text);
    }
}

/// A limit: what is read is written so that it reads the same.
pub fn limit_spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(spec) = text.parse::<LimitSpec>() {
        let shown = spec.to_string();
        assert_eq!(shown.parse::<LimitSpec>().as_ref(), Ok(&spec), "{text} -> {shown}");
    }
}

/// A rule file: refused with a reason, or used on itself.
pub fn rule_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match RuleSet::with_file("own.toml", text) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(rules) => {
            let redactor = Redactor::new(Arc::new(rules), &[7; 32]);
            assert_eq!(in_pieces(&redactor, text, 3), redactor.redact(text).text);
        }
    }
}

/// A text to be redacted. Its first byte says how it is cut into pieces: what
/// comes out does not depend on it, and JSON stays JSON.
pub fn redaction(data: &[u8]) {
    static REDACTOR: OnceLock<Redactor> = OnceLock::new();
    let redactor = REDACTOR.get_or_init(|| {
        Redactor::new(Arc::new(RuleSet::builtin().expect("the shipped rules")), &[7; 32])
    });
    let Some((cut, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let whole = redactor.redact(&text);
    let cut = in_pieces(redactor, &text, usize::from(*cut % 61) + 1);
    assert_eq!(cut, whole.text, "{text:?}");
    if whole.found.is_empty() {
        assert_eq!(whole.text, text);
    }
    if serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() {
        let redacted = redactor.redact_json(&text).text;
        serde_json::from_str::<&serde_json::value::RawValue>(&redacted).expect("JSON stays JSON");
    }
}

fn in_pieces(redactor: &Redactor, text: &str, step: usize) -> String {
    let mut stream = redactor.stream();
    let mut out = String::new();
    let mut at = 0;
    while at < text.len() {
        let end = text.ceil_char_boundary((at + step).min(text.len()));
        out += &stream.push(&text[at..end]);
        assert!(stream.held_bytes() <= HOLD_BYTES_MAX);
        at = end;
    }
    out + &stream.finish()
}
