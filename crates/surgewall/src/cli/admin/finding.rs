//! `surgewall admin finding`.

use clap::{Args, Subcommand};
use surgewall_core::finding::State;

use crate::cli::Shape;
use crate::cli::check::Format;

/// `admin finding`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
A running door puts in what it finds by itself; what `surgewall check` prints stays out. A finding
that is not found any more becomes fixed, and open again if it comes back.")]
pub(crate) enum Finding {
    /// List findings that are not fixed; the exit status is 1 if one above a note is open
    List(List),
    /// Show one finding
    Show(Named),
    /// Say that you looked at it and live with it
    Acknowledge(Acknowledge),
    /// Say that it is gone; if it is found again, it is open again
    Fix(Named),
    /// Open it again
    Reopen(Named),
    /// Make it a rule, in shadow first; refused where no rule decides what was found
    Rule(Named),
}

/// `admin finding list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those in this state: open, acknowledged, rule, fixed, or all
    #[arg(long, value_name = "STATE", value_parser = states)]
    pub(crate) state: Option<States>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// States that are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum States {
    /// Every state.
    All,
    /// This one.
    One(State),
}

fn states(text: &str) -> Result<States, String> {
    if text == "all" {
        return Ok(States::All);
    }
    text.parse().map(States::One).map_err(|error| format!("{error}, all"))
}

/// One finding.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Its id
    pub(crate) id: String,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// `admin finding acknowledge`.
#[derive(Args, Debug)]
pub(crate) struct Acknowledge {
    #[command(flatten)]
    pub(crate) named: Named,
    /// Why you live with it
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}
