//! Shapes that tell a value from a look-alike.

use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

/// Bits of Shannon entropy in a byte of `value`, by its own frequencies.
pub(super) fn entropy(value: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in value {
        counts[usize::from(byte)] += 1;
    }
    let Ok(total) = u32::try_from(value.len()) else { return 8.0 };
    let total = f64::from(total);
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(|&count| f64::from(count) / total)
        .map(|part| -part * part.log2())
        .sum()
}

/// Parts of words that stand where a value will be.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "changeme",
    "change_me",
    "change-me",
    "placeholder",
    "your",
    "dummy",
    "sample",
    "redacted",
    "insert",
    "replace",
    "foobar",
    "undefined",
    "1234567",
    "abcdef",
    "abc123",
    "xxxxx",
    "****",
    "....",
    "todo",
    "fixme",
    "fake",
    "mock",
    "not_real",
    "process.env",
    "os.environ",
    "getenv",
    "[secret:",
    "https://",
    "http://",
    "<",
    "${",
    "{{",
    "%(",
    "}}",
    "$(",
    "my_",
    "my-",
    "some_",
    "some-",
    "qwerty",
    "00000000",
    "11111111",
];

/// Words that are no secret when they are the whole value.
const WORDS: &[&str] = &[
    "true",
    "false",
    "null",
    "none",
    "nil",
    "undefined",
    "string",
    "token",
    "password",
    "passwd",
    "secret",
    "key",
    "test",
    "bearer",
    "basic",
    "required",
    "optional",
    "default",
    "value",
    "empty",
    "unknown",
    "object",
    "number",
    "integer",
    "boolean",
    "function",
    "return",
    "enabled",
    "disabled",
];

/// Characters of a value in which a word of any length is no accident.
const SHORT_WORDS_CHARS_MAX: usize = 40;
/// Characters of a word that is none in a longer value either.
const LONG_WORD_CHARS: usize = 6;

/// Whether `value` stands for a value that is not there: it holds a word that
/// says so, is an ordinary word, or one character again and again.
pub(super) fn example(value: &[u8]) -> bool {
    static PLACES: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let places = PLACES.get_or_init(|| {
        AhoCorasick::builder().ascii_case_insensitive(true).build(PLACEHOLDERS).ok()
    });
    let is_short = value.len() <= SHORT_WORDS_CHARS_MAX;
    let is_varied = value.iter().any(|byte| Some(byte) != value.first());
    !is_varied
        || WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        || places.as_ref().is_some_and(|places| {
            let mut found = places.find_overlapping_iter(value);
            found.any(|one| is_short || one.len() >= LONG_WORD_CHARS)
        })
}

/// The same, or a variable's name.
pub(super) fn placeholder(value: &[u8]) -> bool {
    example(value) || is_name(value)
}

/// Whether it is made like a variable's or a file's name: words of letters, joined, in one case.
fn is_name(value: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    let is_plain = value.iter().all(|byte| {
        byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.' | b' ' | b'/' | b':')
    });
    let is_one_case = !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase);
    let is_camel = value
        .windows(2)
        .filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    // `accessToken` has one hump in eleven letters; random letters have many.
    is_plain && (is_one_case || is_camel.count() * 5 <= value.len() && !has_odd_capitals(value))
}

/// Capitals that no name has: three and more changes of case without a run between.
fn has_odd_capitals(value: &[u8]) -> bool {
    let changes = value.windows(3).filter(|three| {
        three[0].is_ascii_uppercase() != three[1].is_ascii_uppercase()
            && three[1].is_ascii_uppercase() != three[2].is_ascii_uppercase()
    });
    changes.count() * 4 > value.len()
}

/// Whether it is a piece of a program: a call, a member, a type, a template.
pub(super) fn code(value: &[u8]) -> bool {
    let text = String::from_utf8_lossy(value);
    let marks = ["(", ")", "::", "->", "=>", "||", "&&", "[", "]", ";", "{", "}", "$", "\\n", "/*"];
    let is_member = text.split('.').count() > 1
        && text.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && part.bytes().filter(u8::is_ascii_digit).count() < 2
        });
    is_member || marks.iter().any(|mark| text.contains(mark))
}

/// Whether the first part of a token is the base64url of a JSON object with `alg`.
pub(super) fn jwt_header(value: &[u8]) -> bool {
    let head = value.split(|byte| *byte == b'.').next().unwrap_or_default();
    let mut decoded = Vec::with_capacity(head.len());
    crate::scan::sextets::decode(head, &mut decoded);
    let text = String::from_utf8_lossy(&decoded);
    text.starts_with('{')
        && ["\"alg\"", "\"typ\"", "\"enc\"", "\"kid\""].iter().any(|k| text.contains(k))
}

/// Area, group and serial that were given out (SSA, "Social Security Number Randomization").
pub(super) fn ssn(value: &[u8]) -> bool {
    let digits: Vec<u8> = value.iter().filter(|b| b.is_ascii_digit()).copied().collect();
    let Some((area, rest)) = digits.split_at_checked(3) else { return false };
    let Some((group, serial)) = rest.split_at_checked(2) else { return false };
    let is_known_fake = [&b"123456789"[..], b"078051120", b"219099999"].contains(&&digits[..]);
    area != b"000"
        && area != b"666"
        && area[0] != b'9'
        && group != b"00"
        && serial != b"0000"
        && serial.len() == 4
        && !is_known_fake
}

