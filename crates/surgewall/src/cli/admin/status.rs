//! `surgewall admin status`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};

use crate::cli::Shape;

/// `admin status`.
#[derive(Subcommand, Debug)]
#[command(after_help = "\
The door tells by itself what it measures: how each component is, and incidents that its verdict
opens and closes. People only add words. What you write here is public at once.

Examples:
  surgewall admin status note --title 'Sign-in by e-mail is late' 'Codes take minutes to arrive.'
  surgewall admin status note --incident inc_7Qd0 --stage resolved 'Codes arrive at once again.'
  surgewall admin status maintenance --title 'New servers' \\
      --from 2026-12-01T02:00Z --until 2026-12-01T04:00Z 'Short breaks.'")]
pub(crate) enum Status {
    /// Begin an incident, or say how one goes on, and print its id
    Note(Note),
    /// Announce a maintenance, or say how one goes on, and print its id
    Maintenance(Maintenance),
    /// List what is told
    List(List),
}

/// `admin status note`.
#[derive(Args, Debug)]
pub(crate) struct Note {
    /// What people should know
    pub(crate) words: String,
    /// The incident that it is about; without it, a new one begins
    #[arg(long, value_name = "ID", required_unless_present = "title")]
    pub(crate) incident: Option<String>,
    /// The incident's title
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// How far it is
    #[arg(long, value_parser = PossibleValuesParser::new(["investigating", "identified", "monitoring", "resolved"]))]
    pub(crate) stage: Option<String>,
    /// How bad it is
    #[arg(long, value_parser = PossibleValuesParser::new(["none", "minor", "major", "critical"]))]
    pub(crate) impact: Option<String>,
    /// A component that it touches, as the page names it; may be repeated
    #[arg(long = "component", value_name = "NAME")]
    pub(crate) components: Vec<String>,
}

/// `admin status maintenance`.
#[derive(Args, Debug)]
pub(crate) struct Maintenance {
    /// What people should know
    pub(crate) words: String,
    /// The maintenance that it is about; without it, a new one is announced
    #[arg(long, value_name = "ID", required_unless_present = "title")]
    pub(crate) id: Option<String>,
    /// Its title
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// When it begins, for example 2026-12-01T02:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) from: Option<String>,
    /// When it ends
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Call it off, or end it before its time
    #[arg(long, requires = "id")]
    pub(crate) cancel: bool,
    /// A component that it touches, as the page names it; may be repeated; none means all
    #[arg(long = "component", value_name = "NAME")]
    pub(crate) components: Vec<String>,
}

/// `admin status list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
}
