//! GitHub's reports of keys that it saw in public: the endpoint of its secret
//! scanning partner programme
//! (docs.github.com/code-security/secret-scanning/secret-scanning-partnership-program).
//!
//! Each report is signed (ECDSA over P-256 with SHA-256, of the body as it came).
//! The public keys stand in the configuration: nothing is fetched.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{Deserialize, Serialize};
use surgewall_core::config::disclosure::GithubKey;
use surgewall_core::digest::{hex, sha256};
use surgewall_core::refusal::{CredentialFault, Refusal};

use super::keys::{self, Finder};
use crate::door::Door;
use crate::pages::json;
use crate::routes::api;
use crate::routes::table::Route;

/// Where reports are sent.
pub const PATH: &str = "/report/key/github";
/// A report, in bytes: some thousand keys.
pub const REPORT_BYTES_MAX: usize = 1 << 20;

const IDENTIFIER: &str = "github-public-key-identifier";
const SIGNATURE: &str = "github-public-key-signature";

/// What stands before the point of a P-256 key in DER (RFC 5480): the algorithm,
/// the curve, and a bit string of 65 bytes.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point.
const POINT_BYTES: usize = 65;

/// A public key of the configuration that is none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("[[disclosure.github_key]] {0}: not a public ECDSA key on P-256 in PEM")]
pub struct KeyError(String);

/// A public key that reports are signed with.
#[derive(Debug)]
pub struct PublicKey {
    id: String,
    point: Vec<u8>,
}

impl PublicKey {
    /// The key that `key` is.
    ///
    /// # Errors
    /// It is none.
    pub fn new(key: &GithubKey) -> Result<Self, KeyError> {
        let point = point(&key.pem).ok_or_else(|| KeyError(key.id.clone()))?;
        Ok(Self { id: key.id.clone(), point })
    }

    /// Whether `signature`, in base64, is this key's over `body`.
    fn signed(&self, body: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(body, &signature).is_ok()
    }
}

fn point(pem: &str) -> Option<Vec<u8>> {
    let inner = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
    let inner = inner.strip_suffix("-----END PUBLIC KEY-----")?;
    let text: String = inner.split_ascii_whitespace().collect();
    let der = STANDARD.decode(text).ok()?;
    let point = der.strip_prefix(&SPKI_P256[..])?;
    (point.len() == POINT_BYTES && point.first() == Some(&4)).then(|| point.to_vec())
}

/// One key that was seen. Further fields may come and are not read.
#[derive(Deserialize)]
struct Seen {
    token: String,
    #[serde(default)]
    r#type: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    source: String,
}

/// Whether it was one, in the words that GitHub reads.
#[derive(Serialize)]
struct Labelled {
    token_hash: String,
    token_type: String,
    label: &'static str,
}

/// Answers a report.
pub(crate) async fn answer(door: Arc<Door>, route: &'static Route, request: Request) -> Response {
    let arrival = match api::arrive(&door, route, &request) {
        Ok(arrival) => arrival,
        Err(response) => return *response,
    };
    let (head, body) = request.into_parts();
    let policy = &arrival.policy;
    let served = async {
        if policy.github_keys.is_empty() {
            return Err(Refusal::RouteUnknown);
        }
        let body = verified(&door, &policy.github_keys, &head.headers, body).await?;
        let seen: Vec<Seen> = serde_json::from_slice(&body).map_err(|_| not_a_report())?;
        json(StatusCode::OK, &deal(&door, &seen).await?)
    };
    api::answer(&door, &arrival, Box::pin(served)).await
}

fn not_a_report() -> Refusal {
    let reason = "not a list of objects with a `token` each".to_owned();
    Refusal::InvalidRequest { reason, param: None }
}

