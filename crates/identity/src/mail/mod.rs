//! Mail over SMTP: a bounded queue, sent by one worker, encrypted on the way.
//!
//! Codes of people who sign in do not wait behind those of a flood of sign-ups, or
//! behind what subscribers are told: these have their own half of the queue and are
//! sent when nothing else is. No
//! address gets more than a few letters an hour that strangers can ask for.
//! What is logged of a failure names no address.

mod browser;
mod letters;
mod recipients;
mod worker;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, Message, Tokio1Executor};
use surgewall_core::clock::Timestamp;
use surgewall_core::random;
use surgewall_core::secret::SecretString;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::authority::certificates;
use recipients::Recipients;

pub use browser::browser;
pub use letters::{Changed, Letter};
pub use recipients::{PER_ADDRESS_MAX, PER_ADDRESS_WINDOW};
pub use worker::{AT_ONCE_MAX, ATTEMPTS_MAX, MailWorker, SEND_MAX};

/// Letters that wait, in each of the two halves of the queue.
pub const QUEUE_MAX: usize = 500;
/// Bytes of an address.
const ADDRESS_BYTES_MAX: usize = 254;
/// Bytes of the service's name.
const SERVICE_BYTES_MAX: usize = 64;

/// How the line to the mail server is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS from the first byte; port 465.
    Tls,
    /// STARTTLS, or nothing is sent; port 587.
    StartTls,
    /// None: to a server on this machine only; port 25.
    Clear,
}

/// The mail server, as configured.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Its name.
    pub host: String,
    /// Its port; `None` is the usual one.
    pub port: Option<u16>,
    /// How the line is guarded.
    pub security: MailSecurity,
    /// User and password there.
    pub credentials: Option<(String, SecretString)>,
    /// From whom: `Surgewall <door@example.org>`.
    pub from: String,
    /// What the service is called, in subjects and texts.
    pub service: String,
    /// The only authorities to trust for its certificate, in PEM; `None` is the public ones.
    pub authority: Option<Vec<u8>>,
}

/// A letter that is not sent, or a server that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The configuration makes no sender.
    #[error("mail cannot be sent: {0}")]
    Setup(String),
    /// This is no address.
    #[error("This is not an e-mail address.")]
    Address,
    /// As many letters wait as may.
    #[error("Too many letters are waiting to be sent. Please try again in a minute.")]
    Full,
    /// The address was sent as many as it gets.
    #[error("This address was sent several letters already. Please try again in an hour.")]
    TooMany,
}

/// How it goes, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailCounts {
    /// Letters that the server took.
    pub sent: u64,
    /// Letters that it did not take, in the end.
    pub failed: u64,
    /// Letters that were not put into the queue.
    pub refused: u64,
    /// Letters in the queue.
    pub waiting: usize,
}

/// What became of letters since the start. A clone is the same one: it outlives
/// the mailer of a configuration that was replaced.
#[derive(Clone, Debug, Default)]
pub struct MailTally(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

impl MailTally {
    /// How it went, with `waiting` letters in the queue.
    #[must_use]
    pub fn counts(&self, waiting: usize) -> MailCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { sent, failed, refused } = &*self.0;
        MailCounts { sent: read(sent), failed: read(failed), refused: read(refused), waiting }
    }
}

/// Takes letters. A clone is the same one.
#[derive(Clone)]
pub struct Mailer {
    first: mpsc::Sender<Message>,
    later: mpsc::Sender<Message>,
    from: Mailbox,
    service: Arc<str>,
    recipients: Arc<Mutex<Asked>>,
    counters: Arc<Counters>,
}

/// What strangers had sent, by the two halves of the queue: letters about a
/// sign-up take nothing from those that a person needs to get in again.
#[derive(Default)]
struct Asked {
    first: Recipients,
    later: Recipients,
}

/// A letter that has its place in the queue: dropped, it is not sent.
#[must_use]
pub struct Reserved {
    place: mpsc::OwnedPermit<Message>,
    message: Message,
}

impl Reserved {
    /// Sends it.
    pub fn send(self) {
        self.place.send(self.message);
    }
}

impl Mailer {
    /// A mailer, and the worker that sends what it takes.
    ///
    /// # Errors
    /// What is wrong with the configuration; nothing is connected to yet.
    pub fn new(config: &MailConfig) -> Result<(Self, MailWorker), MailError> {
        Self::counting(config, &MailTally::default())
    }

    /// The same; what becomes of its letters is added to `tally`.
    ///
    /// # Errors
    /// As [`Mailer::new`].
    pub fn counting(
        config: &MailConfig,
        tally: &MailTally,
    ) -> Result<(Self, MailWorker), MailError> {
        let setup = |why: String| MailError::Setup(why);
        let from: Mailbox =
            config.from.parse().map_err(|_| setup(format!("{:?} is no sender", config.from)))?;
        let is_plain = |c: char| !c.is_control();
        if config.service.is_empty()
            || config.service.len() > SERVICE_BYTES_MAX
            || !config.service.chars().all(is_plain)
        {
            return Err(setup("the service's name is empty, long, or no text".to_owned()));
        }
        let transport = transport(config, &from)?;
        let (first, first_out) = mpsc::channel(QUEUE_MAX);
        let (later, later_out) = mpsc::channel(QUEUE_MAX);
        let counters = Arc::clone(&tally.0);
        let worker = MailWorker::new(transport, first_out, later_out, Arc::clone(&counters));
        let service = Arc::from(config.service.as_str());
        let recipients = Arc::default();
        Ok((Self { first, later, from, service, recipients, counters }, worker))
    }

