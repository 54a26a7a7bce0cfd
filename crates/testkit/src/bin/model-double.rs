//! The model-server double as a program, for benchmarks and scripts.
//!
//! Prints `ready http://127.0.0.1:PORT` once it answers. `GET /double/stats`
//! tells what it saw; `POST /double/behaviour` with words as the body changes
//! how it behaves from then on. With `--engine` an engine like vLLM's makes the
//! tokens, `/metrics` shows it, and `POST /double/control` changes it
//! (`slow=10 seqs=20 waiting=0 running=0 honest restart`).

use std::error::Error;
use std::io::Write as _;
use std::net::IpAddr;

use clap::{Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use surgewall_testkit::double::{Behaviour, Double, Metrics, Options};
use surgewall_testkit::engine::EngineArguments;

/// A model server that answers without a model.
#[derive(Parser)]
struct Arguments {
    /// The port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The address.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Requests that /double/stats remembers.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// An engine that batches continuously makes the tokens.
    #[arg(long)]
    engine: bool,
    #[command(flatten)]
    settings: EngineArguments,
    /// Whose /metrics the engine has.
    #[arg(long, value_enum, default_value_t = MetricsArgument::Vllm)]
    metrics: MetricsArgument,
    /// How it behaves, for example: first=50 rate=100 stall after=3
    words: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum MetricsArgument {
    Vllm,
    LlamaCpp,
    None,
}

impl From<MetricsArgument> for Metrics {
    fn from(argument: MetricsArgument) -> Self {
        match argument {
            MetricsArgument::Vllm => Self::Vllm,
            MetricsArgument::LlamaCpp => Self::LlamaCpp,
            MetricsArgument::None => Self::Silent,
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    raise_descriptors();
    let behaviour: Behaviour = arguments.words.join(" ").parse()?;
    let options = Options {
        address: (arguments.host, arguments.port).into(),
        workers: arguments.workers,
        records_max: arguments.records,
        engine: arguments.engine.then(|| arguments.settings.settings()),
        metrics: arguments.metrics.into(),
    };
    let double = Double::start_with(options, behaviour)?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready {}", double.url())?;
    stdout.flush()?;
    loop {
        std::thread::park();
    }
}

/// Takes all descriptors that the system grants; with fewer it serves fewer.
fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
