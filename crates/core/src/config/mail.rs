//! `[mail]`: the server that letters to people go through.

use std::path::PathBuf;

use serde::Deserialize;

use super::schema::Credential;

/// How the line to the mail server is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// STARTTLS, or nothing is sent.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: to a server on this machine only.
    None,
}

/// `[mail]`. Without it no letters are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// The mail server's name.
    pub host: String,
    /// Its port; by `security` if absent.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the line is guarded.
    #[serde(default)]
    pub security: MailSecurity,
    /// The user there, if it asks for one.
    #[serde(default)]
    pub user: Option<String>,
    /// The user's password.
    #[serde(default)]
    pub password: Option<Credential>,
    /// From whom letters are.
    pub from: String,
    /// A certificate authority in PEM form, instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}
