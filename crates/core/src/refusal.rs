//! Every way the door says no, and the one table of what the stranger is told.
//!
//! A [`Refusal`] carries what the operator needs; [`Refusal::row`] gives status,
//! code, metric label and log level; [`Refusal::public_text`] gives the words
//! for the stranger. The match is exhaustive: a new refusal without a row does
//! not compile.

mod fault;

use std::time::Duration;

use crate::data::ClassSet;
use crate::quota::Meter;

pub use fault::{CredentialFault, UpstreamFault};

/// Work that a stranger may do to come sooner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What the work is bound to.
    pub challenge: String,
    /// Hashes that are worth doing now.
    pub effort: u32,
}

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The Host header names something that this listener is not.
    #[error("the host header is not a name of this listener")]
    HostNotAllowed,
    /// No such route.
    #[error("no route for this path")]
    RouteUnknown,
    /// The route exists, for another method.
    #[error("method not allowed on this route")]
    MethodNotAllowed,
    /// The body is longer than `limits.body_bytes_max`.
    #[error("body longer than {bytes_max} bytes")]
    BodyTooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The body did not arrive within `limits.body_read_s`.
    #[error("body did not arrive within {seconds} s")]
    BodyTimeout {
        /// The limit.
        seconds: u64,
    },
    /// The body could not be read to its end.
    #[error("body broke off")]
    BodyBroken,
    /// The body is not what the dialect asks for.
    #[error("invalid request: {reason}")]
    InvalidRequest {
        /// What is wrong, in words that hold nothing of the body.
        reason: String,
        /// The parameter it is about.
        param: Option<String>,
    },
    /// A parameter that the door does not support.
    #[error("unsupported parameter {param}: {reason}")]
    UnsupportedParameter {
        /// The parameter.
        param: String,
        /// Why.
        reason: String,
    },
    /// Two credentials that name different principals.
    #[error("two credentials that differ")]
    CredentialsConflict,
    /// A credential is needed and there is none.
    #[error("no credential")]
    CredentialMissing,
    /// The credential is not known, malformed, expired, revoked or suspended.
    #[error("credential refused: {why}")]
    CredentialInvalid {
        /// Which of these it is: for the operator.
        why: CredentialFault,
    },
    /// The principal may not do this.
    #[error("not permitted: {what}")]
    NotPermitted {
        /// What is outside its scopes: `model`, `route` or `network`.
        what: &'static str,
    },
    /// A request that changes something and does not come from our own page.
    #[error("not from a page of this listener")]
    CrossSite,
    /// A page's call needs a session.
    #[error("no session")]
    SignInNeeded,
    /// This caller has no such thing; whether somebody else has is not told.
    #[error("no such {what} of this caller")]
    NotFound {
        /// What, for example `conversation`.
        what: &'static str,
    },
    /// There are as many as there may be.
    #[error("{whose} has {most} {what}")]
    Full {
        /// Whose limit, for example `an account`.
        whose: &'static str,
        /// The limit.
        most: u64,
        /// Of what.
        what: &'static str,
    },
    /// No upstream serves this model, or the caller may not know of it.
    #[error("no such model for this caller")]
    ModelUnknown,
    /// A residency rule keeps the request from every server of the model.
    #[error("rule `{rule}` keeps it from every upstream of this model")]
    Residency {
        /// The rule, as configured.
        rule: String,
        /// What was found in the request that the rule is about; none where it is
        /// about who asks.
        found: ClassSet,
    },
    /// An availability rule says that the service is not offered where the caller is.
    #[error("rule `{rule}`: not offered in the caller's region")]
    NotOffered {
        /// The rule, as configured.
        rule: String,
        /// Why, in the operator's words for strangers.
        reason: Option<String>,
    },
    /// A rule of the operator bars every server of the model.
    #[error("rule `{rule}` bars every upstream of this model")]
    Barred {
        /// The rule.
        rule: String,
        /// What was found in the request that the rule is about; none where it is
        /// about who asks, or about everybody.
        found: ClassSet,
    },
    /// A quota is used up.
    #[error("{scope} limit on {meter:?} reached: {max} per {window_s} s")]
    QuotaExceeded {
        /// Whose limit: `class`, `group`, `account`, `key`, `user`, `network`.
        scope: &'static str,
        /// What is counted.
        meter: Meter,
        /// The limit.
        max: u64,
        /// The window in seconds; 0 for concurrency.
        window_s: u64,
        /// When it would fit again; `None` if it never can.
        retry_after: Option<Duration>,
    },
    /// Too many anonymous requests of one network at once.
    #[error("network has {max} anonymous requests in flight")]
    NetworkBusy {
        /// The limit.
        max: u32,
    },
    /// The request would wait longer than its class may, or there is no room to let it wait.
    #[error("overloaded: {why}")]
    Overloaded {
        /// What is short, in the operator's words.
        why: String,
        /// The wait that was predicted, in seconds.
        wait_s: u64,
        /// When it is worth asking again.
        retry_after: Duration,
        /// What a stranger may do to come sooner.
        offer: Option<Offer>,
    },
    /// The client reads its stream more slowly than it is made, and somebody waits for the place.
    #[error("read {behind_s} s behind the model, and others wait")]
    SlowReader {
        /// How far behind it is, in seconds.
        behind_s: u64,
    },
    /// The pool can do less than what runs there, and somebody more trusted waits: it was ended.
    #[error("shed: {why}")]
    Shed {
        /// How much runs and who waits, in the operator's words.
        why: String,
        /// When it is worth asking again.
        retry_after: Duration,
    },
    /// Every server of the model's pools is down or ejected.
    #[error("no upstream is available: {why}")]
    PoolUnavailable {
        /// What each one said, for the operator.
        why: String,
    },
    /// The upstream was called and gave no usable answer before the first byte.
    #[error("upstream failed: {why}")]
    UpstreamFailed {
        /// How, for the operator.
        why: UpstreamFault,
    },
    /// The upstream's stream broke off after its first byte.
    #[error("stream broke: {why}")]
    StreamBroke {
        /// How, for the operator.
        why: UpstreamFault,
    },
    /// The upstream refused the request itself; its words are passed on.
    #[error("upstream answered {status}")]
    UpstreamRejected {
        /// Its status, 400 to 499.
        status: u16,
        /// Its message, cut and in the client's dialect.
        message: String,
        /// Its code, if it gave one.
        code: Option<String>,
    },
    /// The ledger cannot be written: a full disk, for example.
    #[error("ledger cannot be written: {why}")]
    LedgerUnavailable {
        /// What the system said.
        why: String,
    },
    /// The door is stopping.
    #[error("draining")]
    Draining,
    /// A bug: a panic, or a state that should not be.
    #[error("internal: {why}")]
    Internal {
        /// What is known.
        why: String,
    },
}

