//! Surgewall, the front door of an AI service: the command line.
//!
//! `cli` is what may be typed, `commands` what it does, `show` how it looks.
//! Data goes to stdout, everything else to stderr.

mod cli;
mod commands;
mod drill;
mod fault;
mod logs;
mod memory;
mod place;
mod show;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::Cli;

fn main() -> ExitCode {
    memory::keep();
    match commands::run(Cli::parse()) {
        Ok(verdict) => verdict.into(),
        Err(fault) => {
            show::err(&fault.to_string());
            fault::Verdict::CouldNotTell.into()
        }
    }
}