/// The body, if one of `keys` signed it. Who names no key of ours is not read.
async fn verified(
    door: &Door,
    keys: &[PublicKey],
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, Refusal> {
    let refused = || Refusal::CredentialInvalid { why: CredentialFault::Unknown };
    let id = headers.get(IDENTIFIER).map(http::HeaderValue::as_bytes);
    let key = keys.iter().find(|key| id == Some(key.id.as_bytes())).ok_or_else(refused)?;
    let signature = headers.get(SIGNATURE).ok_or_else(refused)?;
    let body = read(door, body).await?;
    let fault = Refusal::CredentialInvalid { why: CredentialFault::Token };
    if key.signed(&body, signature.as_bytes()) { Ok(body) } else { Err(fault) }
}

/// The body; there is room for few at once, as for all bodies.
async fn read(door: &Door, body: Body) -> Result<Bytes, Refusal> {
    let kib = u32::try_from(REPORT_BYTES_MAX >> 10).unwrap_or(u32::MAX);
    let _room = door.bodies.acquire_many(kib).await.map_err(|_| Refusal::BodyBroken)?;
    let seconds = door.policy().config.limits.body_read_s;
    #[expect(clippy::disallowed_methods, reason = "limited to REPORT_BYTES_MAX")]
    let collected = Limited::new(body, REPORT_BYTES_MAX).collect();
    match tokio::time::timeout(Duration::from_secs(seconds), collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err(Refusal::BodyTooLarge { bytes_max: REPORT_BYTES_MAX as u64 })
        }
        Ok(Err(_)) => Err(Refusal::BodyBroken),
        Err(_) => Err(Refusal::BodyTimeout { seconds }),
    }
}

/// Deals with each, and says which of them are keys of this door. The text of none
/// is said again.
async fn deal(door: &Door, seen: &[Seen]) -> Result<Vec<Labelled>, Refusal> {
    let mut labels = Vec::with_capacity(seen.len());
    for one in seen {
        let key = door.directory.key_of(&one.token);
        if let Some(key) = &key {
            let finder = Finder::Github { url: &one.url, source: &one.source };
            let dealt_with = keys::found(door, key, finder).await;
            // It is reported again where this is not answered: what was done stays done.
            dealt_with.map_err(|error| Refusal::Internal { why: error.to_string() })?;
        }
        labels.push(Labelled {
            token_hash: hex(&sha256(one.token.as_bytes())),
            token_type: one.r#type.clone(),
            label: if key.is_some() { "true_positive" } else { "false_positive" },
        });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests that GitHub's documentation gives as samples over the years, each
    /// with the key that it says they are signed with.
    const SAMPLES: [(&str, &str, &str); 3] = [
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd\nAjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==",
            r#"[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]"#,
            "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg==",
        ),
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsz9ugWDj5jK5ELBK42ynytbo38gP\nHzZFI03Exwz8Lh/tCfL3YxwMdLjB+bMznsanlhK0RwcGP3IDb34kQDIo3Q==",
            r#"[{"token":"some_token","type":"some_type","url":"some_url","source":"some_source"}]"#,
            "MEUCIFLZzeK++IhS+y276SRk2Pe5LfDrfvTXu6iwKKcFGCrvAiEAhHN2kDOhy2I6eGkOFmxNkOJ+L2y8oQ9A2T9GGJo6WJY=",
        ),
        (
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\nkCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==",
            r#"[{"token":"some_token","type":"some_type","url":"some_url"}]"#,
            "MEUCIQDKZokqnCjrRtw0tni+2Ltvl/uiMJ1EGumEsp1BsNr32AIgQY1YXD2nlj+XNfGK4rBfkMJ1JDOQcYXxa2sY8FNkrKc=",
        ),
    ];

    fn key(base64: &str) -> Result<PublicKey, KeyError> {
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
        PublicKey::new(&GithubKey { id: "k".to_owned(), pem })
    }

    #[test]
    fn the_documented_samples_are_signed_and_nothing_else_is() {
        for (nth, (public, body, signature)) in SAMPLES.into_iter().enumerate() {
            let key = key(public).unwrap();
            let signed =
                |body: &str, signature: &str| key.signed(body.as_bytes(), signature.as_bytes());
            assert!(signed(body, signature), "{body}");
            assert!(!signed(&body.replace("some_token", "some_tokem"), signature));
            assert!(!signed(&format!("{body}\n"), signature), "the body as it came");
            for (other, (_, _, signature)) in SAMPLES.into_iter().enumerate() {
                assert_eq!(signed(body, signature), nth == other);
            }
            for bad in ["", "x", "MEUC", &signature[4..]] {
                assert!(!signed(body, bad), "{bad}");
            }
        }
    }

    #[test]
    fn only_a_key_on_the_curve_of_the_programme_is_one() {
        let good = SAMPLES[0].0;
        assert!(key(good).is_ok());
        for bad in
            ["", "x", &good[4..], &good.replace("AQcDQgAE", "AQcDQgAC"), "MFkwEwYHKoZIzj0CAQ=="]
        {
            assert!(key(bad).is_err(), "{bad}");
        }
        let bare = GithubKey { id: "k".to_owned(), pem: good.to_owned() };
        assert!(PublicKey::new(&bare).unwrap_err().to_string().contains("github_key]] k:"));
    }
}
