//! Floods of HTTP/2 frames: the connection that sends them is closed early,
//! others are served, and what it opened is settled.

use serde_json::json;
use surgewall_testkit::Behaviour;
use surgewall_testkit::attack::{Flags, Frames, Http2, Kind, Seen, request_block};

use crate::floods::{Siege, WATCH};

/// Pieces of each flood.
const ROUNDS: u32 = 10_000;
/// The default of a stream's window, in bytes (RFC 9113, 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

fn get(path: &str) -> Vec<u8> {
    request_block(&[
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

fn post(siege: &Siege) -> Vec<u8> {
    request_block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/v1/chat/completions"),
        ("authorization", &siege.bearer()),
        ("content-type", "application/json"),
    ])
}

/// The number of the stream that a client opens in this round.
const fn stream(round: u32) -> u32 {
    2 * round + 1
}

/// Floods a door and wants it to hang up before the flood is over.
async fn check(what: &str, piece: impl Fn(u32) -> Frames) -> Seen {
    let siege = Siege::begin(Behaviour::default()).await;
    let attack = async {
        let connection = Http2::open(siege.victim(), &[]).await.unwrap();
        connection.flood(ROUNDS, piece, WATCH).await
    };
    let seen = siege.endure(attack).await;
    println!("{what}: {seen:?}");
    assert!(seen.closed, "{what}: {seen:?}");
    siege.end().await;
    seen
}

#[tokio::test]
async fn rapid_reset_is_cut() {
    let block = get("/healthz");
    let seen = check("rapid reset", |round| {
        Frames::default().frame(Kind::Headers, Flags::END, stream(round), &block).number(
            Kind::ResetStream,
            stream(round),
            8,
        )
    })
    .await;
    assert!(seen.heads < 1_000, "{seen:?}");
}

#[tokio::test]
async fn resets_that_the_door_is_made_to_send_are_cut() {
    let block = get("/healthz");
    let open = |round| Frames::default().frame(Kind::Headers, Flags::END, stream(round), &block);
    check("a window of nothing", |round| open(round).number(Kind::WindowUpdate, stream(round), 0))
        .await;
    check("a window too large", |round| {
        open(round).number(Kind::WindowUpdate, stream(round), 0x7fff_ffff)
    })
    .await;
    check("data after the end", |round| {
        open(round).frame(Kind::Data, Flags::NONE, stream(round), b"x")
    })
    .await;
    check("a stream that depends on itself", |round| {
        let own = stream(round).to_be_bytes();
        let payload = [own[0], own[1], own[2], own[3], 0];
        open(round).frame(Kind::Priority, Flags::NONE, stream(round), &payload)
    })
    .await;
    let length = request_block(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/v1/messages"),
        ("content-length", "1"),
    ]);
    check("more data than said", |round| {
        Frames::default().frame(Kind::Headers, Flags::END_HEADERS, stream(round), &length).frame(
            Kind::Data,
            Flags::END_STREAM,
            stream(round),
            b"xyz",
        )
    })
    .await;
}

#[tokio::test]
async fn heads_without_end_are_cut() {
    let block = get("/healthz");
    let filler = request_block(&[("x-a", &"b".repeat(1_000))]);
    check("CONTINUATION", |round| match round {
        0 => Frames::default().frame(Kind::Headers, Flags::END_STREAM, 1, &block),
        _ => Frames::default().frame(Kind::Continuation, Flags::NONE, 1, &filler),
    })
    .await;
    check("empty CONTINUATION", |round| match round {
        0 => Frames::default().frame(Kind::Headers, Flags::END_STREAM, 1, &block),
        _ => Frames::default().frame(Kind::Continuation, Flags::NONE, 1, &[]),
    })
    .await;
}

#[tokio::test]
async fn a_head_that_unpacks_to_much_more_is_refused() {
    // One field of 4,000 bytes goes into the table; each further byte names it again.
    let mut bomb = get("/healthz");
    bomb.extend_from_slice(&[0x40, 1, b'x', 0x7f, 0x80 | 0x21, 0x1e]);
    bomb.extend_from_slice(&[b'a'; 4_000]);
    bomb.extend(std::iter::repeat_n(0xbe, 10_000));
    let seen = check("an HPACK bomb", |round| {
        Frames::default().frame(Kind::Headers, Flags::END, stream(round), &bomb)
    })
    .await;
    assert_eq!(seen.data_bytes, 0, "no bomb reached a route: {seen:?}");
}

#[tokio::test]
async fn frames_that_carry_nothing_are_cut() {
    check("SETTINGS", |_| Frames::default().frame(Kind::Settings, Flags::NONE, 0, &[])).await;
    check("PING", |_| Frames::default().frame(Kind::Ping, Flags::NONE, 0, &[7; 8])).await;
    check("PRIORITY", |_| {
        Frames::default().frame(Kind::Priority, Flags::NONE, 1, &[0, 0, 0, 3, 0])
    })
    .await;
    check("WINDOW_UPDATE", |_| Frames::default().number(Kind::WindowUpdate, 0, 1)).await;
    let siege = Siege::begin(Behaviour::default()).await;
    let block = post(&siege);
    siege.end().await;
    check("empty DATA", |round| match round {
        0 => Frames::default().frame(Kind::Headers, Flags::END_HEADERS, 1, &block),
        _ => Frames::default().frame(Kind::Data, Flags::NONE, 1, &[]),
    })
    .await;
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_frees_its_place_at_the_upstream() {
    let siege = Siege::begin("rate=50".parse().unwrap()).await;
    let body = json!({"model": "double", "stream": true, "max_tokens": 100_000,
        "messages": [{"role": "user", "content": "say 100000"}]})
    .to_string();
    let frames = Frames::default()
        .frame(Kind::Headers, Flags::END_HEADERS, 1, &post(&siege))
        .frame(Kind::Data, Flags::END_STREAM, 1, body.as_bytes());
    let attack = async {
        let connection = Http2::open(siege.victim(), &[(INITIAL_WINDOW_SIZE, 0)]).await.unwrap();
        connection.linger(&frames, WATCH).await.unwrap()
    };
    let seen = siege.endure(attack).await;
    println!("zero window: {seen:?}");
    assert!(seen.heads == 1 && seen.data_bytes == 0, "{seen:?}");
    assert!(seen.closed || seen.resets > 0, "{seen:?}");
    siege.end().await;
}

#[tokio::test]
async fn a_connection_without_a_stream_is_closed() {
    let siege = Siege::begin(Behaviour::default()).await;
    let one = Frames::default().frame(Kind::Headers, Flags::END, 1, &get("/healthz"));
    let attack = async {
        let idle = Http2::open(siege.victim(), &[]).await.unwrap();
        let used = Http2::open(siege.victim(), &[]).await.unwrap();
        let nothing = Frames::default();
        tokio::join!(idle.linger(&nothing, WATCH), used.linger(&one, WATCH))
    };
    let (idle, used) = siege.endure(attack).await;
    let (idle, used) = (idle.unwrap(), used.unwrap());
    assert!(idle.closed, "{idle:?}");
    assert!(used.closed && used.heads == 1, "{used:?}");
    siege.end().await;
}
