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
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use surgewall_testkit::double::{Behaviour, Double, Metrics, Options};
use surgewall_testkit::engine::{BLOCK_TOKENS, Settings, StepTime};

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
    #[command(flatten)]
    engine: EngineArguments,
    /// How it behaves, for example: first=50 rate=100 stall after=3
    words: Vec<String>,
}

#[derive(Args)]
struct EngineArguments {
    /// An engine that batches continuously makes the tokens.
    #[arg(long)]
    engine: bool,
    /// Sequences that run at once.
    #[arg(long, default_value_t = Settings::default().seqs_max, requires = "engine")]
    seqs: usize,
    /// Tokens of one step; longer prompts are cut into chunks.
    #[arg(long, default_value_t = Settings::default().batched_tokens_max, requires = "engine")]
    batched_tokens: u32,
    /// Tokens that the KV blocks hold.
    #[arg(long, default_value_t = Settings::default().kv_tokens(), requires = "engine")]
    kv_tokens: u32,
    /// Milliseconds of a step: base, for each token of a prompt, for each sequence.
    #[arg(long, default_value = "12.601,0.076423,0.066844", requires = "engine")]
    step_ms: StepMs,
    /// Keeps the blocks of prompts for later ones that begin the same.
    #[arg(long, requires = "engine")]
    prefix_cache: bool,
    /// Whose /metrics it has.
    #[arg(long, value_enum, default_value_t = MetricsArgument::Vllm, requires = "engine")]
    metrics: MetricsArgument,
}

#[derive(Clone, Copy, ValueEnum)]
enum MetricsArgument {
    Vllm,
    LlamaCpp,
    None,
}

#[derive(Clone, Copy)]
struct StepMs(StepTime);

impl FromStr for StepMs {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let time = |ms: &str| {
            let ms: f64 = ms.trim().parse().ok()?;
            Duration::try_from_secs_f64(ms / 1_000.0).ok()
        };
        let times: Option<Vec<_>> = text.split(',').map(time).collect();
        match times.as_deref() {
            Some([base, per_prefill_token, per_sequence]) => Ok(Self(StepTime {
                base: *base,
                per_prefill_token: *per_prefill_token,
                per_sequence: *per_sequence,
            })),
            _ => Err("three numbers of milliseconds: base,prefill,sequence".to_owned()),
        }
    }
}

impl EngineArguments {
    fn settings(&self) -> Option<Settings> {
        self.engine.then_some(Settings {
            seqs_max: self.seqs,
            batched_tokens_max: self.batched_tokens.max(1),
            kv_blocks: self.kv_tokens / BLOCK_TOKENS,
            step: self.step_ms.0,
            prefix_cache: self.prefix_cache,
        })
    }

    fn metrics(&self) -> Metrics {
        match self.metrics {
            MetricsArgument::Vllm => Metrics::Vllm,
            MetricsArgument::LlamaCpp => Metrics::LlamaCpp,
            MetricsArgument::None => Metrics::Silent,
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
        engine: arguments.engine.settings(),
        metrics: arguments.engine.metrics(),
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
