//! Tokens of another system (RFC 8725's pitfalls, each as a case), and keys of
//! another system by their hash.

use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use surgewall_core::clock::Clock;
use surgewall_core::digest::{hex, sha256};
use surgewall_core::principal::Class;
use surgewall_store::admin::{Foreign, GroupCreate, KeyCreate, Request};

use crate::calls::chat;
use crate::harness::TestDoor;

/// An issuer's key pair: the signing half, and the public half as a JWKS.
fn pair() -> (EncodingKey, Vec<u8>, Value) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let public = pair.public_key().as_ref().to_vec();
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256",
        "x": coordinate(&public[1..33]), "y": coordinate(&public[33..65])}]});
    (EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()), public, jwks)
}

fn config(jwks: &Path) -> String {
    format!(
        "[[accounts.jwt]]\nissuer=\"https://id.example.org\"\naudience=\"ai\"\njwks_file=\"{}\"\nclass=\"verified\"\n",
        jwks.display()
    )
}

fn claims() -> Value {
    let now = Clock::System.now().seconds();
    json!({"iss": "https://id.example.org", "aud": "ai", "sub": "ann", "exp": now + 300})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[tokio::test]
async fn a_token_of_a_configured_issuer_is_an_account_and_no_other_token_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let (key, public, jwks) = pair();
    std::fs::write(&path, jwks.to_string()).unwrap();
    let door = TestDoor::start(&config(&path)).await;
    let (other, _, _) = pair();
    let header = |algorithm: Algorithm, kid: Option<&str>| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        header
    };
    let es256 =
        |claims: &Value, kid, key| encode(&header(Algorithm::ES256, kid), claims, key).unwrap();
    let none = |claims: &Value| {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(&json!({"alg": "none", "typ": "JWT"})), part(claims))
    };
    let symmetric = EncodingKey::from_secret(&public);
    let now = Clock::System.now().seconds();
    let cases = [
        ("a good one", es256(&claims(), Some("one"), &key), 200),
        ("without a key id", es256(&claims(), None, &key), 200),
        ("again", es256(&claims(), Some("one"), &key), 200),
        ("another key id", es256(&claims(), Some("two"), &key), 401),
        ("another's key", es256(&claims(), Some("one"), &other), 401),
        ("no signature", none(&claims()), 401),
        (
            "the public key as a secret",
            encode(&header(Algorithm::HS256, Some("one")), &claims(), &symmetric).unwrap(),
            401,
        ),
        ("another audience", es256(&with("aud", json!("other")), Some("one"), &key), 401),
        (
            "another issuer",
            es256(&with("iss", json!("https://evil.example")), Some("one"), &key),
            401,
        ),
        ("expired", es256(&with("exp", json!(now - 60)), Some("one"), &key), 401),
        ("not yet valid", es256(&with("nbf", json!(now + 3_600)), Some("one"), &key), 401),
        ("no subject", es256(&with("sub", json!("")), Some("one"), &key), 401),
    ];
    for (what, token, status) in cases {
        let client = door.stranger().with_key(&token);
        let answer =
            client.post("/v1/chat/completions", &chat("handbook", "hello", false)).await.unwrap();
        assert_eq!(answer.status, status, "{what}: {:?}", answer.body);
    }
    let story = door.stop().await;
    story.check_conservation();
    let accounts: std::collections::HashSet<_> =
        story.admitted.iter().filter_map(|a| a.who.account).collect();
    assert_eq!((story.admitted.len(), accounts.len()), (3, 1), "one subject is one account");
}

#[tokio::test]
async fn foreign_keys_work_as_their_holders_have_them() {
    let door = TestDoor::start("").await;
    let (plain, slow) = ("sk-theirs-0123456789", "sk-bcrypt-0123456789");
    let hash = bcrypt::hash(slow, 4).unwrap();
    for (name, foreign) in [
        ("sha", Foreign::Sha256(hex(&sha256(plain.as_bytes())))),
        ("bcrypt", Foreign::Bcrypt { hash, prefix: slow[..10].to_owned() }),
    ] {
        let asked = KeyCreate { name: name.into(), foreign: Some(foreign), ..KeyCreate::default() };
        door.operate(Request::KeyCreate(asked)).await;
    }
    for (key, status) in [
        (plain, 200),
        (slow, 200),
        (slow, 200),
        ("sk-theirs-0123456788", 401),
        ("sk-bcrypt-0123456788", 401),
        ("sk-bcrypt-", 401),
    ] {
        let client = door.stranger().with_key(key);
        let answer =
            client.post("/v1/chat/completions", &chat("handbook", "hello", false)).await.unwrap();
        assert_eq!(answer.status, status, "{key}");
    }
    door.stop().await.check_conservation();
}

/// Groups and classes that claims name hold for the request that carries them.
#[tokio::test]
async fn a_tokens_claims_hold_for_its_request_and_are_written_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwks.json");
    let (key, _, jwks) = pair();
    std::fs::write(&path, jwks.to_string()).unwrap();
    let text = config(&path) + "group_claim=\"team\"\nclass_claim=\"trust\"\n";
    let door = TestDoor::start(&text).await;
    for name in ["red", "blue"] {
        let asked = GroupCreate { name: name.into(), limits: Vec::new() };
        door.operate(Request::GroupCreate(asked)).await;
    }
    let group = |name: &str| door.door().directory.group(name).unwrap().id;
    let (red, blue) = (group("red"), group("blue"));
    let plain = (None, Class::Verified);
    let cases = [
        ("no claim", None, None, Some(plain)),
        ("a group", Some("red"), None, Some((Some(red), Class::Verified))),
        ("the same", Some("red"), None, Some((Some(red), Class::Verified))),
        ("another group", Some("blue"), None, Some((Some(blue), Class::Verified))),
        ("back", Some("red"), None, Some((Some(red), Class::Verified))),
        ("a class", Some("blue"), Some("new"), Some((Some(blue), Class::New))),
        ("no such group", Some("green"), None, None),
        ("no such class", None, Some("royal"), None),
        ("nobody's class", None, Some("anonymous"), None),
    ];
    for (what, team, trust, ran) in &cases {
        let mut claims = claims();
        (claims["team"], claims["trust"]) = (json!(team), json!(trust));
        let token = encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
        let client = door.stranger().with_key(&token);
        let body = chat("handbook", "hello", false);
        let answer = client.post("/v1/chat/completions", &body).await.unwrap();
        let expected = if ran.is_some() { 200 } else { 401 };
        assert_eq!(answer.status, expected, "{what}: {:?}", answer.body);
    }
    let account = door.door().directory.account_by_external("https://id.example.org", "ann");
    let written = account.unwrap().group.as_ref().map(|group| group.id);
    assert_eq!(written, Some(red), "one write a minute; the other requests ran unwritten");
    let story = door.stop().await;
    let ran: Vec<_> = story.admitted.iter().map(|a| (a.who.group, a.who.class)).collect();
    assert_eq!(ran, cases.iter().filter_map(|case| case.3).collect::<Vec<_>>());
    story.check_conservation();
}
