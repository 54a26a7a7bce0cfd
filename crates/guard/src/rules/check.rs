//! Checks of a value, after its pattern matched: sums, shapes, entropy.

use std::str::FromStr;

use super::{shape, sums};

/// One check. A value that fails one is none.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Check {
    /// The Luhn sum of its digits.
    Luhn,
    /// A card number's first digits and length belong to an issuer.
    CardIssuer,
    /// The country's length and the sum of ISO 13616.
    Iban,
    /// The last six characters are the CRC-32 of the ones before, as in GitHub's tokens.
    GithubSum,
    /// A key of this door, with its sum.
    DoorSum,
    /// The first part of a JSON web token: base64url of an object with `alg`.
    JwtHeader,
    /// A US social security number that can have been given out.
    Ssn,
    /// A public or private IPv4 address, and no version, mask or loopback.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A hardware address that belongs to one device.
    Mac,
    /// Digits of a telephone number: 7 to 15, not all alike, no date.
    Phone,
    /// An e-mail address under a top-level name that is no file's ending.
    Email,
    /// `user:password` in base64, after `Basic`.
    BasicAuth,
    /// No placeholder and no ordinary word.
    NoExample,
    /// The same, and no name of a variable or a file.
    NoPlaceholder,
    /// No code: no call, no member, no type.
    NoCode,
    /// Letters and digits both.
    Mixed,
    /// Lower-case and upper-case letters and digits.
    Cased,
    /// At least so many digits.
    Digits(usize),
    /// At least so many bits of Shannon entropy in a character.
    Entropy(f64),
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, argument) = text.split_once(' ').map_or((text, None), |(a, b)| (a, Some(b)));
        Ok(match (name, argument) {
            ("luhn", None) => Self::Luhn,
            ("card-issuer", None) => Self::CardIssuer,
            ("iban", None) => Self::Iban,
            ("github-sum", None) => Self::GithubSum,
            ("door-sum", None) => Self::DoorSum,
            ("jwt-header", None) => Self::JwtHeader,
            ("ssn", None) => Self::Ssn,
            ("ipv4", None) => Self::Ipv4,
            ("ipv6", None) => Self::Ipv6,
            ("mac", None) => Self::Mac,
            ("phone", None) => Self::Phone,
            ("email", None) => Self::Email,
            ("basic-auth", None) => Self::BasicAuth,
            ("no-example", None) => Self::NoExample,
            ("no-placeholder", None) => Self::NoPlaceholder,
            ("no-code", None) => Self::NoCode,
            ("mixed", None) => Self::Mixed,
            ("cased", None) => Self::Cased,
            ("digits", Some(count)) => {
                Self::Digits(count.parse().map_err(|_| format!("`{text}`: no number"))?)
            }
            ("entropy", Some(bits)) => match bits.parse() {
                Ok(bits) if (0.0..=8.0).contains(&bits) => Self::Entropy(bits),
                _ => return Err(format!("`{text}`: entropy is 0 to 8 bits")),
            },
            _ => return Err(format!("`{text}` is no check")),
        })
    }
}

impl Check {
    /// Whether `value` passes.
    #[must_use]
    pub fn holds(self, value: &[u8]) -> bool {
        let any = |is: fn(&u8) -> bool| value.iter().any(is);
        match self {
            Self::Luhn => sums::luhn(value),
            Self::CardIssuer => sums::card_issuer(value),
            Self::Iban => sums::iban(value),
            Self::GithubSum => sums::github(value),
            Self::DoorSum => {
                std::str::from_utf8(value).is_ok_and(surgewall_core::apikey::is_well_formed)
            }
            Self::JwtHeader => shape::jwt_header(value),
            Self::Ssn => shape::ssn(value),
            Self::Ipv4 => shape::ipv4(value),
            Self::Ipv6 => shape::ipv6(value),
            Self::Mac => shape::mac(value),
            Self::Phone => shape::phone(value),
            Self::Email => shape::email(value),
            Self::BasicAuth => shape::basic_auth(value),
            Self::NoExample => !shape::example(value),
            Self::NoPlaceholder => !shape::placeholder(value),
            Self::NoCode => !shape::code(value),
            Self::Mixed => any(u8::is_ascii_alphabetic) && any(u8::is_ascii_digit),
            Self::Cased => {
                any(u8::is_ascii_lowercase)
                    && any(u8::is_ascii_uppercase)
                    && any(u8::is_ascii_digit)
            }
            Self::Digits(count) => value.iter().filter(|b| b.is_ascii_digit()).count() >= count,
            Self::Entropy(bits) => shape::entropy(value) >= bits,
        }
    }
}
