//! Moments and classes as cells.

use surgewall_core::clock::Timestamp;
use surgewall_core::figures::minute;
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

/// A class, as a state.
pub(super) fn class(class: Class) -> Cell {
    Cell::tag(class, if class == Class::Established { Tone::Good } else { Tone::Plain })
}

/// Every class that an account may have, as choices.
pub(super) fn classes() -> Vec<(String, String)> {
    let accounts = Class::ALL.into_iter().filter(|class| *class != Class::Anonymous);
    accounts.map(|class| (class.to_string(), class.to_string())).collect()
}
