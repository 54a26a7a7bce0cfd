//! One port during one run: the only place that connects and sends.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::judge::{Ask, End, Heard, Judged, Probe};
use super::limits::{ANSWER_BYTES_MAX, CONNECTIONS_PER_PORT_MAX, Patience, REQUESTS_PER_PORT_MAX};
use super::page;
use super::tls;

/// Where something may listen.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Tried in this order until one takes a connection.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The host, as HTTP and TLS want it: `example.org`, `10.0.0.5`, `::1`.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// Whether TLS is spoken.
    pub(crate) tls: bool,
    /// The path that the operator configured or named: where an upstream lists its
    /// models, or what a provider's routes are under; nothing elsewhere.
    pub(crate) list: String,
}

/// What one run may do to one port, and as whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Requests, at most.
    pub(crate) requests: u8,
    /// Connections, at most.
    pub(crate) connections: u8,
    /// What HTTP servers are told of who asks.
    pub(crate) agent: &'static str,
}

impl Bounds {
    /// Of a probe for open services.
    pub(crate) const EXPOSURE: Self = Self {
        requests: REQUESTS_PER_PORT_MAX,
        connections: CONNECTIONS_PER_PORT_MAX,
        agent: "surgewall-check-exposure",
    };
}

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreached {
    /// Nobody listens.
    Refused,
    /// Nothing answers at all, or the way is closed.
    Silent,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// An endpoint, and how much was asked of it.
pub(crate) struct Port<'a> {
    endpoint: &'a Endpoint,
    patience: Patience,
    bounds: Bounds,
    connector: Option<TlsConnector>,
    /// Counted in [`Port::send`], the only function that sends a request.
    requests: u8,
    connections: u8,
    wire: Option<Box<dyn Wire>>,
    /// The address that took the first connection.
    answered: Option<SocketAddr>,
}

impl<'a> Port<'a> {
    /// A port of which nothing was asked yet.
    pub(crate) fn new(endpoint: &'a Endpoint, patience: Patience) -> Self {
        Self {
            endpoint,
            patience,
            bounds: Bounds::EXPOSURE,
            connector: None,
            requests: 0,
            connections: 0,
            wire: None,
            answered: None,
        }
    }

    /// The same within other bounds, with another way of TLS.
    pub(crate) fn within(self, bounds: Bounds, connector: Option<TlsConnector>) -> Self {
        Self { bounds, connector, ..self }
    }

    /// Requests that may still be sent.
    pub(crate) fn requests_left(&self) -> u8 {
        self.bounds.requests - self.requests
    }

    /// Requests that were sent.
    pub(crate) fn requests_sent(&self) -> u8 {
        self.requests
    }

    /// The address that took the first connection.
    pub(crate) fn answered(&self) -> Option<SocketAddr> {
        self.answered
    }

    /// Asks, and judges what is answered.
    ///
    /// # Errors
    /// There is no connection.
    pub(crate) async fn ask(&mut self, probe: Probe) -> Result<Judged, Unreached> {
        if probe.ask.is_request() && self.requests_left() == 0 {
            return Ok(Judged::Unclear(None, "It would take a further request to tell."));
        }
        if !matches!(probe.ask, Ask::Reply(_)) {
            self.connect().await?;
        }
        if self.wire.is_none() {
            return Ok(Judged::Unclear(None, "It does not speak TLS as it was asked."));
        }
        let Some(request) = self.request(&probe.ask) else {
            return Ok(self.listen(probe).await);
        };
        if self.send(&request).await.is_err() {
            return Ok(Judged::Unclear(None, "It closed the connection at once."));
        }
        let judged = self.listen(probe).await;
        if let Ask::Say { goodbye, .. } = probe.ask
            && !goodbye.is_empty()
        {
            self.part(goodbye).await;
        }
        Ok(judged)
    }

    /// Asks over HTTP; the answer's bytes, as far as they came. None where it speaks
    /// no TLS as it was asked, or closed at once, or no request is left.
    ///
    /// # Errors
    /// There is no connection.
    pub(crate) async fn fetch(&mut self, ask: &Ask) -> Result<Vec<u8>, Unreached> {
        if self.requests_left() == 0 {
            return Ok(Vec::new());
        }
        self.connect().await?;
        let Some(request) = self.request(ask) else { return Ok(Vec::new()) };
        if self.wire.is_none() || self.send(&request).await.is_err() {
            return Ok(Vec::new());
        }
        let (bytes, _) = self.read(self.patience.answer, page::goes_on).await;
        Ok(bytes)
    }

