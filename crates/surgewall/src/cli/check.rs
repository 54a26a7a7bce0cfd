//! `surgewall check`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use surgewall_scan::ledger::{NoteKey, WitnessKey};

/// `check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Without a name all checks run that apply here, and fourteen rows say for what there is a check.

Examples:
  surgewall check
  surgewall check config --format sarif
  surgewall check exposure
  surgewall check exposure 10.0.0.5 redis://db.example.org:6379
  surgewall check provider https://api.example.com/v1
  surgewall check ledger /backup/surgewall-data --format json
  surgewall check ledger --against kept-checkpoint
  surgewall check ledger --proof proof.json --key surgewall/...

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
    /// Ask services as a stranger: open, auth required or unknown
    #[command(after_help = "\
Asks at most two questions of each port, only reads, tries no password and keeps no name of what is
stored there. Without a target: this machine's own listeners on known ports, and the configured
upstreams that have no api_key.

A target is HOST (its known ports), HOST:PORT, or SERVICE://HOST:PORT. Name only what is yours.

Exit status: 0 everything asks for a login or nothing listens, 1 something is open, 2 it could not
be told.")]
    Exposure {
        /// HOST, HOST:PORT, or SERVICE://HOST:PORT
        #[arg(value_name = "TARGET")]
        targets: Vec<String>,
    },
    /// Ask a provider of models as a stranger, and say what is known of it: one page
    #[command(after_help = "\
Sends at most 12 requests to that one server: none has a key or names a model. Who
is let in, what TLS is worth, what errors tell and which limits are named is seen; region, retention,
training and terms are what the configuration declares of the upstream at this address.

Example:
  surgewall check provider https://api.example.com/v1

Exit status: 0 it asks for a key everywhere, 1 findings, 2 it could not be told.")]
    Provider {
        /// The base address, with its path: https://HOST:PORT/v1
        #[arg(value_name = "URL")]
        url: String,
    },
    /// Verify the ledger: only reads, and works beside a running door and on a copy
    Ledger(Ledger),
    /// Verify a receipt for one request, as `report receipt` or a person's page gives it
    Receipt(Receipt),
}

/// `check receipt`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
It needs nothing but the receipt and the key of the store, which must come from elsewhere than the
receipt: `check ledger` prints it. Exit status: 0 it holds, 1 it does not, 2 it could not be told.

Example:
  surgewall check receipt receipt.json --key surgewall/...")]
pub(crate) struct Receipt {
    /// The receipt
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The store's key, as `check ledger` prints it, or as 32 bytes in base64 [default: from the master key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<NoteKey>,
}

/// `check ledger`.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Ledger {
    /// A data directory, or a copy of one [default: --data-dir]
    pub(crate) dir: Option<PathBuf>,
    /// A checkpoint that was kept elsewhere: the ledger must continue it
    #[arg(long, value_name = "FILE")]
    pub(crate) against: Option<PathBuf>,
    /// A proof to check instead of a ledger; one of consistency needs --against too
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(crate) proof: Option<PathBuf>,
    /// The key that signed, as `check ledger` prints it, or as 32 bytes in base64 [default: from the master key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<NoteKey>,
    /// The key of the witness that must have countersigned it, as it publishes it [default: that of the configuration]
    #[arg(long, value_name = "KEY", conflicts_with = "proof")]
    pub(crate) witness: Option<WitnessKey>,
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
