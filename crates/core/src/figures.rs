//! Numbers and moments as people read them: on the command line, on every page
//! and in letters alike. Moments are in UTC.

use crate::clock::Timestamp;

/// Thousandths of a request per second: `0.4`, `31.4`, `1,234`.
#[must_use]
pub fn rate(milli: u64) -> String {
    if milli >= 100_000 {
        return count(milli.saturating_add(500) / 1_000);
    }
    let tenths = (milli + 50) / 100;
    match tenths % 10 {
        0 => count(tenths / 10),
        part => format!("{}.{part}", tenths / 10),
    }
}

/// A number with its thousands apart: `12,400`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Seconds: `45 s`, `2 min 30 s`, `1 h 5 min`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes, rest) {
        (0, 0, _) => format!("{rest} s"),
        (0, _, 0) => format!("{minutes} min"),
        (0, _, _) => format!("{minutes} min {rest} s"),
        (_, 0, _) => format!("{hours} h"),
        (_, _, _) => format!("{hours} h {minutes} min"),
    }
}

/// Milliseconds: `350 ms`, `2.0 s`, `30 s`; `-` of none.
#[must_use]
pub fn millis(millis: u64) -> String {
    match millis {
        0 => "-".to_owned(),
        1..1_000 => format!("{millis} ms"),
        1_000..10_000 => format!("{}.{} s", millis / 1_000, millis / 100 % 10),
        _ => duration(millis / 1_000),
    }
}

/// A size: `900 bytes`, `64.0 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1 << 10 {
        return format!("{bytes} bytes");
    }
    let at = (usize::try_from(bytes.ilog2()).unwrap_or(0) / 10).clamp(1, UNITS.len());
    let tenths = (u128::from(bytes) * 10) >> (10 * at);
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[at - 1])
}

/// The day: `2026-11-22`.
#[must_use]
pub fn day(at: Timestamp) -> String {
    cut(at, 10)
}

/// The moment, to the minute: `2026-11-22 18:05`.
#[must_use]
pub fn minute(at: Timestamp) -> String {
    cut(at, 16)
}

/// The moment, to the second: `2026-11-22 18:05:03`.
#[must_use]
pub fn second(at: Timestamp) -> String {
    cut(at, 19)
}

/// The time of day: `18:05:03`.
#[must_use]
pub fn time(at: Timestamp) -> String {
    let second = second(at);
    second.get(11..).unwrap_or(&second).to_owned()
}

/// The first letters of RFC 3339, which end where a unit ends.
fn cut(at: Timestamp, letters: usize) -> String {
    let text = at.to_string();
    text.get(..letters).unwrap_or(&text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let rates = [(0, "0"), (49, "0"), (50, "0.1"), (31_400, "31.4"), (39_960, "40")];
        for (milli, shown) in rates {
            assert_eq!(rate(milli), shown);
        }
        assert_eq!(rate(1_234_500), "1,235");
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!([count(0), count(999), count(1_000)], ["0", "999", "1,000"]);
    }

    #[test]
    fn times_read_well() {
        let durations =
            [(0, "0 s"), (60, "1 min"), (150, "2 min 30 s"), (3_600, "1 h"), (3_900, "1 h 5 min")];
        for (seconds, shown) in durations {
            assert_eq!(duration(seconds), shown);
        }
        assert_eq!([millis(0), millis(350), millis(2_050)], ["-", "350 ms", "2.0 s"]);
        let at = Timestamp::from_millis(1_000_000_003_999);
        assert_eq!([day(at), time(at)], ["2001-09-09", "01:46:43"]);
        assert_eq!([minute(at), second(at)], ["2001-09-09 01:46", "2001-09-09 01:46:43"]);
    }

    #[test]
    fn sizes_read_well() {
        for (size, shown) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(bytes(size), shown);
        }
    }
}
