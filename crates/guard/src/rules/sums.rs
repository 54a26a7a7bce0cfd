//! Check sums that tell a real number or token from a look-alike.

/// The digits of `value`, blanks and dashes left out.
fn digits(value: &[u8]) -> impl DoubleEndedIterator<Item = u32> {
    value.iter().filter(|byte| byte.is_ascii_digit()).map(|byte| u32::from(byte - b'0'))
}

/// The sum of Luhn (ISO/IEC 7812-1, annex B) over all digits.
pub(super) fn luhn(value: &[u8]) -> bool {
    let sum: u32 = digits(value)
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    sum.is_multiple_of(10) && digits(value).any(|digit| digit != 0)
}

/// Whether the first digits and the length are those of a card scheme (the
/// ranges that the schemes publish).
pub(super) fn card_issuer(value: &[u8]) -> bool {
    let digits: Vec<u32> = digits(value).collect();
    let first = |count: usize| digits.iter().take(count).fold(0, |sum, digit| sum * 10 + digit);
    let length = digits.len();
    let (one, two, three, four, six) = (first(1), first(2), first(3), first(4), first(6));
    match length {
        13 => one == 4,
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        15 => matches!(two, 34 | 37) || matches!(four, 1800 | 2131),
        16..=19 => {
            (one == 4 && length != 17 && length != 18)
                || (length == 16 && matches!(two, 51..=55))
                || (length == 16 && matches!(four, 2221..=2720))
                || four == 6011
                || matches!(three, 644..=649)
                || two == 65
                || matches!(four, 3528..=3589)
                || two == 62
                || (length == 16 && matches!(three, 300..=305))
                || (length == 16 && matches!(six, 508_500..=508_999 | 606_985..=607_984))
                || (length == 16 && matches!(four, 2200..=2204))
        }
        _ => two == 50 || matches!(two, 56..=58),
    }
}

/// Length by country (the registry of ISO 13616).
const IBAN_LENGTHS: &str = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 \
     CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 \
     HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 \
     MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 \
     SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30";

/// The country's length, and the sum modulo 97 (ISO 13616, ISO 7064).
pub(super) fn iban(value: &[u8]) -> bool {
    let plain: Vec<u8> =
        value.iter().filter(|byte| byte.is_ascii_alphanumeric()).copied().collect();
    let Some((country, _)) = plain.split_at_checked(2) else { return false };
    let length = IBAN_LENGTHS
        .split_whitespace()
        .find(|entry| entry.as_bytes().starts_with(country))
        .and_then(|entry| entry[2..].parse::<usize>().ok());
    if length != Some(plain.len()) {
        return false;
    }
    let turned = plain[4..].iter().chain(&plain[..4]);
    let rest = turned.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte.to_ascii_uppercase() - b'A') + 10) % 97,
    });
    rest == 1
}

/// GitHub's form of 2021: prefix, underscore, thirty random characters, and six
/// of base62 of their CRC-32.
pub(super) fn github(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let Some((_, body)) = text.rsplit_once('_') else { return false };
    let Some((random, sum)) = body.split_at_checked(body.len().saturating_sub(6)) else {
        return false;
    };
    github_sum(random) == sum
}

/// The sum of GitHub's form, of the random part.
pub(super) fn github_sum(random: &str) -> String {
    surgewall_core::random::to_base62(u64::from(crc32fast::hash(random.as_bytes())), 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (fn(&[u8]) -> bool, &'static str, bool);

    #[test]
    fn published_examples_of_sums() {
        let cases: [Case; 11] = [
            (luhn, "4111 1111 1111 1111", true),
            (luhn, "4111 1111 1111 1112", false),
            (luhn, "0000000000000000", false),
            (card_issuer, "4111111111111111", true),
            (card_issuer, "378282246310005", true),
            (card_issuer, "9111111111111111", false),
            (iban, "GB82 WEST 1234 5698 7654 32", true),
            (iban, "DE89370400440532013000", true),
            (iban, "DE88370400440532013000", false),
            (iban, "ZZ89370400440532013000", false),
            (iban, "DE8937040044053201300", false),
        ];
        for (holds, text, expected) in cases {
            assert_eq!(holds(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn a_github_token_with_one_changed_character_is_none() {
        let random = "0123456789abcdefghijABCDEFGHIJ";
        let token = format!("ghp_{random}{}", github_sum(random));
        assert!(github(token.as_bytes()));
        assert!(!github(token.replace('5', "6").as_bytes()));
        assert!(!github(b"ghp_") && !github(b"") && !github("ghp_\u{e9}".as_bytes()));
    }
}
