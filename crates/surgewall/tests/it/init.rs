//! `surgewall init`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::site::Site;

#[test]
fn on_a_machine_without_model_servers() {
    let site = Site::new();
    // A port on which nothing listens, as far as anybody can know.
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ports = format!("ollama={},llama-cpp={}", free(), free());
    let probe = ["init", "--probe-ports", &ports];
    let shown = |words: &[&str]| site.shown(words).replace(&ports, "PORTS");
    insta::assert_snapshot!("init_nothing", shown(&probe));
    insta::assert_snapshot!("init_nothing_file", site.read("surgewall.toml"));
    insta::assert_snapshot!("init_again", shown(&probe));
    site.stdout(&[&probe[..], &["--force"]].concat(), 0);
    insta::assert_snapshot!("init_then_check", shown(&["check", "config"]));
}

#[test]
fn a_public_name_prepares_tls_and_a_unit() {
    let site = Site::new();
    insta::assert_snapshot!(
        "init_public",
        site.shown(&["init", "--probe-ports", "", "--public-name", "AI.example.org"])
    );
    insta::assert_snapshot!("init_public_unit", site.read("surgewall.service"));
    insta::assert_snapshot!("init_public_file", site.read("surgewall.toml"));
    site.stdout(&["check", "config"], 0);
}

#[test]
fn a_server_that_answers_without_a_login_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 1024];
        let read = stream.read(&mut head).unwrap();
        let body = r#"{"models":[{"name":"llama3:8b"},{"name":"qwen:1b"}]}"#;
        let length = body.len();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let site = Site::new();
    let shown = site.shown(&["init", "--probe-ports", &format!("ollama={port}")]);
    insta::assert_snapshot!("init_ollama", shown.replace(&port.to_string(), "PORT"));
    assert!(server.join().unwrap().starts_with("GET /api/tags "));
    let written = site.read("surgewall.toml");
    assert!(written.contains(&format!("url = \"http://127.0.0.1:{port}/v1\"")), "{written}");
}
