//! What may be typed: one file for each group of commands.

pub(crate) mod admin;
pub(crate) mod check;
pub(crate) mod drill;
pub(crate) mod init;
pub(crate) mod report;
pub(crate) mod status;

use clap::builder::Styles;
use clap::builder::styling::{AnsiColor, Effects};
use clap::{Parser, Subcommand, ValueEnum};

use crate::place::Place;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .usage(AnsiColor::Green.on_default().effects(Effects::BOLD))
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// The front door of an AI service.
///
/// Surgewall stands between strangers and a model server: it lets the right ones in, counts what
/// they use, and writes down what it decided.
#[derive(Parser, Debug)]
#[command(name = "surgewall", version, styles = STYLES, max_term_width = 100)]
#[command(after_help = "\
Examples:
  surgewall serve                             start the door; no configuration is needed
  surgewall init                              find model servers here, write surgewall.toml
  surgewall admin key create --name laptop    make a key
  surgewall check                             look for what should be changed

Exit status: 0 clean, 1 findings, 2 could not tell or bad usage.")]
pub(crate) struct Cli {
    /// Where to work.
    #[command(flatten)]
    pub(crate) place: Place,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Write a configuration for the model servers on this machine
    Init(init::Init),
    /// Run the door
    #[command(after_help = "\
Without a configuration the door listens on loopback only, keeps its data in ./surgewall-data and
serves the built-in `handbook` model. When everything listens it prints one line on stdout:

  ready public=http://127.0.0.1:7070 admin=http://127.0.0.1:7071 status=http://127.0.0.1:7072

SIGTERM or SIGINT drains and stops, a second one stops at once. SIGHUP reads the configuration
again; a bad one is refused in the log and the old one stays. SURGEWALL_LOG chooses the log lines.")]
    Serve,
    /// Show how a running door does
    Status(Status),
    /// Manage people, keys and the ledger
    #[command(subcommand)]
    Admin(Box<admin::Admin>),
    /// Look for what should be changed
    Check(check::Check),
    /// Rehearse against a door on loopback
    #[command(subcommand)]
    Drill(drill::Drill),
    /// Tell who used what
    #[command(subcommand)]
    Report(report::Report),
}

/// `status`.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Status {
    /// What else to do with the status page.
    #[command(subcommand)]
    pub(crate) page: Option<status::Page>,
    /// Print it once instead of every second
    #[arg(long)]
    pub(crate) once: bool,
    /// How to print it: json implies --once
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}

/// How a listing is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// For people
    Text,
    /// One JSON value
    Json,
}
