//! `surgewall report`.

use clap::{Subcommand, ValueEnum};
use surgewall_store::ledger::read::UsageBy;

use super::Shape;

/// `report`.
#[derive(Subcommand, Debug)]
pub(crate) enum Report {
    /// Who used what, and what it cost
    #[command(after_help = "\
Counts requests that ended in the period, as far back as the ledger is kept. D is a day in UTC
(2026-11-01), an instant (2026-11-01T12:00:00Z) or a time before now (7d).

Examples:
  surgewall report usage --by account
  surgewall report usage --by model --since 30d --format csv")]
    Usage(Usage),
    /// What happened when requests waited long or were refused, and why
    #[command(after_help = "\
Without ID it lists the incidents that the ledger tells of, the newest last. ID is an incident's id,
the beginning of one, or `last`. It only reads: beside a running door, or on a copy.

Examples:
  surgewall report incident
  surgewall report incident last
  surgewall report incident inc_7Qd0Yw3mXk1bVtR5a --format json")]
    Incident(Incident),
}

/// `report incident`.
#[derive(clap::Args, Debug)]
pub(crate) struct Incident {
    /// Which one
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `report usage`.
#[derive(clap::Args, Debug)]
pub(crate) struct Usage {
    /// Whose usage a row adds up
    #[arg(long, value_enum)]
    pub(crate) by: By,
    /// Only requests that ended then or later
    #[arg(long, value_name = "D")]
    pub(crate) since: Option<String>,
    /// Only requests that ended before
    #[arg(long, value_name = "D")]
    pub(crate) until: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Sheet::Text, value_name = "FORMAT")]
    pub(crate) format: Sheet,
}

/// Whose usage a row adds up.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// An account
    Account,
    /// A group
    Group,
    /// A key
    Key,
    /// A model
    Model,
}

impl By {
    /// The word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Group => "group",
            Self::Key => "key",
            Self::Model => "model",
        }
    }
}

impl From<By> for UsageBy {
    fn from(by: By) -> Self {
        match by {
            By::Account => Self::Account,
            By::Group => Self::Group,
            By::Key => Self::Key,
            By::Model => Self::Model,
        }
    }
}

/// How a table is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sheet {
    /// For people
    Text,
    /// Comma-separated, for spreadsheets
    Csv,
    /// One JSON value
    Json,
}
