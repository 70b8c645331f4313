//! The answer to a wrong command line: what was wrong, and everything that would be right.

use std::process::ExitCode;

use clap::Command;
use clap::error::ErrorKind;

/// The status of a wrong command line.
const WRONG_USAGE: u8 = 2;

/// Prints what clap has to say (help included) and returns the status.
///
/// Clap lists the valid values of an argument by itself; the valid flags and commands are
/// added here.
pub(crate) fn report(error: &clap::Error, mut cli: Command, words: &[String]) -> ExitCode {
    // Nowhere to complain to where even this fails.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    cli.build();
    if let Some(valid) = valid(error.kind(), &cli, words) {
        eprintln!("{valid}");
    }
    ExitCode::from(WRONG_USAGE)
}

fn valid(kind: ErrorKind, cli: &Command, words: &[String]) -> Option<String> {
    let mut command = cli;
    for word in words {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let (what, names): (_, Vec<String>) = match kind {
        ErrorKind::UnknownArgument => {
            let flags = command.get_arguments().filter_map(|arg| arg.get_long());
            ("flags", flags.map(|name| format!("--{name}")).collect())
        }
        ErrorKind::InvalidSubcommand => {
            let commands = command.get_subcommands().map(Command::get_name);
            ("commands", commands.map(str::to_owned).collect())
        }
        _ => return None,
    };
    Some(format!("valid {what}: {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn cli() -> Command {
        let quick = Arg::new("quick").long("quick").action(ArgAction::SetTrue);
        let mut cli = Command::new("x").subcommand(Command::new("compare").arg(quick));
        cli.build();
        cli
    }

    fn answer(words: &[&str]) -> Option<String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let line = std::iter::once("x".to_owned()).chain(words.iter().cloned());
        let error = cli().try_get_matches_from(line).expect_err("a wrong line");
        valid(error.kind(), &cli(), &words)
    }

    #[test]
    fn an_unknown_flag_is_answered_with_the_flags_of_its_command() {
        assert_eq!(
            answer(&["compare", "--fast"]).as_deref(),
            Some("valid flags: --quick, --help")
        );
    }

    #[test]
    fn an_unknown_command_is_answered_with_the_commands() {
        assert_eq!(
            answer(&["measure"]).as_deref(),
            Some("valid commands: compare, help")
        );
    }
}
