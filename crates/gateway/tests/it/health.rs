//! Health checks of pools of which some hang: the others are asked meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use surgewall_testkit::{Behaviour, Double};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::TestDoor;

/// Servers that are asked at the same time, as `health.rs` bounds them.
const CHECKS_MAX: usize = 64;
/// Long enough for a check to come round again on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that takes connections and never answers, and what it saw.
#[derive(Default)]
struct Hanging {
    asked: AtomicUsize,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Hanging {
    /// Its address, what it sees from now on, and its task: dropped, it ends.
    async fn start() -> (String, Arc<Self>, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Self::default());
        let told = seen.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let seen = seen.clone();
                connections.spawn(async move { seen.hang(stream).await });
            }
        });
        (url, told, server)
    }

    /// Reads until the client gives up.
    async fn hang(&self, mut stream: tokio::net::TcpStream) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(open, Ordering::SeqCst);
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut stream, &mut sink).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "{what}");
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_no_other_pool() {
    let (hanging_url, hanging, _server) = Hanging::start().await;
    let double = Double::start(Behaviour::default());
    let pool = |name: &str, url: &str| {
        format!("[[upstream]]\nname=\"{name}\"\nurl=\"{url}/v1\"\nhealth_interval_s=1\n")
    };
    let config = pool("hangs", &hanging_url) + &pool("answers", &double.url());
    let door = TestDoor::start(&config).await;
    // One after another, the second pool would never be asked more often than the first.
    until("the other pool is asked more often", || double.requests().len() > hanging.asked() + 2)
        .await;
    door.stop().await;
}

#[tokio::test]
async fn so_many_servers_are_asked_at_once_and_no_more() {
    let (url, hanging, _server) = Hanging::start().await;
    let servers: String = (0..=CHECKS_MAX)
        .map(|nth| format!("[[upstream.servers]]\nurl=\"{url}/{nth}/v1\"\n"))
        .collect();
    let config = format!("[[upstream]]\nname=\"hangs\"\nhealth_interval_s=1\n{servers}");
    let door = TestDoor::start(&config).await;
    // Checks of other tests may have taken a place for a moment, so this waits for all of them.
    until("as many as may be", || hanging.most.load(Ordering::SeqCst) == CHECKS_MAX).await;
    until("all of them in turn", || hanging.asked() > 2 * CHECKS_MAX).await;
    assert_eq!(hanging.most.load(Ordering::SeqCst), CHECKS_MAX);
    door.stop().await;
}
