//! `surgewall admin vault`.

use clap::{ArgGroup, Args, Subcommand};

use super::List;
use crate::cli::Shape;

/// `admin vault`.
#[derive(Subcommand, Debug)]
pub(crate) enum Vault {
    /// Show where the keys lie and how many there are
    Status(List),
    /// Destroy the keys of everything one person wrote, and print the receipt
    Erase(Erase),
    /// Make a new master key and destroy the old one; works while the door runs
    Rotate(List),
    /// Go on without the accounts file, where it is lost for good: all content stays closed
    ReplaceLost,
}

/// `admin vault erase`.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("whose").args(["account", "key", "strangers"]).required(true)))]
#[command(after_help = "\
What was sealed under the keys cannot be opened any more, also not from a copy of the data
directory. The account itself, its API keys and what the ledger says of its requests stay.
A backup of the key files from before still opens it: replace those backups too.

Examples:
  surgewall admin vault erase --account ada@example.org
  surgewall admin vault erase --key app --user alice")]
pub(crate) struct Erase {
    /// What this account wrote
    #[arg(long, value_name = "EMAIL")]
    pub(crate) account: Option<String>,
    /// What came by this key of the operator's
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// Of a delegating key: what this end user wrote
    #[arg(long, value_name = "NAME", requires = "key")]
    pub(crate) user: Option<String>,
    /// The same by the hash that the ledger shows
    #[arg(long, value_name = "HEX", requires = "key", conflicts_with = "user")]
    pub(crate) hash: Option<String>,
    /// What callers without a credential wrote, all of them
    #[arg(long)]
    pub(crate) strangers: bool,
    /// How to print the receipt
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}
