//! `surgewall admin import`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use surgewall_core::principal::Class;

/// `admin import`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
FILE is .csv with a head line, JSON objects one a line, or a JSON export as a whole. Exports of
LiteLLM, new-api and Open WebUI are recognised by their fields. All of a file is taken over or none
of it; a bad line is named by its number, and lines that are left out are said. `-` reads standard
input.

Written for Surgewall, users have email, and if wanted class, group, first_seen (2024-05-01),
active_days and suspended; keys have the fields that `surgewall admin key import --help` names.

Examples:
  surgewall admin import users users.csv --dry-run
  surgewall admin import users litellm-users.json --class verified
  surgewall admin import keys tokens.csv --users users.csv")]
pub(crate) enum Import {
    /// Take over accounts; one that is there by its e-mail keeps what it has
    Users(Users),
    /// Take over keys by their hashes
    Keys(Keys),
    /// Print the rules of a gitleaks configuration as a rule file of ours
    Rules(Rules),
}

/// Where a file comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Source {
    /// Written for Surgewall
    Surgewall,
    /// Of LiteLLM's tables or its API
    #[value(name = "litellm")]
    LiteLlm,
    /// Of new-api's or one-api's tables or API
    NewApi,
    /// Of Open WebUI's user export, table or API
    OpenWebUi,
}

/// What is read.
#[derive(Args, Debug)]
pub(crate) struct What {
    /// The export
    pub(crate) file: PathBuf,
    /// Where it comes from, where its fields do not tell
    #[arg(long, value_enum, value_name = "SYSTEM")]
    pub(crate) from: Option<Source>,
    /// Say what would be taken over, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `admin import rules`.
#[derive(Args, Debug)]
#[command(after_help = "\
The rule file goes to standard output, and what could not be taken over to standard error, rule by
rule. It needs no data directory and changes nothing: name the file as data.rules_file.

Example:
  surgewall admin import rules gitleaks.toml > rules.toml")]
pub(crate) struct Rules {
    /// The configuration of gitleaks, in TOML
    pub(crate) file: PathBuf,
}

/// `admin import users`.
#[derive(Args, Debug)]
pub(crate) struct Users {
    #[command(flatten)]
    pub(crate) what: What,
    /// The class of those for whom the file says none: established, verified or new [default: new]
    #[arg(long)]
    pub(crate) class: Option<Class>,
    /// The group of those for whom the file says none
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
}

/// `admin import keys`.
#[derive(Args, Debug)]
pub(crate) struct Keys {
    #[command(flatten)]
    pub(crate) what: What,
    /// The users' export of the same system: it says whose key is whose
    #[arg(long, value_name = "FILE")]
    pub(crate) users: Option<PathBuf>,
    /// Keys whose user is not known become your own
    #[arg(long)]
    pub(crate) operators: bool,
}
