//! A refusal does not read the body: the connection goes on all the same, or
//! the answer says that it will not.

use std::time::Duration;

use surgewall_testkit::{Behaviour, Double};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{TestDoor, upstream};

/// Sends a request in two parts and gives back its answer's head; the body,
/// if there is one, is read too.
async fn ask(stream: &mut TcpStream, path: &str, body: usize, sends: usize) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sw_live_nobody\r\n\
         content-length: {body}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The head is answered before the body is there.
    tokio::time::sleep(Duration::from_millis(30)).await;
    stream.write_all(&vec![b' '; sends]).await.unwrap();
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "closed without an answer: {}", String::from_utf8_lossy(&read));
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split('\r').next());
        if let (Some((head, rest)), Some(length)) = (text.split_once("\r\n\r\n"), length)
            && rest.len() == length.parse::<usize>().unwrap()
        {
            return head.to_owned();
        }
    }
}

#[tokio::test]
async fn a_refused_request_leaves_its_connection_usable_or_says_so() {
    let double = Double::start(Behaviour::default());
    let door = TestDoor::start(&upstream("local", &double.url(), "")).await;
    let mut stream = TcpStream::connect(door.url.trim_start_matches("http://")).await.unwrap();
    for (path, status) in [("/v1/chat/completions", "401"), ("/nothing", "404")] {
        for body in [1_000, 300_000, 0] {
            let head = ask(&mut stream, path, body, body).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
            assert!(!head.contains("connection: close"), "{head}");
        }
    }
    // A body that does not come is not waited for.
    let head = ask(&mut stream, "/nothing", 1_000, 10).await;
    assert!(head.starts_with("HTTP/1.1 404") && head.contains("connection: close"), "{head}");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&rest), "");
    // Its list of models is all that was asked of the upstream.
    assert!(double.requests().iter().all(|one| one.path.ends_with("/models")));
    door.stop().await.check_conservation();
}
