//! Attacks on connections, in HTTP/1 and below: each is cut within its named
//! limit, while a good client is served and nothing stays open.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use surgewall_core::files::read_text;
use surgewall_testkit::attack::{Ended, From, connect, drip, say, trickle, until_closed};
use surgewall_testkit::{Behaviour, Double};
use tokio::io::AsyncWriteExt as _;

use crate::calls::chat;
use crate::harness::{TestDoor, upstream};

/// What an attack may add to the process's memory, in bytes: other tests run beside it.
const MEMORY_GROWTH_BYTES_MAX: u64 = 128 << 20;
/// How long an attack is watched.
pub(crate) const WATCH: Duration = Duration::from_secs(20);
/// How late after its limit a cut may come on a busy machine.
const LATE: Duration = Duration::from_secs(8);
/// Limits so short that a test can wait for them.
const SHORT: &str = "[limits]\nheader_read_s=1\nbody_read_s=1\nclient_stall_s=1\n";

/// A door before a double, under attack.
pub(crate) struct Siege {
    pub(crate) door: TestDoor,
    pub(crate) double: Double,
    key: String,
}

impl Siege {
    /// A door with the short limits.
    pub(crate) async fn begin(behaviour: Behaviour) -> Self {
        Self::begin_with(SHORT, behaviour).await
    }

    /// A door with these limits.
    pub(crate) async fn begin_with(limits: &str, behaviour: Behaviour) -> Self {
        let double = Double::start(behaviour);
        let config = format!("{limits}{}", upstream("local", &double.url(), "models=[\"double\"]"));
        let door = TestDoor::start(&config).await;
        let asked = surgewall_store::admin::KeyCreate { name: "good".into(), ..Default::default() };
        let key = door.key(asked).await;
        Self { door, double, key }
    }

    /// The public listener.
    pub(crate) fn victim(&self) -> SocketAddr {
        self.door.url.trim_start_matches("http://").parse().unwrap()
    }

