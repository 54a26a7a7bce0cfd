//! What the services' own tests have in common, and what holds for all of them.

use proptest::prelude::*;

use super::judge::{End, Heard, Judged};
use super::services::SERVICES;

/// Judges `answer` as a whole, and every beginning of it, which must say the
/// same or less.
pub(super) fn check(judge: fn(&Heard<'_>) -> Judged, answer: &[u8], expected: &str) {
    let word = |end| word(&judge(&Heard { bytes: answer, end }));
    let shown = String::from_utf8_lossy(answer);
    assert_eq!(word(Some(End::Closed)), expected, "{shown:?}");
    for cut in 0..answer.len() {
        let bytes = &answer[..cut];
        for end in [None, Some(End::TimeOver)] {
            let judged = judge(&Heard { bytes, end });
            let is_open = matches!(judged, Judged::Open(..));
            assert!(!is_open || expected == "open", "the first {cut} bytes of {shown:?}");
        }
    }
}

fn word(judged: &Judged) -> &'static str {
    match judged {
        Judged::More => "more",
        Judged::Then(..) => "then",
        Judged::Open(..) => "open",
        Judged::Guarded(..) => "guarded",
        Judged::Unclear(..) => "unclear",
        Judged::Other => "other",
    }
}

/// A whole HTTP answer; `headers` are lines with their ends.
pub(super) fn page(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Reason\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
}

/// Judges as a conversation would, with the same answer to every question.
fn conclude(judge: fn(&Heard<'_>) -> Judged, bytes: &[u8], depth: u8) -> Judged {
    match judge(&Heard { bytes, end: Some(End::Closed) }) {
        Judged::Then(_, next) if depth > 0 => conclude(next.judge, bytes, depth - 1),
        judged => judged,
    }
}

/// How answers begin that a judge reads on.
const BEGINNINGS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    b"+",
    b"-",
    b"\x00",
    b"\x02",
    b"R",
    b"E",
    b"\x80\0\0\0\0\0\0\0\0\0\0\0\xdd\x07\0\0\0\0\0\0\0",
    b"\x4a\0\0\0\x0a",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_never_open(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for service in SERVICES {
            for probe in [service.expected, service.recognised] {
                let judged = conclude(probe.judge, &bytes, 3);
                prop_assert!(!matches!(judged, Judged::Open(..)), "{}", service.kind.id);
            }
            (service.is_sign)(&Heard { bytes: &bytes, end: None });
        }
    }

    #[test]
    fn random_bytes_after_a_likely_beginning_are_never_open(
        begin in proptest::sample::select(BEGINNINGS),
        rest in proptest::collection::vec(any::<u8>(), 16..300),
    ) {
        let bytes = [begin, &rest].concat();
        for service in SERVICES {
            for probe in [service.expected, service.recognised] {
                let judged = conclude(probe.judge, &bytes, 3);
                prop_assert!(!matches!(judged, Judged::Open(..)), "{}", service.kind.id);
            }
        }
    }
}

#[test]
fn a_service_is_found_by_one_word_and_its_ports() {
    for service in SERVICES {
        let id = service.kind.id;
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{id}");
        assert!(!service.ports.is_empty(), "{id}");
        assert!(service.kind.advice.ends_with('.'), "{id}");
    }
}
