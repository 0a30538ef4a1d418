//! The binary `thunderhead`: reads the command line and the settings, builds the adapters, and runs the server or
//! the operator's commands on them. The only crate that sees storage and HTTP together.

mod cli;
mod config;
mod database;
mod error;
mod finish;
mod key_file;
mod log;
mod metrics;
mod retention;
mod serve;
mod signals;
mod system;

use std::io::{self, Write};
use std::process::ExitCode;

use crate::cli::Arguments;

fn main() -> ExitCode {
    match Arguments::read().run() {
        Ok(text) => print(&text),
        Err(error) => {
            eprintln!("{error}");
            error.exit_code()
        }
    }
}

/// Prints a result. That the reader has gone away (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    if text.is_empty() {
        return ExitCode::SUCCESS;
    }
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            eprintln!("error: the result cannot be printed: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