    /// The bytes of a request; none where the server speaks first.
    fn request(&self, ask: &Ask) -> Option<Vec<u8>> {
        let (Endpoint { list, .. }, Bounds { agent, .. }) = (self.endpoint, self.bounds);
        let head = |line: String| {
            format!(
                "{line} HTTP/1.1\r\nhost: {}\r\nuser-agent: {agent}\r\naccept: */*\r\nconnection: close\r\n",
                self.endpoint.authority()
            )
        };
        match ask {
            Ask::Get(path) => Some(format!("{}\r\n", head(format!("GET {path}"))).into()),
            Ask::List => Some(format!("{}\r\n", head(format!("GET {list}"))).into()),
            Ask::GetUnder(path) => {
                Some(format!("{}\r\n", head(format!("GET {list}{path}"))).into())
            }
            Ask::Question { path, json } | Ask::QuestionUnder { path, json } => {
                let under =
                    if matches!(ask, Ask::QuestionUnder { .. }) { list.as_str() } else { "" };
                let head = head(format!("POST {under}{path}"));
                let length = json.len();
                Some(format!("{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{json}").into())
            }
            Ask::Say { request, .. } | Ask::Reply(request) => Some(request.to_vec()),
            Ask::Hear | Ask::Await => None,
        }
    }

    /// Opens a connection, if there may be one more.
    async fn connect(&mut self) -> Result<(), Unreached> {
        self.wire = None;
        if self.connections == self.bounds.connections {
            return Err(Unreached::Silent);
        }
        self.connections += 1;
        let mut unreached = Unreached::Silent;
        let addresses = match self.answered {
            Some(address) => vec![address],
            None => self.endpoint.addresses.clone(),
        };
        for address in addresses {
            match timeout(self.patience.connect, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    self.answered = Some(address);
                    let connector = self.connector.as_ref();
                    self.wire = self.endpoint.dress(stream, connector, self.patience.answer).await;
                    return Ok(());
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    unreached = Unreached::Refused;
                }
                _ => {}
            }
        }
        Err(unreached)
    }

    /// Sends a request and counts it.
    async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        if self.requests >= self.bounds.requests {
            return Err(io::Error::other("a request too many"));
        }
        self.requests += 1;
        let wire = self.wire.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let sent = async {
            wire.write_all(request).await?;
            wire.flush().await
        };
        within(self.patience.answer, sent).await
    }

    /// Ends a session; whether it is heard does not matter.
    async fn part(&mut self, goodbye: &[u8]) {
        if let Some(wire) = self.wire.as_mut() {
            let _ = within(self.patience.connect, wire.write_all(goodbye)).await;
        }
    }

    /// Reads until the judge knows, or there is no more.
    async fn listen(&mut self, probe: Probe) -> Judged {
        let patience = match probe.ask {
            Ask::Hear => self.patience.greeting,
            _ => self.patience.answer,
        };
        let mut judged = Judged::More;
        let (bytes, end) = self
            .read(patience, |heard| {
                judged = (probe.judge)(heard);
                matches!(judged, Judged::More)
            })
            .await;
        if end.is_some() {
            judged = (probe.judge)(&Heard { bytes: &bytes, end });
        }
        match (judged, end) {
            // A judge that wants more than all there is knows nothing.
            (Judged::Other | Judged::More, Some(end)) if bytes.is_empty() => silence(end),
            (Judged::More, _) => Judged::Other,
            (judged, _) => judged,
        }
    }

    /// Reads as long as `wants` more of what was heard; the bytes, and why there are
    /// no more, where that is not the reason.
    async fn read(
        &mut self,
        patience: Duration,
        mut wants: impl FnMut(&Heard<'_>) -> bool,
    ) -> (Vec<u8>, Option<End>) {
        let mut bytes = Vec::new();
        let Some(wire) = self.wire.as_mut() else { return (bytes, Some(End::Closed)) };
        let reading = async {
            loop {
                let mut chunk = [0; 8 << 10];
                let room = chunk.len().min(ANSWER_BYTES_MAX - bytes.len());
                if room == 0 {
                    return Some(End::Full);
                }
                match wire.read(&mut chunk[..room]).await {
                    Ok(0) | Err(_) => return Some(End::Closed),
                    Ok(read) => bytes.extend_from_slice(&chunk[..read]),
                }
                if !wants(&Heard { bytes: &bytes, end: None }) {
                    return None;
                }
            }
        };
        let end = timeout(patience, reading).await.unwrap_or(Some(End::TimeOver));
        (bytes, end)
    }
}

/// What it means that not a byte came.
fn silence(end: End) -> Judged {
    let why = match end {
        End::TimeOver => "It took the connection and said nothing.",
        End::Closed | End::Full => "It closed the connection without an answer.",
    };
    Judged::Unclear(None, why)
}

async fn within<T>(patience: Duration, done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, done).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

impl Endpoint {
    /// A connection with TLS around it, where it is spoken; nothing where it is not.
    async fn dress(
        &self,
        stream: TcpStream,
        connector: Option<&TlsConnector>,
        patience: Duration,
    ) -> Option<Box<dyn Wire>> {
        if !self.tls {
            return Some(Box::new(stream));
        }
        let name = ServerName::try_from(self.host.clone()).ok()?;
        let anybody = || tls::connector().ok();
        let shaken = connector.cloned().or_else(anybody)?.connect(name, stream);
        let wire = timeout(patience, shaken).await.ok()?.ok()?;
        Some(Box::new(wire))
    }

    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests;
