//! MySQL and MariaDB (protocol 10): a login as `root` without a password.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service, no_sign};
use crate::exposure::kind::{Holds, Kind};

static KIND: Kind = Kind {
    id: "mysql",
    name: "MySQL or MariaDB",
    holds: Holds::Data,
    advice: "Give every account a password, and set bind-address to 127.0.0.1.",
};

/// HandshakeResponse41: the capabilities long password, protocol 4.1, secure
/// connection and plugin authentication; `root`; an empty answer to the challenge.
const LOGIN: &[u8] = b"\x3c\x00\x00\x01\x01\x82\x08\x00\x00\x00\x00\x01\x21\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
    root\x00\x00mysql_native_password\x00";
/// An empty answer to the challenge of another plugin.
const NOTHING: &[u8] = b"\x00\x00\x00\x03";

const GREETING: Probe = Probe { ask: Ask::Await, judge: greeting };

/// Port 3306.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[3_306],
    tls: false,
    expected: GREETING,
    recognised: GREETING,
    is_sign: no_sign,
};

/// The longest packet that is believed.
const PACKET_BYTES_MAX: usize = 4 << 10;

/// The payload of the one packet with this number.
fn packet<'a>(heard: &Heard<'a>, number: u8) -> Result<&'a [u8], Judged> {
    let Some((head, rest)) = heard.bytes.split_first_chunk::<4>() else {
        return Err(heard.or_more(Judged::Other));
    };
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    if head[3] != number || !(1..=PACKET_BYTES_MAX).contains(&length) {
        return Err(Judged::Other);
    }
    rest.get(..length).ok_or_else(|| heard.or_more(Judged::Other))
}

/// What a server says first: its version and a challenge, or that it lets nobody in from here.
pub(in crate::exposure) fn greeting(heard: &Heard<'_>) -> Judged {
    let payload = match packet(heard, 0) {
        Ok(payload) => payload,
        Err(judged) => return judged,
    };
    match payload.split_first() {
        Some((0xff, error)) => refused(error),
        Some((10, rest)) => {
            let end = rest.iter().position(|byte| *byte == 0);
            let is_version = end.is_some_and(|end| end > 0 && rest[..end].is_ascii());
            // A thread's number, eight bytes of challenge, a zero, capabilities.
            let is_whole = end.is_some_and(|end| rest.len() >= end + 16 && rest[end + 13] == 0);
            if is_version && is_whole {
                Judged::Then(Some(&KIND), Probe { ask: Ask::Reply(LOGIN), judge: let_in })
            } else {
                Judged::Other
            }
        }
        _ => Judged::Other,
    }
}

fn let_in(heard: &Heard<'_>) -> Judged {
    verdict(
        heard,
        2,
        Judged::Then(Some(&KIND), Probe { ask: Ask::Reply(NOTHING), judge: let_in_after_all }),
    )
}

fn let_in_after_all(heard: &Heard<'_>) -> Judged {
    verdict(heard, 4, Judged::Guarded(Some(&KIND), "It asks for a password."))
}

/// OK, an error, or a challenge of another plugin, which means `switched`.
fn verdict(heard: &Heard<'_>, number: u8, switched: Judged) -> Judged {
    let payload = match packet(heard, number) {
        Ok(payload) => payload,
        Err(judged) => return judged,
    };
    match payload.split_first() {
        // Affected rows, last id, status, warnings.
        Some((0, [0, 0, _, _, _, _, ..])) => {
            Judged::Open(&KIND, "It let the user `root` in without a password.")
        }
        Some((0xff, error)) => refused(error),
        Some((0xfe | 1, _)) => switched,
        _ => Judged::Other,
    }
}

/// Access denied, host not allowed, host blocked, access denied for a database or without a password.
const KEPT_OUT: [u16; 6] = [1_044, 1_045, 1_129, 1_130, 1_698, 1_251];

fn refused(error: &[u8]) -> Judged {
    let Some(code) = error.first_chunk::<2>() else { return Judged::Other };
    if KEPT_OUT.contains(&u16::from_le_bytes(*code)) {
        Judged::Guarded(Some(&KIND), "It refuses the user `root` without a password.")
    } else {
        Judged::Unclear(Some(&KIND), "It answered a login with another error.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::check;

    fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[length, 0, 0, number], payload].concat()
    }

    #[test]
    fn a_greeting_leads_to_a_login() {
        let whole = b"\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xff\x21";
        check(greeting, &packet(0, whole), "then");
        check(greeting, &packet(1, whole), "other");
        check(greeting, &packet(0, b"\x0a8.0.36\0"), "other");
        check(greeting, &packet(0, b"\xff\x6a\x04Host is not allowed"), "guarded");
        check(greeting, &packet(0, b"\xff\x10\x04Too many connections"), "unclear");
        check(greeting, b"SSH-2.0-OpenSSH\r\n", "other");
        check(greeting, b"", "other");
    }

    #[test]
    fn a_login_is_let_in_or_not() {
        let ok = b"\0\0\0\x02\0\0\0";
        for (answer, first, second) in [
            (packet(2, ok), "open", "other"),
            (packet(4, ok), "other", "open"),
            (packet(2, b"\xff\x15\x04#28000Access denied"), "guarded", "other"),
            (packet(4, b"\xff\x15\x04#28000Access denied"), "other", "guarded"),
            (packet(2, b"\xfecaching_sha2_password\0abc\0"), "then", "other"),
            (packet(4, b"\x01\x04"), "other", "guarded"),
            (packet(2, b"\0"), "other", "other"),
            (packet(2, b"\xff\x57\x0c"), "unclear", "other"),
        ] {
            check(let_in, &answer, first);
            check(let_in_after_all, &answer, second);
        }
    }

    #[test]
    fn the_login_says_its_own_length() {
        assert_eq!(usize::from(LOGIN[0]) + 4, LOGIN.len());
    }
}
