//! Bound sockets: our own, or inherited from a supervisor (`LISTEN_FDS`).

use std::net::{SocketAddr, TcpListener as StdListener};

use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpListener;

/// Connections that wait for `accept`.
const BACKLOG: i32 = 1_024;
/// Bytes of answers that the kernel keeps for a client that does not take them;
/// left to itself it keeps up to 4 MiB for each. A client 100 ms away can still
/// be sent a few MiB a second.
const SEND_BUFFER_BYTES: usize = 256 << 10;
/// Descriptors that the door needs for itself: files, control socket, database.
const DESCRIPTORS_OWN: u64 = 64;

/// A listener that is bound.
#[derive(Debug)]
pub struct Bound {
    /// The socket.
    pub listener: TcpListener,
    /// Its address, with the port that the system chose if none was given.
    pub address: SocketAddr,
}

/// A listener could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is taken or not ours.
    #[error("{address} cannot be bound: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A supervisor passed a listener that more can reach than was configured.
    #[error(
        "the inherited listener {inherited} can be reached from other machines, and [listen] says {configured}: write its address there"
    )]
    Wider {
        /// Where the listener is.
        inherited: SocketAddr,
        /// Where the configuration has it.
        configured: SocketAddr,
    },
    /// A supervisor passed something that is no listening socket.
    #[error("the inherited descriptor {nth} is no TCP listener: {source}")]
    Inherited {
        /// Which one, from 0.
        nth: usize,
        /// What the system said.
        source: std::io::Error,
    },
}

/// The listeners that a supervisor passed (systemd's `LISTEN_FDS`), in its order.
///
/// # Errors
/// One of them is no TCP listener.
pub fn inherited() -> Result<Vec<Bound>, BindError> {
    let mut passed = ListenFd::from_env();
    let mut bound = Vec::new();
    for nth in 0..passed.len() {
        let fault = |source| BindError::Inherited { nth, source };
        if let Some(listener) = passed.take_tcp_listener(nth).map_err(fault)? {
            bound.push(from_std(listener).map_err(fault)?);
        }
    }
    Ok(bound)
}

/// Binds `address`. A port that was just left by another process is taken over.
///
/// # Errors
/// The address is taken, not ours, or needs rights that the process lacks.
pub fn bind(address: SocketAddr) -> Result<Bound, BindError> {
    listen_on(address).map_err(|source| BindError::Bind { address, source })
}

fn listen_on(address: SocketAddr) -> std::io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    from_std(socket.into())
}

fn from_std(listener: StdListener) -> std::io::Result<Bound> {
    listener.set_nonblocking(true)?;
    // Accepted connections inherit it.
    SockRef::from(&listener).set_send_buffer_size(SEND_BUFFER_BYTES)?;
    let address = listener.local_addr()?;
    Ok(Bound { listener: TcpListener::from_std(listener)?, address })
}

/// The raised descriptor limit, and how many connections it leaves room for:
/// half of what is not the door's own, because each may hold one upstream.
#[must_use]
pub fn raise_descriptor_limit() -> (u64, u32) {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(1 << 20).min(1 << 20);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let now = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(1_024),
    };
    let connections = now.saturating_sub(DESCRIPTORS_OWN) / 2;
    (now, u32::try_from(connections).unwrap_or(u32::MAX).max(16))
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::time::{Duration, timeout};

    use super::*;

    #[tokio::test]
    async fn the_kernel_keeps_little_for_a_client_that_takes_nothing() {
        let bound = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let client = tokio::net::TcpStream::connect(bound.address).await.unwrap();
        let (mut accepted, _) = bound.listener.accept().await.unwrap();
        SockRef::from(&client).set_recv_buffer_size(4 << 10).unwrap();
        let size = SockRef::from(&accepted).send_buffer_size().unwrap();
        assert!(size <= 2 * SEND_BUFFER_BYTES, "the kernel doubles it, no more: {size}");
        let piece = vec![7; 16 << 10];
        let mut taken = 0;
        while let Ok(written) = timeout(Duration::from_millis(200), accepted.write(&piece)).await {
            taken += written.unwrap();
            assert!(taken < 8 << 20, "it is never full");
        }
        assert!(taken < 2 * SEND_BUFFER_BYTES + (1 << 20), "{taken} bytes");
        drop(client);
    }
}
