//! Context switches of this process, as the system counts them.

use std::ops::Sub;

use nix::sys::resource::{UsageWho, getrusage};

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
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("invariant: the arguments are valid");
        let count = |value| u64::try_from(value).unwrap_or(0);
        Self {
            voluntary: count(usage.voluntary_context_switches()),
            involuntary: count(usage.involuntary_context_switches()),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

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
