//! What was wrong with a credential, and how an upstream failed.

/// What was wrong with a credential. The stranger learns only that it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Not a known form, or a wrong checksum.
    #[error("malformed")]
    Malformed,
    /// Nobody's.
    #[error("unknown")]
    Unknown,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// It was revoked.
    #[error("revoked")]
    Revoked,
    /// Its account is suspended.
    #[error("account suspended")]
    Suspended,
    /// A token whose signature, issuer, audience or times do not hold.
    #[error("token does not verify")]
    Token,
    /// A token that names a group or a class which the door does not have.
    #[error("token names a group or class that does not exist")]
    Claim,
    /// Too many slow comparisons wait: nothing is known about it yet.
    #[error("not compared: too many slow comparisons wait")]
    Busy,
}

/// How an upstream failed before the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UpstreamFault {
    /// No connection within `connect_timeout_ms`, or refused.
    #[error("no connection")]
    Connect,
    /// No first token within `first_token_timeout_s`.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("connection broke")]
    Broke,
    /// It answered with a redirect, which the door never follows.
    #[error("redirect")]
    Redirect,
    /// It refused the door's own credential.
    #[error("refused the door's credential")]
    Credential,
    /// It said that it is overloaded or that the door asks too much.
    #[error("overloaded")]
    Overloaded,
    /// It answered 5xx.
    #[error("server error")]
    ServerError,
    /// Its answer is not of its dialect, or too large.
    #[error("not an answer of its dialect")]
    Garbage,
}

impl UpstreamFault {
    /// The word in metrics and in traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Broke => "broke",
            Self::Redirect => "redirect",
            Self::Credential => "credential",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Garbage => "garbage",
        }
    }
}
