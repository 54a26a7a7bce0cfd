//! Answers of HTTP/1 servers (RFC 9112), as far as a probe needs them.

use std::borrow::Cow;

use serde_json::Value;

use super::judge::{End, Heard, Judged};
use super::kind::Kind;
use super::limits::HEAD_BYTES_MAX;

/// A whole answer, or as much of it as will be read.
#[derive(Debug)]
pub(crate) struct Page<'a> {
    /// The status.
    pub(crate) status: u16,
    /// The head's lines after the first.
    head: &'a str,
    /// The body.
    pub(crate) body: Cow<'a, [u8]>,
}

/// What bytes are.
#[derive(Debug)]
enum Reading<'a> {
    /// Not whole yet.
    More,
    /// Not HTTP.
    Foreign,
    /// An answer.
    Whole(Page<'a>),
}

/// Judges an answer over HTTP; what is no HTTP is something else.
pub(crate) fn on_page(heard: &Heard<'_>, judge: impl FnOnce(&Page<'_>) -> Judged) -> Judged {
    match read(heard) {
        Reading::More => Judged::More,
        Reading::Foreign => Judged::Other,
        Reading::Whole(page) => judge(&page),
    }
}

/// Judges an answer in JSON: open where it is well and `is_answer`, guarded
/// where it refuses, else something else.
pub(crate) fn judge_json(
    heard: &Heard<'_>,
    kind: &'static Kind,
    is_answer: fn(&Value) -> bool,
    opened: &'static str,
) -> Judged {
    on_page(heard, |page| {
        if page.is_ok() && is_answer(&page.json()) {
            Judged::Open(kind, opened)
        } else if page.refuses() {
            Judged::Guarded(None, "It asks for a login.")
        } else {
            Judged::Other
        }
    })
}

/// The answer over HTTP that `bytes` are, with as much of its body as there is.
pub(crate) fn page(bytes: &[u8]) -> Option<Page<'_>> {
    match read(&Heard { bytes, end: Some(End::Closed) }) {
        Reading::Whole(page) => Some(page),
        Reading::More | Reading::Foreign => None,
    }
}

/// Whether it begins like an answer over HTTP and is not whole.
pub(crate) fn goes_on(heard: &Heard<'_>) -> bool {
    matches!(read(heard), Reading::More)
}

/// Whether it is an answer over HTTP for which `is` holds.
pub(crate) fn is_page(heard: &Heard<'_>, is: impl FnOnce(&Page<'_>) -> bool) -> bool {
    matches!(read(heard), Reading::Whole(page) if is(&page))
}

impl Page<'_> {
    /// The value of the header `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The value of the header `name`, or nothing.
    pub(crate) fn header_text(&self, name: &str) -> &str {
        self.header(name).unwrap_or("")
    }

    /// The body as JSON; `null` where it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text without space around it; nothing where it is none.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or("").trim()
    }

    /// Whether it answers well.
    pub(crate) fn is_ok(&self) -> bool {
        self.status == 200
    }

    /// Whether it asks for a login, or refuses.
    pub(crate) fn refuses(&self) -> bool {
        matches!(self.status, 401 | 403 | 407)
    }

    /// Whether it says that TLS is spoken here.
    pub(crate) fn wants_tls(&self) -> bool {
        let text = self.text().to_ascii_lowercase();
        self.status == 400 && text.contains("http request") && text.contains("https")
    }
}

fn read<'a>(heard: &Heard<'a>) -> Reading<'a> {
    const BEGIN: &[u8] = b"HTTP/1.";
    let bytes = heard.bytes;
    let compared = bytes.len().min(BEGIN.len());
    if bytes[..compared] != BEGIN[..compared] {
        return Reading::Foreign;
    }
    let end = bytes.windows(4).take(HEAD_BYTES_MAX).position(|window| window == b"\r\n\r\n");
    let Some(end) = end else {
        let goes_on = heard.end.is_none() && bytes.len() < HEAD_BYTES_MAX;
        return if goes_on { Reading::More } else { Reading::Foreign };
    };
    let Some((status, head)) = head(&bytes[..end]) else { return Reading::Foreign };
    let page = Page { status, head, body: Cow::Borrowed(&bytes[end + 4..]) };
    body(page, heard.end.is_some())
}

/// The status and the lines after the first.
fn head(bytes: &[u8]) -> Option<(u16, &str)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (first, head) = text.split_once("\r\n").unwrap_or((text, ""));
    // `HTTP/1.1 200 OK`: the reason may be missing.
    let status = first.split(' ').nth(1)?;
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    is_status.then(|| status.parse().ok()).flatten().map(|status| (status, head))
}

