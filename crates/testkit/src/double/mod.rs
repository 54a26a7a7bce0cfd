//! A model server that answers without a model, at a pace and with faults that
//! a test chooses.
//!
//! It listens on loopback in a thread with a runtime of its own, so that it
//! works the same in a plain test, in a paused one and as a program.

mod answer;
mod anthropic;
mod bank;
mod behaviour;
mod engine;
mod io;
mod ollama;
mod openai;
mod plan;
mod record;
mod request;
mod schema;
mod server;
mod state;

use std::io as std_io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

pub use behaviour::{Behaviour, Done, Fault, UsageLie, WordError};
pub use engine::{Control, Metrics};
pub use record::Seen;

use state::State;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Requests that are remembered unless the options say otherwise.
const RECORDS_MAX: usize = 100_000;

/// Where and with how many threads a double runs.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Worker threads.
    pub workers: usize,
    /// Requests that are remembered; 0 remembers none.
    pub records_max: usize,
    /// An engine that makes the tokens; without one, the behaviour's pace and slots do.
    pub engine: Option<crate::engine::Settings>,
    /// Whose `/metrics` an engine has.
    pub metrics: Metrics,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: ([127, 0, 0, 1], 0).into(),
            workers: 1,
            records_max: RECORDS_MAX,
            engine: None,
            metrics: Metrics::Vllm,
        }
    }
}

/// A running double. It stops when it is dropped.
pub struct Double {
    address: SocketAddr,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Double {
    /// Starts a double on a free port of loopback.
    ///
    /// # Panics
    /// If the machine has no port or no thread left: a test cannot go on then.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test without its double cannot go on")]
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_with(Options::default(), behaviour).expect("a free port on loopback")
    }

    /// Starts a double.
    ///
    /// # Errors
    /// If the address cannot be bound or the runtime cannot start.
    pub fn start_with(options: Options, behaviour: Behaviour) -> std_io::Result<Self> {
        let runtime = runtime(options.workers)?;
        let listener = {
            // Not `block_on`: the caller may be inside a runtime of its own.
            let _entered = runtime.enter();
            listen(options.address)?
        };
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(behaviour, &options));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread =
            std::thread::Builder::new().name("model-double".to_owned()).spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, Arc::clone(&shared)) => {}
                        () = shared.drive() => {}
                        _ = stopped => {}
                    }
                });
                // Drops every connection, as a server that is killed does.
                runtime.shutdown_background();
            })?;
        Ok(Self { address, state, stop: Some(stop), thread: Some(thread) })
    }

    /// The base address without a path: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the behaviour for requests that come from now on.
    pub fn set(&self, behaviour: Behaviour) {
        self.state.set(behaviour);
    }

    /// Changes the engine, or restarts the server; without an engine only the
    /// latter does anything.
    pub fn control(&self, control: Control) {
        self.state.control(control);
    }

    /// The requests seen, oldest first, with how far each answer has come.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.state.records.seen()
    }

    /// How many of them were somebody's call: a door's own look at its server's
    /// health carries no `x-request-id`.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.requests().iter().filter(|seen| seen.request_id.is_some()).count()
    }

    /// The requests seen under one `x-request-id` (retries share it).
    #[must_use]
    pub fn requests_of(&self, request_id: &str) -> Vec<Seen> {
        let mut seen = self.requests();
        seen.retain(|one| one.request_id.as_deref() == Some(request_id));
        seen
    }

    /// Tokens produced over all remembered requests.
    #[must_use]
    pub fn produced(&self) -> u64 {
        self.requests().iter().map(|seen| seen.produced).sum()
    }

    /// Answers under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.state.records.in_flight()
    }

    /// Waits until no answer is under way; `false` after `limit`.
    pub async fn idle(&self, limit: Duration) -> bool {
        let waiting = async {
            while self.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(limit, waiting).await.is_ok()
    }

    /// Forgets the requests seen.
    pub fn clear(&self) {
        self.state.records.clear();
    }

    /// Serves one connection of an in-memory network, on the caller's runtime and clock.
    pub async fn serve<I>(&self, io: I)
    where
        I: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        server::connection(Arc::clone(&self.state), io, Arc::default(), true).await;
    }

    /// Stops: every connection breaks, the port is free.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the double's thread shows as a failure of the test's own calls.
            let _ = thread.join();
        }
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.end();
    }
}

fn runtime(workers: usize) -> std_io::Result<tokio::runtime::Runtime> {
    let mut builder = if workers > 1 {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(workers);
        builder
    } else {
        tokio::runtime::Builder::new_current_thread()
    };
    builder.enable_all().build()
}

fn listen(address: SocketAddr) -> std_io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((stream, peer)) = listener.accept().await else {
            // Out of descriptors: let some connections end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it a token may wait for an acknowledgement; a failure only costs time.
        let _ = stream.set_nodelay(true);
        let reset = Arc::new(AtomicBool::new(false));
        let io = io::Resettable::new(stream, Arc::clone(&reset));
        let is_near = peer.ip().to_canonical().is_loopback();
        spawn(server::connection(Arc::clone(&state), io, reset, is_near));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the double has its own runtime and nothing to drain"
)]
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn only_the_same_machine_may_change_a_double() {
        let double = Double::start(Behaviour::default());
        for (path, is_near, status) in [
            ("/double/control", true, "200"),
            ("/double/control", false, "403"),
            ("/double/behaviour", false, "403"),
            ("/v1/models", false, "200"),
        ] {
            let (mut client, server) = tokio::io::duplex(1 << 16);
            let state = Arc::clone(&double.state);
            let serving = server::connection(state, server, Arc::default(), is_near);
            let asking = async {
                let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
                let request = format!("{head}content-length: 0\r\n\r\n");
                client.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                answer
            };
            let ((), answer) = tokio::join!(serving, asking);
            assert_eq!(answer.split(' ').nth(1), Some(status), "{path} {is_near}");
        }
    }
}
