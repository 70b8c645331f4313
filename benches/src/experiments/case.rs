//! One case: somebody who is measured at one parameter, in a process of its own.

use std::fmt;
use std::time::{Duration, Instant};

use record::{Reading, machine, metric};

use crate::switches::Switches;
use crate::usage::{Mark, Took};

/// What all cases of a run have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Smaller parameters: a look, not a measurement.
    pub quick: bool,
    /// The CPUs that may be used, and the workers of a model that has workers.
    pub cpus: usize,
}

impl Setting {
    /// The one of two parameters that fits the size.
    #[must_use]
    pub fn pick<T>(&self, quick: T, full: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// Takes the figures of a case, in this process.
type Run = Box<dyn Fn() -> anyhow::Result<Reading> + Send + Sync>;

/// One case of an experiment.
pub struct Case {
    /// The bench: the experiment's name, a part, and a parameter where there is one.
    pub bench: String,
    /// Who is measured.
    pub subject: String,
    /// How long the process may take before it counts as hung.
    pub limit: Duration,
    run: Run,
}

impl Case {
    /// A case whose process has half a minute.
    #[must_use]
    pub fn new(
        bench: impl Into<String>,
        subject: impl Into<String>,
        run: impl Fn() -> anyhow::Result<Reading> + Send + Sync + 'static,
    ) -> Self {
        Self {
            bench: bench.into(),
            subject: subject.into(),
            limit: Duration::from_secs(30),
            run: Box::new(run),
        }
    }

    /// Gives its process more time, or less.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Takes the figures, in this process.
    ///
    /// # Errors
    /// Whatever kept it from being measured: this becomes the note of its row.
    ///
    /// # Blocking
    /// Until it is measured.
    pub fn run(&self) -> anyhow::Result<Reading> {
        (self.run)()
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.subject, self.bench)
    }
}

/// What a measured piece of work took.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Between two looks at the clock, right before the work and right after it.
    pub time: Duration,
    /// From a little before to a little after: CPU time, and what others did.
    pub took: Took,
    /// The context switches of this process meanwhile.
    pub switches: Switches,
}

/// Runs a piece of work and measures it.
///
/// Between the two looks at the clock there is nothing but the work.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Region) {
    let mark = Mark::now();
    let switches = Switches::of_this_process();
    let start = Instant::now();
    let result = work();
    let time = start.elapsed();
    let switches = Switches::of_this_process() - switches;
    let took = mark.took();
    let region = Region {
        time,
        took,
        switches,
    };
    (result, region)
}

impl Region {
    /// The figures of one of so many units of this work: time, CPU time and context switches.
    #[must_use]
    pub fn a_unit(&self, units: u64) -> Reading {
        let units = units as f64;
        Reading {
            foreign: self.took.foreign,
            mhz: machine::mhz(),
            ..Reading::default()
        }
        .with(&metric::TIME, self.time.as_secs_f64() * 1e9 / units)
        .with(&metric::CPU_TIME, self.took.cpu.as_secs_f64() * 1e9 / units)
        .with(
            &metric::VOLUNTARY_SWITCHES,
            self.switches.voluntary as f64 / units,
        )
        .with(
            &metric::INVOLUNTARY_SWITCHES,
            self.switches.involuntary as f64 / units,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_shared_out_among_its_units() {
        let (answer, region) = timed(|| std::hint::black_box(7));
        assert_eq!(answer, 7);
        let figure = |reading: &Reading| reading.figures[0].clone();
        let (name, all) = figure(&region.a_unit(1));
        assert_eq!(name, metric::TIME.name);
        let (_, tenth) = figure(&region.a_unit(10));
        assert!((all - 10.0 * tenth).abs() < 1e-6, "{all} {tenth}");
    }
}
