//! An attack on one server of this machine, for `benches/floods.py`.
//!
//! `bench-flood NAME --victim 127.0.0.1:PORT ...` prints what became of it as
//! JSON; `bench-flood list` prints the names. Only loopback is attacked, with a
//! bounded number of connections, at a bounded rate, for a bounded time.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use surgewall_testkit::attack::Asked;
use surgewall_testkit::attack::campaign::{Plan, names, run};

/// Attacks one server of this machine.
#[derive(Parser)]
struct Cli {
    /// The attack's name, or `list`.
    attack: String,
    /// Who is attacked: an address on loopback.
    #[arg(long, default_value = "127.0.0.1:7070")]
    victim: SocketAddr,
    /// A key, for the attacks that need a request to be let in.
    #[arg(long)]
    key: Option<String>,
    /// Connections at once.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// New connections, a second.
    #[arg(long, default_value_t = 50)]
    per_second: u32,
    /// Seconds.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let mut stdout = std::io::stdout();
    if cli.attack == "list" {
        writeln!(stdout, "{}", names().join("\n"))?;
        return Ok(());
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let plan = Plan {
        victim: cli.victim,
        attack: cli.attack.parse()?,
        asked: Asked { authorization: cli.key.map(|key| format!("Bearer {key}")) },
        connections: cli.connections,
        per_second: cli.per_second,
        limit: Duration::try_from_secs_f64(cli.seconds)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runtime.block_on(run(&plan));
    writeln!(stdout, "{}", serde_json::to_string(&told)?)?;
    Ok(())
}
