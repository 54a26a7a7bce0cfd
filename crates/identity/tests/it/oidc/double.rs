//! An identity provider in this process, honest unless a test says otherwise.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use surgewall_core::digest::sha256;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub(crate) const CLIENT: &str = "surgewall";
pub(crate) const SECRET: &str = "a secret of the client";
pub(crate) const SUBJECT: &str = "248289761001";

/// What signs a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signs {
    Es256,
    Rs256,
    /// With another key than the one that is published under the token's kid.
    Forger,
    /// `none`, with no signature.
    None,
    /// HMAC, with the published key as the secret.
    PublicKeyAsSecret,
    /// HMAC, with the client's secret.
    ClientSecret,
}

type Change = Box<dyn Fn(&mut Value) + Send>;

/// What it says and does.
pub(crate) struct Says {
    pub(crate) signs: Signs,
    /// The client's secret.
    pub(crate) secret: String,
    /// The kid of the key that signs, and is published.
    pub(crate) kid: String,
    pub(crate) metadata: Change,
    pub(crate) header: Change,
    pub(crate) claims: Change,
    pub(crate) answer: Change,
    pub(crate) user_info: Value,
    /// Bytes that the discovery document is filled up to.
    pub(crate) metadata_bytes: usize,
    /// Discovery is a redirect.
    pub(crate) redirects: bool,
    /// No answer comes.
    pub(crate) hangs: bool,
    pub(crate) now_s: u64,
    codes: HashMap<String, Grant>,
    /// The paths that were asked for.
    pub(crate) asked: Vec<String>,
}

struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

struct Keys {
    ec: EcdsaKeyPair,
    other: EcdsaKeyPair,
    rsa: RsaKeyPair,
}

/// One set for all: primes take a while to find.
static KEYS: LazyLock<Arc<Keys>> = LazyLock::new(|| {
    let ec = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let rsa = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
    Arc::new(Keys { ec: ec(), other: ec(), rsa })
});

/// A running one. Dropping it ends it.
pub(crate) struct Double {
    pub(crate) issuer: String,
    says: Arc<Mutex<Says>>,
    _server: JoinSet<()>,
}

impl Double {
    pub(crate) async fn start(now_s: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let says = Arc::new(Mutex::new(Says::honest(now_s)));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, issuer.clone(), Arc::clone(&says), Arc::clone(&KEYS)));
        Self { issuer, says, _server: server }
    }

    pub(crate) fn says(&self) -> MutexGuard<'_, Says> {
        self.says.lock().unwrap()
    }

    /// How often `path` was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.says().asked.iter().filter(|one| *one == path).count()
    }

    /// The person says yes: the code for the browser to bring back, and the state.
    pub(crate) fn consent(&self, url: &str) -> (String, String) {
        let query = parameters(url.split_once('?').unwrap().1);
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|scope| scope == "openid"), "{url}");
        let code = surgewall_core::random::base62(24);
        let grant = Grant {
            nonce: query["nonce"].clone(),
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
        };
        self.says().codes.insert(code.clone(), grant);
        (code, query["state"].clone())
    }
}

impl Says {
    fn honest(now_s: u64) -> Self {
        let unchanged = || -> Change { Box::new(|_| ()) };
        Self {
            signs: Signs::Es256,
            secret: SECRET.to_owned(),
            kid: "key-1".into(),
            metadata: unchanged(),
            header: unchanged(),
            claims: unchanged(),
            answer: unchanged(),
            user_info: json!({"sub": SUBJECT}),
            metadata_bytes: 0,
            redirects: false,
            hangs: false,
            now_s,
            codes: HashMap::new(),
            asked: Vec::new(),
        }
    }

