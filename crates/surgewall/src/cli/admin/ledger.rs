//! `surgewall admin ledger`.

use clap::{ArgGroup, Subcommand, ValueEnum};
use surgewall_core::id::RequestId;

/// `admin ledger`.
#[derive(Subcommand, Debug)]
pub(crate) enum Ledger {
    /// Print every record, oldest first; works beside a running door
    Export {
        /// One JSON object a line
        #[arg(long, value_enum, default_value_t = Lines::Jsonl, value_name = "FORMAT")]
        format: Lines,
    },
    /// Prove that records are in the ledger, for whoever has neither it nor us
    #[command(group = ArgGroup::new("which").required(true))]
    Prove {
        /// All records that name this request, which is its `x-request-id`
        #[arg(long, value_name = "ID", group = "which")]
        request: Option<RequestId>,
        /// The record with this number
        #[arg(long, value_name = "N", group = "which")]
        record: Option<u64>,
    },
    /// Prove that the ledger continues an older checkpoint of itself
    Consistency {
        /// How many records the older checkpoint covers: its second line
        #[arg(long, value_name = "SIZE")]
        from: u64,
    },
}

/// How records are printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lines {
    /// One JSON object a line
    Jsonl,
}
