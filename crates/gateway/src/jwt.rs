//! Tokens of other systems, accepted as they are (RFC 7519, RFC 8725).
//!
//! The algorithm comes from the issuer's key, never from the token alone: a
//! token that names `none`, or a symmetric algorithm, verifies under no key.

use std::path::PathBuf;
use std::str::FromStr as _;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use surgewall_core::config::schema::JwtIssuer;
use surgewall_core::files;
use surgewall_core::limits::CREDENTIAL_FILE_BYTES_MAX;
use surgewall_core::principal::Class;
use surgewall_core::refusal::CredentialFault;

use crate::accounts::Written;

/// Clocks of two systems may differ by this much, in seconds.
const LEEWAY_S: u64 = 30;
/// A claim that names an account or a group, in bytes.
const CLAIM_BYTES_MAX: usize = 256;
/// What a public key may sign with.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The configured issuers with their keys.
#[derive(Default)]
pub struct Issuers {
    issuers: Vec<Issuer>,
    /// Accounts that a token's claims changed lately.
    pub(crate) written: Written,
}

struct Issuer {
    config: JwtIssuer,
    keys: Vec<Key>,
}

struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// An issuer that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwtError {
    /// The key set cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no key set.
    #[error("{} is no JSON Web Key Set: {why}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The set holds no public key that can verify a signature.
    #[error("{} holds no public key that verifies signatures", .0.display())]
    NoKey(PathBuf),
}

/// Who a token speaks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The issuer.
    pub issuer: String,
    /// The account, in the issuer's words.
    pub subject: String,
    /// The group, if the issuer names one.
    pub group: Option<String>,
    /// The class, if the issuer names one, in its words.
    pub claimed: Option<String>,
    /// The class that the configuration gives to the issuer's new accounts.
    pub class: Class,
}

/// Whether `text` has the form of a signed token.
#[must_use]
pub fn looks_like_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Issuers {
    /// Reads the key sets of `issuers`.
    ///
    /// # Errors
    /// A set that cannot be read or holds no usable key.
    pub fn new(issuers: &[JwtIssuer]) -> Result<Self, JwtError> {
        let issuers = issuers.iter().map(Issuer::read).collect::<Result<_, _>>()?;
        Ok(Self { issuers, written: Written::default() })
    }

    /// Who `token` speaks for.
    ///
    /// # Errors
    /// No issuer's key verifies it, or its issuer, audience or times do not hold.
    pub fn verify(&self, token: &str) -> Result<Bearer, CredentialFault> {
        let header = decode_header(token).map_err(|_| CredentialFault::Token)?;
        let named = |key: &&Key| header.kid.is_none() || key.id.is_none() || key.id == header.kid;
        for issuer in &self.issuers {
            let fitting = issuer.keys.iter().filter(|key| key.algorithms.contains(&header.alg));
            for key in fitting.filter(named) {
                if let Some(bearer) = issuer.verify(token, key, header.alg) {
                    return Ok(bearer);
                }
            }
        }
        Err(CredentialFault::Token)
    }
}

impl Issuer {
    fn read(config: &JwtIssuer) -> Result<Self, JwtError> {
        let path = config.jwks_file.clone();
        let bytes = files::read_bounded(&path, CREDENTIAL_FILE_BYTES_MAX)
            .map_err(|source| JwtError::Read { path: path.clone(), source })?;
        let set: JwkSet = serde_json::from_slice(&bytes)
            .map_err(|error| JwtError::Form { path: path.clone(), why: error.to_string() })?;
        let keys: Vec<Key> = set.keys.iter().filter_map(Key::new).collect();
        if keys.is_empty() {
            Err(JwtError::NoKey(path))
        } else {
            Ok(Self { config: config.clone(), keys })
        }
    }

    fn verify(&self, token: &str, key: &Key, algorithm: Algorithm) -> Option<Bearer> {
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[&self.config.audience]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_S;
        let claims = decode::<Map<String, Value>>(token, &key.decoding, &validation).ok()?.claims;
        let named = |name: &Option<String>| name.as_deref().and_then(|name| claim(&claims, name));
        Some(Bearer {
            issuer: self.config.issuer.clone(),
            subject: claim(&claims, &self.config.account_claim)?,
            group: named(&self.config.group_claim),
            claimed: named(&self.config.class_claim),
            class: self.config.class,
        })
    }
}

fn claim(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text = claims.get(name)?.as_str()?;
    (!text.is_empty() && text.len() <= CLAIM_BYTES_MAX).then(|| text.to_owned())
}

impl Key {
    fn new(jwk: &Jwk) -> Option<Self> {
        let decoding = DecodingKey::from_jwk(jwk).ok()?;
        let named = jwk.common.key_algorithm.map(|name| Algorithm::from_str(&name.to_string()));
        let algorithms = match named {
            Some(Ok(algorithm)) if ALGORITHMS.contains(&algorithm) => vec![algorithm],
            Some(_) => return None,
            None => decoding
                .family()
                .algorithms()
                .iter()
                .copied()
                .filter(|a| ALGORITHMS.contains(a))
                .collect(),
        };
        (!algorithms.is_empty()).then(|| Self {
            id: jwk.common.key_id.clone(),
            algorithms,
            decoding,
        })
    }
}
