//! Money: whole nano-units of a currency, never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Nano-units in one unit of a currency.
pub const NANO: i64 = 1_000_000_000;

/// An amount of one currency in nano-units. The currency is the one that the
/// `[prices]` section names; the door does not convert.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, Hash)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `nanos` nano-units.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The amount in nano-units.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The sum, held at the largest amount instead of overflowing.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What `count` tokens cost at `self` per million, rounded up so that a
    /// reservation is never below the bill.
    #[must_use]
    pub fn per_million(self, count: u64) -> Self {
        let product = i128::from(self.0) * i128::from(count);
        let rounded =
            product.div_euclid(1_000_000) + i128::from(product.rem_euclid(1_000_000) != 0);
        Self(i64::try_from(rounded).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Money {
    /// Decimal units, trailing zeros cut to two places: `0.27`, `12.00`, `0.000001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        let nano = NANO.unsigned_abs();
        let fraction = format!("{:09}", all % nano);
        let cut = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", all / nano, &fraction[..cut])
    }
}
impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not an amount such as `0.27`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an amount: write it like \"0.27\", at most nine decimals")]
pub struct MoneyError;

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || fraction.len() > 9 || !digits(whole) || !digits(fraction) {
            return Err(MoneyError);
        }
        let whole: i64 = whole.parse().map_err(|_| MoneyError)?;
        let nanos: i64 = format!("{fraction:0<9}").parse().map_err(|_| MoneyError)?;
        whole.checked_mul(NANO).and_then(|w| w.checked_add(nanos)).map(Self).ok_or(MoneyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_their_text() {
        for (text, nanos, shown) in [
            ("0.27", 270_000_000, "0.27"),
            ("12", 12 * NANO, "12.00"),
            ("0.000000001", 1, "0.000000001"),
        ] {
            let money: Money = text.parse().unwrap();
            assert_eq!((money.nanos(), money.to_string().as_str()), (nanos, shown));
        }
        for bad in ["", ".5", "-1", "1e3", "0.0000000001", "99999999999999", "1,5"] {
            assert_eq!(bad.parse::<Money>(), Err(MoneyError), "{bad}");
        }
    }

    #[test]
    fn a_price_per_million_rounds_up() {
        let price: Money = "0.27".parse().unwrap();
        assert_eq!(price.per_million(1_000_000), price);
        assert_eq!(Money::from_nanos(1).per_million(1), Money::from_nanos(1));
        assert_eq!(Money::from_nanos(i64::MAX).per_million(u64::MAX), Money::from_nanos(i64::MAX));
    }
}
