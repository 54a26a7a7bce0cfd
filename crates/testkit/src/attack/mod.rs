//! Attacks on a connection, byte by byte: what no well-behaved client library
//! would send. Against loopback only, and bounded in count and time.

pub mod campaign;
mod floods;
mod http1;
mod http2;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

pub use floods::{Asked, FLOODS, Flood};
pub use http1::{Ended, drip, say, trickle};
pub use http2::{Flags, Frames, Http2, Kind, Seen, request_block};

/// One attack, in time.
pub const ATTACK_MAX: Duration = Duration::from_secs(60);
/// What is kept of a victim's answer, in bytes; more is read and dropped.
pub const ANSWER_KEPT_BYTES_MAX: usize = 1 << 20;
/// The receive buffer of a reader that is slow, in bytes: the kernel doubles it.
const SMALL_BUFFER_BYTES: u32 = 2 << 10;

/// Where an attack comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum From {
    /// Wherever the system likes.
    #[default]
    Anywhere,
    /// This address of loopback: `127.0.N.1` is a network of its own for each N.
    Address(IpAddr),
    /// Anywhere, with so small a receive buffer that not reading is felt soon.
    SmallBuffer,
}

/// A connection to `victim`, which must be on loopback.
///
/// # Errors
/// It is not on loopback, or does not take the connection.
pub async fn connect(victim: SocketAddr, from: From) -> io::Result<TcpStream> {
    if !victim.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "attacks are for loopback"));
    }
    let socket = if victim.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    match from {
        From::Anywhere => {}
        From::Address(address) => socket.bind(SocketAddr::new(address, 0))?,
        From::SmallBuffer => socket.set_recv_buffer_size(SMALL_BUFFER_BYTES)?,
    }
    let stream = socket.connect(victim).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads until the victim closes or `limit` is over; whether it closed, and
/// the first bytes of what it said.
pub async fn until_closed(stream: &mut (impl AsyncRead + Unpin), limit: Duration) -> Ended {
    let start = Instant::now();
    let mut answer = Vec::new();
    let mut buffer = vec![0; 16 << 10];
    let closed = loop {
        let left = limit.min(ATTACK_MAX).saturating_sub(start.elapsed());
        match tokio::time::timeout(left, stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => break true,
            Ok(Ok(count)) => {
                let room = ANSWER_KEPT_BYTES_MAX.saturating_sub(answer.len());
                answer.extend_from_slice(&buffer[..count.min(room)]);
            }
            Err(_) => break false,
        }
    };
    Ended { closed, after: start.elapsed(), answer }
}
