//! The public listener by TLS: HTTP/1.1 and HTTP/2, renewed without a restart.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use surgewall_core::clock::Clock;
use surgewall_core::config;
use surgewall_gateway::listen::tls::acceptor;
use surgewall_gateway::policy::Policy;
use surgewall_gateway::serve::replace;

use crate::harness::{LISTEN, TestDoor};

/// Writes a fresh certificate for `localhost` and its key; the certificate.
fn certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(dir.join("key.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    made.cert.der().clone()
}

fn section(dir: &Path) -> String {
    format!("tls={{cert_file=\"{0}/cert.pem\", key_file=\"{0}/key.pem\"}}\n", dir.display())
}

/// The status and the HTTP version of `GET /healthz`, trusting only `root`.
async fn healthz(
    url: &str,
    root: &CertificateDer<'static>,
    http2: bool,
) -> Option<(u16, http::Version)> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_only();
    let connector =
        if http2 { connector.enable_http2().build() } else { connector.enable_http1().build() };
    let client: Client<_, Empty<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).build(connector);
    let port = url.rsplit(':').next().unwrap();
    let answer =
        client.get(format!("https://localhost:{port}/healthz").parse().unwrap()).await.ok()?;
    let (status, version) = (answer.status().as_u16(), answer.version());
    #[expect(clippy::disallowed_methods, reason = "the door's own two bytes")]
    answer.into_body().collect().await.ok()?;
    Some((status, version))
}

#[tokio::test]
async fn tls_serves_both_versions_and_takes_a_renewed_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let first = certificate(dir.path());
    let door = TestDoor::start(&section(dir.path())).await;
    assert_eq!(healthz(&door.url, &first, false).await, Some((200, http::Version::HTTP_11)));
    assert_eq!(healthz(&door.url, &first, true).await, Some((200, http::Version::HTTP_2)));
    let second = certificate(dir.path());
    let text = format!("{LISTEN}{}", section(dir.path()));
    let config = config::parse("test.toml", &text).unwrap();
    let policy =
        Policy::new(config, &text, Some(&door.door().policy()), Clock::System.now()).unwrap();
    replace(door.door(), policy).unwrap();
    assert_eq!(healthz(&door.url, &second, false).await, Some((200, http::Version::HTTP_11)));
    assert_eq!(healthz(&door.url, &first, false).await, None, "the old certificate is gone");
    door.stop().await.check_conservation();
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let tls = surgewall_core::config::schema::Tls {
        cert_file: dir.path().join("cert.pem"),
        key_file: dir.path().join("key.pem"),
    };
    let refusal = || acceptor(&tls).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(refusal(), "");
    std::fs::set_permissions(&tls.key_file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refusal().contains("other users"), "{}", refusal());
    std::fs::set_permissions(&tls.key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let old = dir.path().join("old.pem");
    std::fs::rename(&tls.cert_file, &old).unwrap();
    certificate(dir.path());
    std::fs::rename(&old, &tls.cert_file).unwrap();
    assert!(refusal().contains("do not go together"), "{}", refusal());
    std::fs::write(&tls.key_file, "nonsense").unwrap();
    assert!(refusal().contains("no private key"), "{}", refusal());
    std::fs::remove_file(&tls.cert_file).unwrap();
    assert!(refusal().contains("cannot be read"), "{}", refusal());
}