    /// The head of a good request that has a body of `length` bytes.
    pub(crate) fn head(&self, length: usize) -> String {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: Bearer {}\r\ncontent-length: {length}\r\n\r\n",
            self.key
        )
    }

    /// The bearer of the good key.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.key)
    }

    /// Runs `attack` while a good client asks again and again, and gives what it tells.
    pub(crate) async fn endure<T>(&self, attack: impl Future<Output = T>) -> T {
        let before = resident_bytes();
        let client = self.door.stranger().with_key(&self.key);
        let mut attack = std::pin::pin!(attack);
        let mut served = 0;
        let told = loop {
            let question = chat("double", "say 1", false);
            let good = client.post("/v1/chat/completions", &question);
            tokio::select! {
                biased;
                answer = good => {
                    let answer = answer.unwrap();
                    assert_eq!(answer.status, 200, "{:?}", answer.body);
                    served += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                told = &mut attack => break told,
            }
        };
        let after = client.post("/v1/chat/completions", &chat("double", "say 1", false)).await;
        assert_eq!(after.unwrap().status, 200, "after {served} answers under attack");
        let grown = resident_bytes().saturating_sub(before);
        assert!(grown < MEMORY_GROWTH_BYTES_MAX, "the attack took {grown} bytes");
        told
    }

    /// Ends the siege: nothing is open and the sums agree.
    pub(crate) async fn end(self) {
        self.door.settled().await;
        for _ in 0..500 {
            if self.door.door().tasks.connections() <= 3 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.door.stop().await.check_conservation();
        assert_eq!(self.double.in_flight(), 0, "no call to an upstream outlives its client");
    }
}

/// This process's resident memory.
fn resident_bytes() -> u64 {
    let statm = read_text(Path::new("/proc/self/statm"), 4_096).unwrap();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * 4_096
}

fn check_cut(what: &str, ended: &Ended, limit: Duration) {
    assert!(ended.closed, "{what} is not cut: {:?}", String::from_utf8_lossy(&ended.answer));
    assert!(ended.after < limit + LATE, "{what} was cut after {:?} only", ended.after);
}

#[tokio::test]
async fn a_head_that_does_not_arrive_is_cut() {
    let siege = Siege::begin(Behaviour::default()).await;
    let second = Duration::from_secs(1);
    let slow = Duration::from_millis(200);
    let head = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n";
    let after_one = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\nGET /heal";
    let victim = siege.victim();
    let attack = async {
        tokio::join!(
            drip(victim, head, head.len() - 8, slow, WATCH),
            drip(victim, b"PRI * HTTP/2.0\r\n\r\nSM\r\n", 22, slow, WATCH),
            say(victim, b"", WATCH),
            say(victim, b"GET / HTTP/1.1\r\nhost: loc", WATCH),
            say(victim, after_one, WATCH),
        )
    };
    let (dripped, preface, silent, half, second_half) = siege.endure(attack).await;
    check_cut("a head of a byte at a time", &dripped.unwrap(), second);
    check_cut("a preface of a byte at a time", &preface.unwrap(), second);
    check_cut("a peer that says nothing", &silent.unwrap(), second);
    check_cut("half a head", &half.unwrap(), second);
    let second_half = second_half.unwrap();
    check_cut("half a second head", &second_half, second);
    assert_eq!(second_half.status(), 200);
    siege.end().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_answered_408() {
    let siege = Siege::begin(Behaviour::default()).await;
    let head = siege.head(1_000);
    let attack = async {
        tokio::join!(
            drip(siege.victim(), head.as_bytes(), 0, Duration::ZERO, Duration::ZERO),
            say(siege.victim(), head.as_bytes(), WATCH),
            trickle(siege.victim(), head.as_bytes(), b" ", Duration::from_millis(50), WATCH),
        )
    };
    let (_, none, slow) = siege.endure(attack).await;
    for (what, ended) in [("no body", none.unwrap()), ("a body of a byte at a time", slow.unwrap())]
    {
        check_cut(what, &ended, Duration::from_secs(1));
        assert_eq!(ended.status(), 408, "{what}");
    }
    siege.end().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_frees_its_place_at_the_upstream() {
    let siege = Siege::begin("rate=0".parse().unwrap()).await;
    let body = json!({"model": "double", "stream": true, "max_tokens": 200_000,
        "messages": [{"role": "user", "content": "say 200000"}]})
    .to_string();
    let request = format!("{}{body}", siege.head(body.len()));
    let attack = async {
        let mut stream = connect(siege.victim(), From::SmallBuffer).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        // The good client's calls come and go; this one has a reservation until it is cut.
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..400 {
            if siege.door.door().open.count() == 0 {
                return until_closed(&mut stream, WATCH).await;
            }
            tokio::time::sleep(Duration::from_millis(23)).await;
        }
        panic!("a reader that takes nothing keeps its place");
    };
    let ended = siege.endure(attack).await;
    assert!(ended.closed);
    siege.end().await;
}

/// What is said, and the statuses that may come back before the connection closes.
async fn check_nonsense(siege: &Siege, what: &str, bytes: &[u8], statuses: &[u16]) {
    let ended = siege.endure(say(siege.victim(), bytes, WATCH)).await.unwrap();
    check_cut(what, &ended, Duration::from_secs(1));
    assert_eq!(ended.statuses(), statuses, "{what}: {}", String::from_utf8_lossy(&ended.answer));
}

#[tokio::test]
async fn nonsense_is_refused_and_closed() {
    let siege = Siege::begin(Behaviour::default()).await;
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let headers: String = (0..200).map(|nth| format!("x-{nth}: 1\r\n")).collect();
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(80 << 10));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let target = get(&format!("/{}", "a".repeat(70_000)));
    let cases: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("an oversize header", large.into(), &[431]),
        ("too many headers", many.into(), &[431]),
        ("an oversize target", target.into(), &[414]),
        ("HTTP/0.9", b"GET /\r\n\r\n".to_vec(), &[400]),
        ("a future version", b"GET / HTTP/7.5\r\nhost: localhost\r\n\r\n".to_vec(), &[400]),
        ("a NUL in the target", b"GET /\0 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), &[400]),
        (
            "a NUL in a header",
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\0b\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            "a NUL in a name",
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx\0: a\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            "a folded header",
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\r\n b\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            "a space before the colon",
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx : a\r\n\r\n".to_vec(),
            &[400],
        ),
        (
            "TLS on a plain listener",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            &[400],
        ),
        ("a foreign absolute target", get("http://evil.example/healthz").into(), &[200]),
        ("an absolute target", get("http://localhost/healthz").into(), &[200]),
        ("no host", b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), &[421]),
        ("an asterisk", b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(), &[404]),
        (
            "CONNECT",
            b"CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_vec(),
            &[404],
        ),
        ("a climb", get("/../../etc/passwd").into(), &[404]),
        ("an escaped climb", get("/v1/%2e%2e/metrics").into(), &[404]),
        ("an escaped NUL", get("/v1/models/%00").into(), &[401]),
        ("an invalid escape", get("/v1/models/%ff%zz").into(), &[404]),
    ];
    for (what, bytes, statuses) in cases {
        check_nonsense(&siege, what, &bytes, statuses).await;
    }
    siege.end().await;
}

#[tokio::test]
async fn requests_cannot_be_smuggled() {
    let siege = Siege::begin(Behaviour::default()).await;
    let start = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: {}\r\n",
        siege.bearer()
    );
    let hidden = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let both =
        format!("{start}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}");
    let lengths = format!("{start}content-length: 0\r\ncontent-length: 44\r\n\r\n{hidden}");
    let sign = format!("{start}content-length: +4\r\n\r\nabcd{hidden}");
    let coding = format!("{start}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}");
    let twice = format!("{start}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}");
    let old = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
    );
    let chunked = format!("{start}transfer-encoding: chunked\r\n\r\n");
    let garbage = format!("{chunked}zz\r\nabc\r\n0\r\n\r\n{hidden}");
    let endless = format!("{chunked}fffffffffffffffffffff\r\nabc\r\n0\r\n\r\n{hidden}");
    let extension = format!("{chunked}1;{}\r\na\r\n0\r\n\r\n", "e".repeat(40_000));
    let trailers = format!("{chunked}0\r\n{}\r\n", "x: y\r\n".repeat(20_000));
    // None may answer the hidden request beside an answer to a request whose end is in doubt.
    for (what, bytes) in [
        ("a length and a coding", both),
        ("two lengths", lengths),
        ("a length with a sign", sign),
        ("a coding behind chunked", coding),
        ("an unknown coding", twice),
        ("chunks in HTTP/1.0", old),
        ("chunks that are none", garbage),
        ("a chunk without end", endless),
        ("a chunk's long extension", extension),
        ("many trailers", trailers),
    ] {
        let ended = siege.endure(say(siege.victim(), bytes.as_bytes(), WATCH)).await.unwrap();
        check_cut(what, &ended, Duration::from_secs(1));
        let statuses = ended.statuses();
        assert!(statuses.iter().all(|status| (400..500).contains(status)), "{what}: {statuses:?}");
        assert!(statuses.len() <= 1, "{what}: {statuses:?}");
    }
    siege.end().await;
}

#[tokio::test]
async fn requests_in_a_pipeline_are_answered_in_order_one_after_another() {
    let siege = Siege::begin(Behaviour::default()).await;
    let body = chat("double", "say 1", false).to_string();
    let one = format!("{}{body}", siege.head(body.len()));
    let unknown = "GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let bytes = format!("{one}{unknown}").repeat(50);
    let ended = siege.endure(say(siege.victim(), bytes.as_bytes(), WATCH)).await.unwrap();
    assert_eq!(ended.statuses(), [200, 404].repeat(50));
    check_cut("a pipeline", &ended, Duration::from_secs(5));
    siege.end().await;
}
