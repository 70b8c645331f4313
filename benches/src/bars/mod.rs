//! The ratio bars: questions of the form "is ours at most k times as slow as theirs?".
//!
//! # Protocol
//! Each figure is taken in a fresh process (`lab figure BENCH SUBJECT`). The driver goes
//! round all subjects of all benches again and again, so that a disturbance of the machine
//! meets everybody, and a ratio is the median over the rounds of the quotient of two
//! neighbours in time: what slows a whole round down falls out of it.

mod driver;
mod figure;
mod spawn_outside;
mod trait_cost;

pub use self::driver::{Options, Outcome, bar_line, run};
pub use self::figure::FigureArgs;

use std::time::Duration;

use record::{Metric, metric};

use crate::usage::Took;

/// Takes one figure, of so many jobs on so many workers.
pub(crate) type Measure = fn(cpus: usize, jobs: u64) -> anyhow::Result<Figure>;

/// Which side of a figure a bar is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// How long it took: what a user waits for, and what others on the machine disturb.
    Wall,
    /// How many jobs a second of that time: more is better.
    Rate,
    /// How much CPU time it took: the work, whoever else is running.
    Cpu,
    /// How long the slowest jobs took, each by itself: the 99th percentile.
    Tail,
}

/// One sample: nanoseconds a job, and the share of the machine that others used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Wall time a job.
    pub wall_ns: f64,
    /// CPU time a job.
    pub cpu_ns: f64,
    /// The 99th percentile of the jobs' own times, where each is timed by itself.
    pub tail_ns: Option<f64>,
    /// The foreign share, 0 to 1, where it is known.
    pub foreign: Option<f64>,
}

impl Figure {
    pub(crate) fn new(took: Took, jobs: u64) -> Self {
        let a_job = |time: Duration| time.as_secs_f64() * 1e9 / jobs as f64;
        Self {
            wall_ns: a_job(took.wall),
            cpu_ns: a_job(took.cpu),
            tail_ns: None,
            foreign: took.foreign,
        }
    }

    /// The line that a sample's process prints.
    #[must_use]
    pub fn to_line(self) -> String {
        let or_dash = |it: Option<f64>| it.map_or("-".to_owned(), |it| it.to_string());
        let (tail, foreign) = (or_dash(self.tail_ns), or_dash(self.foreign));
        format!("{} {} {tail} {foreign}", self.wall_ns, self.cpu_ns)
    }

    /// Reads that line.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [wall, cpu, tail, foreign] = words[..] else {
            return None;
        };
        let or_dash = |word: &str| match word {
            "-" => Some(None),
            number => number.parse().ok().map(Some),
        };
        Some(Self {
            wall_ns: wall.parse().ok()?,
            cpu_ns: cpu.parse().ok()?,
            tail_ns: or_dash(tail)?,
            foreign: or_dash(foreign)?,
        })
    }

    fn judged(self, judged: Judged) -> f64 {
        match judged {
            Judged::Wall => self.wall_ns,
            Judged::Rate => 1e9 / self.wall_ns,
            Judged::Cpu => self.cpu_ns,
            // A bench that isn't judged by it has no such figure.
            Judged::Tail => self.tail_ns.unwrap_or(f64::NAN),
        }
    }
}

/// Somebody who is measured.
#[derive(Clone, Copy)]
pub struct Subject {
    /// The name in the records.
    pub name: &'static str,
    /// Jobs of a sample.
    pub(crate) jobs: u64,
    pub(crate) measure: Measure,
}

impl Subject {
    /// Runs this many jobs and returns the wall time that they took together.
    ///
    /// # Errors
    /// Where the subject's threads could not be started, or it lost a job.
    ///
    /// # Blocking
    /// Until every job has run.
    pub fn time(&self, cpus: usize, jobs: u64) -> anyhow::Result<Duration> {
        // In portions: the jobs of one stand in memory at once.
        let mut left = jobs;
        let mut sum = Duration::ZERO;
        while left > 0 {
            let portion = left.min(self.jobs);
            let figure = (self.measure)(cpus, portion)?;
            sum += Duration::from_secs_f64(figure.wall_ns * portion as f64 / 1e9);
            left -= portion;
        }
        Ok(sum)
    }
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The same figure of another subject: the quotient is what is judged.
    Subject(&'static str),
    /// Nothing: the figure itself is what is judged.
    Nothing,
}

/// On which side of a bar a figure is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Less is better.
    AtMost,
    /// More is better.
    AtLeast,
}

/// A claim that a figure is at most, or at least, so large, or so many times as large as another.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Whose figure it is about.
    pub ours: &'static str,
    /// What it is held against.
    pub against: Against,
    /// The last quotient, or the last figure, that is right.
    pub limit: f64,
    /// On which side of it the right ones are.
    pub sense: Sense,
}

impl Bar {
    /// The claim that one figure is at most so many times as large as another's.
    pub(crate) const fn ratio(ours: &'static str, theirs: &'static str, at_most: f64) -> Self {
        Self {
            ours,
            against: Against::Subject(theirs),
            limit: at_most,
            sense: Sense::AtMost,
        }
    }

    /// The claim that a figure is at most so large.
    pub(crate) const fn limit(ours: &'static str, at_most: f64) -> Self {
        Self {
            ours,
            against: Against::Nothing,
            limit: at_most,
            sense: Sense::AtMost,
        }
    }

    /// The claim that a figure is at least so large.
    pub(crate) const fn at_least(ours: &'static str, limit: f64) -> Self {
        Self {
            ours,
            against: Against::Nothing,
            limit,
            sense: Sense::AtLeast,
        }
    }

