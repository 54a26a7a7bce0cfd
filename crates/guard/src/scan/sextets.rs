//! Base64 (RFC 4648), both alphabets, without padding and without an error:
//! what is no character of it ends the text.

const NONE: u8 = 0xff;

const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    let mut value = 0_u8;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = value;
        at += 1;
        value += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
}

/// Whether `byte` stands for six bits in one of the alphabets.
#[inline]
pub(crate) fn is_one(byte: u8) -> bool {
    VALUES[usize::from(byte)] != NONE
}

/// Adds the bytes that `text` stands for to `out`; an incomplete last one is left out.
pub(crate) fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for &byte in text {
        let value = VALUES[usize::from(byte)];
        if value == NONE {
            break;
        }
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., last] = (bits >> count).to_be_bytes();
            out.push(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_the_rfc_says() {
        for (encoded, plain) in [
            ("", &b""[..]),
            ("Zg==", b"f"),
            ("Zm8", b"fo"),
            ("Zm9vYmFy", b"foobar"),
            ("-_-_", b"\xfb\xff\xbf"),
            ("+/+/", b"\xfb\xff\xbf"),
            ("Zm9v YmFy", b"foo"),
        ] {
            let mut out = Vec::new();
            decode(encoded.as_bytes(), &mut out);
            assert_eq!(out, plain, "{encoded}");
        }
    }
}
