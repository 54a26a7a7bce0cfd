//! Randomness from the operating system, through aws-lc-rs.
//!
//! Pure algorithms take their random numbers as arguments; this module is for
//! ids, keys and nonces only.

use aws_lc_rs::rand;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `N` random bytes.
///
/// A machine whose random source fails cannot make a key or a nonce; the
/// process aborts rather than go on with a predictable one.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    if rand::fill(&mut out).is_err() {
        std::process::abort();
    }
    out
}

/// `len` random base62 characters, each uniform (rejection sampling).
#[must_use]
pub fn base62(len: usize) -> String {
    let mut out = String::with_capacity(len);
    while out.len() < len {
        for byte in bytes::<32>() {
            // 248 is the largest multiple of 62 in a byte: above it, a digit would be likelier.
            if byte < 248 && out.len() < len {
                out.push(char::from(BASE62[usize::from(byte % 62)]));
            }
        }
    }
    out
}

/// The low digits of `value` in base62, most significant first, exactly `len` long.
#[must_use]
pub fn to_base62(mut value: u64, len: usize) -> String {
    let mut digits = vec![b'0'; len];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[usize::try_from(value % 62).unwrap_or(0)];
        value /= 62;
    }
    digits.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_has_the_length_asked_for_and_only_its_alphabet() {
        for len in [0, 1, 30, 61] {
            let text = base62(len);
            assert_eq!(text.len(), len);
            assert!(text.bytes().all(|b| BASE62.contains(&b)));
        }
        assert_eq!(to_base62(0, 6), "000000");
        assert_eq!(to_base62(61, 2), "0z");
        assert_eq!(to_base62(62, 2), "10");
    }
}
