//! The bounds of a port, against servers that count.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A server that writes `answer` bytes to whatever it is sent, and counts what it was sent.
fn server(answer: usize) -> (Endpoint, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1_024];
            if stream.read(&mut request).is_ok_and(|read| read > 0) {
                count.fetch_add(1, Ordering::SeqCst);
                // Whoever stopped reading does not hear the rest.
                let _ = stream.write_all(&vec![b'x'; answer]);
            }
        }
    });
    let (host, port) = ("127.0.0.1".to_owned(), address.port());
    (Endpoint { addresses: vec![address], host, port, tls: false, list: String::new() }, requests)
}

fn block_on<T>(done: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(done)
}

#[test]
fn a_third_request_is_never_sent() {
    let (endpoint, requests) = server(1);
    let probe = Probe { ask: Ask::Get("/"), judge: |heard| heard.or_more(Judged::Other) };
    block_on(async {
        let mut port = Port::new(&endpoint, Patience::default());
        for left in [1, 0] {
            assert!(matches!(port.ask(probe).await, Ok(Judged::Other)));
            assert_eq!(port.requests_left(), left);
        }
        for _ in 0..3 {
            assert!(matches!(port.ask(probe).await, Ok(Judged::Unclear(None, _))));
        }
        // Nor past the asking.
        assert!(port.send(b"GET").await.is_err());
    });
    assert_eq!(requests.load(Ordering::SeqCst), usize::from(REQUESTS_PER_PORT_MAX));
}

#[test]
fn a_connection_past_the_bound_is_never_opened() {
    let (endpoint, _) = server(1);
    block_on(async {
        let mut port = Port::new(&endpoint, Patience::default());
        for _ in 0..CONNECTIONS_PER_PORT_MAX {
            assert!(port.connect().await.is_ok());
        }
        assert_eq!(port.connect().await, Err(Unreached::Silent));
    });
}

#[test]
fn an_answer_is_read_up_to_its_bound() {
    // The judge tells how it ended by the outcome.
    let probe = Probe {
        ask: Ask::Get("/"),
        judge: |heard| match heard.end {
            Some(End::Full) if heard.bytes.len() == ANSWER_BYTES_MAX => {
                Judged::Guarded(None, "full")
            }
            Some(End::Closed) if heard.bytes.len() < ANSWER_BYTES_MAX => {
                Judged::Guarded(None, "whole")
            }
            Some(_) => Judged::Other,
            None => Judged::More,
        },
    };
    for (answer, expected) in [
        (ANSWER_BYTES_MAX - 1, "whole"),
        (ANSWER_BYTES_MAX, "full"),
        (ANSWER_BYTES_MAX + 1, "full"),
    ] {
        let (endpoint, _) = server(answer);
        let judged = block_on(Port::new(&endpoint, Patience::default()).ask(probe));
        assert!(matches!(judged, Ok(Judged::Guarded(None, how)) if how == expected), "{answer}");
    }
}
