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

/// Whether a byte is one of a text: visible ASCII, a blank, the end of a line.
#[inline]
pub(crate) fn is_text(byte: u8) -> bool {
    matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r')
}

/// Whether what `text` stands for holds so many bytes of a text in a row; may say
/// yes where it does not. Most of what looks like base64 is none, and ends here.
pub(crate) fn may_be_text(text: &[u8], bytes_min: usize) -> bool {
    // Three bytes of four characters: of so many in a row, these are whole.
    let fours_min = bytes_min.saturating_sub(4) / 3;
    let mut fours = 0;
    for four in text.chunks_exact(4) {
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| VALUES[usize::from(four[at])]);
        fours = if is_text(a << 2 | b >> 4) && is_text(b << 4 | c >> 2) && is_text(c << 6 | d) {
            fours + 1
        } else {
            0
        };
        if fours >= fours_min {
            return true;
        }
    }
    false
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

    #[test]
    fn ten_bytes_of_text_are_never_overlooked() {
        for begin in 0_u8..3 {
            // `0xff` three times is four slashes: `begin` of them stand before the text.
            let encoded = match begin {
                0 => "MDEyMzQ1Njc4Of//",
                1 => "/zAxMjM0NTY3ODn/",
                _ => "//8wMTIzNDU2Nzg5",
            };
            let mut out = Vec::new();
            decode(encoded.as_bytes(), &mut out);
            let text = out.split(|byte| !is_text(*byte)).map(<[u8]>::len).max();
            assert_eq!(text, Some(10), "{encoded}");
            assert!(may_be_text(encoded.as_bytes(), 10), "{encoded}");
        }
        assert!(!may_be_text(b"////////////////", 10));
        assert!(!may_be_text(b"", 10) && !may_be_text(b"MDE", 10));
    }
}
