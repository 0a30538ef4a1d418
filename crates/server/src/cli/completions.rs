//! `thunderhead completions`: a script for the shell that completes what is typed.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;

/// For which shell.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// The script.
pub(super) fn script(Completions { shell }: Completions) -> String {
    let mut script = vec![];
    let mut command = Arguments::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut script);
    String::from_utf8_lossy(&script).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = script(Completions { shell: *shell });
            for command in ["serve", "set-password", "kill-switch", "end-all", "audit", "completions"] {
                assert!(script.contains(command), "{shell}: {command}");
            }
        }
    }
}