/// The page with its whole body, or what there will be of it.
fn body(page: Page<'_>, is_ended: bool) -> Reading<'_> {
    let Page { status, head, body } = page;
    let framed = Page { status, head, body: Cow::Borrowed(&[]) };
    let Cow::Borrowed(bytes) = body else { return Reading::Foreign };
    let is_chunked = framed.header_text("transfer-encoding").eq_ignore_ascii_case("chunked");
    let length = framed.header("content-length").map(str::parse::<usize>);
    let body = if is_chunked {
        let (body, is_whole) = unchunked(bytes);
        if !is_whole && !is_ended {
            return Reading::More;
        }
        Cow::Owned(body)
    } else {
        match length {
            Some(Ok(length)) if bytes.len() >= length => Cow::Borrowed(&bytes[..length]),
            Some(Err(_)) => return Reading::Foreign,
            _ if matches!(status, 204 | 304) => Cow::Borrowed(&bytes[..0]),
            _ if is_ended => Cow::Borrowed(bytes),
            _ => return Reading::More,
        }
    };
    Reading::Whole(Page { status, head, body })
}

/// The chunks that are whole, and whether the last one is among them.
fn unchunked(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else {
            return (body, false);
        };
        let size = std::str::from_utf8(&bytes[..end]).unwrap_or("");
        let size = size.split(';').next().unwrap_or("").trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { return (body, true) };
        if size == 0 {
            return (body, true);
        }
        let rest = &bytes[end + 2..];
        let Some(next) = size.checked_add(2).and_then(|past| rest.get(past..)) else {
            return (body, false);
        };
        body.extend_from_slice(&rest[..size]);
        bytes = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, is_ended: bool) -> String {
        match read(&Heard { bytes: text.as_bytes(), end: is_ended.then_some(End::Closed) }) {
            Reading::More => "more".into(),
            Reading::Foreign => "foreign".into(),
            Reading::Whole(page) => format!("{} {:?}", page.status, page.text()),
        }
    }

    #[test]
    fn answers_are_read_in_every_framing() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n";
        for (text, is_ended, expected) in [
            (String::new(), false, "more"),
            ("HTT".into(), false, "more"),
            ("HTT".into(), true, "foreign"),
            ("SSH-2.0-x\r\n".into(), false, "foreign"),
            ("HTTP/1.1 200 OK\r\nA: b".into(), false, "more"),
            (format!("{length}1"), false, "more"),
            (format!("{length}1"), true, "200 \"1\""),
            (format!("{length}1\ntoo much"), false, "200 \"1\""),
            ("HTTP/1.0 401\r\n\r\n".into(), true, "401 \"\""),
            ("HTTP/1.0 200 OK\r\n\r\nall".into(), false, "more"),
            ("HTTP/1.0 200 OK\r\n\r\nall".into(), true, "200 \"all\""),
            ("HTTP/1.1 204 No Content\r\n\r\n".into(), false, "204 \"\""),
            (format!("{chunked}2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n"), false, "200 \"abc\""),
            (format!("{chunked}2\r\nab\r\n1\r\n"), false, "more"),
            (format!("{chunked}2\r\nab\r\n1\r\n"), true, "200 \"ab\""),
            (format!("{chunked}ffffffffffffffff\r\nab"), true, "200 \"\""),
            ("HTTP/1.1 2000 OK\r\n\r\n".into(), true, "foreign"),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".into(), true, "foreign"),
        ] {
            assert_eq!(shown(&text, is_ended), expected, "{text:?} {is_ended}");
        }
    }

    #[test]
    fn a_head_has_a_bound() {
        let of = |length: usize| {
            let mut text = "HTTP/1.1 200 OK\r\nx: ".to_owned();
            text += &"y".repeat(length - text.len());
            text
        };
        assert_eq!(shown(&of(HEAD_BYTES_MAX - 1), false), "more");
        assert_eq!(shown(&of(HEAD_BYTES_MAX), false), "foreign");
    }

    #[test]
    fn headers_are_found_in_any_case() {
        let text = b"HTTP/1.1 200 OK\r\nServer:  Docker/1 \r\nx: y\r\ncontent-length: 0\r\n\r\n";
        let heard = Heard { bytes: text, end: None };
        assert!(is_page(&heard, |page| page.header("SERVER") == Some("Docker/1")));
        assert!(is_page(&heard, |page| page.header("none").is_none()));
    }
}
