//! One case, what it reads, and the clock around its work.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use exec_core::Handle;
use exec_core::sync::atomic::AtomicU32;
use kernel_bridge::OneToOne;
use mini_executor::Runtime;
use user::kernel::Kernel;
use user::kernel::schedule;
use user::syscall::{self, ThreadStats};

/// What all cases of a run have in common.
#[derive(Clone, Copy)]
pub(crate) struct Setting {
    /// Smaller parameters.
    pub(crate) quick: bool,
    /// The processors of the machine, and the workers of a model that has workers.
    pub(crate) cpus: usize,
}

impl Setting {
    /// The one of two parameters that fits the size.
    pub(crate) fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Takes the figures of a case; the error is the reason why it has none.
type Run = Box<dyn Fn() -> Result<Reading, String>>;

/// Who is measured on what.
pub(crate) struct Case {
    pub(crate) bench: String,
    pub(crate) subject: String,
    pub(crate) run: Run,
}

impl Case {
    pub(crate) fn new(
        bench: impl Into<String>,
        subject: impl Into<String>,
        run: impl Fn() -> Result<Reading, String> + 'static,
    ) -> Self {
        Self {
            bench: bench.into(),
            subject: subject.into(),
            run: Box::new(run),
        }
    }
}

/// The figures of a case, by the names of the record's metrics.
#[derive(Default)]
pub(crate) struct Reading(Vec<(&'static str, f64)>);

impl Reading {
    /// Adds a figure.
    pub(crate) fn with(mut self, metric: &'static str, number: f64) -> Self {
        self.0.push((metric, number));
        self
    }
}

/// The figures as words, a blank before each.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|(metric, number)| write!(f, " {metric}={number}"))
    }
}

/// What a piece of work took.
pub(crate) struct Region {
    ns: u64,
    used: ThreadStats,
}

/// Runs a piece of work; between the two looks at the clock there is nothing else.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Region) {
    let before = syscall::process_stats();
    let start = syscall::clock();
    let result = work();
    let ns = syscall::clock() - start;
    let after = syscall::process_stats();
    let used = ThreadStats {
        voluntary: after.voluntary - before.voluntary,
        involuntary: after.involuntary - before.involuntary,
        user_ns: after.user_ns.saturating_sub(before.user_ns),
        system_ns: after.system_ns.saturating_sub(before.system_ns),
        syscalls: after.syscalls - before.syscalls,
        faults: after.faults - before.faults,
    };
    (result, Region { ns, used })
}

impl Region {
    /// Nanoseconds between the two looks at the clock.
    pub(crate) fn ns(&self) -> u64 {
        self.ns
    }

    /// What this process's threads have used meanwhile.
    pub(crate) fn used(&self) -> ThreadStats {
        self.used
    }

    /// One unit's share of the time.
    pub(crate) fn time(&self, units: u64) -> Reading {
        Reading::default().with("time", self.ns as f64 / units as f64)
    }

    /// One unit's share of the time, the CPU time and the switches, where all was done by this
    /// process.
    pub(crate) fn a_unit(&self, units: u64) -> Reading {
        let of = |amount: u64| amount as f64 / units as f64;
        self.time(units)
            .with("cpu_time", of(self.used.user_ns + self.used.system_ns))
            .with("voluntary_switches", of(self.used.voluntary))
            .with("involuntary_switches", of(self.used.involuntary))
    }
}

/// Makes an error that says what was tried.
pub(crate) fn failed<E: fmt::Display>(what: &str) -> impl FnOnce(E) -> String + '_ {
    move |why| format!("{what}: {why}")
}

/// The models that run in the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Model {
    OneToOne,
    MiniExecutor,
}

impl Model {
    pub(crate) const ALL: [Self; 2] = [Self::OneToOne, Self::MiniExecutor];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OneToOne => "one-to-one",
            Self::MiniExecutor => "mini-executor",
        }
    }

    /// Builds it; the number of workers is for the one that has them.
    pub(crate) fn build(self, cpus: usize) -> Result<Handle, String> {
        Ok(match self {
            Self::OneToOne => Handle::new(OneToOne::<Kernel>::new()).into_dyn(),
            Self::MiniExecutor => {
                let runtime = Runtime::<Kernel>::on_ground().workers(cpus).build();
                Handle::new(runtime.map_err(failed("no runtime"))?).into_dyn()
            }
        })
    }
}

/// Keeps the calling thread, and those that it will make, on these processors, a bit each.
pub(crate) fn pin(mask: u64) -> Result<(), String> {
    schedule::set_affinity(None, mask).map_err(failed("the processor can't be chosen"))
}

/// Sleeps until the clock has reached that time.
pub(crate) fn sleep_until(until: u64) {
    let word = AtomicU32::new(0);
    while syscall::clock() < until {
        // Timed out or woken for nothing: the clock tells.
        let _ = syscall::futex_wait(&word, 0, until.saturating_sub(syscall::clock()));
    }
}
