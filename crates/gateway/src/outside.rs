//! Whom the door speaks to for people: the mail server, and the identity
//! providers that they may sign in with.

use std::path::Path;
use std::sync::{Arc, Mutex};

use surgewall_core::config::Config;
use surgewall_core::config::mail::{Mail, MailSecurity as Line};
use surgewall_core::config::oidc::OidcProvider;
use surgewall_core::files;
use surgewall_core::limits::CREDENTIAL_FILE_BYTES_MAX;
use surgewall_identity::mail::{
    MailConfig, MailCounts, MailError, MailSecurity, MailTally, MailWorker, Mailer,
};
use surgewall_identity::oidc::{Grant, OidcError, Provider, ProviderConfig};

use crate::credential::{self, CredentialError};
use crate::listen::Purpose;
use crate::sync::lock;

/// What letters call the service where the configuration names no public name.
const SERVICE: &str = "Surgewall";

/// A mail server or provider that cannot be used as configured.
#[derive(Debug, thiserror::Error)]
pub enum OutsideError {
    /// A password or client secret.
    #[error("{0}: {1}")]
    Credential(String, CredentialError),
    /// A certificate authority's file.
    #[error("{} cannot be read: {source}", path.display())]
    Authority {
        /// The file.
        path: std::path::PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The mail server.
    #[error("[mail]: {0}")]
    Mail(#[from] MailError),
    /// A provider.
    #[error("[[accounts.oidc]] {}", .0.why())]
    Provider(OidcError),
}

/// A provider that people may sign in with.
pub struct SignInWith {
    /// What the button says.
    pub label: String,
    /// Whether the admin listener has it too.
    pub admin: bool,
    /// The provider.
    pub provider: Provider,
}

/// The mail server and the providers of one configuration.
pub struct Outside {
    /// Takes letters, if there is a mail server.
    pub mailer: Option<Mailer>,
    worker: Mutex<Option<MailWorker>>,
    letters: MailTally,
    providers: Vec<Arc<SignInWith>>,
}

impl Outside {
    /// What `config` names. Nothing is connected to yet. Letters are counted on
    /// from `before`.
    ///
    /// # Errors
    /// A credential or an authority that cannot be read, or a setting that cannot be meant.
    pub fn new(config: &Config, before: Option<&Self>) -> Result<Self, OutsideError> {
        let letters = before.map(|outside| outside.letters.clone()).unwrap_or_default();
        let service = config.listen.public_name.as_deref().unwrap_or(SERVICE);
        let mail = config.mail.as_ref();
        let mail = mail.map(|section| mailer(section, service, &letters)).transpose()?;
        let (mailer, worker) =
            mail.map_or((None, None), |(mailer, worker)| (Some(mailer), Some(worker)));
        let providers = config.accounts.oidc.iter().map(provider).collect::<Result<_, _>>()?;
        Ok(Self { mailer, worker: Mutex::new(worker), letters, providers })
    }

    /// The provider of this name, where it may be used on the listener of this purpose.
    #[must_use]
    pub fn provider(&self, name: &str, purpose: Purpose) -> Option<Arc<SignInWith>> {
        self.providers(purpose).find(|one| one.provider.name() == name).cloned()
    }

    /// The providers that may be used on the listener of this purpose, as configured.
    pub fn providers(&self, purpose: Purpose) -> impl Iterator<Item = &Arc<SignInWith>> {
        self.providers.iter().filter(move |one| purpose == Purpose::Public || one.admin)
    }

    /// What became of letters since the start, and how many wait.
    #[must_use]
    pub fn letters(&self) -> MailCounts {
        self.mailer.as_ref().map_or_else(|| self.letters.counts(0), Mailer::counts)
    }

    /// What sends the letters, once: to be run for as long as the door does.
    pub(crate) fn take_worker(&self) -> Option<MailWorker> {
        lock(&self.worker).take()
    }
}

fn mailer(
    section: &Mail,
    service: &str,
    letters: &MailTally,
) -> Result<(Mailer, MailWorker), OutsideError> {
    let password = section.password.as_ref().map(credential::read).transpose();
    let password =
        password.map_err(|error| OutsideError::Credential("mail.password".into(), error))?;
    let config = MailConfig {
        host: section.host.clone(),
        port: section.port,
        security: match section.security {
            Line::Tls => MailSecurity::Tls,
            Line::StartTls => MailSecurity::StartTls,
            Line::None => MailSecurity::Clear,
        },
        credentials: section.user.clone().zip(password),
        from: section.from.clone(),
        service: service.to_owned(),
        authority: section.ca_file.as_deref().map(authority).transpose()?,
    };
    Ok(Mailer::counting(&config, letters)?)
}

fn provider(section: &OidcProvider) -> Result<Arc<SignInWith>, OutsideError> {
    let secret = section.client_secret.as_ref().map(credential::read).transpose();
    let place = || format!("accounts.oidc {:?}: client_secret", section.name);
    let client_secret = secret.map_err(|error| OutsideError::Credential(place(), error))?;
    let grants = section.grant.iter().map(|row| Grant {
        of: row.of.clone(),
        role: row.role,
        group: row.group.clone(),
        class: row.class,
    });
    let config = ProviderConfig {
        name: section.name.clone(),
        issuer: section.issuer.clone(),
        client_id: section.client_id.clone(),
        client_secret,
        scopes: section.scopes.clone(),
        domains: section.domains.clone(),
        groups_any: section.groups_any.clone(),
        groups_claim: section.groups_claim.clone(),
        grants: grants.collect(),
        authority: section.ca_file.as_deref().map(authority).transpose()?,
    };
    let provider = Provider::new(config).map_err(OutsideError::Provider)?;
    let label = section.label.clone().unwrap_or_else(|| section.name.clone());
    Ok(Arc::new(SignInWith { label, admin: section.admin, provider }))
}

fn authority(path: &Path) -> Result<Vec<u8>, OutsideError> {
    let fault = |source| OutsideError::Authority { path: path.to_owned(), source };
    files::read_bounded(path, CREDENTIAL_FILE_BYTES_MAX).map_err(fault)
}

#[cfg(test)]
mod tests {
    use surgewall_core::clock::Timestamp;
    use surgewall_core::config::parse;
    use surgewall_identity::mail::Letter;

    use super::*;

    fn made(text: &str) -> Result<Outside, OutsideError> {
        Outside::new(&parse("t.toml", text).unwrap(), None)
    }

    #[test]
    fn providers_are_offered_where_they_are_let_in() {
        let provider = |name: &str, rest: &str| {
            format!(
                "[[accounts.oidc]]\nname = {name:?}\nissuer = \"https://{name}.example\"\nclient_id = \"c\"\n{rest}\n"
            )
        };
        let text =
            provider("everybody", "label = \"Example\"") + &provider("staff", "admin = true");
        let outside = made(&text).unwrap();
        let names =
            |purpose| outside.providers(purpose).map(|one| one.label.clone()).collect::<Vec<_>>();
        assert_eq!(names(Purpose::Public), ["Example", "staff"]);
        assert_eq!(names(Purpose::Admin), ["staff"]);
        assert!(outside.provider("everybody", Purpose::Public).is_some());
        assert!(outside.provider("everybody", Purpose::Admin).is_none());
        assert!(outside.provider("Example", Purpose::Public).is_none());
        assert!(outside.mailer.is_none() && outside.take_worker().is_none());
    }

    #[test]
    fn what_cannot_be_read_or_meant_is_told() {
        let mail = |rest: &str| format!("[mail]\nhost = \"smtp.example\"\n{rest}");
        let from = "from = \"Door <door@example.org>\"\n";
        let outside = made(&mail(from)).unwrap();
        assert!(outside.mailer.is_some());
        assert!(outside.take_worker().is_some() && outside.take_worker().is_none());
        let letter = Letter::Notice { subject: "a", text: "b" };
        let sent =
            outside.mailer.as_ref().unwrap().send("no address", &letter, Timestamp::default());
        assert!(sent.is_err());
        let after = Outside::new(&parse("t.toml", "").unwrap(), Some(&outside)).unwrap();
        let counts = MailCounts { refused: 1, ..MailCounts::default() };
        assert_eq!(after.letters(), counts, "also after the mail server was taken out");
        for (text, expected) in [
            (mail("from = \"nobody\""), "[mail]: "),
            (
                mail(&format!("{from}user = \"u\"\npassword = {{ file = \"no/such/file\" }}")),
                "mail.password: ",
            ),
            (mail(&format!("{from}ca_file = \"no/such/file\"")), "no/such/file cannot be read"),
        ] {
            let error = made(&text).err().unwrap().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