    fn metadata(&self, issuer: &str) -> String {
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/userinfo"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256", "none"],
            "authorization_response_iss_parameter_supported": true,
        });
        (self.metadata)(&mut metadata);
        let text = metadata.to_string();
        let fill = self.metadata_bytes.saturating_sub(text.len());
        format!("{text}{}", " ".repeat(fill))
    }

    /// The token endpoint: a code works once, for whoever holds the verifier.
    fn token(
        &mut self,
        issuer: &str,
        keys: &Keys,
        body: &str,
        client: &str,
    ) -> Response<Full<Bytes>> {
        let form = parameters(body);
        let expected = format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD
                .encode(format!("{CLIENT}:{}", self.secret.replace(' ', "+")),)
        );
        let grant = self.codes.remove(&form["code"]).filter(|grant| {
            let proof = URL_SAFE_NO_PAD.encode(sha256(form["code_verifier"].as_bytes()));
            proof == grant.challenge
                && form["redirect_uri"] == grant.redirect_uri
                && client == expected
        });
        let Some(grant) = grant else {
            let error = json!({"error": "invalid_grant", "error_description": "used\r\nbefore"});
            return answer(StatusCode::BAD_REQUEST, error.to_string());
        };
        let mut answered = json!({
            "access_token": "an-access-token", "token_type": "Bearer", "expires_in": 60,
            "id_token": self.id_token(issuer, keys, &grant.nonce),
        });
        (self.answer)(&mut answered);
        answer(StatusCode::OK, answered.to_string())
    }

    fn id_token(&self, issuer: &str, keys: &Keys, nonce: &str) -> String {
        let algorithm = match self.signs {
            Signs::Es256 | Signs::Forger => "ES256",
            Signs::Rs256 => "RS256",
            Signs::None => "none",
            Signs::PublicKeyAsSecret | Signs::ClientSecret => "HS256",
        };
        let mut header = json!({"alg": algorithm, "typ": "JWT", "kid": self.kid});
        let mut claims = json!({
            "iss": issuer, "sub": SUBJECT, "aud": CLIENT, "nonce": nonce,
            "iat": self.now_s, "exp": self.now_s + 60,
            "email": "jane@example.org", "email_verified": true, "name": "Jane",
            "groups": ["staff", "door-admins"],
        });
        (self.header)(&mut header);
        (self.claims)(&mut claims);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.signature(keys, text.as_bytes());
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, keys: &Keys, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let with = |key: &EcdsaKeyPair| key.sign(&random, text).unwrap().as_ref().to_vec();
        let mac = |secret: &[u8]| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text).as_ref().to_vec()
        };
        match self.signs {
            Signs::Es256 => with(&keys.ec),
            Signs::Forger => with(&keys.other),
            Signs::Rs256 => {
                let mut signature = vec![0; keys.rsa.public_modulus_len()];
                keys.rsa.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).unwrap();
                signature
            }
            Signs::None => Vec::new(),
            Signs::PublicKeyAsSecret => mac(keys.ec.public_key().as_ref()),
            Signs::ClientSecret => mac(SECRET.as_bytes()),
        }
    }

    fn key_set(&self, keys: &Keys) -> String {
        let (x, y) = keys.ec.public_key().as_ref()[1..].split_at(32);
        // RSAPublicKey (RFC 8017) of 2,048 bits: the modulus lies after nine bytes.
        let modulus = &keys.rsa.public_key().as_ref()[9..265];
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let set = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": text(x), "y": text(y)},
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": text(modulus), "e": "AQAB"},
        ]});
        set.to_string()
    }
}

async fn serve(listener: TcpListener, issuer: String, says: Arc<Mutex<Says>>, keys: Arc<Keys>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (issuer, says, keys) = (issuer.clone(), Arc::clone(&says), Arc::clone(&keys));
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                respond(request, issuer.clone(), Arc::clone(&says), Arc::clone(&keys))
            });
            let connection = hyper::server::conn::http1::Builder::new();
            let _ = connection.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(
    request: Request<Incoming>,
    issuer: String,
    says: Arc<Mutex<Says>>,
    keys: Arc<Keys>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    #[expect(clippy::disallowed_methods, reason = "bounded")]
    let body = Limited::new(body, 65_536).collect().await.unwrap().to_bytes();
    let hangs = {
        let mut says = says.lock().unwrap();
        says.asked.push(head.uri.path().to_owned());
        says.hangs
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    let client = head.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    let mut says = says.lock().unwrap();
    Ok(match head.uri.path() {
        "/.well-known/openid-configuration" if says.redirects => {
            let mut moved = answer(StatusCode::FOUND, String::new());
            let to = format!("{issuer}/elsewhere").parse().unwrap();
            moved.headers_mut().insert("location", to);
            moved
        }
        "/.well-known/openid-configuration" => answer(StatusCode::OK, says.metadata(&issuer)),
        "/elsewhere" => answer(StatusCode::OK, says.metadata(&issuer)),
        "/jwks" => answer(StatusCode::OK, says.key_set(&keys)),
        "/token" => says.token(&issuer, &keys, std::str::from_utf8(&body).unwrap(), client),
        "/userinfo" if client == "Bearer an-access-token" => {
            answer(StatusCode::OK, says.user_info.to_string())
        }
        _ => answer(StatusCode::NOT_FOUND, String::new()),
    })
}

fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Full::new(Bytes::from(body))).unwrap()
}

/// Of a query or a form. An unnamed one is empty.
fn parameters(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::from([("code_verifier".to_owned(), String::new())]);
    found.extend(text.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        Some((name.to_owned(), decoded(value)))
    }));
    found
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(bytes).unwrap()
}
