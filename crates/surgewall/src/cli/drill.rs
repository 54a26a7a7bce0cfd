//! `drill`: rehearsals.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Shape;

/// What `drill load` floods with, in capacities.
const MULTIPLES: std::ops::RangeInclusive<f64> = 0.5..=20.0;

/// What is rehearsed.
#[derive(Subcommand, Debug)]
pub(crate) enum Drill {
    /// Replay January 2025 against a door of its own and print fourteen rows
    #[command(after_help = "\
A door with a data directory of its own starts on loopback before a double of a model server, so
nothing of yours is touched. Each act either holds or fails; a row without an act says `not built`.

Exit status: 0 all acts held, 1 an act failed, 2 the drill could not be played.")]
    Deepseek(Deepseek),
    /// Flood a door of its own in multiples of its capacity, and score it
    #[command(after_help = "\
A door with a data directory of its own starts on loopback before a simulated engine with 40
places, and gets traffic as a published trace has it: calm, then a flood from networks without a key
and from new accounts while known callers go on, then calm again. A live chart stands on stderr.
Each line of the score says what was seen and what was asked: held, missed, or `could not tell`
where the machine was too slow or too little was seen.

Examples:
  surgewall drill load                            ten times the capacity, in under two minutes
  surgewall drill load --multiple 20 --picture flood.svg

Exit status: 0 all held, 1 something was missed, 2 could not tell.")]
    Load(Load),
}

/// `drill load`.
#[derive(Args, Debug)]
pub(crate) struct Load {
    /// Requests offered during the flood, in capacities of the engine: 0.5 to 20
    #[arg(long, default_value_t = 10.0, value_name = "N", value_parser = multiple)]
    pub(crate) multiple: f64,
    /// Seconds of the flood: 5 to 600
    #[arg(long, default_value_t = 60, value_name = "S", value_parser = clap::value_parser!(u64).range(5..=600))]
    pub(crate) seconds: u64,
    /// Seconds of calm before it, in which the door learns: 5 to 600
    #[arg(long, default_value_t = 20, value_name = "S", value_parser = clap::value_parser!(u64).range(5..=600))]
    pub(crate) warmup: u64,
    /// The same seed, the same traffic
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) seed: u64,
    /// How to print the score; json has the chart's numbers too
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
    /// Also draw the chart and the score as an SVG picture
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
}

/// A multiple of a capacity.
fn multiple(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| MULTIPLES.contains(number));
    number.ok_or_else(|| format!("not a number from {} to {}", MULTIPLES.start(), MULTIPLES.end()))
}

/// `drill deepseek`.
#[derive(Args, Debug)]
pub(crate) struct Deepseek {
    /// Fewer requests, fewer kills, shorter floods: about a minute
    #[arg(long)]
    pub(crate) short: bool,
    /// How to print the card
    #[arg(long, value_enum, default_value_t = Shape::Text, value_name = "FORMAT")]
    pub(crate) format: Shape,
    /// Also draw the card as an SVG picture
    #[arg(long, value_name = "FILE")]
    pub(crate) picture: Option<PathBuf>,
}
