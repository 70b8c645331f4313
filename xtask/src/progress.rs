//! What a person sees while a command works: a line that moves on a terminal, plain lines
//! in a log.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that says what runs at this moment.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// Without a terminal the bar is silent and lines are printed instead.
    terminal: bool,
}

impl Progress {
    /// Starts a line for `total` steps.
    pub(crate) fn new(total: usize) -> Self {
        let bar = ProgressBar::new(total as u64).with_style(
            ProgressStyle::with_template("{spinner} [{pos}/{len}] {elapsed} {msg}")
                .expect("invariant: a constant template"),
        );
        bar.enable_steady_tick(Duration::from_millis(120));
        Self {
            bar,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    /// Says what runs from now on. A log gets a line only when `logged`: a thousand short
    /// steps would drown what matters.
    pub(crate) fn begin(&self, what: &str, logged: bool) {
        self.bar.set_message(what.to_owned());
        if logged && !self.terminal {
            eprintln!(
                "[{}/{}] {what}",
                self.bar.position() + 1,
                self.bar.length().unwrap_or(0)
            );
        }
    }

    /// Counts the step as done.
    pub(crate) fn done(&self) {
        self.bar.inc(1);
    }

    /// Prints a line that stays.
    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
