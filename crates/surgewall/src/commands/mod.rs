//! What each command does.

mod admin;
mod check;
mod dataflow;
mod exposure;
mod incident;
mod init;
mod office;
mod person;
mod receipt;
mod report;
mod serve;
mod status;
mod stored;

use std::future::Future;

pub(crate) use dataflow::{
    Line as DataflowLine, Proof as DataflowProof, Report as DataflowReport, Ruled as DataflowRuled,
    Section as DataflowSection, Terms as DataflowTerms,
};

use surgewall_core::config::schema::LogFormat;

use crate::cli::drill::Drill;
use crate::cli::report::Report;
use crate::cli::{Cli, Command};
use crate::fault::{Fault, Verdict};
use crate::logs;

/// Carries out what was typed.
///
/// # Errors
/// It was not carried out.
pub(crate) fn run(cli: Cli) -> Result<Verdict, Fault> {
    let Cli { place, command } = cli;
    if !matches!(command, Command::Serve) {
        logs::start(LogFormat::Text, "warn,sqlx=error")?;
    }
    match command {
        Command::Serve => serve::serve(&place),
        Command::Init(asked) => block_on(init::init(&place, &asked)),
        Command::Status(asked) => block_on(status::status(&place, &asked)),
        Command::Admin(asked) => block_on(admin::admin(&place, *asked)),
        Command::Check(asked) => block_on(check::check(&place, &asked)),
        Command::Drill(Drill::Deepseek(asked)) => block_on(crate::drill::deepseek(&asked)),
        Command::Drill(Drill::Load(asked)) => block_on(crate::drill::load(&asked)),
        Command::Report(Report::Usage(asked)) => block_on(report::usage(&place, &asked)),
        Command::Report(Report::User(asked)) => block_on(person::person(&place, &asked)),
        Command::Report(Report::Dataflow(asked)) => block_on(dataflow::dataflow(&place, &asked)),
        Command::Report(Report::Receipt(asked)) => block_on(receipt::receipt(&place, &asked)),
        Command::Report(Report::Incident(asked)) => incident::incident(&place, &asked),
    }
}

/// Runs a command that does one thing at a time.
fn block_on(command: impl Future<Output = Result<Verdict, Fault>>) -> Result<Verdict, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command)
}
