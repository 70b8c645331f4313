//! Commands that get the processors' time that everything else leaves over.

use std::process::Command;

use crate::package;

/// The same command with the time that everything else leaves over: its output comes later and is
/// no other.
///
/// Under Linux that is the system's idle class, which gives way to any other thread at once; where
/// `chrt` can't be had it is the least weight, `nice`.
pub(crate) fn in_idle_class(command: &Command) -> Command {
    let mut words: &[&str] = &["nice", "-n", "19"];
    if package::find_program("chrt").is_some() {
        words = &["chrt", "--idle", "0"];
    }
    let mut modest = Command::new(words[0]);
    modest
        .args(&words[1..])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => modest.env(name, value),
            None => modest.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        modest.current_dir(folder);
    }
    modest
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::process;

    #[test]
    fn a_command_in_the_idle_class_is_the_same_command() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "echo $WORD $HOME in $(pwd); awk '{print $41, $19}' /proc/self/stat",
        ]);
        command
            .env("WORD", "two words")
            .env_remove("HOME")
            .current_dir("/");
        let finished = process::run(&mut in_idle_class(&command), Duration::from_secs(30));
        let (said, class) = finished.stdout.split_once('\n').expect("two lines");
        assert_eq!(said, "two words in /");
        // The policy and the niceness: SCHED_IDLE is 5.
        assert!(class == "5 0\n" || class == "0 19\n", "{class}");
    }
}
