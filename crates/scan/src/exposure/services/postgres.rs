//! PostgreSQL (protocol 3.0): a startup as `postgres` without a password.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};

static KIND: Kind = Kind {
    id: "postgres",
    name: "PostgreSQL",
    holds: Holds::Data,
    advice: "Replace `trust` in pg_hba.conf with `scram-sha-256`, and set listen_addresses to localhost.",
};

/// Length, version 3.0, and who wants what.
const STARTUP: &[u8] = b"\x00\x00\x00\x4a\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00application_name\x00surgewall check\x00\x00";
/// `Terminate`: it ends the session and asks nothing.
const TERMINATE: &[u8] = b"X\x00\x00\x00\x04";

const LOGIN: Probe =
    Probe { ask: Ask::Say { request: STARTUP, goodbye: TERMINATE }, judge: authentication };

/// Port 5432.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[5_432],
    tls: false,
    expected: LOGIN,
    recognised: LOGIN,
    is_sign: |heard| {
        // It does not understand an HTTP request, and some say so.
        matches!(authentication(heard), Judged::Guarded(..) | Judged::Unclear(..))
    },
};

/// How to log in, for whoever takes what only closes at an HTTP request for PostgreSQL.
pub(in crate::exposure) const STARTUP_PROBE: Probe = LOGIN;

/// The longest first message that is believed.
const MESSAGE_BYTES_MAX: usize = 8 << 10;

fn authentication(heard: &Heard<'_>) -> Judged {
    let Some((kind, rest)) = heard.bytes.split_first() else {
        return heard.or_more(Judged::Other);
    };
    if !b"RE".contains(kind) {
        return Judged::Other;
    }
    let Some((length, rest)) = rest.split_first_chunk::<4>() else {
        return heard.or_more(Judged::Other);
    };
    // The length counts itself.
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if !(8..=MESSAGE_BYTES_MAX).contains(&length) {
        return Judged::Other;
    }
    let Some(body) = rest.get(..length - 4) else { return heard.or_more(Judged::Other) };
    match kind {
        b'R' => request(body),
        _ => error(body),
    }
}

/// `Authentication...`: what is asked for.
fn request(body: &[u8]) -> Judged {
    let Some((code, more)) = body.split_first_chunk::<4>() else { return Judged::Other };
    match u32::from_be_bytes(*code) {
        0 if more.is_empty() => {
            Judged::Open(&KIND, "It let the user `postgres` in without a password.")
        }
        // Kerberos, a password in clear, MD5, GSSAPI, SSPI, SASL.
        2 | 3 | 5 | 7 | 9 | 10 => Judged::Guarded(Some(&KIND), "It asks for a login."),
        _ => Judged::Other,
    }
}

/// `ErrorResponse`: fields of one letter and a text each.
fn error(body: &[u8]) -> Judged {
    let mut fields = body.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let Some(code) = fields.find_map(|field| field.strip_prefix(b"C")) else {
        return Judged::Other;
    };
    match code {
        // No entry in pg_hba.conf, no such user, or a login is needed.
        b"28000" | b"28P01" => {
            Judged::Guarded(Some(&KIND), "It refuses the user `postgres` from here.")
        }
        code if code.len() == 5 && code.iter().all(u8::is_ascii_alphanumeric) => {
            Judged::Unclear(Some(&KIND), "It answered a login with another error.")
        }
        _ => Judged::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::tests::check;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn what_a_startup_is_answered() {
        let error =
            |code: &str| message(b'E', format!("SFATAL\0VFATAL\0C{code}\0Mno\0\0").as_bytes());
        for (answer, expected) in [
            (message(b'R', &[0, 0, 0, 0]), "open"),
            (message(b'R', &[0, 0, 0, 0, 0]), "other"),
            (message(b'R', &[0, 0, 0, 3]), "guarded"),
            (message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]), "guarded"),
            (message(b'R', b"\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00"), "guarded"),
            (message(b'R', &[0, 0, 0, 99]), "other"),
            (error("28000"), "guarded"),
            (error("28P01"), "guarded"),
            (error("53300"), "unclear"),
            (error("x"), "other"),
            (message(b'E', b""), "other"),
            (b"E\xff\xff\xff\xff".to_vec(), "other"),
            (b"HTTP/1.1 400".to_vec(), "other"),
            (Vec::new(), "other"),
        ] {
            check(authentication, &answer, expected);
        }
    }

    #[test]
    fn the_startup_says_its_own_length() {
        let length = u32::from_be_bytes(*STARTUP.first_chunk().unwrap());
        assert_eq!(usize::try_from(length).unwrap(), STARTUP.len());
        let whole = message(b'R', &[0, 0, 0, 0]);
        for cut in 0..whole.len() {
            let heard = Heard { bytes: &whole[..cut], end: None };
            assert!(matches!(authentication(&heard), Judged::More), "{cut}");
        }
    }
}
