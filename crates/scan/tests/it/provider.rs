//! A look at providers that speak TLS with fit and unfit certificates, that let
//! strangers in, refuse them late, say nothing or tell of their inside; and what
//! they were sent.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use surgewall_core::finding::Severity;
use surgewall_scan::exposure::limits::Patience;
use surgewall_scan::provider::limits::REQUESTS_MAX;
use surgewall_scan::provider::{Declared, Guard, Report, look};

use crate::scripted::{Act, Script, Scripted};

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    answer: Duration::from_millis(700),
    greeting: Duration::from_millis(100),
};

fn looked(url: &str, declared: Option<Declared>, pem: &str) -> Report {
    let base = url.parse().expect("an address");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let looking = look(&base, declared, pem.as_bytes(), PATIENCE);
    runtime.expect("a runtime").block_on(looking)
}

/// What a server that plays `script` is found to be; what it was sent is harmless.
fn played(script: Script) -> Report {
    let server = Scripted::start("127.0.0.1", None, script);
    let report = looked(&format!("http://{}/v1", server.address()), None, "");
    let heard = server.heard();
    assert_eq!(heard.len(), usize::from(report.requests), "{heard:?}");
    assert!(heard.len() <= usize::from(REQUESTS_MAX));
    for request in &heard {
        let (head, body) = request.split_once("\r\n\r\n").expect("a whole request");
        let head = head.to_ascii_lowercase();
        for word in ["authorization", "x-api-key", "cookie"] {
            assert!(!head.contains(word), "{request}");
        }
        assert!(["", "{\"max_tokens\":1}", "{\"model\":"].contains(&body), "{request}");
    }
    let told = serde_json::to_string(&report).expect("a report is JSON");
    assert!(!told.contains("PLANTED"), "{told}");
    report
}

fn outcomes(report: &Report) -> Vec<Guard> {
    report.routes.iter().map(|asked| asked.outcome).collect()
}

fn rules(report: &Report) -> Vec<(&str, Severity)> {
    report.findings.iter().map(|finding| (finding.rule.as_str(), finding.severity)).collect()
}

macro_rules! http {
    ($status:literal, $headers:literal, $body:literal) => {
        Act::Say(
            concat!("HTTP/1.1 ", $status, " R\r\n", $headers, "Connection: close\r\n\r\n", $body)
                .as_bytes(),
        )
    };
}

#[test]
fn one_that_asks_everybody_for_a_key_has_no_finding() {
    let report = played(|_| http!("401", "x-ratelimit-limit-requests: 60\r\n", "{\"error\":{}}"));
    assert!(outcomes(&report).iter().all(|outcome| *outcome == Guard::Required));
    assert_eq!(rules(&report), []);
    assert_eq!(report.limits, ["x-ratelimit-limit-requests"]);
    assert!(!report.is_unsure());
}

#[test]
fn one_that_lets_strangers_in_says_where() {
    let report = played(|request| {
        if request.starts_with(b"GET /v1/models") {
            http!("200", "", "{\"data\":[{\"id\":\"PLANTED\"}]}")
        } else if request.starts_with(b"POST /v1/chat") {
            http!("200", "", "{\"choices\":[{\"PLANTED\":1}]}")
        } else if request.starts_with(b"GET /metrics") {
            http!("200", "", "# HELP PLANTED\n")
        } else if request.starts_with(b"POST") {
            http!("422", "", "Traceback (most recent call last): /opt/PLANTED at 10.1.2.3")
        } else {
            http!("404", "Server: thing/1.2\r\n", "")
        }
    });
    assert_eq!(
        rules(&report),
        [
            ("provider.open", Severity::Critical),
            ("provider.late", Severity::Warning),
            ("provider.leak", Severity::Warning)
        ]
    );
    assert_eq!(
        report.findings[0].evidence,
        "It lists its models to strangers. A model answers strangers. It tells strangers its own measurements: load, models, memory. (GET /models, POST /chat/completions, GET /metrics at its root)"
    );
    assert_eq!(report.leaks.len(), 4, "{:?}", report.leaks);
}

#[test]
fn a_public_list_of_models_alone_is_a_note() {
    let report = played(|request| {
        if request.starts_with(b"GET /v1/models") {
            http!("200", "", "{\"data\":[]}")
        } else {
            http!("401", "", "")
        }
    });
    assert_eq!(rules(&report), [("provider.open", Severity::Note)]);
}

