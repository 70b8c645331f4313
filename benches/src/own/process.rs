//! This program started once more, for one case: which one is in an environment variable.
//!
//! # Protocol
//! 1. [`Lab::run`](super::Lab::run) starts the current program with the arguments that it was started
//!    with, and the variable [`VARIABLE`].
//! 2. The new process gets to its own call of `run`, which finds the variable, takes the figures of that
//!    case, prints them as one line and ends the process. A lab that has no such case is passed by: a
//!    program may have several.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use record::Model;
use serde::{Deserialize, Serialize};

/// Names the case, as JSON.
pub(super) const VARIABLE: &str = "BENCHES_LAB_CASE";

/// What a process of its own is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) workload: String,
    pub(super) model: String,
    pub(super) cpus: usize,
    /// Where a trace goes; else it is for figures.
    pub(super) trace: Option<PathBuf>,
}

impl Task {
    /// The task that this process was started for, if it was.
    ///
    /// # Errors
    /// Where the variable makes no sense.
    pub(super) fn of_this_process() -> anyhow::Result<Option<Self>> {
        let Some(text) = std::env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let text = text.to_string_lossy();
        serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("the environment variable {VARIABLE} is '{text}'"))
    }

    /// The model that is meant.
    pub(super) fn model(&self) -> anyhow::Result<Model> {
        Ok(self.model.parse()?)
    }

    /// The command that starts this program for the task.
    pub(super) fn command(&self, program: &std::path::Path) -> Command {
        let text = serde_json::to_string(self).expect("invariant: strings and a number");
        let mut command = Command::new(program);
        command
            .args(std::env::args_os().skip(1))
            .env(VARIABLE, text);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_goes_through_the_environment() {
        let task = Task {
            workload: "words / \"all\"".into(),
            model: "rayon".into(),
            cpus: 2,
            trace: Some("a b.json".into()),
        };
        let command = task.command("/bin/true".as_ref());
        let (_, value) = command.get_envs().next().expect("the variable");
        let read: Task =
            serde_json::from_str(&value.expect("set").to_string_lossy()).expect("a task");
        assert_eq!(read, task);
        assert_eq!(read.model().expect("a model"), Model::Rayon);
    }
}
