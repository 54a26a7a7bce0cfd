//! A mail server in this process, which keeps what it is given.

use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How it guards the line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    Clear,
    StartTls,
    Tls,
}

/// What it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    Takes,
    /// Every recipient, with 550 and the address in the text.
    RefusesForGood,
    /// The first so many connections, with 421; then it takes.
    IsBusyFor(usize),
    /// It hangs up at the first so many connections; then it takes.
    HangsUpOn(usize),
}

/// One letter as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) hello: String,
    pub(super) login: Option<String>,
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) text: String,
    pub(super) is_guarded: bool,
}

#[derive(Default)]
pub(super) struct Kept {
    pub(super) connections: usize,
    pub(super) letters: Vec<Taken>,
}

/// A running one. Dropping it ends it.
pub(super) struct Sink {
    pub(super) port: u16,
    /// Its certificate, in PEM.
    pub(super) certificate: String,
    pub(super) kept: Arc<Mutex<Kept>>,
    _server: JoinSet<()>,
}

impl Sink {
    pub(super) async fn start(line: Line, manner: Manner) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let kept = Arc::<Mutex<Kept>>::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, line, manner, acceptor, Arc::clone(&kept)));
        Self { port, certificate: cert.pem(), kept, _server: server }
    }

    pub(super) fn letters(&self) -> Vec<Taken> {
        self.kept.lock().unwrap().letters.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.kept.lock().unwrap().connections
    }
}

async fn serve(
    listener: TcpListener,
    line: Line,
    manner: Manner,
    acceptor: TlsAcceptor,
    kept: Arc<Mutex<Kept>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut kept = kept.lock().unwrap();
            kept.connections += 1;
            kept.connections
        };
        let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
        connections.spawn(async move {
            let mut stream = stream;
            match manner {
                Manner::HangsUpOn(first) if number <= first => return,
                Manner::IsBusyFor(first) if number <= first => {
                    let _ = stream.write_all(b"421 busy\r\n").await;
                    return;
                }
                _ => {}
            }
            let mut taken = Taken { is_guarded: line == Line::Tls, ..Taken::default() };
            if line == Line::Tls {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                talk(stream, line, manner, &mut taken, &kept, true).await;
                return;
            }
            let Some(stream) = talk(stream, line, manner, &mut taken, &kept, true).await else {
                return;
            };
            taken.is_guarded = true;
            let Ok(stream) = acceptor.accept(stream).await else { return };
            talk(stream, line, manner, &mut taken, &kept, false).await;
        });
    }
}

/// One conversation; the stream is given back where the client wants TLS now.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    line: Line,
    manner: Manner,
    taken: &mut Taken,
    kept: &Mutex<Kept>,
    greets: bool,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 sink\r\n").await.ok()?;
    }
    let mut command = String::new();
    loop {
        command.clear();
        if stream.read_line(&mut command).await.ok()? == 0 {
            return None;
        }
        let text = command.trim_end();
        let argument = text.split_once([' ', ':']).map_or("", |(_, rest)| rest).to_owned();
        let answer = match text.split(' ').next().unwrap_or_default() {
            "EHLO" => {
                taken.hello = argument;
                let offers = line == Line::StartTls && !taken.is_guarded;
                let starttls = if offers { "250-STARTTLS\r\n" } else { "" };
                format!("250-sink\r\n{starttls}250-AUTH PLAIN\r\n250 8BITMIME")
            }
            "STARTTLS" => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => {
                taken.login = Some(argument);
                "235 welcome".to_owned()
            }
            "MAIL" => {
                taken.from = argument;
                "250 fine".to_owned()
            }
            "RCPT" if manner == Manner::RefusesForGood => format!("550 {argument} is nobody here"),
            "RCPT" => {
                taken.to.push(argument);
                "250 fine".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                loop {
                    command.clear();
                    stream.read_line(&mut command).await.ok()?;
                    if command == ".\r\n" {
                        break;
                    }
                    taken.text.push_str(&command);
                }
                kept.lock().unwrap().letters.push(taken.clone());
                "250 taken".to_owned()
            }
            "QUIT" => "221 bye".to_owned(),
            _ => "500 what?".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}
