//! The binary `thunderhead`: does what was typed, and ends with its exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use thunderhead::cli::Arguments;

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