/// One row of the table: what a refusal means in HTTP, metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The status in OpenAI's dialect.
    pub status: u16,
    /// The status in Anthropic's dialect.
    pub status_anthropic: u16,
    /// OpenAI's `error.type`.
    pub kind_openai: &'static str,
    /// Anthropic's `error.type`.
    pub kind_anthropic: &'static str,
    /// The stable code, in every dialect, in metrics and in the ledger.
    pub code: &'static str,
    /// How loud the log is.
    pub level: Level,
}

/// How loud a refusal is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The caller's own doing.
    Debug,
    /// Worth a line.
    Info,
    /// An operator should look.
    Warn,
    /// A bug or a loss.
    Error,
}

const fn row(
    status: u16,
    kind_openai: &'static str,
    kind_anthropic: &'static str,
    code: &'static str,
    level: Level,
) -> Row {
    // Anthropic's overload is 529; every other status is the same in both dialects.
    let status_anthropic = if status == 503 { 529 } else { status };
    Row { status, status_anthropic, kind_openai, kind_anthropic, code, level }
}

const INVALID: &str = "invalid_request_error";
/// Who it is has to be shown first, in both dialects.
const SIGN_IN: &str = "authentication_error";
const PERMISSION: &str = "permission_error";
/// How a key is sent.
const KEY_NEEDED: &str =
    "A key is needed: send it as `Authorization: Bearer KEY` or `x-api-key: KEY`.";

