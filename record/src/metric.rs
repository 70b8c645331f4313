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
