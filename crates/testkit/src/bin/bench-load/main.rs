//! Load on one server of this machine, for the benchmarks in `benches/`.
//!
//! `bench-load whole|stream --url URL ...` prints what a run took as JSON.
//! `bench-load idle --url URL --streams N` opens N streams, prints a line when
//! all have their first token, holds them until a line comes on stdin, and
//! prints how many ended by themselves. `bench-load crowd --url URL --keys FILE`
//! sends a mixed crowd in multiples of a capacity. Only targets on loopback are accepted.

mod crowd;

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use surgewall_testkit::load::{Measured, Mode, Plan, Spread, Target, conversation, drive, hold};

/// Streams that may be held at once.
const STREAMS_MAX: usize = 100_000;
/// Connections of one run.
const CONNECTIONS_MAX: usize = 4_096;
/// Seconds of one run.
const SECONDS_MAX: u64 = 3_600;
/// Bytes of a request.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Puts load on one server of this machine.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Whole answers.
    Whole(Run),
    /// Streams.
    Stream(Run),
    /// Established, verified, new and anonymous clients, and a flood.
    Crowd(crowd::CrowdArguments),
    /// Streams that are held after their first token.
    Idle {
        #[command(flatten)]
        request: Asked,
        /// How many.
        #[arg(long, default_value_t = 1_000)]
        streams: usize,
    },
}

/// What is asked, and of whom.
#[derive(Args)]
struct Asked {
    /// http://127.0.0.1:PORT/PATH
    #[arg(long)]
    url: Target,
    /// The key, sent as a bearer.
    #[arg(long)]
    key: Option<String>,
    /// One more header, NAME:VALUE; may be repeated.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// The model.
    #[arg(long, default_value = "double")]
    model: String,
    /// Bytes of the request's body.
    #[arg(long, default_value_t = 1_024)]
    body_bytes: usize,
    /// Words for the double, in the prompt.
    #[arg(long, default_value = "tokens=20")]
    words: String,
}

impl Asked {
    fn target(&self) -> Result<Target, Box<dyn Error>> {
        let mut target = self.url.clone();
        if let Some(key) = &self.key {
            target = target.with_key(key)?;
        }
        for header in &self.headers {
            target = target.with_header(header)?;
        }
        Ok(target)
    }

    fn body(&self, stream: bool) -> bytes::Bytes {
        let bytes = self.body_bytes.min(BODY_BYTES_MAX);
        conversation(&self.model, &self.words, stream, bytes)
    }
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    request: Asked,
    /// Tokens that each stream must hold.
    #[arg(long, default_value_t = 20)]
    tokens: u64,
    /// Connections, each with one request at a time.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Requests per second; 0 sends the next when the last was answered.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// Requests at most.
    #[arg(long, default_value_t = 1_000_000)]
    count: u64,
    /// Seconds at most.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Requests of each connection that are not measured.
    #[arg(long, default_value_t = 2)]
    warmup: u64,
    /// Prints every sample too.
    #[arg(long)]
    samples: bool,
}

impl Run {
    fn plan(&self, mode: Mode) -> Result<Plan, Box<dyn Error>> {
        Ok(Plan {
            target: self.request.target()?,
            mode,
            body: self.request.body(mode == Mode::Stream),
            tokens: self.tokens,
            connections: self.connections.clamp(1, CONNECTIONS_MAX),
            every: if self.rate > 0.0 {
                Duration::try_from_secs_f64(1.0 / self.rate)?
            } else {
                Duration::ZERO
            },
            count: self.count,
            limit: Duration::from_secs(self.seconds.min(SECONDS_MAX)),
            warmup: self.warmup,
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    // One thread: the load shares its core with the double, never with what is measured.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match cli.command {
        Command::Whole(run) => measure(&runtime, &run, Mode::Whole),
        Command::Stream(run) => measure(&runtime, &run, Mode::Stream),
        Command::Crowd(arguments) => crowd::run(&runtime, &arguments),
        Command::Idle { request, streams } => idle(&runtime, &request, streams),
    }
}

fn measure(runtime: &tokio::runtime::Runtime, run: &Run, mode: Mode) -> Result<(), Box<dyn Error>> {
    let measured = runtime.block_on(drive(run.plan(mode)?));
    let mut shown = shown(&measured);
    if run.samples {
        shown["samples"] = json!({"first_us": measured.first_us, "total_us": measured.total_us, "gap_us": measured.gap_us});
    }
    writeln!(std::io::stdout(), "{shown}")?;
    Ok(())
}

fn shown(measured: &Measured) -> serde_json::Value {
    json!({
        "sent": measured.sent,
        "measured": measured.first_us.len(),
        "failed": measured.failed(),
        "errors": measured.errors,
        "coalesced": measured.coalesced,
        "first_us": Spread::of(&measured.first_us),
        "total_us": Spread::of(&measured.total_us),
        "gap_us": Spread::of(&measured.gap_us),
    })
}

fn idle(
    runtime: &tokio::runtime::Runtime,
    request: &Asked,
    streams: usize,
) -> Result<(), Box<dyn Error>> {
    let target = request.target()?;
    let body = request.body(true);
    runtime.block_on(async {
        let held = hold(&target, &body, streams.min(STREAMS_MAX)).await;
        let mut stdout = std::io::stdout();
        let line = json!({"open": held.open, "errors": held.errors, "first_us": held.first_us});
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
        tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
        let line = json!({"ended": held.ended()});
        held.close();
        writeln!(stdout, "{line}")?;
        Ok(())
    })
}
