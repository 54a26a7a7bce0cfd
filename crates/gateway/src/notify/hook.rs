//! One address: its queue, and the worker that sends, signs and tries again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use surgewall_core::clock::Clock;
use surgewall_core::config::notify::{NotifyEvent, Webhook};
use surgewall_core::secret::SecretString;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{MESSAGES_WAITING_MAX, Message, NotifyError, Tally};

/// Before each attempt; after the last one a message is lost.
const PAUSES: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
];
/// For a connection, and the head of an answer.
pub(crate) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections are closed after so long.
const IDLE: Duration = Duration::from_secs(30);

/// The side of those who have something to tell. With its last clone the worker
/// ends: nothing more is sent to an address that the configuration dropped.
#[derive(Clone)]
pub(super) struct Hook {
    webhook: Arc<Webhook>,
    secret: SecretString,
    queue: Sender<Message>,
    tally: Arc<Tally>,
    _ends_worker: Arc<DropGuard>,
}

impl Hook {
    pub(super) fn wants(&self, event: NotifyEvent) -> bool {
        self.webhook.events.contains(&event)
    }

    /// Whether it is the one that `webhook` with this secret would become.
    pub(super) fn is_of(&self, webhook: &Webhook, secret: &SecretString) -> bool {
        *self.webhook == *webhook && self.secret.expose() == secret.expose()
    }

    /// Takes `message`, or loses it where the queue is full.
    pub(super) fn push(&self, message: &Message) {
        if self.queue.try_send(message.clone()).is_err() {
            self.tally.queue_full();
            tracing::warn!(url = self.webhook.url, "too much waits to be told: a message is lost");
        }
    }

    /// Takes `message` once there is room.
    pub(super) fn push_and_wait(&self, message: &Message) -> io::Result<()> {
        let sent = self.queue.blocking_send(message.clone());
        sent.map_err(|_| io::Error::other("nobody sends any more"))
    }
}

/// The side that sends.
pub(super) struct Worker {
    uri: Uri,
    webhook: Arc<Webhook>,
    secret: SecretString,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    queue: Receiver<Message>,
    pauses: &'static [Duration],
    tally: Arc<Tally>,
    ended: CancellationToken,
}

/// The two sides of `webhook`.
pub(super) fn open(
    webhook: &Webhook,
    secret: SecretString,
    tally: Arc<Tally>,
) -> Result<(Hook, Worker), NotifyError> {
    let fault = |why: String| NotifyError::Address { url: webhook.url.clone(), why };
    let uri: Uri = webhook.url.parse().map_err(|_| fault("it is no address".to_owned()))?;
    let https = connector(HttpConnector::new()).map_err(|error| fault(error.to_string()))?;
    let client = Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(1)
        .pool_timer(TokioTimer::new())
        .build(https);
    let (sender, queue) = channel(MESSAGES_WAITING_MAX);
    let (webhook, ended) = (Arc::new(webhook.clone()), CancellationToken::new());
    let hook = Hook {
        webhook: webhook.clone(),
        secret: secret.clone(),
        queue: sender,
        tally: tally.clone(),
        _ends_worker: Arc::new(ended.clone().drop_guard()),
    };
    Ok((hook, Worker { uri, webhook, secret, client, queue, pauses: &PAUSES, tally, ended }))
}

/// Connections over `http`, and over TLS to servers that the public authorities vouch for.
///
/// # Errors
/// TLS has no version that can be used.
pub(crate) fn connector<R>(
    mut http: HttpConnector<R>,
) -> Result<HttpsConnector<HttpConnector<R>>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider);
    let roots = builder.with_safe_default_protocol_versions()?.with_webpki_roots();
    http.enforce_http(false);
    http.set_connect_timeout(Some(ATTEMPT_TIMEOUT));
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(roots.with_no_client_auth())
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Taken,
    /// Worth another attempt.
    Failed(String),
    /// Never will be taken.
    Refused(StatusCode),
}

impl Worker {
    /// What ends it.
    #[cfg(test)]
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Sends what comes, for as long as the address is one of the configuration's.
    pub(super) async fn run(self, clock: Clock) {
        let ended = self.ended.clone();
        tokio::select! {
            () = ended.cancelled() => {}
            () = self.send(clock) => {}
        }
    }

    /// Sends what comes, one after the other, until nobody can tell anything more.
    async fn send(mut self, clock: Clock) {
        while let Some(message) = self.queue.recv().await {
            self.deliver(&message, &clock).await;
        }
    }

    async fn deliver(&self, message: &Message, clock: &Clock) {
        let mut why = String::new();
        for (nth, pause) in self.pauses.iter().enumerate() {
            sleep(*pause).await;
            if nth > 0 {
                self.tally.retried();
            }
            match self.attempt(message, clock).await {
                Attempt::Taken => return self.tally.delivered(),
                Attempt::Failed(failed) => why = failed,
                Attempt::Refused(status) => {
                    why = status.to_string();
                    break;
                }
            }
        }
        self.tally.undelivered();
        tracing::warn!(
            url = self.webhook.url,
            id = message.id,
            why,
            "an operator could not be told: the message is lost"
        );
    }

