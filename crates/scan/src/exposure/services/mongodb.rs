//! MongoDB (OP_MSG): `hello`, which everybody is answered, and then
//! `listDatabases`, which only somebody with access is. Of the list nothing is
//! kept but that there is one.

use crate::exposure::judge::{Ask, Heard, Judged, Probe, Service};
use crate::exposure::kind::{Holds, Kind};

static KIND: Kind = Kind {
    id: "mongodb",
    name: "MongoDB",
    holds: Holds::Data,
    advice: "Make a user, set security.authorization to enabled, and net.bindIp to localhost.",
};

/// `{hello: 1, $db: "admin"}`.
const HELLO: &[u8] = b"\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\
    \x00\x00\x00\x00\x00\
    \x1f\x00\x00\x00\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00";
/// `{listDatabases: 1, nameOnly: true, $db: "admin"}`.
const LIST: &[u8] = b"\x47\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\
    \x00\x00\x00\x00\x00\
    \x32\x00\x00\x00\x10listDatabases\x00\x01\x00\x00\x00\x08nameOnly\x00\x01\
    \x02$db\x00\x06\x00\x00\x00admin\x00\x00";

const LISTING: Probe = Probe { ask: Ask::Say { request: LIST, goodbye: b"" }, judge: listed };

/// Port 27017.
pub(super) const SERVICE: Service = Service {
    kind: &KIND,
    ports: &[27_017],
    tls: false,
    expected: Probe { ask: Ask::Say { request: HELLO, goodbye: b"" }, judge: greeted },
    recognised: LISTING,
    is_sign: |heard| heard.says("It looks like you are trying to access MongoDB over HTTP"),
};

fn greeted(heard: &Heard<'_>) -> Judged {
    match reply(heard.bytes) {
        Read::Whole(reply) if reply.speaks_versions => Judged::Then(Some(&KIND), LISTING),
        // One that needs a login for everything, or an older one without `hello`.
        Read::Whole(reply) if reply.code.is_some() => Judged::Then(Some(&KIND), LISTING),
        Read::Whole(_) | Read::Foreign => Judged::Other,
        Read::Short => heard.or_more(Judged::Other),
    }
}

/// `Unauthorized`, `AuthenticationFailed`.
const KEPT_OUT: [i32; 2] = [13, 18];

fn listed(heard: &Heard<'_>) -> Judged {
    match reply(heard.bytes) {
        Read::Whole(reply) if reply.is_ok && reply.lists => {
            Judged::Open(&KIND, "It lists its databases without a login.")
        }
        Read::Whole(Reply { code: Some(code), .. }) if KEPT_OUT.contains(&code) => {
            Judged::Guarded(Some(&KIND), "It asks for a login.")
        }
        Read::Whole(Reply { code: Some(_), .. }) => {
            Judged::Unclear(Some(&KIND), "It answered with another error.")
        }
        Read::Whole(_) | Read::Foreign => Judged::Other,
        Read::Short => heard.or_more(Judged::Other),
    }
}

/// What a reply says, without any name in it.
#[derive(Default, Debug, PartialEq, Eq)]
struct Reply {
    /// `ok: 1`.
    is_ok: bool,
    /// The error's code.
    code: Option<i32>,
    /// It has an array `databases`.
    lists: bool,
    /// It has `maxWireVersion`: it is a server of this protocol.
    speaks_versions: bool,
}

/// What bytes are.
enum Read {
    Short,
    Foreign,
    Whole(Reply),
}

/// Longer replies than what is read at most are cut, and never whole.
fn reply(bytes: &[u8]) -> Read {
    let number = |at: usize| {
        let four = bytes.get(at..)?.first_chunk::<4>()?;
        Some(i32::from_le_bytes(*four))
    };
    let (Some(length), Some(code)) = (number(0), number(12)) else { return Read::Short };
    // OP_MSG, and at least a head, flags and an empty document.
    let Ok(length) = usize::try_from(length) else { return Read::Foreign };
    if code != 2_013 || length < 26 {
        return Read::Foreign;
    }
    let Some(message) = bytes.get(..length) else { return Read::Short };
    // A section of kind 0: one document.
    let body = message.get(20..).and_then(|section| section.strip_prefix(&[0]));
    body.and_then(document).map_or(Read::Foreign, Read::Whole)
}

