//! The experiments of the lab: what each asks, and how its figures are read.
//!
//! The commands check their arguments against this list before anything is built, the lab runs what
//! is on it, and the page heads its charts with these texts: there is one list for all three.
//!
//! A bench's name begins with its experiment's: `create/time/1000` is the part `time` of `create`, at
//! the parameter 1,000. Benches that differ in a number at the end only are one curve. The benches of
//! [`Experiment::Models`] are the exception: they are named by their programs.

use crate::subject::names;

names!(
    /// A question that the lab answers by measuring.
    Experiment, "lab", {
        /// The same programs under every model.
        Models => "models",
        /// What one unit of execution costs to make and to end.
        Create => "create",
        /// What a change from one unit to another costs.
        Switch => "switch",
        /// One protocol, served by each architecture.
        Server => "server",
        /// What moving bytes between units costs.
        Ipc => "ipc",
        /// What a second CPU is worth.
        Parallel => "parallel",
        /// What CPU-bound jobs do to those that must answer soon.
        Mixed => "mixed",
        /// What each policy of our kernel does with the same mix of threads.
        Schedulers => "schedulers",
    }
);

/// The bench that measures what measuring adds, which the page's legend tells.
pub const OVERHEAD: &str = "create/overhead";

impl Experiment {
    /// The experiment whose bench this is, if its name says so: the experiment's, a slash and a part.
    /// A number is no part: `mixed/100` is the program of that name, at its parameter.
    #[must_use]
    pub fn of_bench(bench: &str) -> Option<Self> {
        let mut words = bench.split('/');
        let experiment = words.next()?.parse().ok()?;
        let part = words.next()?;
        part.parse::<u64>().is_err().then_some(experiment)
    }

    /// What the number at the end of a bench's name counts.
    #[must_use]
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Create => "units at once",
            Self::Switch => "bytes of working set",
            Self::Server => "connections",
            Self::Ipc => "bytes a message",
            Self::Parallel => "workers",
            Self::Mixed => "jobs that compute",
            Self::Schedulers => "processors",
            Self::Models => "parameter",
        }
    }

    /// What it asks, as a reader would.
    #[must_use]
    pub const fn question(self) -> &'static str {
        match self {
            Self::Models => "Which model runs the same programs best?",
            Self::Create => "What does one more unit of execution cost?",
            Self::Switch => "What does it cost to run somebody else?",
            Self::Server => "Which architecture serves many connections best?",
            Self::Ipc => "What does it cost to move bytes to somebody else?",
            Self::Parallel => "What is a second CPU worth?",
            Self::Mixed => "Who still answers in time beside jobs that compute?",
            Self::Schedulers => "What does the scheduler's policy decide?",
        }
    }

    /// What is done, and how the figures are read.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Models => {
                "Five small programs, each written once against the common handle, run under every \
                 model; every answer is checked against a serial reference."
            }
            Self::Create => {
                "Units that do nothing are made and ended: processes, threads, jobs, tasks. Time, CPU \
                 time and memory are those of one unit, while so many exist as the axis says; memory \
                 is that of units that wait, without the kernel's own. System calls are counted by a \
                 tracer."
            }
            Self::Switch => {
                "Two units hand a turn to and fro, on one CPU and across two; a switch is half of a \
                 round trip. Then each also walks over a working set of its own, which drives the \
                 other one's out of the caches: the figure is what a switch costs beyond a walk \
                 without one. The system's own count stands beside it: who gives way counts as \
                 involuntary, in our kernel as voluntary, and tasks switch without the system's \
                 knowledge. The kernel has no working sets here, since its emulator has no caches."
            }
            Self::Server => {
                "The same requests reach the same answers through different architectures: processes \
                 started ahead, a thread a connection, pools behind one thread that waits for all, \
                 tasks. The load keeps to its timetable of 10,000 requests a second, and a late \
                 answer counts from when its request was due. CPU time and memory are the server's \
                 alone, a request and a connection. The capacity is taken afterwards: everybody asks \
                 again as soon as they are answered."
            }
            Self::Ipc => {
                "Messages of a size go to and fro (latency: half of the way there and back), or one \
                 way as fast as they are taken (throughput), between two threads and between two \
                 processes. Pipes, rings in memory and in files have the same 64 KiB of room. Local \
                 sockets are Linux's Unix sockets, message queues POSIX's, and mailboxes in our kernel, \
                 which take 1 KiB at most. TCP and waiting for a file are the host's alone; named pipes, \
                 and messages by process number, stand for the kernel."
            }
            Self::Parallel => {
                "The same work by the plain program, with one worker on one CPU, and with as many as \
                 there are CPUs. The speed-up is that over the plain program, and the efficiency is the \
                 speed-up a CPU; beside it stands the bound that work and span allow, which are \
                 counted, not timed. Our kernel has two of the problems, small enough for an emulator, \
                 which has no caches either."
            }
            Self::Mixed => {
                "Small requests are due at fixed times while jobs of 5 ms that compute, or that block, \
                 keep every worker busy. The figure is how late the requests are answered; beside \
                 it is how many of the jobs end in a second. In `nested` each job starts the next \
                 itself, which a worker may prefer to all that comes from outside. Who has a way out for \
                 jobs that keep a worker is there twice: threads for what blocks, a worker's place handed \
                 on, or, in pool-workstealing, which has neither, as many workers more. In `inversion` \
                 each request also needs a lock, which a task of no urgency holds while it gives way \
                 to the jobs. In our kernel requests come half as often, and `inversion` and the ways \
                 out for jobs that keep a worker are left out: they need a lock and threads of std's."
            }
            Self::Schedulers => {
                "In our kernel, the same threads under each policy, on one processor that counts: three \
                 that compute, and three that compute a little and wait, which have the better nice \
                 value. From the kernel's own record: how long each was ready and did not run, and from \
                 its arrival to its end, the mean of a class; and from an arrival or a waking to the next \
                 run, the mean over all of them. The policies' charts stand with the race. Then the \
                 programs of `models` under each model and each policy, on so many processors, all by \
                 counted instructions and therefore exact: time and context switches of one operation, \
                 which is a job, a fork-join, a pass, a piece of text or a task. A quick run has two \
                 processors only."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_names_its_experiment() {
        assert_eq!(
            Experiment::of_bench("create/time/1000"),
            Some(Experiment::Create)
        );
        assert_eq!(Experiment::of_bench("fib/18"), None);
        assert_eq!(Experiment::of_bench("mixed/100"), None);
        assert_eq!(
            Experiment::of_bench("mixed/late/100"),
            Some(Experiment::Mixed)
        );
    }

    #[test]
    fn an_unknown_one_is_answered_with_the_list() {
        let error = "threads".parse::<Experiment>().unwrap_err().to_string();
        assert!(
            Experiment::NAMES.iter().all(|name| error.contains(name)),
            "{error}"
        );
    }
}
