//! `surgewall check`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

/// `check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Without a name all checks run that apply here, and fourteen rows say for what there is a check.

Examples:
  surgewall check
  surgewall check config --format sarif
  surgewall check ledger /backup/surgewall-data --format json

Exit status: 0 clean, 1 findings, 2 could not tell or bad usage.")]
pub(crate) struct Check {
    /// What to check; all that applies here if absent
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    /// How to print findings
    #[arg(long, global = true, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// What to check.
#[derive(Subcommand, Debug)]
pub(crate) enum What {
    /// Say what is reachable by whom, and what is risky about it
    Config,
    /// Verify the ledger: only reads, and works beside a running door and on a copy
    Ledger {
        /// A data directory, or a copy of one [default: --data-dir]
        dir: Option<PathBuf>,
    },
}

/// How findings are printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON value
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
}
