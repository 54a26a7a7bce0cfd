//! Sign-in at another identity provider: OpenID Connect Core 1.0, the
//! authorization code flow with PKCE (RFC 7636), state, nonce, and the issuer in
//! the answer (RFC 9207).
//!
//! A provider is believed in what it signs, and in nothing else: the issuer is
//! compared as text, the token's algorithm must be asymmetric, its audience is
//! this client alone. Keys are fetched anew when a token names one that is not
//! known, at most once a minute. The client that fetches follows no redirect,
//! reads bounded answers, and speaks in clear to this machine only.

mod claims;
mod fetch;
mod known;
mod provider;
mod types;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Class;
use surgewall_core::role::Role;
use surgewall_core::secret::SecretString;

pub use claims::{GROUPS_MAX, Grant};
pub use fetch::{REQUEST_MAX, RESPONSE_BYTES_MAX};
pub use provider::Provider;

/// How long somebody may stay at the provider.
pub const FLOW_MAX: Duration = Duration::from_secs(10 * 60);
/// How long a provider's metadata and keys hold.
pub const METADATA_MAX_AGE: Duration = Duration::from_secs(3_600);
/// Between two fetches of the keys because of a key that is not known.
pub const KEYS_AGE_MIN: Duration = Duration::from_secs(60);
/// A provider that did not answer is not asked again for so long.
pub const FAILURE_KEPT: Duration = Duration::from_secs(5);
/// How old a token may be, and how far the provider's clock may be ahead.
pub const TOKEN_AGE_MAX: Duration = Duration::from_secs(10 * 60);
/// Bytes of a parameter of the callback.
pub const PARAMETER_BYTES_MAX: usize = 4_096;

/// One provider, as configured.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// What the door calls it, in addresses and logs.
    pub name: String,
    /// Its issuer, exactly as it writes it.
    pub issuer: String,
    /// This client's id there.
    pub client_id: String,
    /// Its secret; `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// Scopes beside `openid`: usually `email` and `profile`.
    pub scopes: Vec<String>,
    /// Domains that are let in; empty lets in all.
    pub domains: Vec<String>,
    /// Groups of which one lets in; empty lets in all.
    pub groups_any: Vec<String>,
    /// The claim that holds the groups; a dot goes into an object.
    pub groups_claim: String,
    /// What groups are given here.
    pub grants: Vec<Grant>,
    /// The only authorities to trust for its certificate, in PEM; `None` is the public ones.
    pub authority: Option<Vec<u8>>,
}

/// What did not work. The text is for the person; [`OidcError::why`] for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// The configuration makes no provider.
    #[error("Signing in this way is not set up here.")]
    Setup(String),
    /// The provider did not answer, or not as one.
    #[error("The sign-in service could not be reached. Please try again in a moment.")]
    Unreachable(String),
    /// It took too long.
    #[error("This took too long. Please start again.")]
    Expired,
    /// The person, or the provider, said no.
    #[error("The sign-in was cancelled.")]
    Denied(String),
    /// What came back belongs to no sign-in that was begun here.
    #[error("This sign-in was not begun here, or was already used. Please start again.")]
    Mismatch(String),
    /// The provider's word does not hold.
    #[error("The sign-in service's answer was not accepted. Please try again.")]
    Refused(String),
    /// It holds, and the person is not let in.
    #[error("This account may not sign in here. Please ask whoever runs this service.")]
    NotAllowed(String),
}

impl OidcError {
    /// What happened, for a log: no token, no code, no line breaks.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Setup(why)
            | Self::Unreachable(why)
            | Self::Denied(why)
            | Self::Mismatch(why)
            | Self::Refused(why)
            | Self::NotAllowed(why) => why,
            Self::Expired => "the flow expired",
        }
    }
}

/// A trip to the provider, as the server keeps it, for one use: sealed, or in memory.
#[derive(Clone, Serialize, Deserialize)]
pub struct Flow {
    issuer: String,
    redirect_uri: String,
    state: String,
    nonce: String,
    verifier: String,
    expires_at: Timestamp,
}

impl Flow {
    /// What names the flow in the callback's address. It must also belong to the
    /// browser: keep the flow under a cookie of it, or compare with one.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.state
    }

    /// From when on it can be forgotten.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}
impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a flow to {} until {}", self.issuer, self.expires_at)
    }
}

/// The parameters with which the browser came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Callback<'a> {
    /// `state`.
    pub state: &'a str,
    /// `code`.
    pub code: Option<&'a str>,
    /// `iss`.
    pub iss: Option<&'a str>,
    /// `error`.
    pub error: Option<&'a str>,
}

/// Who it is, in the provider's words and in this door's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The issuer: with the subject, what an account is found by. Never by the e-mail alone.
    pub issuer: String,
    /// The person, to the issuer.
    pub subject: String,
    /// Only if the issuer says that it verified it.
    pub email: Option<String>,
    /// What they are called.
    pub name: Option<String>,
    /// Their groups there.
    pub groups: Vec<String>,
    /// What the configuration grants: a role here.
    pub role: Option<Role>,
    /// A group here.
    pub group: Option<String>,
    /// A class here.
    pub class: Option<Class>,
}
