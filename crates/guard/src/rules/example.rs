//! Examples of rules as templates: what looks like a secret is made when a test
//! or a benchmark runs, and stands in no file.
//!
//! `{KIND:COUNT}` becomes so many random characters: `base62`, `lower`, `upper`,
//! `base32` (A-Z, 2-7), `digits`, `hex`, `hexup`, `b64`, `b64url`, `alnumlower`, `alnumup`,
//! `mixed` (a password with signs). `{uuid}`, `{github}` (with its sum), `{door}`
//! (a key of this door), `{jwt}`, `{card}` and `{iban}` (with their sums), `{basic}`
//! stand for whole values. Everything else stands for itself.

use super::sums;

/// A small generator (SplitMix64; Steele, Lea and Flood 2014): examples are the
/// same on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// One that begins at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `below`.
    pub fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let below = u64::try_from(below.max(1)).unwrap_or(u64::MAX);
        usize::try_from(z % below).unwrap_or_default()
    }

    fn text(&mut self, alphabet: &str, count: usize) -> String {
        let all: Vec<char> = alphabet.chars().collect();
        (0..count).map(|_| all[self.below(all.len())]).collect()
    }
}

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const SIGNS: &str = "!#%*+?@^~";

/// The text that `template` stands for.
#[must_use]
pub fn expand(template: &str, dice: &mut Dice) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        let inner = rest[at + 1..].split_once('}');
        match inner.and_then(|(name, after)| Some((value(name, dice)?, after))) {
            Some((made, after)) => {
                out.push_str(&made);
                rest = after;
            }
            None => {
                out.push('{');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn value(name: &str, dice: &mut Dice) -> Option<String> {
    let Some((kind, count)) = name.split_once(':') else { return whole(name, dice) };
    let count = count.parse().ok().filter(|count| *count <= 4_096)?;
    let alphabet = match kind {
        "base62" => [LOWER, UPPER, DIGITS].concat(),
        "lower" => LOWER.to_owned(),
        "upper" => UPPER.to_owned(),
        "base32" => [UPPER, "234567"].concat(),
        "digits" => DIGITS.to_owned(),
        "hex" => HEX.to_owned(),
        "hexup" => HEX.to_uppercase(),
        "b64" => [LOWER, UPPER, DIGITS, "+/"].concat(),
        "b64url" => [LOWER, UPPER, DIGITS, "-_"].concat(),
        "alnumlower" => [LOWER, DIGITS].concat(),
        "alnumup" => [UPPER, DIGITS].concat(),
        "mixed" => return Some(mixed(dice, count)),
        _ => return None,
    };
    Some(dice.text(&alphabet, count))
}

/// A password with all kinds of characters, a letter first.
fn mixed(dice: &mut Dice, count: usize) -> String {
    let all = [LOWER, UPPER, DIGITS, SIGNS].concat();
    let rest = dice.text(&all, count.saturating_sub(4));
    [dice.text(LOWER, 1), dice.text(DIGITS, 1), rest, dice.text(UPPER, 1), dice.text(DIGITS, 1)]
        .concat()
}

fn whole(name: &str, dice: &mut Dice) -> Option<String> {
    let all = [LOWER, UPPER, DIGITS].concat();
    Some(match name {
        "uuid" => {
            let groups = [8, 4, 4, 4, 12].map(|count| dice.text(HEX, count));
            groups.join("-")
        }
        "github" => {
            let random = dice.text(&all, 30);
            let sum = sums::github_sum(&random);
            random + &sum
        }
        "door" => door(&dice.text(&all, surgewall_core::apikey::RANDOM_LEN)),
        "jwt" => {
            let head = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
            let body = encode(format!(r#"{{"sub":"{}"}}"#, dice.text(DIGITS, 10)).as_bytes());
            format!("{head}.{body}.{}", dice.text(&all, 43))
        }
        "card" => card(dice),
        "iban" => iban(dice),
        "basic" => encode(format!("{}:{}", dice.text(LOWER, 6), mixed(dice, 12)).as_bytes()),
        _ => return None,
    })
}

/// A key of this door with these random characters.
fn door(random: &str) -> String {
    let body = format!("{}{random}", surgewall_core::apikey::PREFIX);
    let sum = u64::from(crc32fast::hash(body.as_bytes()));
    let sum = surgewall_core::random::to_base62(sum, surgewall_core::apikey::CHECKSUM_LEN);
    body + &sum
}

fn card(dice: &mut Dice) -> String {
    let body = format!("4{}", dice.text(DIGITS, 14));
    let last = DIGITS.chars().find(|last| sums::luhn(format!("{body}{last}").as_bytes()));
    format!("{body}{}", last.unwrap_or('0'))
}

fn iban(dice: &mut Dice) -> String {
    let body = dice.text(DIGITS, 18);
    let with = |sum: u32| format!("DE{sum:02}{body}");
    (2..=98).map(with).find(|text| sums::iban(text.as_bytes())).unwrap_or_else(|| with(0))
}

/// Base64 with the URL-safe alphabet, without padding (RFC 4648, section 5).
fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            let sextet = bits >> (18 - 6 * place) & 63;
            out.push(char::from(ALPHABET[usize::try_from(sextet).unwrap_or_default()]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_values_and_the_rest_stays() {
        let made = expand("a {hex:8} {nothing} {digits:3}}", &mut Dice::new(1));
        assert_eq!(made.len(), "a  {nothing} }".len() + 11);
        assert!(made.starts_with("a ") && made.contains(" {nothing} ") && made.ends_with('}'));
        assert_eq!(made, expand("a {hex:8} {nothing} {digits:3}}", &mut Dice::new(1)));
        assert_eq!(expand("{", &mut Dice::new(1)), "{");
    }

    #[test]
    fn what_has_a_sum_has_the_right_one() {
        for seed in 0..50 {
            let make = |template: &str| expand(template, &mut Dice::new(seed));
            assert!(
                sums::luhn(make("{card}").as_bytes())
                    && sums::card_issuer(make("{card}").as_bytes())
            );
            assert!(sums::iban(make("{iban}").as_bytes()));
            assert!(sums::github(make("ghp_{github}").as_bytes()));
            assert!(surgewall_core::apikey::is_well_formed(&make("{door}")));
        }
    }
}
