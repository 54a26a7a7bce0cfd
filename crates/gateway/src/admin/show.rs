//! Figures and moments as people read them.

use surgewall_core::clock::Timestamp;
use surgewall_core::principal::Class;

use super::view::{Cell, Tone};

/// A moment, to the minute, in UTC.
pub(super) fn at(at: Timestamp) -> Cell {
    Cell::Code(minute(at))
}

/// A moment that may not have come.
pub(super) fn maybe(when: Option<Timestamp>) -> Cell {
    when.map_or_else(Cell::none, at)
}

/// `2026-01-31 08:05`.
pub(super) fn minute(at: Timestamp) -> String {
    let text = at.to_string().replace('T', " ");
    text.get(..16).unwrap_or(&text).to_owned()
}

/// `31.4` of 31,415 thousandths.
pub(super) fn per_s(milli: u64) -> String {
    format!("{}.{}", milli / 1_000, milli % 1_000 / 100)
}

/// Bytes in the unit that fits.
pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

/// `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A class, as a state.
pub(super) fn class(class: Class) -> Cell {
    Cell::tag(class, if class == Class::Established { Tone::Good } else { Tone::Plain })
}

/// Every class that an account may have, as choices.
pub(super) fn classes() -> Vec<(String, String)> {
    let accounts = Class::ALL.into_iter().filter(|class| *class != Class::Anonymous);
    accounts.map(|class| (class.to_string(), class.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 100, 31_415].map(per_s), ["0.0", "0.1", "31.4"]);
        assert_eq!(
            [1_023, 1_024, 1 << 20, 1 << 30].map(bytes),
            ["1023 B", "1 KiB", "1 MiB", "1 GiB"]
        );
        assert_eq!(minute(Timestamp::from_millis(1_700_000_000_000)), "2023-11-14 22:13");
    }
}