/// What a page says whose form did not come from one of ours.
const CROSS_SITE: &str =
    "This request did not come from a page of this service. Open the page anew and try again.";
/// What a rule of availability says where the operator gave no words.
const NOT_OFFERED: &str = "The service is not offered in your region.";

impl Refusal {
    /// Status, code, metric label and log level.
    #[must_use]
    pub const fn row(&self) -> Row {
        use Level::{Debug, Error, Info, Warn};
        match self {
            Self::HostNotAllowed => row(421, INVALID, INVALID, "host_not_allowed", Info),
            Self::RouteUnknown => row(404, INVALID, "not_found_error", "route_unknown", Debug),
            Self::MethodNotAllowed => row(405, INVALID, INVALID, "method_not_allowed", Debug),
            Self::BodyTooLarge { .. } => {
                row(413, INVALID, "request_too_large", "body_too_large", Debug)
            }
            Self::BodyTimeout { .. } => row(408, INVALID, INVALID, "body_timeout", Debug),
            Self::BodyBroken => row(400, INVALID, INVALID, "body_broken", Debug),
            Self::InvalidRequest { .. } => row(400, INVALID, INVALID, "invalid_request", Debug),
            Self::UnsupportedParameter { .. } => {
                row(400, INVALID, INVALID, "unsupported_parameter", Debug)
            }
            Self::CredentialsConflict => row(400, INVALID, INVALID, "credentials_conflict", Info),
            Self::CredentialMissing => row(401, SIGN_IN, SIGN_IN, "credential_missing", Debug),
            Self::CredentialInvalid { why: CredentialFault::Busy } => {
                row(503, "server_error", "overloaded_error", "credential_busy", Warn)
            }
            Self::CredentialInvalid { .. } => row(401, SIGN_IN, SIGN_IN, "invalid_api_key", Info),
            Self::NotPermitted { .. } => row(403, PERMISSION, PERMISSION, "not_permitted", Info),
            Self::CrossSite => row(403, PERMISSION, PERMISSION, "cross_site", Info),
            Self::SignInNeeded => row(401, SIGN_IN, SIGN_IN, "sign_in_needed", Debug),
            Self::NotFound { .. } => row(404, INVALID, "not_found_error", "not_found", Debug),
            Self::Full { .. } => row(409, INVALID, INVALID, "full", Debug),
            Self::ModelUnknown => row(404, INVALID, "not_found_error", "model_not_found", Debug),
            // Not 451: that is for what the law demands to withhold (RFC 7725). This is the
            // operator's own policy, and 403 is what clients know as final.
            Self::Residency { .. } => row(403, PERMISSION, PERMISSION, "residency", Info),
            Self::NotOffered { .. } => row(403, PERMISSION, PERMISSION, "not_offered_here", Info),
            Self::Barred { .. } => row(403, PERMISSION, PERMISSION, "barred", Info),
            Self::QuotaExceeded { .. } => {
                row(429, "rate_limit_error", "rate_limit_error", "quota_exceeded", Info)
            }
            Self::NetworkBusy { .. } => {
                row(429, "rate_limit_error", "rate_limit_error", "network_busy", Info)
            }
            Self::Overloaded { .. } => {
                row(503, "server_error", "overloaded_error", "overloaded", Info)
            }
            Self::SlowReader { .. } => row(408, INVALID, INVALID, "slow_reader", Info),
            Self::Shed { .. } => row(503, "server_error", "overloaded_error", "shed", Warn),
            Self::PoolUnavailable { .. } => {
                row(503, "server_error", "overloaded_error", "upstream_unavailable", Warn)
            }
            Self::UpstreamFailed { why } | Self::StreamBroke { why } => upstream_row(*why),
            // An error in mid-stream: the upstream's words, under the row of its failure.
            Self::UpstreamRejected { status, .. } if *status >= 500 => {
                upstream_row(UpstreamFault::ServerError)
            }
            Self::UpstreamRejected { status, .. } => {
                row(*status, INVALID, INVALID, "upstream_rejected", Info)
            }
            Self::LedgerUnavailable { .. } => {
                row(503, "server_error", "overloaded_error", "storage_unavailable", Error)
            }
            Self::Draining => row(503, "server_error", "overloaded_error", "draining", Info),
            Self::Internal { .. } => row(500, "server_error", "api_error", "internal_error", Error),
        }
    }

