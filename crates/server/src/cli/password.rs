//! Where a password comes from: a prompt, the standard input or a file; never an argument, which other users
//! of the machine can see.

use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use thunderhead_auth::credentials::password::Password;

use crate::error::CommandError;

/// Which of them.
#[derive(Debug, Args)]
pub(super) struct PasswordFlags {
    /// Read the password from the standard input: all of it but one newline at its end
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read the password from a file: all of it but one newline at its end
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordFlags {
    /// Gets the password.
    ///
    /// # Errors
    /// Where it cannot be read, is not UTF-8, or was typed in two different ways.
    pub(super) fn read(&self) -> Result<Password, CommandError> {
        if let Some(path) = &self.password_file {
            let bytes = fs::read(path).map_err(|error| CommandError::usage(format!("{}: {error}", path.display())))?;
            return from_bytes(bytes);
        }
        if self.password_stdin {
            let mut bytes = vec![];
            let read = io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| CommandError::usage(format!("the standard input cannot be read: {error}")))?;
            return from_bytes(bytes);
        }
        prompt()
    }
}

fn prompt() -> Result<Password, CommandError> {
    let ask = |text| {
        let no_terminal = |error| {
            CommandError::usage(format!("no terminal to ask on ({error}): use --password-stdin or --password-file"))
        };
        rpassword::prompt_password(text).map_err(no_terminal)
    };
    let password = ask("Password: ")?;
    if password != ask("The same again: ")? {
        return Err(CommandError::Refused(anyhow::Error::msg("the two passwords differ")));
    }
    Ok(Password::new(password))
}

fn from_bytes(bytes: Vec<u8>) -> Result<Password, CommandError> {
    // The error would carry the bytes.
    let text = String::from_utf8(bytes).map_err(|_| CommandError::usage("the password is not UTF-8"))?;
    Ok(Password::new(without_newline(text)))
}

fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_newline_at_the_end_is_not_part_of_the_password_and_all_else_is() {
        for (given, expected) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret\n\n", "secret\n"),
            ("secret\r", "secret\r"),
            (" sec\nret \n", " sec\nret "),
            ("\n", ""),
            ("", ""),
        ] {
            assert_eq!(without_newline(given.to_owned()), expected, "{given:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_without_being_shown() {
        let error = from_bytes(vec![b's', 0xFF]).unwrap_err();
        assert!(matches!(error, CommandError::Usage(_)));
        assert_eq!(error.to_string(), "error: the password is not UTF-8");
    }
}
