//! What a figure is about: its name, its unit, and which direction is better.
//!
//! A [`Metric`] is a compile-time constant so that the same figure carries the same name,
//! unit and direction wherever it is written. The names in this file are the ones that the
//! comparison and the benches write; a reader must accept any other name as well.

/// One kind of figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// The name in the record's `metric` field.
    pub name: &'static str,
    /// The unit of median, min and samples.
    pub unit: &'static str,
    /// Whether a smaller figure wins.
    pub lower_is_better: bool,
}

impl Metric {
    /// Describes a figure of which less is better.
    #[must_use]
    pub const fn lower(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            lower_is_better: true,
        }
    }

    /// Describes a figure of which more is better.
    #[must_use]
    pub const fn higher(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            lower_is_better: false,
        }
    }
}

/// Wall time of one whole run of a workload.
pub const TIME: Metric = Metric::lower("time", "ns");
/// Wall time a fork-join, over all joins of the run.
pub const NS_PER_JOIN: Metric = Metric::lower("ns_per_join", "ns");
/// Wall time a spawned job, over all jobs of the run.
pub const NS_PER_JOB: Metric = Metric::lower("ns_per_job", "ns");
/// Context switches that a thread asked for, by blocking or by yielding.
pub const VOLUNTARY_SWITCHES: Metric = Metric::lower("voluntary_switches", "switches");
/// Context switches that the scheduler forced on a running thread.
pub const INVOLUNTARY_SWITCHES: Metric = Metric::lower("involuntary_switches", "switches");
/// Guest instructions, counted exactly by QEMU's `-icount shift=0`.
pub const INSTRUCTIONS: Metric = Metric::lower("instructions", "instructions");
/// One figure divided by another of the same run.
pub const RATIO: Metric = Metric::lower("ratio", "x");
/// CPU time of all threads concerned, a unit of work.
pub const CPU_TIME: Metric = Metric::lower("cpu_time", "ns");
/// Wall time from when something was due, or asked for, to when it was there: the middle one.
pub const LATENCY_P50: Metric = Metric::lower("latency_p50", "ns");
/// The same of the slowest in a hundred.
pub const LATENCY_P99: Metric = Metric::lower("latency_p99", "ns");
/// The same of the slowest in a thousand.
pub const LATENCY_P999: Metric = Metric::lower("latency_p99_9", "ns");
/// Requests answered in a second.
pub const REQUESTS: Metric = Metric::higher("requests", "1/s");
/// The same when everybody asks again as soon as they are answered.
pub const CAPACITY: Metric = Metric::higher("capacity", "1/s");
/// Jobs that ended in a second, beside what the experiment is about.
pub const JOBS: Metric = Metric::higher("jobs", "1/s");
/// Bytes moved in a second.
pub const THROUGHPUT: Metric = Metric::higher("throughput", "B/s");
/// Memory that a unit, or a connection, adds to the process or the processes.
pub const MEMORY: Metric = Metric::lower("memory", "B");
/// System calls a unit of work.
pub const SYSTEM_CALLS: Metric = Metric::lower("system_calls", "calls");
/// Wall time of the same work with one worker.
pub const ONE_WORKER: Metric = Metric::lower("one_worker", "ns");
/// Wall time of the same work by the plain program, without a model.
pub const SERIAL: Metric = Metric::lower("serial", "ns");
/// How many times as fast as the plain program.
pub const SPEED_UP: Metric = Metric::higher("speed_up", "x");
/// The most that the speed-up could be: by the CPUs, and by the work over the span.
pub const SPEED_UP_BOUND: Metric = Metric::higher("speed_up_bound", "x");
/// The speed-up a CPU.
pub const EFFICIENCY: Metric = Metric::higher("efficiency", "of 1");
/// Wall time of a walk over a working set, nobody else having run meanwhile.
pub const WALK: Metric = Metric::lower("walk", "ns");
/// How long a thread was ready and did not run.
pub const WAITING: Metric = Metric::lower("waiting", "ns");
/// From a thread's arrival to its end.
pub const TURNAROUND: Metric = Metric::lower("turnaround", "ns");
/// From a thread's arrival, or its wake-up, to its first run.
pub const RESPONSE: Metric = Metric::lower("response", "ns");

/// Those that explain another figure of the same bench, and stand beside it rather than for themselves.
pub const SIDE: [Metric; 5] = [
    CPU_TIME,
    SYSTEM_CALLS,
    VOLUNTARY_SWITCHES,
    INVOLUNTARY_SWITCHES,
    INSTRUCTIONS,
];

/// Those that a figure was made from, or is held against: beside it too, where there is room for them.
pub const BESIDE: [Metric; 5] = [SERIAL, ONE_WORKER, SPEED_UP_BOUND, EFFICIENCY, WALK];

/// Those that are counted, not timed: whatever else the machine does, they stay.
const COUNTED: [Metric; 4] = [MEMORY, SYSTEM_CALLS, INSTRUCTIONS, SPEED_UP_BOUND];

/// Whether a figure is counted, so that others' work on the machine can't change it.
#[must_use]
pub fn is_counted(name: &str) -> bool {
    COUNTED.iter().any(|metric| metric.name == name)
}

/// Whether a figure explains another one of its bench and subject: it is in [`SIDE`] or [`BESIDE`].
#[must_use]
pub fn explains(name: &str) -> bool {
    SIDE.iter().chain(&BESIDE).any(|metric| metric.name == name)
}

/// Every metric of this file.
const ALL: &[Metric] = &[
    TIME,
    NS_PER_JOIN,
    NS_PER_JOB,
    VOLUNTARY_SWITCHES,
    INVOLUNTARY_SWITCHES,
    INSTRUCTIONS,
    RATIO,
    CPU_TIME,
    LATENCY_P50,
    LATENCY_P99,
    LATENCY_P999,
    REQUESTS,
    CAPACITY,
    JOBS,
    THROUGHPUT,
    MEMORY,
    SYSTEM_CALLS,
    ONE_WORKER,
    SERIAL,
    SPEED_UP,
    SPEED_UP_BOUND,
    EFFICIENCY,
    WALK,
    WAITING,
    TURNAROUND,
    RESPONSE,
];

/// Finds one of this file's metrics by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Metric> {
    ALL.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_metric() {
        for metric in ALL {
            assert_eq!(named(metric.name), Some(metric), "{} twice", metric.name);
        }
        assert_eq!(named("speed"), None);
        assert!(explains(EFFICIENCY.name) && explains(CPU_TIME.name) && !explains(TIME.name));
    }
}
