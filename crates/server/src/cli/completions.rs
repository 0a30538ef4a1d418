//! `thunderhead completions`: a script for the shell that completes what is typed.

use clap::{Args, Command, CommandFactory};
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
    clap_complete::generate(shell, &mut command, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).trim_end().to_owned();
    if shell == Shell::Fish {
        // Its generator knows the values of options alone.
        add_values_for_fish(&mut script, &name, &command, "");
    }
    script
}

/// Completes arguments that are one of some words, in a command and in those below it.
fn add_values_for_fish(script: &mut String, program: &str, command: &Command, condition: &str) {
    for argument in command.get_positionals() {
        let values: Vec<String> =
            argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !values.is_empty() {
            script.push_str(&format!("\ncomplete -c {program} -n \"{condition}\" -f -a \"{}\"", values.join(" ")));
        }
    }
    for below in command.get_subcommands() {
        let and = if condition.is_empty() { "" } else { "; and " };
        let condition = format!("{condition}{and}__fish_seen_subcommand_from {}", below.get_name());
        add_values_for_fish(script, program, below, &condition);
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use thunderhead_domain::audit::AuditKind;
    use thunderhead_domain::switch::KillSwitch;

    use super::*;

    #[test]
    fn every_shell_learns_every_command() {
        for shell in Shell::value_variants() {
            let script = script(Completions { shell: *shell });
            for command in ["serve", "set-password", "kill-switch", "end-all", "audit", "completions"] {
                assert!(script.contains(command), "{shell}: {command}");
            }
            let words = KillSwitch::TABLE.iter().map(|(_, name)| *name);
            // PowerShell and Elvish are told of no values at all.
            let told = matches!(shell, Shell::Bash | Shell::Fish | Shell::Zsh);
            for word in words.chain(AuditKind::TABLE.iter().map(|(_, name)| *name)).filter(|_| told) {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
