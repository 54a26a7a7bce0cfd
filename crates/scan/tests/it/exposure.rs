//! Every probe against servers that are open, ask for a login, are something
//! else, say nothing or say nonsense: the outcome, and what they were sent.

use std::time::Duration;

use surgewall_core::finding::Severity;
use surgewall_scan::exposure::limits::Patience;
use surgewall_scan::exposure::{Outcome, Report, Target, named};

use crate::scripted::{Act, Script, Scripted};

/// Long enough for a server of this machine, short enough for one that says nothing.
const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    answer: Duration::from_millis(700),
    greeting: Duration::from_millis(100),
};

fn look(targets: &[&str], patience: Patience) -> Report {
    let targets: Vec<Target> = targets.iter().map(|text| text.parse().expect("a target")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(named(&targets, patience))
}

/// What may be sent, of everything that a probe may send.
fn is_harmless(request: &str) -> bool {
    if request.starts_with("POST /v3/kv/range HTTP/1.1\r\n")
        && request.contains("\"count_only\":true")
    {
        return true;
    }
    let http = request.starts_with("GET /");
    let known = ["PING\r\n", "X\0\0\0\x04", "\0\0\0\x03"].contains(&request)
        || request.ends_with("root\0\0mysql_native_password\0");
    let login = ["\0\x09surgewall", "\0\0\0\u{4a}\0\x03\0\0user\0postgres\0"];
    let mongo = request.contains("\x10hello\0") || request.contains("nameOnly");
    let writes = ["POST", "PUT", "DELETE", "PATCH", "INSERT", "DROP", "SET ", "CONFIG"];
    (http || known || mongo || login.iter().any(|begin| request.starts_with(begin)))
        && !writes.iter().any(|word| request.contains(word))
}

/// The outcome at a server that plays `script`, asked as `scheme` (nothing: any service).
fn outcome(
    scheme: &str,
    greeting: Option<&'static [u8]>,
    script: Script,
) -> (Outcome, Option<&'static str>) {
    let server = Scripted::start("127.0.0.1", greeting, script);
    let target = match scheme {
        "" => server.address().to_string(),
        scheme => format!("{scheme}://{}", server.address()),
    };
    let report = look(&[&target], PATIENCE);
    let heard = server.heard();
    let requests = heard.iter().filter(|request| !request.starts_with("X\0\0\0\x04")).count();
    assert!(requests <= 2, "{target} was sent {heard:?}");
    assert!(server.connections() <= 3, "{target}");
    assert!(heard.iter().all(|request| is_harmless(request)), "{heard:?}");
    assert_eq!(report.seen.len(), 1, "{report:?}");
    let seen = &report.seen[0];
    assert_eq!(report.findings.len(), usize::from(seen.outcome == Outcome::Open));
    // Nothing that the server said is repeated.
    let told = serde_json::to_string(&report).expect("a report is JSON");
    assert!(!told.contains("PLANTED"), "{told}");
    (seen.outcome, seen.service.map(|kind| kind.id))
}

fn has(request: &[u8], words: &str) -> bool {
    request.windows(words.len()).any(|window| window == words.as_bytes())
}

macro_rules! http {
    ($status:literal, $headers:literal, $body:literal) => {
        Act::Say(
            concat!(
                "HTTP/1.1 ",
                $status,
                " Reason\r\n",
                $headers,
                "Connection: close\r\n\r\n",
                $body
            )
            .as_bytes(),
        )
    };
}

/// MongoDB's replies (OP_MSG): to `hello`, a list of one database, and a refusal.
const GREETED: &[u8] = b"6\0\0\0\x01\0\0\0\x02\0\0\0\xdd\x07\0\0\0\0\0\0\0!\0\0\0\x10maxWireVersion\0\x15\0\0\0\x10ok\0\x01\0\0\0\0";
const LISTED: &[u8] = b"A\0\0\0\x01\0\0\0\x02\0\0\0\xdd\x07\0\0\0\0\0\0\0,\0\0\0\x04databases\0\x14\0\0\0\x020\0\x08\0\0\0PLANTED\0\0\x10ok\0\x01\0\0\0\0";
const UNAUTHORIZED: &[u8] = b",\0\0\0\x01\0\0\0\x02\0\0\0\xdd\x07\0\0\0\0\0\0\0\x17\0\0\0\x10ok\0\0\0\0\0\x10code\0\x0d\0\0\0\0";

/// Open servers, each as itself and as an unknown port.
const OPEN: &[(&str, Script)] = &[
    ("clickhouse", |request| {
        if has(request, "SELECT%201") {
            http!("200", "", "1\n")
        } else if has(request, "GET / ") {
            http!("200", "", "Ok.\n")
        } else {
            http!("400", "", "")
        }
    }),
    ("clickhouse", |request| {
        if request.starts_with(b"\0\x09surgewall") {
            Act::Say(b"\x00\x0aClickHouse\x18\x08\xc5\xa7\x03\x0dAsia/Shanghai")
        } else {
            Act::Say(
                b"HTTP/1.0 400 Bad Request\r\n\r\nPort 9000 is for clickhouse-client program\r\n",
            )
        }
    }),
    ("redis", |request| {
        if request == b"PING\r\n" {
            Act::Say(b"+PONG\r\n")
        } else {
            Act::Say(b"-ERR wrong number of arguments for 'get' command\r\n")
        }
    }),
    ("postgres", |request| {
        if has(request, "user\0postgres") {
            Act::SayOn(b"R\0\0\0\x08\0\0\0\0S\0\0\0\x0aa\0PLANTED")
        } else {
            Act::Close
        }
    }),
    ("mongodb", |request| {
        if has(request, "listDatabases") {
            Act::Say(LISTED)
        } else if has(request, "hello") {
            Act::Say(GREETED)
        } else {
            http!(
                "200",
                "",
                "It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n"
            )
        }
    }),
    ("elasticsearch", |_| {
        http!(
            "200",
            "",
            r#"{"name":"PLANTED","cluster_name":"PLANTED","version":{"number":"8.1"},"tagline":"You Know, for Search"}"#
        )
    }),
    ("ollama", |request| {
        if has(request, "/api/tags") {
            http!("200", "", r#"{"models":[{"name":"PLANTED"}]}"#)
        } else {
            http!("200", "", "Ollama is running")
        }
    }),
    ("vllm", |request| {
        if has(request, "/v1/models") {
            http!("200", "", r#"{"object":"list","data":[{"id":"PLANTED","owned_by":"vllm"}]}"#)
        } else {
            http!("404", "", r#"{"detail":"Not Found"}"#)
        }
    }),
    ("llamacpp", |request| {
        if has(request, "/props") {
            http!(
                "200",
                "Server: llama.cpp\r\n",
                r#"{"default_generation_settings":{"x":"PLANTED"}}"#
            )
        } else {
            http!("200", "Server: llama.cpp\r\n", "<html>")
        }
    }),
    ("docker", |request| {
        if has(request, "/version") {
            http!("200", "", r#"{"ApiVersion":"1.43","MinAPIVersion":"1.12","Platform":"PLANTED"}"#)
        } else if has(request, "/_ping") {
            http!("200", "Api-Version: 1.43\r\n", "OK")
        } else {
            http!("404", "Server: Docker/24.0.7 (linux)\r\n", "{}")
        }
    }),
    ("qdrant", |request| {
        if has(request, "/collections") {
            http!("200", "", r#"{"result":{"collections":[{"name":"PLANTED"}]},"status":"ok"}"#)
        } else {
            http!("200", "", r#"{"title":"qdrant - vector search engine","version":"1.9.0"}"#)
        }
    }),
    ("ray", |request| {
        if has(request, "/api/version") {
            http!("200", "", r#"{"version":"4","ray_version":"2.9.0","session_name":"PLANTED"}"#)
        } else {
            http!("200", "", "<html><title>Ray Dashboard</title>")
        }
    }),
    ("jupyter", |request| {
        if has(request, "/api/status") {
            http!("200", "", r#"{"connections":0,"kernels":1,"started":"PLANTED"}"#)
        } else {
            http!("302", "Server: TornadoServer/6.4\r\nLocation: /lab?\r\n", "")
        }
    }),
    ("mlflow", |request| {
        if has(request, "experiments/search") {
            http!("200", "", r#"{"experiments":[{"name":"PLANTED"}]}"#)
        } else {
            http!("200", "", "<html><title>MLflow</title>")
        }
    }),
    ("prometheus", |request| {
        if has(request, "buildinfo") {
            http!(
                "200",
                "",
                r#"{"status":"success","data":{"version":"2.42.0","goVersion":"go1.19"}}"#
            )
        } else {
            http!("302", "Location: /graph\r\n", "")
        }
    }),
];

/// Open servers whose root says nothing: they are found where they are expected or named.
const OPEN_WHERE_NAMED: &[(&str, Script)] = &[
    ("etcd", |request| {
        if has(request, "count_only") {
            http!("200", "", r#"{"header":{"cluster_id":"1","member_id":"2","revision":"3"}}"#)
        } else {
            http!("404", "", "404 page not found")
        }
    }),
    ("milvus", |request| {
        if has(request, "/v1/vector/collections") {
            http!("200", "", r#"{"code":200,"data":["PLANTED"]}"#)
        } else {
            http!("404", "", "404 page not found")
        }
    }),
];

const MYSQL_GREETING: &[u8] = b"\x1b\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\x21\x02\0\0";

#[test]
fn mysql_speaks_first() {
    let open: Script = |request| {
        if request == b"\0\0\0\x03" {
            Act::Say(b"\x07\0\0\x04\0\0\0\x02\0\0\0")
        } else {
            Act::SayOn(b"\x1b\0\0\x02\xfecaching_sha2_password\0abc\0")
        }
    };
    let guarded: Script = |_| Act::Say(b"\x19\0\0\x02\xff\x15\x04#28000Access denied: x");
    for scheme in ["", "mysql"] {
        assert_eq!(outcome(scheme, Some(MYSQL_GREETING), open), (Outcome::Open, Some("mysql")));
        let (outcome, _) = outcome(scheme, Some(MYSQL_GREETING), guarded);
        assert_eq!(outcome, Outcome::AuthRequired);
    }
}

#[test]
fn an_open_service_is_open_as_itself_and_as_an_unknown_port() {
    for (id, script) in OPEN {
        assert_eq!(outcome(id, None, *script), (Outcome::Open, Some(*id)), "{id}");
        assert_eq!(
            outcome("", None, *script),
            (Outcome::Open, Some(*id)),
            "{id} on an unknown port"
        );
    }
    for (id, script) in OPEN_WHERE_NAMED {
        assert_eq!(outcome(id, None, *script), (Outcome::Open, Some(*id)), "{id}");
        assert_eq!(outcome("", None, *script).0, Outcome::Unknown, "{id} on an unknown port");
    }
}

#[test]
fn one_that_asks_for_a_login_is_not_open() {
    let guarded: &[(&str, Script)] = &[
        ("clickhouse", |_| http!("403", "X-ClickHouse-Exception-Code: 516\r\n", "Code: 516")),
        ("clickhouse", |_| Act::Say(b"\x02\x04\x02\0\0\x0dDB::Exception\x07PLANTED\0\0")),
        ("redis", |_| Act::Say(b"-NOAUTH Authentication required.\r\n")),
        ("redis", |_| Act::Say(b"-DENIED Redis is running in protected mode\r\n")),
        ("postgres", |_| Act::Say(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0")),
        ("postgres", |_| Act::Say(b"E\0\0\0\x1cSFATAL\0C28000\0MPLANTED\0\0")),
        (
            "mongodb",
            |request| {
                if has(request, "hello") { Act::Say(GREETED) } else { Act::Say(UNAUTHORIZED) }
            },
        ),
        ("elasticsearch", |_| http!("401", "", r#"{"error":{"type":"security_exception"}}"#)),
        ("ollama", |_| http!("401", "", "")),
        ("vllm", |_| http!("401", "", r#"{"error":"Unauthorized"}"#)),
        ("llamacpp", |_| http!("401", "", r#"{"error":{"type":"authentication_error"}}"#)),
        ("docker", |_| http!("403", "", "")),
        ("etcd", |_| http!("400", "", r#"{"error":"etcdserver: user name is empty","code":3}"#)),
        ("qdrant", |_| http!("401", "", "Must provide an API key")),
        ("milvus", |_| http!("200", "", r#"{"code":1800,"message":"user hasn't authenticate"}"#)),
        ("ray", |_| http!("401", "", "")),
        ("jupyter", |_| http!("403", "", r#"{"message":"Forbidden"}"#)),
        ("mlflow", |_| http!("401", "", "")),
        ("prometheus", |_| http!("401", "", "Unauthorized")),
        ("http", |_| http!("401", "WWW-Authenticate: Basic\r\n", "")),
    ];
    for (id, script) in guarded {
        assert_eq!(outcome(id, None, *script).0, Outcome::AuthRequired, "{id}");
    }
}

#[test]
fn a_tarpit_nonsense_and_another_service_are_unknown() {
    let others: &[(&str, Option<&'static [u8]>, Script)] = &[
        ("silence", None, |_| Act::Hold),
        ("a drip", None, |_| Act::Drip),
        ("a close", None, |_| Act::Close),
        ("SSH", Some(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), |_| Act::Close),
        ("SMTP", Some(b"220 mail.example.org ESMTP\r\n"), |_| Act::SayOn(b"500 unknown\r\n")),
        ("zeros", None, |_| Act::Say(&[0; 64])),
        ("noise", None, |_| Act::Say(b"\x7f\x00\xffPONG 1 ClickHouse R\0\0\0")),
        ("a web page", None, |_| http!("200", "", "<html>PLANTED 1 Ollama vllm ClickHouse</html>")),
        ("a 404", None, |_| http!("404", "Server: nginx\r\n", "")),
        ("empty JSON", None, |_| http!("200", "", "{}")),
        ("banners", None, |request| {
            // They say who they are, and answer nothing that needs access.
            if has(request, "GET / ") {
                http!("200", "Server: llama.cpp\r\n", "Ollama is running")
            } else {
                http!("404", "", "")
            }
        }),
        ("TLS", None, |_| Act::Say(b"\x15\x03\x01\0\x02\x02\x50")),
        ("TLS only", None, |_| {
            http!("400", "", "Client sent an HTTP request to an HTTPS server.\n")
        }),
    ];
    let schemes = [
        "",
        "clickhouse",
        "redis",
        "postgres",
        "mongodb",
        "elasticsearch",
        "ollama",
        "vllm",
        "llamacpp",
        "docker",
        "mysql",
        "etcd",
        "qdrant",
        "milvus",
        "ray",
        "jupyter",
        "mlflow",
        "prometheus",
        "http",
    ];
    std::thread::scope(|scope| {
        for (name, greeting, script) in others {
            for scheme in schemes {
                scope.spawn(move || {
                    let (outcome, _) = outcome(scheme, *greeting, *script);
                    assert_eq!(outcome, Outcome::Unknown, "{name} as {scheme:?}");
                });
            }
        }
    });
}

#[test]
fn where_nothing_listens_is_no_outcome() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("its address");
    drop(closed);
    let report = look(&[&address.to_string()], PATIENCE);
    assert!(report.seen.is_empty() && report.findings.is_empty(), "{report:?}");
    assert_eq!(report.notes, [format!("Nothing listens on {address}.")]);
}

#[test]
fn a_name_without_an_address_is_unknown() {
    let report = look(&["no-such-host.invalid:1"], PATIENCE);
    assert_eq!(report.seen[0].outcome, Outcome::Unknown);
    assert!(report.is_unsure());
}

#[test]
fn ipv6_is_looked_at_too() {
    let server = Scripted::start("::1", None, |_| Act::Say(b"+PONG\r\n"));
    let report = look(&[&format!("redis://{}", server.address())], PATIENCE);
    assert_eq!(report.findings[0].subject, server.address().to_string());
    assert_eq!(report.findings[0].severity, Severity::Warning);
}

#[test]
fn a_port_that_is_named_twice_is_asked_once() {
    let server = Scripted::start("127.0.0.1", None, |_| Act::Say(b"+PONG\r\n"));
    let address = server.address().to_string();
    let report = look(&[&format!("redis://{address}"), &address, &address], PATIENCE);
    assert_eq!((report.seen.len(), server.heard().len()), (1, 1));
}

#[test]
fn over_tls_any_certificate_is_taken() {
    let address = tls_server(
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"kind\":\"NamespaceList\",\"tagline\":\"You Know, for Search\",\"version\":{}}",
    );
    for (target, service) in [
        (format!("https://{address}"), Some("elasticsearch")),
        (format!("kubernetes://{address}"), Some("kubernetes")),
        (format!("rediss://{address}"), None),
    ] {
        let report = look(&[&target], PATIENCE);
        let seen = &report.seen[0];
        assert_eq!(seen.service.map(|kind| kind.id), service, "{target}");
        assert_eq!(seen.outcome == Outcome::Open, service.is_some(), "{target}");
    }
    // In clear it says nothing that is understood.
    assert_eq!(look(&[&format!("http://{address}")], PATIENCE).seen[0].outcome, Outcome::Unknown);
}

/// A server with a certificate that nobody signed; it gives everybody the same answer.
fn tls_server(answer: &'static [u8]) -> std::net::SocketAddr {
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use std::io::{Read as _, Write as _};
    let made =
        rcgen::generate_simple_self_signed(["test.invalid".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(connection) = rustls::ServerConnection::new(config.clone()) else { return };
            let mut stream = rustls::StreamOwned::new(connection, stream);
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                // Whoever left does not hear it.
                let _ = stream.write_all(answer);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    address
}