    /// The words for the stranger: what happened and what they can do, nothing
    /// about the door's insides.
    #[must_use]
    pub fn public_text(&self) -> String {
        match self {
            Self::HostNotAllowed => "This server does not answer under that host name.".into(),
            Self::RouteUnknown => {
                "There is nothing at this path. See /openapi.json for what there is.".into()
            }
            Self::MethodNotAllowed => "This path does not take that method.".into(),
            Self::BodyTooLarge { bytes_max } => {
                format!("The request body is larger than {bytes_max} bytes.")
            }
            Self::BodyTimeout { seconds } => {
                format!("The request body did not arrive within {seconds} seconds.")
            }
            Self::BodyBroken => "The request body broke off before its end.".into(),
            Self::InvalidRequest { reason, param } => invalid_text(reason, param.as_deref()),
            Self::UnsupportedParameter { param, reason } => {
                format!("The parameter `{param}` is not supported: {reason}.")
            }
            Self::CredentialsConflict => {
                "The request carries two credentials that differ. Send one.".into()
            }
            Self::CredentialMissing => KEY_NEEDED.into(),
            Self::CredentialInvalid { why: CredentialFault::Busy } => {
                "Too many keys are being checked now. Try again in a moment.".into()
            }
            Self::CredentialInvalid { .. } => {
                "The key was not accepted: it is unknown, expired or revoked.".into()
            }
            Self::NotPermitted { what } => format!("This key may not use this {what}."),
            Self::CrossSite => CROSS_SITE.into(),
            Self::SignInNeeded => "Sign in first.".into(),
            Self::NotFound { what } => format!("There is no such {what}."),
            Self::Full { whose, most, what } => {
                format!("{} may have {most} {what}.", capital(whose))
            }
            Self::ModelUnknown => "There is no such model for this key. See /v1/models.".into(),
            Self::Residency { found, .. } => residency_text(*found),
            Self::NotOffered { reason, .. } => reason.clone().unwrap_or_else(|| NOT_OFFERED.into()),
            Self::Barred { found, .. } => barred_text(*found),
            Self::QuotaExceeded { .. } => self.quota_text(),
            Self::NetworkBusy { max } => format!(
                "Your network has {max} requests without a key in flight. Wait for one to end, or use a key."
            ),
            Self::Overloaded { wait_s, .. } => format!(
                "More is asked of the service than it can do: you would wait about {wait_s} seconds. Try again after the time in Retry-After."
            ),
            Self::SlowReader { .. } => {
                "The answer was read more slowly than the model made it, and others waited for its place. What was delivered counts; the rest does not.".into()
            }
            Self::Shed { retry_after, .. } => shed_text(*retry_after),
            Self::PoolUnavailable { .. } => {
                "No server for this model is available now. Try again later.".into()
            }
            Self::UpstreamFailed { .. } => {
                "The model's server gave no usable answer. Try again; nothing was charged.".into()
            }
            Self::StreamBroke { .. } => {
                "The model's server broke off. What was delivered counts; the rest does not.".into()
            }
            Self::UpstreamRejected { message, .. } => message.clone(),
            Self::LedgerUnavailable { .. } => {
                "The service cannot record requests now, so it takes none. Try again later.".into()
            }
            Self::Draining => "The service is restarting. Try again in a moment.".into(),
            Self::Internal { .. } => {
                "Something went wrong on our side. The operator can find it by the request id."
                    .into()
            }
        }
    }

