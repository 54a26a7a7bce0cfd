//! ClickHouse: its HTTP interface, and its native protocol.
//!
//! The native server says hello only after it let the user in, so a hello to
//! `default` without a password is evidence. Its own time zone is in that
//! hello: it is read over, whatever it is.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};
use crate::exposure::page::{is_page, on_page};

static KIND: Kind = Kind {
    id: "clickhouse",
    name: "ClickHouse",
    holds: Holds::Data,
    advice: "Give the user `default` a password or restrict its networks in users.xml, and set listen_host to loopback.",
};

const QUERY: Probe = Probe { ask: Ask::Get("/?query=SELECT%201"), judge: one };

/// Port 8123.
pub(super) const HTTP: Service = Service {
    kind: &KIND,
    ports: &[8_123],
    tls: false,
    expected: QUERY,
    recognised: QUERY,
    is_sign: |heard| {
        is_page(heard, |page| {
            (page.is_ok() && page.text() == "Ok.")
                || page.header("x-clickhouse-exception-code").is_some()
        })
    },
};

/// Codes of exceptions that keep somebody out: unknown user, wrong password,
/// password required, address not allowed, access denied, authentication failed.
const KEPT_OUT: [i32; 6] = [192, 193, 194, 195, 497, 516];

fn one(heard: &Heard<'_>) -> Judged {
    on_page(heard, |page| {
        let code = page.header("x-clickhouse-exception-code").and_then(|code| code.parse().ok());
        let text = page.text();
        let code = code.or_else(|| {
            let digits = text.strip_prefix("Code: ")?;
            digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        match code {
            Some(code) if KEPT_OUT.contains(&code) => {
                Judged::Guarded(Some(&KIND), "It refuses a query without a login.")
            }
            Some(_) => Judged::Unclear(Some(&KIND), "It answered a query with another error."),
            None if page.refuses() => Judged::Guarded(None, "It refuses a query without a login."),
            None if page.is_ok() && text == "1" => {
                Judged::Open(&KIND, "It answered the query `SELECT 1` without a login.")
            }
            None => Judged::Other,
        }
    })
}

/// A client's hello: packet 0, its name, version 1.0, revision 54213 (before
/// servers append more than a time zone), database, user, no password.
const HELLO: &[u8] = b"\x00\x09surgewall\x01\x00\xc5\xa7\x03\x07default\x07default\x00";

const GREETING: Probe =
    Probe { ask: Ask::Say { request: HELLO, goodbye: b"" }, judge: server_hello };

/// Port 9000.
pub(super) const NATIVE: Service = Service {
    kind: &KIND,
    ports: &[9_000],
    tls: false,
    expected: GREETING,
    recognised: GREETING,
    is_sign: |heard| heard.says("is for clickhouse-client program"),
};

fn server_hello(heard: &Heard<'_>) -> Judged {
    let mut reader = Reader { bytes: heard.bytes };
    let judged = match heard.bytes.first() {
        None => return heard.or_more(Judged::Other),
        Some(0) => hello(&mut reader),
        Some(2) => exception(&mut reader),
        Some(_) => return Judged::Other,
    };
    judged.unwrap_or_else(|unread| match unread {
        Unread::Short => heard.or_more(Judged::Other),
        Unread::Foreign => Judged::Other,
    })
}

fn hello(reader: &mut Reader<'_>) -> Result<Judged, Unread> {
    reader.number()?;
    let is_clickhouse = reader.text()?.starts_with(b"ClickHouse");
    for _ in 0..3 {
        // Its version and revision.
        reader.number()?;
    }
    let opened = "It said hello to the user `default` without a password.";
    let other = "It speaks ClickHouse's protocol, and calls itself something else.";
    Ok(if is_clickhouse {
        Judged::Open(&KIND, opened)
    } else {
        Judged::Unclear(Some(&KIND), other)
    })
}

fn exception(reader: &mut Reader<'_>) -> Result<Judged, Unread> {
    reader.number()?;
    let code = i32::from_le_bytes(reader.take::<4>()?);
    if !reader.text()?.starts_with(b"DB::") {
        return Err(Unread::Foreign);
    }
    Ok(if KEPT_OUT.contains(&code) {
        Judged::Guarded(Some(&KIND), "It refuses the user `default` without a password.")
    } else {
        Judged::Unclear(Some(&KIND), "It answered a hello with another error.")
    })
}

/// Why something was not read.
enum Unread {
    /// More bytes are needed.
    Short,
    /// No such thing is there.
    Foreign,
}

/// Bytes of a name that are believed.
const NAME_BYTES_MAX: u64 = 256;

/// Reads what the protocol is made of.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unread> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(Unread::Short)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// An unsigned LEB128 number.
    fn number(&mut self) -> Result<u64, Unread> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let [byte] = self.take::<1>()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Unread::Foreign)
    }

    /// A text with its length before it.
    fn text(&mut self) -> Result<&'a [u8], Unread> {
        let length = self.number()?;
        if length > NAME_BYTES_MAX {
            return Err(Unread::Foreign);
        }
        let length = usize::try_from(length).map_err(|_| Unread::Foreign)?;
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or(Unread::Short)?;
        self.bytes = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::{check, page};

    #[test]
    fn a_query_over_http() {
        let code = |code: u16| {
            format!(
                "HTTP/1.1 403 Forbidden\r\nX-ClickHouse-Exception-Code: {code}\r\ncontent-length: 0\r\n\r\n"
            )
        };
        for (answer, expected) in [
            (page(200, "", "1\n"), "open"),
            (page(200, "", "2\n"), "other"),
            (page(200, "", "<html>1</html>"), "other"),
            (code(516), "guarded"),
            (code(194), "guarded"),
            (code(60), "unclear"),
            (page(500, "", "Code: 516. DB::Exception: default: Authentication failed"), "guarded"),
            (page(401, "", ""), "guarded"),
            (page(404, "", "1"), "other"),
        ] {
            check(one, answer.as_bytes(), expected);
        }
    }

    fn hello_of(name: &str, zone: &str) -> Vec<u8> {
        let mut bytes = vec![0, u8::try_from(name.len()).unwrap()];
        bytes.extend(name.as_bytes());
        bytes.extend([24, 8, 0xc5, 0xa7, 3, u8::try_from(zone.len()).unwrap()]);
        bytes.extend(zone.as_bytes());
        bytes
    }

    #[test]
    fn a_hello_in_any_time_zone() {
        for zone in ["UTC", "Asia/Shanghai", "America/Argentina/ComodRivadavia", ""] {
            check(server_hello, &hello_of("ClickHouse", zone), "open");
        }
        check(server_hello, &hello_of("Proton", "UTC"), "unclear");
        check(server_hello, &hello_of("", ""), "unclear");
        check(server_hello, &[0; 64], "unclear");
        check(server_hello, b"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "other");
        check(server_hello, b"HTTP/1.0 400 Bad Request\r\n\r\n", "other");
    }

    #[test]
    fn an_exception_says_why() {
        for (code, expected) in [(516_i32, "guarded"), (193, "guarded"), (81, "unclear")] {
            let mut bytes = vec![2];
            bytes.extend(code.to_le_bytes());
            bytes.extend(b"\x0dDB::Exception\x09not today\x00\x00");
            check(server_hello, &bytes, expected);
        }
        check(server_hello, b"\x02\x04\x02\x00\x00\x03abc", "other");
    }

    #[test]
    fn the_hello_is_what_the_protocol_says() {
        let mut reader = Reader { bytes: HELLO };
        let mut number = || reader.number().ok().unwrap();
        assert_eq!(number(), 0);
        let mut text = || reader.text().ok().unwrap();
        assert_eq!(text(), b"surgewall");
        let mut number = || reader.number().ok().unwrap();
        assert_eq!([number(), number(), number()], [1, 0, 54_213]);
        let mut text = || reader.text().ok().unwrap();
        assert_eq!([text(), text(), text()], [&b"default"[..], b"default", b""]);
        assert!(reader.bytes.is_empty());
    }
}
