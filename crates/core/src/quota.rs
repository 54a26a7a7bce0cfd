//! The words of quotas: what is counted, for whom, and how much.
//!
//! The counting itself is in `surgewall-shield`; the ledger stores
//! [`Charge`]s so that counters survive a restart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, GroupId, KeyId};
use crate::money::Money;
use crate::principal::{Class, DelegatedUser, Network};

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Requests that were admitted.
    Requests,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Input and output tokens.
    TotalTokens,
    /// Money, in nano-units.
    Money,
    /// Requests in flight at once.
    Concurrency,
}

impl Meter {
    /// All meters.
    pub const ALL: [Self; 6] = [
        Self::Requests,
        Self::InputTokens,
        Self::OutputTokens,
        Self::TotalTokens,
        Self::Money,
        Self::Concurrency,
    ];

    /// The word used in configuration and error texts.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::TotalTokens => "total_tokens",
            Self::Money => "money",
            Self::Concurrency => "concurrency",
        }
    }
}

/// One limit: at most `max` of `meter` in any `window_s` seconds, for one
/// model pattern or for all models.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LimitSpec {
    /// What is counted.
    pub meter: Meter,
    /// How many at most: requests, tokens, nano-units or requests in flight.
    pub max: u64,
    /// The sliding window in seconds; 0 for concurrency.
    pub window_s: u64,
    /// The models it holds for (a trailing `*` matches any ending); `None` is all together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl LimitSpec {
    /// A stable 64-bit name of this limit's counter among one subject's. The
    /// amount is not part of it: raising a limit keeps what was used.
    #[must_use]
    pub fn counter(&self) -> u64 {
        let mut hash = Fnv::default();
        hash.write(self.meter.as_str().as_bytes());
        hash.write(&self.window_s.to_le_bytes());
        hash.write(self.model.as_deref().unwrap_or("").as_bytes());
        hash.0
    }
}

/// FNV-1a: stable over versions and machines, which `std`'s hasher is not.
struct Fnv(u64);
impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}
impl Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Why a text is no limit.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    /// The form is wrong.
    #[error(
        "write a limit like \"total_tokens=100000/1d\", \"money=5.00/30d\", \"requests=60/1m:llama-*\" or \"concurrency=4\""
    )]
    Form,
    /// No such meter.
    #[error(
        "unknown meter: one of requests, input_tokens, output_tokens, total_tokens, money, concurrency"
    )]
    Meter,
    /// No such window.
    #[error("a window is a number and s, m, h or d, from 1s to 366d")]
    Window,
    /// Not a number.
    #[error("the amount is no positive number")]
    Amount,
    /// A concurrency limit has no window.
    #[error("concurrency has no window: write \"concurrency=4\"")]
    NoWindow,
}

impl FromStr for LimitSpec {
    type Err = LimitError;

    /// `METER=AMOUNT/WINDOW[:MODEL]`.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let (meter, rest) = text.split_once('=').ok_or(LimitError::Form)?;
        let meter =
            Meter::ALL.into_iter().find(|m| m.as_str() == meter).ok_or(LimitError::Meter)?;
        let (amounts, model) = match rest.split_once(':') {
            Some((amounts, model)) => (amounts, Some(model.to_owned())),
            None => (rest, None),
        };
        let (amount, window_s) = match (meter, amounts.split_once('/')) {
            (Meter::Concurrency, None) => (amounts, 0),
            (Meter::Concurrency, Some(_)) => return Err(LimitError::NoWindow),
            (_, Some((amount, window))) => (amount, parse_window(window)?),
            (_, None) => return Err(LimitError::Form),
        };
        let max = parse_amount(meter, amount)?;
        Ok(Self { meter, max, window_s, model })
    }
}

fn parse_amount(meter: Meter, text: &str) -> Result<u64, LimitError> {
    let max = if meter == Meter::Money {
        let money: Money = text.parse().map_err(|_| LimitError::Amount)?;
        u64::try_from(money.nanos()).map_err(|_| LimitError::Amount)?
    } else {
        text.parse().map_err(|_| LimitError::Amount)?
    };
    // A counter adds signed amounts: an i64 holds every limit with room to spare.
    if max == 0 || max > i64::MAX.unsigned_abs() { Err(LimitError::Amount) } else { Ok(max) }
}

/// Seconds of a window such as `30s`, `1m`, `5h`, `30d`.
///
/// # Errors
/// [`LimitError::Window`].
pub fn parse_window(text: &str) -> Result<u64, LimitError> {
    let unit = text.chars().last().ok_or(LimitError::Window)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(LimitError::Window),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| LimitError::Window)?;
    let window = count.checked_mul(seconds).ok_or(LimitError::Window)?;
    if (1..=366 * 86_400).contains(&window) { Ok(window) } else { Err(LimitError::Window) }
}