    /// Puts `letter` to `to` into the queue. How long this takes, and what it
    /// answers, does not depend on who `to` is.
    ///
    /// # Errors
    /// It is not sent.
    pub fn send(&self, to: &str, letter: &Letter<'_>, now: Timestamp) -> Result<(), MailError> {
        self.reserve(to, letter, now).map(Reserved::send)
    }

    /// Takes a place for `letter` to `to`, before what it tells of is done: it
    /// counts for the address from now on.
    ///
    /// # Errors
    /// It cannot be sent.
    pub fn reserve(
        &self,
        to: &str,
        letter: &Letter<'_>,
        now: Timestamp,
    ) -> Result<Reserved, MailError> {
        self.queue(to, letter, now).inspect_err(|_| {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// How it goes.
    #[must_use]
    pub fn counts(&self) -> MailCounts {
        let waiting = |queue: &mpsc::Sender<Message>| queue.max_capacity() - queue.capacity();
        MailTally(Arc::clone(&self.counters)).counts(waiting(&self.first) + waiting(&self.later))
    }

    fn queue(&self, to: &str, letter: &Letter<'_>, now: Timestamp) -> Result<Reserved, MailError> {
        let address = parse_address(to)?;
        let message = self.message(address, letter, now)?;
        let can_wait = letter.can_wait();
        let queue = if can_wait { &self.later } else { &self.first };
        let place = queue.clone().try_reserve_owned();
        let place = place.map_err(|_: TrySendError<mpsc::Sender<Message>>| MailError::Full)?;
        if letter.is_asked_by_strangers() {
            let mut asked = self.recipients.lock().unwrap_or_else(PoisonError::into_inner);
            let asked = if can_wait { &mut asked.later } else { &mut asked.first };
            asked.take(to, now).map_err(|_| MailError::TooMany)?;
        }
        Ok(Reserved { place, message })
    }

    fn message(
        &self,
        to: Address,
        letter: &Letter<'_>,
        now: Timestamp,
    ) -> Result<Message, MailError> {
        let (subject, text) = letter.written(&self.service);
        let sent_at = UNIX_EPOCH + Duration::from_millis(now.millis());
        let id = format!("<{}@{}>", random::base62(24), self.from.email.domain());
        // RFC 3834: nobody's holiday answers to it.
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let mut message = MessageBuilder::new()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(subject)
            .date(sent_at)
            .message_id(Some(id))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()));
        if let Some(url) = letter.unsubscribe() {
            // RFC 8058: a mail program's own button ends it in one click.
            let header =
                |name, value| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
            let one_click = "List-Unsubscribe=One-Click".to_owned();
            message = message
                .raw_header(header("List-Unsubscribe", format!("<{}>", url.expose())))
                .raw_header(header("List-Unsubscribe-Post", one_click));
        }
        message
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|error| MailError::Setup(error.to_string()))
    }
}

/// An address that can be written into a header: one, without a name, comments or control characters.
fn parse_address(text: &str) -> Result<Address, MailError> {
    let is_plain = text.len() <= ADDRESS_BYTES_MAX
        && !text
            .chars()
            .any(|c| c.is_control() || c.is_whitespace() || "<>,;:\"()[]\\".contains(c));
    text.parse().ok().filter(|_| is_plain).ok_or(MailError::Address)
}

fn transport(
    config: &MailConfig,
    from: &Mailbox,
) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailError> {
    let tls = || tls(&config.host, config.authority.as_deref());
    let (tls, port) = match config.security {
        MailSecurity::Tls => (Tls::Wrapper(tls()?), 465),
        MailSecurity::StartTls => (Tls::Required(tls()?), 587),
        MailSecurity::Clear if is_loopback(&config.host) => (Tls::None, 25),
        MailSecurity::Clear => {
            return Err(MailError::Setup(format!(
                "{} is not this machine: use tls or starttls",
                config.host
            )));
        }
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
        .port(config.port.unwrap_or(port))
        .tls(tls)
        .timeout(Some(SEND_MAX))
        .hello_name(ClientId::Domain(from.email.domain().to_owned()));
    if let Some((user, password)) = &config.credentials {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().clone()));
    }
    Ok(builder.build())
}

fn tls(host: &str, authority: Option<&[u8]>) -> Result<TlsParameters, MailError> {
    let setup = |error: lettre::transport::smtp::Error| MailError::Setup(error.to_string());
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = authority {
        builder = builder.certificate_store(CertificateStore::None);
        for certificate in certificates(pem).map_err(MailError::Setup)? {
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(setup)?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(setup)
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
