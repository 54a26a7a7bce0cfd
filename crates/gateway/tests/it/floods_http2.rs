//! Floods of HTTP/2 frames: the connection that sends them is closed early,
//! others are served, and what it opened is settled.

use serde_json::json;
use surgewall_testkit::Behaviour;
use surgewall_testkit::attack::{Asked, FLOODS, Flags, Flood, Frames, Http2, Kind, Seen};

use crate::floods::{Siege, WATCH};

/// Pieces of each flood.
const ROUNDS: u32 = 10_000;
/// The default of a stream's window, in bytes (RFC 9113, 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Floods a door and wants it to hang up before the flood is over.
async fn check(flood: &Flood) -> Seen {
    let siege = Siege::begin(Behaviour::default()).await;
    let asked = Asked { authorization: Some(siege.bearer()) };
    let attack = async {
        let connection = Http2::open(siege.victim(), &[]).await.unwrap();
        connection.flood(ROUNDS, |round| flood.piece(&asked, round), WATCH).await
    };
    let seen = siege.endure(attack).await;
    println!("{}: {seen:?}", flood.name);
    assert!(seen.closed, "{}: {seen:?}", flood.name);
    siege.end().await;
    seen
}

#[tokio::test]
async fn every_flood_is_cut() {
    for flood in FLOODS {
        let seen = check(flood).await;
        match flood.name {
            "rapid-reset" => assert!(seen.heads < 1_000, "{seen:?}"),
            "hpack-bomb" => assert_eq!(seen.data_bytes, 0, "no bomb reached a route: {seen:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_frees_its_place_at_the_upstream() {
    let siege = Siege::begin("rate=50".parse().unwrap()).await;
    let body = json!({"model": "double", "stream": true, "max_tokens": 100_000,
        "messages": [{"role": "user", "content": "say 100000"}]})
    .to_string();
    let asked = Asked { authorization: Some(siege.bearer()) };
    let frames = Frames::default()
        .frame(Kind::Headers, Flags::END_HEADERS, 1, &asked.post())
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
    let one = Frames::default().frame(Kind::Headers, Flags::END, 1, &Asked::get());
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
