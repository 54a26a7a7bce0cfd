//! `bench-load crowd`: a mixed crowd at a door, in multiples of a capacity.

use std::error::Error;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;
use surgewall_testkit::engine::EngineArguments;
use surgewall_testkit::load::{Course, Door, Keys, Row, Target, crowd};
use surgewall_testkit::traffic::{Flood, Retries, Scatter, fitted, flood};

use super::SECONDS_MAX;

/// Bytes of a file of keys.
const KEYS_BYTES_MAX: u64 = 4 << 20;
/// Requests of one run.
const REQUESTS_MAX: u64 = 1_000_000;

/// Who comes when, and where to.
#[derive(Args)]
pub(crate) struct CrowdArguments {
    /// http://127.0.0.1:PORT/v1/chat/completions
    #[arg(long)]
    url: Target,
    /// The model.
    #[arg(long, default_value = "double")]
    model: String,
    /// JSON: {"established": ["sw_live_...", ...], "verified": [...], "new": [...], "young": [...]};
    /// `young` falls back to `new`. Without it everybody sends a key that nobody knows.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// Tells networks in x-forwarded-for, as a proxy does, instead of coming from 127.x.y.1.
    #[arg(long)]
    forwarded: bool,
    /// Seconds during which requests come.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Of them, the first that are not counted.
    #[arg(long, default_value_t = 0)]
    warmup: u64,
    /// Seconds after the last arrival for what is under way.
    #[arg(long, default_value_t = 60)]
    settle: u64,
    /// Requests offered during the flood, in capacities.
    #[arg(long, default_value_t = 10.0)]
    multiple: f64,
    /// When the flood begins, in seconds.
    #[arg(long, default_value_t = 0)]
    flood_from: u64,
    /// When it ends; without it, with the run.
    #[arg(long)]
    flood_until: Option<u64>,
    /// Requests per second that the servers can do; without it, what the engine's settings say.
    #[arg(long)]
    capacity: Option<f64>,
    /// What everyone does when refused.
    #[arg(long, value_enum, default_value_t = RetriesArgument::None)]
    retries: RetriesArgument,
    /// Arrivals that know nothing of each other, instead of the fitted ones.
    #[arg(long)]
    poisson: bool,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests under way at once.
    #[arg(long, default_value_t = 20_000)]
    in_flight: usize,
    /// Writes one JSON array for each request to this file: due in ms, population,
    /// class, outcome, ms to the first token, ms in all, tokens in, tokens out, and of
    /// each range that was stated while it waited whether it held.
    #[arg(long)]
    rows: Option<PathBuf>,
    #[command(flatten)]
    engine: EngineArguments,
}

#[derive(Clone, Copy, ValueEnum)]
enum RetriesArgument {
    None,
    Sdk,
    Storm,
}

impl CrowdArguments {
    fn flood(&self) -> Flood {
        let engine = self.engine.settings();
        let fitted =
            || engine.requests_per_s(fitted::INPUT_TOKENS_MEAN, fitted::OUTPUT_TOKENS_MEAN);
        Flood {
            capacity_per_s: self.capacity.unwrap_or_else(fitted),
            multiple: self.multiple,
            from: Duration::from_secs(self.flood_from),
            until: self.flood_until.map_or(Duration::MAX, Duration::from_secs),
            scatter: if self.poisson { Scatter::POISSON } else { Scatter::FITTED },
            retries: match self.retries {
                RetriesArgument::None => Retries::NONE,
                RetriesArgument::Sdk => Retries::SDK,
                RetriesArgument::Storm => Retries::STORM,
            },
        }
    }

    fn keys(&self) -> Result<Keys, Box<dyn Error>> {
        let Some(path) = &self.keys else {
            let unknown = || vec!["unknown".to_owned()];
            let classes = ["established", "verified", "new"];
            return Ok(classes.map(|class| (class.to_owned(), unknown())).into());
        };
        let mut text = String::new();
        File::open(path)?.take(KEYS_BYTES_MAX).read_to_string(&mut text)?;
        Ok(serde_json::from_str(&text)?)
    }

    fn course(&self) -> Result<Course, Box<dyn Error>> {
        let populations = flood(&self.flood());
        let door =
            Door::new(self.url.clone(), &self.model, &populations, &self.keys()?, self.forwarded)?;
        let seconds = |seconds: u64| Duration::from_secs(seconds.min(SECONDS_MAX));
        Ok(Course {
            door,
            populations,
            seed: self.seed,
            until: seconds(self.seconds),
            warmup: seconds(self.warmup.min(self.seconds)),
            settle: seconds(self.settle),
            in_flight_max: self.in_flight,
            count_max: REQUESTS_MAX,
            engine: self.engine.settings(),
        })
    }
}

/// Runs it and prints the report as JSON.
pub(crate) fn run(
    runtime: &tokio::runtime::Runtime,
    arguments: &CrowdArguments,
) -> Result<(), Box<dyn Error>> {
    let course = arguments.course()?;
    let mut file =
        arguments.rows.as_ref().map(File::create).transpose()?.map(std::io::BufWriter::new);
    let mut written = Ok(());
    let report = runtime.block_on(crowd(&course, |row| {
        if let Some(file) = file.as_mut().filter(|_| written.is_ok()) {
            written =
                writeln!(file, "{}", shown(row, course.populations[row.arrival.population].name));
        }
    }));
    let mut shown = serde_json::to_value(&report)?;
    shown["goodput"] = json!(report.goodput());
    shown["capacity_per_s"] = json!(arguments.flood().capacity_per_s);
    writeln!(std::io::stdout(), "{shown}")?;
    // A full disk costs the rows, not the report.
    written?;
    if let Some(mut file) = file {
        file.flush()?;
    }
    Ok(())
}

fn shown(row: &Row, name: &str) -> serde_json::Value {
    let arrival = &row.arrival;
    let ranges = row.etas.iter().filter_map(|eta| eta.between_s.zip(eta.actual_s));
    let held = ranges.map(|((low, high), actual)| (low..=high).contains(&actual));
    json!([
        ms(arrival.at),
        name,
        arrival.class,
        row.outcome,
        row.first.map(ms),
        ms(row.total),
        arrival.input_tokens,
        row.tokens,
        held.collect::<Vec<_>>(),
    ])
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