/// Four octets; not unspecified, loopback, broadcast or a mask.
pub(super) fn ipv4(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let Ok(address) = text.parse::<std::net::Ipv4Addr>() else { return false };
    let [first, .., last] = address.octets();
    !(first == 0 || address.is_loopback() || first == 255 || (last == 0 && first < 10))
}

/// An address with at least two groups; not unspecified or loopback.
pub(super) fn ipv6(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let Ok(address) = text.parse::<std::net::Ipv6Addr>() else { return false };
    let groups = address.segments().iter().filter(|group| **group != 0).count();
    groups >= 2 && !address.is_loopback() && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// Six octets; not all alike.
pub(super) fn mac(value: &[u8]) -> bool {
    let octets: Vec<&[u8]> = value.split(|byte| matches!(byte, b':' | b'-')).collect();
    octets.len() == 6 && octets.iter().any(|octet| *octet != octets[0])
}

/// 7 to 15 digits that are not all alike and do not read as a date.
pub(super) fn phone(value: &[u8]) -> bool {
    let digits: Vec<u8> = value.iter().filter(|b| b.is_ascii_digit()).copied().collect();
    let is_varied = digits.iter().any(|digit| *digit != digits[0]);
    let groups: Vec<usize> = value
        .split(|byte| !byte.is_ascii_digit())
        .map(<[u8]>::len)
        .filter(|len| *len > 0)
        .collect();
    let is_date = matches!(groups[..], [4, 2, 2] | [2, 2, 4] | [1, 2, 4] | [2, 1, 4] | [1, 1, 4]);
    (7..=15).contains(&digits.len()) && is_varied && !is_date
}

/// Endings that are more often a file's than a top-level domain.
const FILE_ENDINGS: &[&str] = &[
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "css",
    "js",
    "ts",
    "json",
    "html",
    "md",
    "txt",
    "yml",
    "yaml",
    "toml",
    "lock",
    "map",
    "scss",
    "pdf",
    "zip",
    "local",
    "localhost",
    "invalid",
];

/// A local part and a domain with at least two labels.
pub(super) fn email(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let ending = domain.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.contains('.')
        && domain
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && ending.len() >= 2
        && ending.bytes().all(|byte| byte.is_ascii_alphabetic())
        && !FILE_ENDINGS.contains(&ending.as_str())
}

/// Base64 of visible text with a colon.
pub(super) fn basic_auth(value: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(value.len());
    crate::scan::sextets::decode(value, &mut decoded);
    let is_text = decoded.iter().all(|byte| *byte >= b' ' && *byte != 0x7f);
    is_text && decoded.contains(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (fn(&[u8]) -> bool, &'static str, bool);

    #[test]
    fn entropy_is_shannons() {
        for (value, bits) in [("", 0.0), ("aaaa", 0.0), ("abab", 1.0), ("abcd", 2.0)] {
            assert!((entropy(value.as_bytes()) - bits).abs() < 1e-9, "{value}");
        }
        let all: Vec<u8> = (0..=255).collect();
        assert!((entropy(&all) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn placeholders_and_names_are_no_values() {
        for word in
            ["changeme", "YOUR_API_KEY", "xxxxxxxx", "${TOKEN}", "accessToken", "client_secret"]
        {
            assert!(placeholder(word.as_bytes()), "{word}");
        }
        for value in ["hunter2!", "kJ8sQ2nVxB4m", "dQwXbRtYkZpLmNvC"] {
            assert!(!placeholder(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn code_is_no_value() {
        for text in ["getToken()", "self.token", "config.api.key", "process.env.KEY", "a[0]"] {
            assert!(code(text.as_bytes()), "{text}");
        }
        for value in ["kJ8sQ2.nVx4B4m", "p4ss.w0rd99"] {
            assert!(!code(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn addresses_and_numbers() {
        let cases: [Case; 22] = [
            (ipv4, "203.0.113.7", true),
            (ipv4, "10.1.2.3", true),
            (ipv4, "127.0.0.1", false),
            (ipv4, "255.255.255.0", false),
            (ipv4, "256.1.1.1", false),
            (ipv4, "1.2.3.0", false),
            (ipv6, "2001:db8::8a2e:370:7334", true),
            (ipv6, "::1", false),
            (ipv6, "fe80::1", true),
            (ipv6, "12:34:56", false),
            (mac, "00:1a:2b:3c:4d:5e", true),
            (mac, "ff:ff:ff:ff:ff:ff", false),
            (ssn, "536-22-1234", true),
            (ssn, "666-22-1234", false),
            (ssn, "900-22-1234", false),
            (phone, "+1 415 555 2671", true),
            (phone, "2024-01-31", false),
            (phone, "0000000000", false),
            (email, "ann@example.org", true),
            (email, "icon@2x.png", false),
            (email, "ann@host", false),
            (email, "a..b@example.org", false),
        ];
        for (is, text, expected) in cases {
            assert_eq!(is(text.as_bytes()), expected, "{text}");
        }
    }
}
