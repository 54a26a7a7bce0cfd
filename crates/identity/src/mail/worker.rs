//! Sends what waits: a few at a time, each a few times, none for ever.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lettre::transport::smtp;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Counters;

/// From the connection to the server's word, for one attempt.
pub const SEND_MAX: Duration = Duration::from_secs(30);
/// Letters that are sent at the same time.
pub const AT_ONCE_MAX: usize = 4;
/// Attempts of one letter.
pub const ATTEMPTS_MAX: u32 = 3;
/// Before the second attempt; five times as long before the third.
const RETRY_FIRST: Duration = Duration::from_secs(3);

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// The sending half of a [`Mailer`](super::Mailer).
pub struct MailWorker {
    transport: Transport,
    first: mpsc::Receiver<Message>,
    later: mpsc::Receiver<Message>,
    counters: Arc<Counters>,
    retry_first: Duration,
}

impl MailWorker {
    pub(super) fn new(
        transport: Transport,
        first: mpsc::Receiver<Message>,
        later: mpsc::Receiver<Message>,
        counters: Arc<Counters>,
    ) -> Self {
        Self { transport, first, later, counters, retry_first: RETRY_FIRST }
    }

    /// Sends until every mailer is dropped and the queue is empty.
    pub async fn run(mut self) {
        let mut sending = JoinSet::new();
        loop {
            if sending.len() >= AT_ONCE_MAX {
                sending.join_next().await;
            }
            let Some(message) = self.next().await else { break };
            let (transport, counters) = (self.transport.clone(), Arc::clone(&self.counters));
            let pause = self.retry_first;
            sending.spawn(async move {
                let counter = match deliver(&transport, &message, pause).await {
                    Ok(()) => &counters.sent,
                    Err(fault) => {
                        tracing::warn!(fault, "a letter could not be sent");
                        &counters.failed
                    }
                };
                counter.fetch_add(1, Ordering::Relaxed);
            });
            while sending.try_join_next().is_some() {}
        }
        while sending.join_next().await.is_some() {}
    }

    /// The next letter, those of sign-ups last; `None` when no more can come.
    async fn next(&mut self) -> Option<Message> {
        tokio::select! {
            biased;
            Some(message) = self.first.recv() => Some(message),
            Some(message) = self.later.recv() => Some(message),
            else => None,
        }
    }
}

/// Sends `message`, again where the fault may pass. The fault's words hold no address.
async fn deliver(
    transport: &Transport,
    message: &Message,
    mut pause: Duration,
) -> Result<(), &'static str> {
    let mut attempt = 1;
    loop {
        let (fault, may_pass) =
            match tokio::time::timeout(SEND_MAX, transport.send(message.clone())).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => of_smtp(&error),
                Err(_) => ("the server took too long", true),
            };
        if !may_pass || attempt == ATTEMPTS_MAX {
            return Err(fault);
        }
        attempt += 1;
        tokio::time::sleep(pause).await;
        pause *= 5;
    }
}

/// What went wrong, and whether it may pass.
fn of_smtp(error: &smtp::Error) -> (&'static str, bool) {
    if error.is_permanent() {
        ("the server refused it for good", false)
    } else if error.is_transient() {
        ("the server refused it for now", true)
    } else if error.is_tls() {
        ("no safe line to the server: its certificate does not hold", false)
    } else if error.is_client() {
        ("the server does not do what is asked of it (starttls, or the authentication)", false)
    } else if error.is_timeout() {
        ("the server took too long", true)
    } else {
        ("the connection failed", true)
    }
}

#[cfg(test)]
mod sink;
#[cfg(test)]
mod tests;