#[test]
fn one_of_which_nothing_can_be_told_is_unsure_and_never_open() {
    let scripts: [Script; 4] = [
        |_| Act::Close,
        |_| Act::Hold,
        |_| Act::Say(b"220 mail.example.org\r\n"),
        |_| http!("200", "", "<html>hello</html>"),
    ];
    for script in scripts {
        let report = played(script);
        assert!(report.is_unsure() && report.findings.is_empty(), "{report:?}");
        assert!(!report.unknown.is_empty());
    }
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it");
    let report = looked(&format!("http://{closed}/v1"), None, "");
    assert!(report.is_unsure() && !report.answered && report.requests == 0);
    assert!(looked("http://no-such-host.invalid/v1", None, "").is_unsure());
}

#[test]
fn one_that_answers_all_alike_is_said_to() {
    let report = played(|_| http!("200", "", "{\"data\":[],\"choices\":[]}"));
    assert!(
        report.unknown.iter().any(|line| line.starts_with("It answers well what is not there"))
    );
}

#[test]
fn what_nobody_declared_is_unknown() {
    let url = "http://127.0.0.1:9/v1";
    let report = looked(url, None, "");
    assert!(report.unknown.iter().any(|line| line.contains("no upstream of the configuration")));
    let declared = Declared { region: Some("eu".into()), ..Declared::default() };
    let report = looked(url, Some(declared), "");
    let unknown = report.unknown.join("\n");
    assert!(!unknown.contains("`region`") && unknown.contains("`retention_days`"), "{unknown}");
}

/// An authority, and what it signs with.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).expect("a certificate");
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// A server with a certificate for `name` that is valid in these years, which
/// refuses everybody.
fn server(authority: &Authority, name: &str, years: [i32; 2]) -> SocketAddr {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(years[0], 1, 1);
    params.not_after = rcgen::date_time_ymd(years[1], 1, 1);
    let certificate = params.signed_by(&key, &authority.issuer).expect("a certificate");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        )
        .expect("a certificate and its key");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let session = ServerConnection::new(config.clone()).expect("a session");
            let mut stream = StreamOwned::new(session, tcp);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                // Whoever left does not hear it.
                let _ = stream.write_all(b"HTTP/1.1 401 R\r\nstrict-transport-security: max-age=1\r\ncontent-length: 0\r\n\r\n");
            }
        }
    });
    address
}

#[test]
fn a_certificate_is_judged_and_an_unfit_one_is_critical() {
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    // It says that ours signed it.
    let forged = authority("ours");
    let pem = ours.certificate.pem();
    for (by, name, years, unfit) in [
        (&ours, "localhost", [2020, 2090], None),
        (&ours, "localhost", [2010, 2020], Some("has expired")),
        (&ours, "localhost", [2080, 2090], Some("is not valid yet")),
        (&ours, "example.org", [2020, 2090], Some("is for another name")),
        (&theirs, "localhost", [2020, 2090], Some("is of nobody who is known here")),
        (&forged, "localhost", [2020, 2090], Some("is not signed by whom it names")),
    ] {
        let port = server(by, name, years).port();
        let report = looked(&format!("https://localhost:{port}/v1"), None, &pem);
        assert_eq!(report.tls.unfit, unfit, "{name} {years:?}");
        assert_eq!((report.tls.version, report.tls.strict), (Some("1.3"), true));
        // The look goes on all the same.
        assert!(outcomes(&report).iter().all(|outcome| *outcome == Guard::Required));
        let expected: &[_] =
            if unfit.is_some() { &[("provider.certificate", Severity::Critical)] } else { &[] };
        assert_eq!(rules(&report), expected);
    }
    // Without the authority nobody who is known signed it.
    let port = server(&ours, "localhost", [2020, 2090]).port();
    let report = looked(&format!("https://localhost:{port}/v1"), None, "");
    assert_eq!(report.tls.unfit, Some("is of nobody who is known here"));
}

#[test]
fn a_server_without_tls_is_told_from_one_with_it() {
    let plain = Scripted::start("127.0.0.1", None, |_| http!("400", "", ""));
    let report = looked(&format!("https://{}/v1", plain.address()), None, "");
    assert!(!report.answered && report.tls.version.is_none() && report.is_unsure());
}