/// A window in words: `30s`, `1m`, `5h`, `1d`.
#[must_use]
pub fn show_window(window_s: u64) -> String {
    for (seconds, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if window_s >= seconds && window_s.is_multiple_of(seconds) {
            return format!("{}{unit}", window_s / seconds);
        }
    }
    format!("{window_s}s")
}

impl fmt::Display for LimitSpec {
    /// The form that [`LimitSpec::from_str`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=", self.meter.as_str())?;
        match self.meter {
            Meter::Money => {
                let money = Money::from_nanos(i64::try_from(self.max).unwrap_or(i64::MAX));
                write!(f, "{money}/{}", show_window(self.window_s))?;
            }
            Meter::Concurrency => write!(f, "{}", self.max)?,
            _ => write!(f, "{}/{}", self.max, show_window(self.window_s))?,
        }
        self.model.as_ref().map_or(Ok(()), |model| write!(f, ":{model}"))
    }
}

/// Whose counter: one node of the limit tree, or an anonymous network.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// All principals of a class together.
    Class(Class),
    /// All accounts of a group together.
    Group(GroupId),
    /// All keys of an account together.
    Account(AccountId),
    /// One key.
    Key(KeyId),
    /// One end user of a delegating key.
    User(KeyId, DelegatedUser),
    /// One anonymous network.
    Network(Network),
}

impl Subject {
    /// The word for whose limit it is, as error texts and headers say it.
    #[must_use]
    pub const fn scope(&self) -> &'static str {
        match self {
            Self::Class(_) => "class",
            Self::Group(_) => "group",
            Self::Account(_) => "account",
            Self::Key(_) => "key",
            Self::User(..) => "user",
            Self::Network(_) => "network",
        }
    }
}

/// One counter that a request was charged to: enough to take the charge back,
/// to settle it, and to rebuild the counter after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Charge {
    /// Whose counter.
    #[serde(rename = "s")]
    pub subject: Subject,
    /// Which of the subject's counters: [`LimitSpec::counter`].
    #[serde(rename = "c")]
    pub counter: u64,
    /// What it counts.
    #[serde(rename = "m")]
    pub meter: Meter,
    /// The window's length in seconds.
    #[serde(rename = "w")]
    pub window_s: u64,
    /// The slot of the window that holds the charge: its start in epoch milliseconds.
    #[serde(rename = "t")]
    pub slot_ms: u64,
    /// How much was reserved.
    #[serde(rename = "a")]
    pub amount: u64,
}

/// What a counter held at a moment, as the ledger keeps it over restarts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CounterState {
    /// Whose counter.
    #[serde(rename = "s")]
    pub subject: Subject,
    /// Which of the subject's counters.
    #[serde(rename = "c")]
    pub counter: u64,
    /// The window's length in seconds.
    #[serde(rename = "w")]
    pub window_s: u64,
    /// Slot starts in epoch milliseconds, and the amount in each.
    #[serde(rename = "v")]
    pub slots: Vec<(u64, u64)>,
}

/// Amounts of one request on all meters at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Amounts {
    /// Input tokens.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Money in nano-units.
    pub money: u64,
}

impl Amounts {
    /// The amount on one meter. A request is one request and one in flight.
    #[must_use]
    pub const fn on(&self, meter: Meter) -> u64 {
        match meter {
            Meter::Requests | Meter::Concurrency => 1,
            Meter::InputTokens => self.input,
            Meter::OutputTokens => self.output,
            Meter::TotalTokens => self.tokens(),
            Meter::Money => self.money,
        }
    }

    /// Input and output tokens together.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_survive_their_text() {
        let texts =
            ["total_tokens=100000/1d", "money=5.00/30d", "requests=60/1m:llama-*", "concurrency=4"];
        for text in texts {
            assert_eq!(text.parse::<LimitSpec>().unwrap().to_string(), text);
        }
        for (bad, error) in [
            ("requests", LimitError::Form),
            ("requests=60", LimitError::Form),
            ("sheep=60/1m", LimitError::Meter),
            ("requests=0/1m", LimitError::Amount),
            ("requests=-1/1m", LimitError::Amount),
            ("requests=1/1y", LimitError::Window),
            ("requests=1/é", LimitError::Window),
            ("requests=1/367d", LimitError::Window),
            ("concurrency=4/1m", LimitError::NoWindow),
        ] {
            assert_eq!(bad.parse::<LimitSpec>(), Err(error), "{bad}");
        }
    }

    #[test]
    fn a_counter_is_named_by_what_it_counts_not_by_how_much() {
        let counter = |text: &str| text.parse::<LimitSpec>().unwrap().counter();
        assert_eq!(counter("requests=1/1m"), counter("requests=2/1m"));
        assert_ne!(counter("requests=1/1m"), counter("requests=1/2m"));
        assert_ne!(counter("requests=1/1m"), counter("requests=1/1m:a"));
    }
}
