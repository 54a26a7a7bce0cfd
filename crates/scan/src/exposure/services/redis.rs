//! Redis and Valkey: `PING` is answered only to whoever is let in.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};

static KIND: Kind = Kind {
    id: "redis",
    name: "Redis or Valkey",
    holds: Holds::Data,
    advice: "Set requirepass or an ACL, keep protected-mode on, and bind it to loopback.",
};

const PING: Probe = Probe { ask: Ask::Say { request: b"PING\r\n", goodbye: b"" }, judge: pong };

/// Port 6379.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[6_379],
    tls: false,
    expected: PING,
    recognised: PING,
    is_sign: |heard| {
        let begins = [&b"-ERR "[..], b"-NOAUTH", b"-DENIED", b"-NOPERM"];
        begins.iter().any(|begin| heard.bytes.starts_with(begin))
    },
};

/// The longest first line of an answer.
const LINE_BYTES_MAX: usize = 1_024;

fn pong(heard: &Heard<'_>) -> Judged {
    let bytes = heard.bytes;
    let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") else {
        let is_line = bytes.first().is_none_or(|byte| b"+-".contains(byte));
        let is_other = !is_line || bytes.len() > LINE_BYTES_MAX;
        return if is_other { Judged::Other } else { heard.or_more(Judged::Other) };
    };
    let line = &bytes[..end];
    let is = |begin: &str| line.starts_with(begin.as_bytes());
    if line == b"+PONG" {
        return Judged::Open(&KIND, "It answered PING without a password.");
    }
    // Before version 2.8 the text was another one.
    if is("-NOAUTH") || is("-ERR operation not permitted") || is("-NOPERM") {
        return Judged::Guarded(Some(&KIND), "It asks for a password.");
    }
    if is("-DENIED") {
        return Judged::Guarded(
            Some(&KIND),
            "Its protected mode refuses everybody but its own machine.",
        );
    }
    if is("-LOADING") || is("-MASTERDOWN") || is("-BUSY") {
        return Judged::Unclear(Some(&KIND), "It is not ready to answer.");
    }
    Judged::Other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::check;

    #[test]
    fn what_a_ping_is_answered() {
        for (answer, expected) in [
            ("+PONG\r\n", "open"),
            ("-NOAUTH Authentication required.\r\n", "guarded"),
            ("-ERR operation not permitted\r\n", "guarded"),
            ("-NOPERM this user has no permissions to run the 'ping' command\r\n", "guarded"),
            ("-DENIED Redis is running in protected mode because\r\n", "guarded"),
            ("-LOADING Redis is loading the dataset in memory\r\n", "unclear"),
            ("-ERR unknown command 'PING'\r\n", "other"),
            ("+PONG and more\r\n", "other"),
            ("+PON", "other"),
            ("SSH-2.0-OpenSSH_9.2p1\r\n", "other"),
            ("HTTP/1.1 400 Bad Request\r\n\r\n", "other"),
            ("", "other"),
        ] {
            check(pong, answer.as_bytes(), expected);
        }
    }

    #[test]
    fn a_line_has_a_bound() {
        let of = |length: usize| {
            let line = format!("-{}", "x".repeat(length - 1));
            pong(&Heard { bytes: line.as_bytes(), end: None })
        };
        assert!(matches!(of(LINE_BYTES_MAX), Judged::More));
        assert!(matches!(of(LINE_BYTES_MAX + 1), Judged::Other));
    }
}
