//! What an error tells of a server's inside: pure, on its words.

use crate::exposure::page::Page;

/// Words, and what they tell.
const WORDS: &[(&str, &str)] = &[
    ("Traceback (most recent call last)", "a Python stack trace"),
    ("site-packages/", "paths of its Python packages"),
    ("java.lang.", "Java's own words"),
    ("goroutine ", "a Go stack trace"),
    ("panicked at ", "a Rust panic"),
    ("node_modules/", "paths of its JavaScript packages"),
    ("\\n    at ", "a JavaScript stack trace"),
    ("\n    at ", "a JavaScript stack trace"),
    ("SQLSTATE", "a database's words"),
    ("psycopg", "a database's words"),
    ("sqlite3.", "a database's words"),
    (concat!("/", "home/"), "paths of its files"),
    ("/usr/lib/", "paths of its files"),
    ("/usr/src/", "paths of its files"),
    ("/usr/local/", "paths of its files"),
    ("/app/", "paths of its files"),
    ("/opt/", "paths of its files"),
    ("C:\\\\", "paths of its files"),
    (".svc.cluster.local", "names inside its cluster"),
    ("localhost:", "addresses inside its network"),
    ("127.0.0.1:", "addresses inside its network"),
];

/// What an answer tells of the inside: the words of its body where it is an error,
/// its headers always. Each once.
pub(super) fn leaks(page: &Page<'_>) -> Vec<&'static str> {
    let mut told = Vec::new();
    if page.status >= 400 {
        let body = String::from_utf8_lossy(&page.body);
        let found = WORDS.iter().filter(|(words, _)| body.contains(words));
        told.extend(found.map(|(_, what)| *what));
        if body.split(|c: char| !c.is_ascii_digit() && c != '.').any(is_private) {
            told.push("addresses inside its network");
        }
    }
    if page.header_text("server").contains(|c: char| c.is_ascii_digit()) {
        told.push("its server's version, in a header");
    }
    if page.header("x-powered-by").is_some() {
        told.push("what it is made with, in a header");
    }
    told
}

/// Whether it is an IPv4 address of a private network.
fn is_private(word: &str) -> bool {
    let word = word.trim_end_matches('.');
    word.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_private())
}

/// Headers in which servers say what a caller may do, as far as they are known.
pub(super) const LIMITS: &[&str] = &[
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "x-ratelimit-limit",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "anthropic-ratelimit-requests-limit",
    "anthropic-ratelimit-tokens-limit",
    "retry-after",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::page::page;

    fn told(status: u16, headers: &str, body: &str) -> Vec<&'static str> {
        let text =
            format!("HTTP/1.1 {status} R\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        leaks(&page(text.as_bytes()).unwrap())
    }

    #[test]
    fn an_error_tells_of_the_inside_and_a_good_answer_may_say_anything() {
        for (body, expected) in [
            (
                "Traceback (most recent call last):\n  File \"/app/main.py\"",
                &["a Python stack trace", "paths of its files"][..],
            ),
            ("no route to 10.1.2.3.", &["addresses inside its network"]),
            ("version 1.2.3.4 of 8.8.8.8", &[]),
            ("{\"error\":\"thread 'main' panicked at src\"}", &["a Rust panic"]),
            ("{\"stack\":\"Error\\n    at f (x.js:1)\"}", &["a JavaScript stack trace"]),
            ("{\"error\":{\"message\":\"no key\"}}", &[]),
        ] {
            assert_eq!(told(500, "", body), expected, "{body}");
            assert_eq!(told(200, "", body), [""; 0], "{body}");
        }
    }

    #[test]
    fn headers_tell_of_it_too() {
        let told = |headers| told(200, headers, "");
        assert_eq!(told("server: nginx/1.25.1\r\n"), ["its server's version, in a header"]);
        assert_eq!(told("server: nginx\r\n"), [""; 0]);
        assert_eq!(told("x-powered-by: Express\r\n"), ["what it is made with, in a header"]);
    }
}
