//! What one port is asked, in which order, until it is known.

use super::judge::{Ask, End, Heard, Judged, Probe, Service};
use super::limits::REQUESTS_PER_PORT_MAX;
use super::page::{is_page, on_page};
use super::port::{Port, Unreached};
use super::services::{SERVICES, mysql, postgres, vllm};

/// How a port is looked at.
#[derive(Clone)]
pub(crate) enum How {
    /// One of these is expected there, in this order; another service is recognised if a request is left.
    Expect(Vec<&'static Service>),
    /// One of these, and nothing else is asked for.
    Only(Vec<&'static Service>),
    /// It may be anything.
    Recognise,
    /// It speaks HTTP, and may be anything that does.
    RecogniseHttp,
    /// This question and no other.
    Ask(Probe),
}

/// A request that servers of many protocols answer in a way of their own: HTTP/1.0 needs no header.
const BARE_GET: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// Looks at one port.
///
/// # Errors
/// There is no connection.
pub(crate) async fn look(port: &mut Port<'_>, how: &How) -> Result<Judged, Unreached> {
    let root = Probe { ask: Ask::Get("/"), judge: sign };
    match how {
        How::Ask(probe) => converse(port, *probe).await,
        How::Recognise => converse(port, Probe { ask: Ask::Hear, judge: greeting }).await,
        How::RecogniseHttp => converse(port, root).await,
        How::Only(services) => expect(port, services).await,
        How::Expect(services) => match expect(port, services).await? {
            Judged::Other if port.requests_left() > 0 => {
                Ok(converse(port, root).await.unwrap_or(Judged::Other))
            }
            judged => Ok(judged),
        },
    }
}

/// Asks for one service after the other, as long as requests are left.
async fn expect(port: &mut Port<'_>, services: &[&Service]) -> Result<Judged, Unreached> {
    let mut judged = Judged::Other;
    for service in services {
        if !matches!(judged, Judged::Other) || port.requests_left() == 0 {
            break;
        }
        judged = converse(port, service.expected).await?;
    }
    Ok(judged)
}

/// Asks, and asks further where the answer leads on.
async fn converse(port: &mut Port<'_>, first: Probe) -> Result<Judged, Unreached> {
    let mut probe = first;
    // What only listens is no request, and comes first if at all.
    for _ in 0..=REQUESTS_PER_PORT_MAX {
        match port.ask(probe).await? {
            Judged::Then(kind, next) if next.ask.is_request() && port.requests_left() == 0 => {
                // Without a sign of anything it is no known service.
                return Ok(kind.map_or(Judged::Other, |kind| Judged::Unclear(Some(kind), FURTHER)));
            }
            Judged::Then(_, next) => probe = next,
            judged => return Ok(judged),
        }
    }
    Ok(Judged::Other)
}

/// The bound on requests stands before the answer.
const FURTHER: &str = "It would take a further request to tell: name it as `SERVICE://HOST:PORT` (see docs/exposure.md).";

/// What speaks first, or else is asked for its root.
fn greeting(heard: &Heard<'_>) -> Judged {
    let begins = |begin: &str| heard.bytes.starts_with(begin.as_bytes());
    if heard.bytes.is_empty() {
        return match heard.end {
            Some(End::TimeOver) => {
                Judged::Then(None, Probe { ask: Ask::Reply(BARE_GET), judge: sign })
            }
            Some(_) => Judged::Other,
            None => Judged::More,
        };
    }
    match mysql::greeting(heard) {
        Judged::Other => {}
        judged => return judged,
    }
    if begins("SSH-") {
        return Judged::Unclear(None, "It is an SSH server.");
    }
    heard.or_more(Judged::Unclear(None, "It speaks first, and no probe knows it."))
}

/// Which service an answer to `GET /` is a sign of, and what to ask next.
fn sign(heard: &Heard<'_>) -> Judged {
    // PostgreSQL takes it for a message that is too long.
    if heard.bytes.is_empty() {
        return match heard.end {
            Some(End::Closed) => Judged::Then(None, postgres::STARTUP_PROBE),
            Some(_) => Judged::Other,
            None => Judged::More,
        };
    }
    let known = SERVICES.iter().find(|service| (service.is_sign)(heard));
    if let Some(service) = known {
        return Judged::Then(Some(service.kind), service.recognised);
    }
    let judged = on_page(heard, |page| {
        if page.wants_tls() {
            return Judged::Unclear(None, "It speaks TLS: name it as `https://HOST:PORT`.");
        }
        let judge = if page.refuses() { behind_login } else { vllm::LISTING.judge };
        Judged::Then(None, Probe { judge, ..vllm::LISTING })
    });
    match judged {
        // A TLS alert.
        Judged::Other if heard.bytes.starts_with(b"\x15\x03") => {
            Judged::Unclear(None, "It speaks TLS: name it as `https://HOST:PORT`.")
        }
        Judged::Other => heard.or_more(Judged::Other),
        judged => judged,
    }
}

/// A list of models, of a server whose root asks for a login.
fn behind_login(heard: &Heard<'_>) -> Judged {
    match (vllm::LISTING.judge)(heard) {
        Judged::Other if heard.end.is_some() || is_page(heard, |_| true) => {
            Judged::Guarded(None, "It is an HTTP server that asks for a login.")
        }
        judged => judged,
    }
}
