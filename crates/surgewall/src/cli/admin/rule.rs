//! `surgewall admin rule`.

use clap::{Args, Subcommand};
use surgewall_core::config::limits::RuleState;

use crate::cli::Shape;

/// `admin rule`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
The rules of the configuration and those that were made on the door are one list. One that stands
in the configuration is changed there. `surgewall admin finding rule ID` makes one, in shadow: it
counts what it would have done and changes nothing. Counts begin when the door starts; the ledger
names the rule in each decision.

Examples:
  surgewall admin rule list
  surgewall admin rule set rule_7Qd0Yw3mXk1bVtR5a on")]
pub(crate) enum Rule {
    /// List all rules
    List(List),
    /// Show one rule
    Show(Named),
    /// Put a rule that was made on the door into another state
    Set(Set),
    /// Remove a rule that was made on the door
    Remove(Named),
}

/// `admin rule list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// How to print them
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// One rule.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its id
    pub(crate) id: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `admin rule set`.
#[derive(Args, Debug)]
pub(crate) struct Set {
    /// Its id
    pub(crate) id: String,
    /// off, shadow (count, change nothing) or on
    pub(crate) state: RuleState,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}
