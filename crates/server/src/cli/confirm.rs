//! Asking before something is destroyed: on a terminal, or answered beforehand by `--yes`.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, Error};
use clap::Args;

use crate::error::CommandError;

/// Whether the question is answered beforehand.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct ConfirmFlags {
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

impl ConfirmFlags {
    /// Finds out how consent is to be had, before anything else is done.
    ///
    /// # Errors
    /// [`CommandError::Usage`] where there is nobody to ask.
    pub(super) fn consent(self) -> Result<Consent, CommandError> {
        Consent::obtainable(self.yes, io::stdin().is_terminal() && io::stderr().is_terminal())
    }
}

/// How consent is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consent {
    /// It was given on the command line.
    Given,
    /// By asking on the terminal.
    ByAsking,
}

impl Consent {
    fn obtainable(yes: bool, terminal: bool) -> Result<Self, CommandError> {
        match (yes, terminal) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::ByAsking),
            (false, false) => Err(CommandError::usage(
                "there is no terminal to ask on, so nothing was done: say --yes if you mean it",
            )),
        }
    }

    /// Asks, unless consent is there already.
    ///
    /// # Errors
    /// [`CommandError::Refused`] where the answer is not yes.
    pub(super) fn to(self, action: &str) -> Result<(), CommandError> {
        match self {
            Self::Given => Ok(()),
            Self::ByAsking if ask(action, io::stdin().lock(), io::stderr().lock()).context("the terminal")? => Ok(()),
            Self::ByAsking => Err(CommandError::Refused(Error::msg("nothing was done"))),
        }
    }
}

/// Anything but a yes is a no.
fn ask(action: &str, mut input: impl BufRead, mut output: impl Write) -> io::Result<bool> {
    write!(output, "{action}? [y/N] ")?;
    output.flush()?;
    let mut answer = String::new();
    if input.read_line(&mut answer)? == 0 {
        // Nobody has ended the line.
        writeln!(output)?;
    }
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_consent_is_given_beforehand_or_not_at_all() {
        assert_eq!(Consent::obtainable(true, false).unwrap(), Consent::Given);
        assert_eq!(Consent::obtainable(true, true).unwrap(), Consent::Given);
        assert_eq!(Consent::obtainable(false, true).unwrap(), Consent::ByAsking);
        let refusal = Consent::obtainable(false, false).unwrap_err();
        assert!(matches!(refusal, CommandError::Usage(_)) && refusal.to_string().contains("--yes"), "{refusal}");
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, agreed) in [
            ("y\n", true),
            ("Yes\r\n", true),
            ("YES", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yy\n", false),
        ] {
            let mut output = vec![];
            assert_eq!(ask("Delete ada", answer.as_bytes(), &mut output).unwrap(), agreed, "{answer:?}");
            assert!(output.starts_with(b"Delete ada? [y/N] "));
        }
    }
}
