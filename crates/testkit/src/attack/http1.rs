//! Attacks in HTTP/1 and below it: bytes said slowly, wrongly or not at all.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::{From, connect, until_closed};

/// How an attack ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Whether the victim closed the connection within the attack's limit.
    pub closed: bool,
    /// From its beginning to its end.
    pub after: Duration,
    /// What the victim said.
    pub answer: Vec<u8>,
}

impl Ended {
    /// The status of the first answer; 0 if there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.statuses().first().copied().unwrap_or(0)
    }

    /// The statuses of all answers, in order.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        let text = String::from_utf8_lossy(&self.answer);
        text.split("HTTP/1.")
            .skip(1)
            .filter_map(|answer| answer.split(' ').nth(1)?.parse().ok())
            .collect()
    }
}

/// Says all of `bytes` at once, then only listens.
///
/// # Errors
/// There is no connection. One that the victim breaks is no error but an end.
pub async fn say(victim: SocketAddr, bytes: &[u8], limit: Duration) -> io::Result<Ended> {
    let mut stream = connect(victim, From::Anywhere).await?;
    let (mut reader, mut writer) = stream.split();
    let write = async {
        // A victim that closes early is what the attack is about.
        let _ = writer.write_all(bytes).await;
    };
    let (ended, ()) = tokio::join!(until_closed(&mut reader, limit), write);
    Ok(ended)
}

/// Says `bytes` one by one with `gap` between them, and goes round `bytes`
/// from `again` on until the victim closes or `limit` is over.
///
/// # Errors
/// There is no connection.
pub async fn drip(
    victim: SocketAddr,
    bytes: &[u8],
    again: usize,
    gap: Duration,
    limit: Duration,
) -> io::Result<Ended> {
    let start = Instant::now();
    let mut stream = connect(victim, From::Anywhere).await?;
    let (mut reader, mut writer) = stream.split();
    let write = async {
        let tail = bytes.get(again..).unwrap_or(&[]).iter().cycle();
        for byte in bytes.iter().take(again).chain(tail) {
            if start.elapsed() > limit || writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(gap).await;
        }
    };
    let (ended, ()) = tokio::join!(until_closed(&mut reader, limit), write);
    Ok(ended)
}

/// Says `head` at once, then `tail` again and again, a byte at a time with
/// `gap` between two, until the victim closes or `limit` is over.
///
/// # Errors
/// There is no connection.
pub async fn trickle(
    victim: SocketAddr,
    head: &[u8],
    tail: &[u8],
    gap: Duration,
    limit: Duration,
) -> io::Result<Ended> {
    let mut stream = connect(victim, From::Anywhere).await?;
    let (mut reader, mut writer) = stream.split();
    let write = async {
        if writer.write_all(head).await.is_ok() {
            for byte in tail.iter().cycle() {
                tokio::time::sleep(gap).await;
                if writer.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
        }
        // The reader tells of the end.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = until_closed(&mut reader, limit) => Ok(ended),
        () = write => Err(io::Error::other("the writer never ends")),
    }
}