    /// One attempt. A redirect is a failure: nobody else is told what is for this address.
    async fn attempt(&self, message: &Message, clock: &Clock) -> Attempt {
        let request = message.request(self.uri.clone(), &self.secret, clock.now());
        match timeout(ATTEMPT_TIMEOUT, self.client.request(request)).await {
            Err(_) => Attempt::Failed("no answer in time".to_owned()),
            Ok(Err(error)) => Attempt::Failed(error.to_string()),
            Ok(Ok(answer)) => judged(answer.status()),
        }
    }
}

fn judged(status: StatusCode) -> Attempt {
    let worth = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    if status.is_success() {
        Attempt::Taken
    } else if status.is_client_error() && !worth {
        Attempt::Refused(status)
    } else {
        Attempt::Failed(status.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use surgewall_core::clock::Timestamp;
    use surgewall_core::config::schema::Credential;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::{Fates, signature};
    use super::*;

    const AT_ONCE: [Duration; 3] = [Duration::ZERO; 3];

    fn secret() -> SecretString {
        SecretString::new("a secret of some length".to_owned())
    }

    /// Sends one message to an address that answers with `statuses`, one after the
    /// other; the requests that it got, and what became of the message.
    async fn told(statuses: &[&str]) -> (Vec<String>, Fates) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let webhook = Webhook {
            url,
            secret: Credential::Env("unused".to_owned()),
            events: vec![NotifyEvent::Incident],
        };
        let tally = Arc::new(Tally::default());
        let (hook, worker) = open(&webhook, secret(), tally.clone()).unwrap();
        let worker = Worker { pauses: &AT_ONCE, ..worker };
        let data = serde_json::json!({"a": 1});
        hook.push(&Message::new("incident.opened", Timestamp::from_millis(0), &data));
        drop(hook);
        let clock = Clock::Manual(surgewall_core::clock::ManualClock::new(Timestamp::from_millis(
            1_614_265_330_000,
        )));
        let serve = async {
            let mut seen = Vec::new();
            for status in statuses {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 8 << 10];
                let mut filled = 0;
                while !String::from_utf8_lossy(&request[..filled]).contains("\"data\":{\"a\":1}}") {
                    filled += stream.read(&mut request[filled..]).await.unwrap();
                }
                seen.push(String::from_utf8_lossy(&request[..filled]).into_owned());
                let answer = format!(
                    "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            seen
        };
        let (seen, ()) = tokio::join!(serve, worker.send(clock));
        (seen, tally.fates())
    }

    #[tokio::test]
    async fn a_message_is_signed_and_sent_again_until_it_is_taken() {
        let (seen, fates) = told(&["503 Busy", "302 Found", "204 Done"]).await;
        assert_eq!(fates, Fates { delivered: 1, retried: 2, ..Fates::default() });
        let field = |request: &str, name: &str| {
            let lines = request.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            lines.unwrap().to_owned()
        };
        let ids: Vec<_> = seen.iter().map(|request| field(request, "webhook-id")).collect();
        assert!(ids[0] == ids[1] && ids[1] == ids[2], "who gets it twice can tell: {ids:?}");
        let (_, body) = seen[0].split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body,
            "{\"type\":\"incident.opened\",\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"data\":{\"a\":1}}"
        );
        let expected = signature(&secret(), &ids[0], 1_614_265_330, body.as_bytes());
        assert_eq!(field(&seen[0], "webhook-signature"), expected);
        assert_eq!(field(&seen[0], "webhook-timestamp"), "1614265330");
    }

    #[tokio::test]
    async fn what_is_refused_is_not_sent_again_and_attempts_are_bounded() {
        let lost = Fates { undelivered: 1, ..Fates::default() };
        let (seen, fates) = told(&["404 Not Found"]).await;
        assert_eq!((seen.len(), fates), (1, lost));
        let (seen, fates) = told(&["500 A", "429 B", "302 C"]).await;
        assert_eq!((seen.len(), fates), (3, Fates { retried: 2, ..lost }));
    }

    #[tokio::test]
    async fn a_full_queue_loses_what_comes_and_nobody_waits() {
        let webhook = Webhook {
            url: "http://127.0.0.1:1/".to_owned(),
            secret: Credential::Env("unused".to_owned()),
            events: vec![NotifyEvent::Finding],
        };
        let tally = Arc::new(Tally::default());
        let (hook, mut worker) = open(&webhook, secret(), tally.clone()).unwrap();
        let message = Message::new("a", Timestamp::from_millis(0), &serde_json::Value::Null);
        for _ in 0..MESSAGES_WAITING_MAX + 1 {
            hook.push(&message);
        }
        let mut waiting = 0;
        while worker.queue.try_recv().is_ok() {
            waiting += 1;
        }
        assert_eq!(waiting, MESSAGES_WAITING_MAX);
        assert_eq!(tally.fates().queue_full, 1);
    }
}