    /// The same claim the other way round: at least.
    #[must_use]
    pub const fn or_more(mut self) -> Self {
        self.sense = Sense::AtLeast;
        self
    }

    fn is_met(&self, figure: f64) -> bool {
        match self.sense {
            Sense::AtMost => figure <= self.limit,
            Sense::AtLeast => figure >= self.limit,
        }
    }
}

/// A question, those who are asked, and what the answer should be.
#[derive(Clone, Copy)]
pub struct Bench {
    /// The name in the records.
    pub name: &'static str,
    /// Who is measured.
    pub subjects: &'static [Subject],
    /// What the suite's other subjects lack that they aren't measured here.
    pub without: &'static str,
    /// What the sides of a figure are called, and which of them are reported.
    pub metrics: &'static [(Metric, Judged)],
    /// Which side the claims are about.
    pub judged: Judged,
    /// What is claimed: of each inner list, one bar at least is met.
    pub bars: &'static [&'static [Bar]],
}

/// CPU time of the whole process a job.
pub(crate) const CPU_NS_PER_JOB: Metric = Metric::lower("cpu_ns_per_job", "ns");

/// Both times of a job.
pub(crate) const PER_JOB: &[(Metric, Judged)] = &[
    (metric::NS_PER_JOB, Judged::Wall),
    (CPU_NS_PER_JOB, Judged::Cpu),
];

/// Questions that are asked in one run.
#[derive(Clone, Copy)]
pub struct Suite {
    /// Its name; a bench's is its own within a suite only.
    pub name: &'static str,
    /// The questions.
    pub benches: &'static [Bench],
    /// Subjects that have a row in every bench, if only one that says why there is no figure.
    pub subjects: &'static [&'static str],
    /// Those of them that this program was built without.
    pub left_out: &'static [&'static str],
    /// Benches, by name, that look at different sides of the same samples: each is taken once for
    /// all benches of its list.
    pub shared: &'static [&'static [&'static str]],
    /// Rounds of a full measurement.
    pub rounds: usize,
}

/// The claims of `pool-basic` and of the trait.
pub const SUITE: Suite = Suite {
    name: "bars",
    benches: &[spawn_outside::BENCH, trait_cost::BENCH],
    subjects: &[],
    left_out: &[],
    shared: &[],
    rounds: 11,
};

/// A sample that takes longer counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Takes one figure in this process.
///
/// # Errors
/// Where there is no such suite, bench or subject (the text lists the valid ones), or it fails.
///
/// # Blocking
/// Until every job has run.
pub fn figure(
    suites: &[Suite],
    suite: &str,
    bench: &str,
    subject: &str,
    cpus: usize,
    quick: bool,
) -> anyhow::Result<Figure> {
    let Some(suite) = suites.iter().find(|one| one.name == suite) else {
        let valid: Vec<&str> = suites.iter().map(|one| one.name).collect();
        anyhow::bail!("unknown suite '{suite}'; valid: {}", valid.join(", "));
    };
    let benches = || suite.benches.iter();
    let Some(bench) = benches().find(|one| one.name == bench) else {
        let valid: Vec<&str> = benches().map(|one| one.name).collect();
        anyhow::bail!("unknown bench '{bench}'; valid: {}", valid.join(", "));
    };
    let Some(subject) = bench.subjects.iter().find(|one| one.name == subject) else {
        let valid: Vec<&str> = bench.subjects.iter().map(|one| one.name).collect();
        anyhow::bail!(
            "unknown subject '{subject}' of {}; valid: {}",
            bench.name,
            valid.join(", ")
        );
    };
    let jobs = if quick {
        subject.jobs.div_ceil(10)
    } else {
        subject.jobs
    };
    (subject.measure)(cpus, jobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_survives_its_line() {
        for (tail_ns, foreign) in [(None, None), (None, Some(0.25)), (Some(99.5), None)] {
            let figure = Figure {
                wall_ns: 12.5,
                cpu_ns: 30.0,
                tail_ns,
                foreign,
            };
            assert_eq!(Figure::from_line(&figure.to_line()), Some(figure));
        }
        for wrong in ["", "1 2", "1 2 3", "1 2 - x", "1 2 3 4 5"] {
            assert_eq!(Figure::from_line(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_bar_names_subjects_of_its_bench() {
        // What a suite's rows list and this program was built without may be named as well.
        for suite in [
            SUITE,
            crate::pools::SUITE,
            crate::asyncs::SUITE,
            crate::processes::SUITE,
        ] {
            for bench in suite.benches {
                let mut names: Vec<_> = bench.subjects.iter().map(|one| one.name).collect();
                names.extend(suite.left_out);
                for bar in bench.bars.iter().copied().flatten() {
                    assert!(names.contains(&bar.ours), "{bar:?}");
                    if let Against::Subject(theirs) = bar.against {
                        assert!(names.contains(&theirs), "{bar:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_valid_ones() {
        let text = |bench, subject| {
            figure(&[SUITE], "bars", bench, subject, 1, true)
                .expect_err("unknown")
                .to_string()
        };
        let benches = text("nothing", "x");
        assert!(
            benches.contains("spawn_outside_24B, trait_cost"),
            "{benches}"
        );
        let subjects = text("spawn_outside_24B", "x");
        assert!(
            subjects.contains("pool-basic, pool-basic-crossbeam, textbook, threadpool"),
            "{subjects}"
        );
    }
}