/// The fields of a document's first level (BSON 1.1).
fn document(bytes: &[u8]) -> Option<Reply> {
    let length = size(bytes)?;
    let mut rest = bytes.get(4..length.checked_sub(1)?)?;
    let mut reply = Reply::default();
    while let Some((kind, named)) = rest.split_first() {
        let end = named.iter().position(|byte| *byte == 0)?;
        let (name, value) = (&named[..end], &named[end + 1..]);
        let (value, next) = value.split_at_checked(width(*kind, value)?)?;
        match (name, *kind) {
            (b"ok", 0x01) => reply.is_ok = value == 1_f64.to_le_bytes(),
            (b"ok", 0x10) => reply.is_ok = value == 1_i32.to_le_bytes(),
            (b"code", 0x10) => reply.code = value.first_chunk().copied().map(i32::from_le_bytes),
            (b"databases", 0x04) => reply.lists = true,
            (b"maxWireVersion", 0x10) => reply.speaks_versions = true,
            _ => {}
        }
        rest = next;
    }
    Some(reply)
}

/// The length at the beginning of `bytes`.
fn size(bytes: &[u8]) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(*bytes.first_chunk::<4>()?)).ok()
}

/// Bytes of a value of this kind.
fn width(kind: u8, value: &[u8]) -> Option<usize> {
    match kind {
        0x06 | 0x0a | 0xff | 0x7f => Some(0),
        0x08 => Some(1),
        0x10 => Some(4),
        0x01 | 0x09 | 0x11 | 0x12 => Some(8),
        0x07 => Some(12),
        0x13 => Some(16),
        0x02 | 0x0d | 0x0e => size(value)?.checked_add(4),
        0x05 => size(value)?.checked_add(5),
        // Documents and arrays count themselves.
        0x03 | 0x04 => Some(size(value)?.max(5)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exposure::judge::End;
    use crate::exposure::tests::check;

    fn message(document: &[u8]) -> Vec<u8> {
        let length = i32::try_from(document.len() + 26).unwrap();
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([9, 0, 0, 0, 1, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(i32::try_from(document.len() + 5).unwrap().to_le_bytes());
        bytes.extend(document);
        bytes.push(0);
        bytes
    }

    fn ok(number: f64) -> Vec<u8> {
        [&b"\x01ok\0"[..], &number.to_le_bytes()].concat()
    }
    fn number(name: &str, number: i32) -> Vec<u8> {
        [&b"\x10"[..], name.as_bytes(), b"\0", &number.to_le_bytes()].concat()
    }
    const DATABASES: &[u8] = b"\x04databases\0\x05\0\0\0\0";

    #[test]
    fn hello_leads_to_the_list_and_is_never_open() {
        let hello = [number("maxWireVersion", 21), ok(1.0)].concat();
        check(greeted, &message(&hello), "then");
        check(greeted, &message(&[ok(0.0), number("code", 59)].concat()), "then");
        check(greeted, &message(&ok(1.0)), "other");
        check(greeted, b"HTTP/1.1 400 Bad Request\r\n\r\n", "other");
    }

    #[test]
    fn what_a_list_is_answered() {
        let text = b"\x02errmsg\0\x03\0\0\0no\0";
        for (document, expected) in [
            ([DATABASES, &ok(1.0)].concat(), "open"),
            ([DATABASES, &number("ok", 1)].concat(), "open"),
            ([DATABASES, &ok(0.0)].concat(), "other"),
            (ok(1.0), "other"),
            ([&ok(0.0)[..], text, &number("code", 13)].concat(), "guarded"),
            ([&ok(0.0)[..], text, &number("code", 18)].concat(), "guarded"),
            ([&ok(0.0)[..], &number("code", 11600)].concat(), "unclear"),
            (b"\x63ok\0".to_vec(), "other"),
            (b"\x02ok\0\xff\xff\xff\x7f".to_vec(), "other"),
        ] {
            check(listed, &message(&document), expected);
        }
        let whole = message(&[DATABASES, &ok(1.0)].concat());
        for cut in 0..whole.len() {
            let heard = Heard { bytes: &whole[..cut], end: None };
            assert!(matches!(listed(&heard), Judged::More), "{cut}");
            let heard = Heard { end: Some(End::Closed), ..heard };
            assert!(matches!(listed(&heard), Judged::Other), "{cut}");
        }
    }

    #[test]
    fn the_requests_say_their_own_lengths() {
        for request in [HELLO, LIST] {
            assert_eq!(size(request), Some(request.len()));
            assert_eq!(size(&request[21..]), Some(request.len() - 21));
            assert!(document(&request[21..]).is_some());
        }
    }
}
