//! What a look at a provider says: one page.

use serde::Serialize;
use surgewall_core::finding::Finding;

/// Whether a route lets strangers in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Guard {
    /// It answered what needs a key.
    #[serde(rename = "open")]
    Open,
    /// It asks for a key, or refuses.
    #[serde(rename = "auth required")]
    Required,
    /// It looked into the request first, and may ask for a key later or never.
    #[serde(rename = "auth late or never")]
    Late,
    /// It is not there.
    #[serde(rename = "not there")]
    Absent,
    /// It could not be told.
    #[serde(rename = "unknown")]
    Unknown,
}

impl Guard {
    /// The words shown to people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Required => "auth required",
            Self::Late => "auth late or never",
            Self::Absent => "not there",
            Self::Unknown => "unknown",
        }
    }
}

/// One route that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Asked {
    /// Method and path.
    pub route: &'static str,
    /// Whether it lets strangers in.
    pub outcome: Guard,
    /// What was seen, in one sentence.
    pub evidence: &'static str,
}

/// What was seen of TLS.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tls {
    /// Whether it is spoken at all.
    pub spoken: bool,
    /// What is wrong with the certificate, in words that go on after "its
    /// certificate"; nothing where it is fit, or was not seen.
    pub unfit: Option<&'static str>,
    /// `1.2` or `1.3`: the highest that both sides know.
    pub version: Option<&'static str>,
    /// Whether browsers are told to come by TLS alone (RFC 6797).
    pub strict: bool,
}

/// What the configuration declares of the provider.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Declared {
    /// The upstream's name.
    pub upstream: String,
    /// Whose service it is.
    pub provider: Option<String>,
    /// The legal entity that receives the data.
    pub legal_entity: Option<String>,
    /// Where its servers are.
    pub region: Option<String>,
    /// Days that prompts and answers are kept there.
    pub retention_days: Option<u32>,
    /// Whether models are trained on them: `yes` or `no`.
    pub trains_on_data: Option<&'static str>,
    /// Where its terms were read.
    pub terms_source: Option<String>,
    /// When, `YYYY-MM-DD`.
    pub terms_date: Option<String>,
}

/// One page about a provider.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// Its address.
    pub provider: String,
    /// Requests that it was sent.
    pub requests: u8,
    /// Whether it answered at all.
    pub answered: bool,
    /// The address that answered.
    pub address: Option<std::net::IpAddr>,
    /// Its TLS.
    pub tls: Tls,
    /// Its routes, in the order in which they were asked for.
    pub routes: Vec<Asked>,
    /// What its answers told of its inside.
    pub leaks: Vec<&'static str>,
    /// Headers in which it named limits to a stranger.
    pub limits: Vec<&'static str>,
    /// What the configuration declares of it; nothing where no upstream is there.
    pub declared: Option<Declared>,
    /// Where its address is registered, where the registries' files say so.
    pub observed_region: Option<String>,
    /// What is not known, each in one sentence.
    pub unknown: Vec<String>,
    /// What should be changed.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether it could not be told who is let in.
    #[must_use]
    pub fn is_unsure(&self) -> bool {
        let told =
            |asked: &Asked| matches!(asked.outcome, Guard::Open | Guard::Required | Guard::Late);
        !self.routes.iter().any(told)
    }
}
