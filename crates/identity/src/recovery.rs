//! Recovery codes: ten, shown once, each good for one sign-in without the second factor.
//!
//! A code has 120 random bits, so a plain keyed hash keeps it well (OWASP ASVS
//! 5.0 §6.5.2 asks for Argon2 below 112): what the caller stores is a keyed hash
//! of [`canonical`], and the row goes when the code was used.

use surgewall_core::random;
use surgewall_core::secret::SecretString;

/// Codes in a set. A new set replaces the one before.
pub const CODES: usize = 10;
/// Characters of a code, each of five bits.
const CODE_CHARS: usize = 24;
/// Characters of a group, as shown.
const GROUP_CHARS: usize = 4;
/// Crockford's base32: nothing that is read as something else.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new set, as it is shown: `7QK2-9XTM-...`.
#[must_use]
pub fn generate() -> [SecretString; CODES] {
    std::array::from_fn(|_| {
        let bytes = random::bytes::<CODE_CHARS>();
        let chars: Vec<char> =
            bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        let groups: Vec<String> =
            chars.chunks(GROUP_CHARS).map(|group| group.iter().collect()).collect();
        SecretString::new(groups.join("-"))
    })
}

/// The form that is hashed, of what was shown or typed: without spaces and
/// dashes, in capitals, with the letters that look like digits as these.
/// `None` if it cannot be a code.
#[must_use]
pub fn canonical(typed: &str) -> Option<SecretString> {
    let mut out = String::with_capacity(CODE_CHARS);
    for letter in typed.chars().filter(|c| !c.is_whitespace() && *c != '-') {
        let letter = match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        };
        let is_ours = u8::try_from(letter).is_ok_and(|byte| ALPHABET.contains(&byte));
        if !is_ours || out.len() == CODE_CHARS {
            return None;
        }
        out.push(letter);
    }
    (out.len() == CODE_CHARS).then(|| SecretString::new(out))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_have_one_canonical_form() {
        let codes = generate();
        let distinct: HashSet<String> = codes.iter().map(|code| code.expose().clone()).collect();
        assert_eq!(distinct.len(), CODES);
        for code in &codes {
            let code = code.expose();
            assert_eq!(code.len(), CODE_CHARS + CODE_CHARS / GROUP_CHARS - 1);
            let expected = canonical(code).unwrap();
            let spaced = code.replace('-', " ").to_lowercase();
            let misread = code.replace('0', "o").replace('1', "l");
            for typed in [&spaced, &misread, &code.replace('-', "")] {
                assert_eq!(canonical(typed).unwrap().expose(), expected.expose(), "{typed}");
            }
        }
    }

    #[test]
    fn what_is_no_code_is_none() {
        let code = "0123456789ABCDEFGHJKMNPQ";
        assert!(canonical(code).is_some());
        for typed in [
            "",
            &code[1..],
            &format!("{code}0"),
            "0123456789ABCDEFGHJKMNPU",
            "0123456789ABCDEFGHJKMNPé",
        ] {
            assert!(canonical(typed).is_none(), "{typed}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = canonical(&text);
        }
    }
}
