//! Context switches of this process, as the system counts them.

use std::ops::{AddAssign, Sub};

use anyhow::Context as _;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use procfs::ProcError;
use procfs::process::Process;

/// How often the threads of this process gave up a CPU, and how often one was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// By blocking or yielding.
    pub voluntary: u64,
    /// By preemption.
    pub involuntary: u64,
}

impl Switches {
    /// The counts so far, of all threads, those that have ended included.
    ///
    /// # Panics
    /// Never: the call fails for bad arguments only.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self::of(&getrusage(UsageWho::RUSAGE_SELF).expect("invariant: the arguments are valid"))
    }

    /// The counts of what the system says of somebody.
    pub(crate) fn of(usage: &Usage) -> Self {
        let count = |value| u64::try_from(value).unwrap_or(0);
        Self {
            voluntary: count(usage.voluntary_context_switches()),
            involuntary: count(usage.involuntary_context_switches()),
        }
    }

    /// The counts so far of the threads that a process has now, from `/proc/ID/task/*/status`.
    ///
    /// # Errors
    /// Where the system has no such files, or the process has ended.
    pub(crate) fn of_threads(process: i32) -> anyhow::Result<Self> {
        let tasks = Process::new(process).and_then(|process| process.tasks());
        let mut all = Self::default();
        for task in tasks.context("could not list a process's threads")? {
            let status = match task.and_then(|task| task.status()) {
                Ok(status) => status,
                // A thread that has ended between the list and the look.
                Err(ProcError::NotFound(_)) => continue,
                Err(error) => return Err(error).context("could not read a thread's status"),
            };
            all += Self {
                voluntary: status.voluntary_ctxt_switches.unwrap_or(0),
                involuntary: status.nonvoluntary_ctxt_switches.unwrap_or(0),
            };
        }
        Ok(all)
    }
}

impl Sub for Switches {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

impl AddAssign for Switches {
    fn add_assign(&mut self, other: Self) {
        self.voluntary += other.voluntary;
        self.involuntary += other.involuntary;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::process::{Command, Stdio};

    use super::*;
    use crate::watchdog;

    #[test]
    fn a_process_that_waits_for_each_byte_is_seen_to_block() {
        watchdog::run(|| {
            let mut cat = Command::new("cat");
            let pipes = cat.stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut cat = pipes.spawn().expect("cat can be started");
            let mut to = cat.stdin.take().expect("piped");
            let mut from = cat.stdout.take().expect("piped");
            let id = cat.id().cast_signed();
            let seen = || Switches::of_threads(id).expect("it lives");
            let before = seen();
            // Ends only when a wait was counted.
            while (seen() - before).voluntary == 0 {
                to.write_all(b".").expect("it reads");
                from.read_exact(&mut [0]).expect("it answers");
            }
            drop(to);
            cat.wait().expect("it ends");
            assert!(Switches::of_threads(id).is_err(), "nobody is there");
        });
    }

    #[test]
    fn blocking_is_counted() {
        let before = Switches::of_this_process();
        let (sender, receiver) = std::sync::mpsc::channel();
        let worker = std::thread::spawn(move || receiver.recv());
        // The receiver may not have blocked yet when the token comes; the join may not block
        // either. A park with a limit gives up the CPU for certain.
        std::thread::park_timeout(std::time::Duration::from_millis(1));
        sender.send(()).expect("the receiver waits");
        worker.join().expect("no panic").expect("a token");
        let between = Switches::of_this_process() - before;
        assert!(between.voluntary >= 1, "{between:?}");
    }
}