    fn quota_text(&self) -> String {
        let Self::QuotaExceeded { scope, meter, max, window_s, retry_after } = self else {
            return String::new();
        };
        let whose = match *scope {
            "class" => "everybody of your class together",
            "group" => "your group",
            "account" => "your account",
            "user" => "this end user",
            "network" => "your network",
            _ => "this key",
        };
        let what = match meter {
            Meter::Requests => "requests",
            Meter::InputTokens => "input tokens",
            Meter::OutputTokens => "output tokens",
            Meter::TotalTokens => "tokens",
            Meter::Money => "nano-units of money",
            Meter::Concurrency => {
                return format!("{} may have {max} requests in flight at once.", capital(whose));
            }
        };
        let amount = if *meter == Meter::Money {
            let nanos = i64::try_from(*max).unwrap_or(i64::MAX);
            format!("a budget of {}", crate::money::Money::from_nanos(nanos))
        } else {
            format!("{max} {what}")
        };
        let window = crate::quota::show_window(*window_s);
        let then = if retry_after.is_some() {
            "See Retry-After."
        } else {
            "This request alone asks for more than that: lower max_tokens."
        };
        format!(
            "{} has {amount} per {window}, and this request does not fit. {then}",
            capital(whose)
        )
    }

    /// The parameter the refusal is about, for dialects that name it.
    #[must_use]
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::InvalidRequest { param, .. } => param.as_deref(),
            Self::UnsupportedParameter { param, .. } => Some(param),
            Self::ModelUnknown => Some("model"),
            _ => None,
        }
    }

    /// The configured rule that refused, for the record.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        match self {
            Self::Residency { rule, .. }
            | Self::NotOffered { rule, .. }
            | Self::Barred { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// How long to wait before the same request can succeed, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QuotaExceeded { retry_after, .. } => *retry_after,
            Self::Overloaded { retry_after, .. } | Self::Shed { retry_after, .. } => {
                Some(*retry_after)
            }
            Self::NetworkBusy { .. }
            | Self::Draining
            | Self::CredentialInvalid { why: CredentialFault::Busy } => {
                Some(Duration::from_secs(1))
            }
            Self::PoolUnavailable { .. } | Self::LedgerUnavailable { .. } => {
                Some(Duration::from_secs(5))
            }
            Self::UpstreamFailed { why: UpstreamFault::Overloaded } => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}

fn invalid_text(reason: &str, param: Option<&str>) -> String {
    let param = param.map_or_else(String::new, |param| format!("`{param}`: "));
    format!("The request is not valid: {param}{reason}.")
}

fn shed_text(retry_after: Duration) -> String {
    format!(
        "The service can do less than a moment ago, and ended this answer. What was delivered counts; the rest does not. Try again in about {} seconds.",
        retry_after.as_secs().max(1)
    )
}

fn residency_text(found: ClassSet) -> String {
    if found.is_empty() {
        return "Your requests may go to certain regions only, and no server of this model is there. Use another model.".into();
    }
    format!(
        "The request holds data that may go to certain regions only ({found}), and no server of this model is there. Use another model, or leave that data out."
    )
}

fn barred_text(found: ClassSet) -> String {
    if found.is_empty() {
        return "The operator sends no requests to the servers of this model for now. Use another model.".into();
    }
    format!(
        "The request holds data that the operator does not send to the servers of this model ({found}). Use another model, or leave that data out."
    )
}

const fn upstream_row(why: UpstreamFault) -> Row {
    const SERVER: &str = "server_error";
    match why {
        UpstreamFault::Timeout => row(504, SERVER, "api_error", "upstream_timeout", Level::Warn),
        UpstreamFault::Overloaded => {
            row(503, SERVER, "overloaded_error", "upstream_overloaded", Level::Warn)
        }
        UpstreamFault::Connect
        | UpstreamFault::Broke
        | UpstreamFault::Redirect
        | UpstreamFault::Credential
        | UpstreamFault::ServerError
        | UpstreamFault::Garbage => row(502, SERVER, "api_error", "upstream_failed", Level::Warn),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

#[cfg(test)]
mod tests;
