//! `[accounts]`: people and keys, and how long who signed in stays so.

use std::path::PathBuf;

use serde::Deserialize;

use super::oidc::OidcProvider;
use crate::principal::Class;

/// `[accounts]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// May people without a key or session use the upstreams' models?
    pub anonymous: bool,
    /// Seconds that an answer of the chat goes on while nobody watches it.
    pub job_detached_s_max: u64,
    /// A header in which delegating keys may name their end user.
    pub delegated_header: Option<String>,
    /// Issuers whose tokens are accepted as credentials.
    pub jwt: Vec<JwtIssuer>,
    /// Identity providers that people may sign in with.
    pub oidc: Vec<OidcProvider>,
    /// Hours without a request after which a session ends.
    pub session_idle_h: u32,
    /// Hours after which a session ends in any case.
    pub session_h_max: u32,
    /// The same for sessions on the admin listener.
    pub admin_session_idle_h: u32,
    /// The same for sessions on the admin listener.
    pub admin_session_h_max: u32,
}

impl Default for Accounts {
    fn default() -> Self {
        Self {
            anonymous: false,
            job_detached_s_max: 600,
            delegated_header: None,
            jwt: Vec::new(),
            oidc: Vec::new(),
            session_idle_h: 30 * 24,
            session_h_max: 90 * 24,
            admin_session_idle_h: 1,
            admin_session_h_max: 12,
        }
    }
}

/// `[[accounts.jwt]]`: tokens of another system, accepted as they are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtIssuer {
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// The issuer's public keys, as a JWKS file.
    pub jwks_file: PathBuf,
    /// The claim that names the account.
    #[serde(default = "sub")]
    pub account_claim: String,
    /// The claim that names the group, if any.
    #[serde(default)]
    pub group_claim: Option<String>,
    /// The claim that names the class, if any.
    #[serde(default)]
    pub class_claim: Option<String>,
    /// The class of new accounts that come this way, unless a claim names it.
    #[serde(default = "verified")]
    pub class: Class,
}

fn sub() -> String {
    "sub".to_owned()
}
const fn verified() -> Class {
    Class::Verified
}
