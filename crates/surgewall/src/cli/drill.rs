//! `drill`: rehearsals.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Shape;

/// What is rehearsed.
#[derive(Subcommand, Debug)]
pub(crate) enum Drill {
    /// Replay January 2025 against a door of its own and print fourteen rows
    #[command(after_help = "\
A door with a data directory of its own starts on loopback before a double of a model server, so nothing of yours is
touched. Each act either holds or fails; a row without an act says `not built`.

Exit status: 0 all acts held, 1 an act failed, 2 the drill could not be played.")]
    Deepseek(Deepseek),
}

/// `drill deepseek`.
#[derive(Args, Debug)]
pub(crate) struct Deepseek {
    /// Fewer requests and fewer kills: under half a minute
    #[arg(long)]
    pub(crate) short: bool,
    /// How to print the card
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
    /// Also draw the card as an SVG picture
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
}
