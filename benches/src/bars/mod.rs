//! The ratio bars: questions of the form "is ours at most k times as slow as theirs?".
//!
//! # Protocol
//! Each figure is taken in a fresh process (`lab figure BENCH SUBJECT`). The driver goes
//! round all subjects of all benches again and again, so that a disturbance of the machine
//! meets everybody, and a ratio is the median over the rounds of the quotient of two
//! neighbours in time: what slows a whole round down falls out of it.

mod driver;
mod spawn_outside;
mod trait_cost;

pub use self::driver::{Options, run};

use std::time::Duration;

use crate::usage::Took;

/// What the jobs of a sample took together.
type Measure = fn(cpus: usize, jobs: u64) -> anyhow::Result<Took>;

/// Which of a figure's two times a bar is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// How long it took: what a user waits for, and what others on the machine disturb.
    Wall,
    /// How much CPU time it took: the work, whoever else is running.
    Cpu,
}

/// One sample: nanoseconds a job, and the share of the machine that others used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    /// Wall time a job.
    pub wall_ns: f64,
    /// CPU time a job.
    pub cpu_ns: f64,
    /// The foreign share, 0 to 1, where it is known.
    pub foreign: Option<f64>,
}

impl Figure {
    fn new(took: Took, jobs: u64) -> Self {
        let a_job = |time: Duration| time.as_secs_f64() * 1e9 / jobs as f64;
        Self {
            wall_ns: a_job(took.wall),
            cpu_ns: a_job(took.cpu),
            foreign: took.foreign,
        }
    }

    /// The line that a sample's process prints.
    #[must_use]
    pub fn to_line(self) -> String {
        let foreign = self
            .foreign
            .map_or("-".to_owned(), |share| share.to_string());
        format!("{} {} {foreign}", self.wall_ns, self.cpu_ns)
    }

    /// Reads that line.
    #[must_use]
    pub fn from_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [wall, cpu, foreign] = words[..] else {
            return None;
        };
        let foreign = match foreign {
            "-" => None,
            share => Some(share.parse().ok()?),
        };
        Some(Self {
            wall_ns: wall.parse().ok()?,
            cpu_ns: cpu.parse().ok()?,
            foreign,
        })
    }

    fn judged(self, judged: Judged) -> f64 {
        match judged {
            Judged::Wall => self.wall_ns,
            Judged::Cpu => self.cpu_ns,
        }
    }
}

/// Somebody who is measured.
#[derive(Clone, Copy)]
pub struct Subject {
    /// The name in the records.
    pub name: &'static str,
    /// Jobs of a sample.
    jobs: u64,
    measure: Measure,
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
            sum += (self.measure)(cpus, portion)?.wall;
            left -= portion;
        }
        Ok(sum)
    }
}

/// A claim that one subject is at most so many times as slow as another.
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    /// Whose figure is above the line.
    pub ours: &'static str,
    /// Whose figure is below the line.
    pub theirs: &'static str,
    /// The largest quotient that is right.
    pub at_most: f64,
}

/// A question, those who are asked, and what the answer should be.
#[derive(Clone, Copy)]
pub struct Bench {
    /// The name in the records.
    pub name: &'static str,
    /// Who is measured.
    pub subjects: &'static [Subject],
    /// Which time the claims are about.
    pub judged: Judged,
    /// What is claimed.
    pub bars: &'static [Bar],
}

/// Every question.
pub const BENCHES: &[Bench] = &[spawn_outside::BENCH, trait_cost::BENCH];

/// A sample that takes longer counts as hung.
const LIMIT: Duration = Duration::from_secs(60);

/// Takes one figure in this process.
///
/// # Errors
/// Where there is no such bench or subject (the text lists the valid ones), or it fails.
///
/// # Blocking
/// Until every job has run.
pub fn figure(bench: &str, subject: &str, cpus: usize, quick: bool) -> anyhow::Result<Figure> {
    let names = |names: Vec<&str>| names.join(", ");
    let Some(bench) = BENCHES.iter().find(|one| one.name == bench) else {
        let valid = names(BENCHES.iter().map(|one| one.name).collect());
        anyhow::bail!("unknown bench '{bench}'; valid: {valid}");
    };
    let Some(subject) = bench.subjects.iter().find(|one| one.name == subject) else {
        let valid = names(bench.subjects.iter().map(|one| one.name).collect());
        anyhow::bail!(
            "unknown subject '{subject}' of {}; valid: {valid}",
            bench.name
        );
    };
    let jobs = if quick {
        subject.jobs.div_ceil(10)
    } else {
        subject.jobs
    };
    Ok(Figure::new((subject.measure)(cpus, jobs)?, jobs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_survives_its_line() {
        for foreign in [None, Some(0.25)] {
            let figure = Figure {
                wall_ns: 12.5,
                cpu_ns: 30.0,
                foreign,
            };
            assert_eq!(Figure::from_line(&figure.to_line()), Some(figure));
        }
        for wrong in ["", "1 2", "1 2 x", "1 2 3 4"] {
            assert_eq!(Figure::from_line(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_bar_names_subjects_of_its_bench() {
        for bench in BENCHES {
            let names: Vec<_> = bench.subjects.iter().map(|subject| subject.name).collect();
            for bar in bench.bars {
                assert!(
                    names.contains(&bar.ours) && names.contains(&bar.theirs),
                    "{bar:?}"
                );
            }
        }
    }

    #[test]
    fn unknown_names_are_answered_with_the_valid_ones() {
        let text = figure("nothing", "x", 1, true)
            .expect_err("unknown")
            .to_string();
        assert!(text.contains("spawn_outside_24B, trait_cost"), "{text}");
        let text = figure("spawn_outside_24B", "x", 1, true)
            .expect_err("unknown")
            .to_string();
        assert!(
            text.contains("pool-basic, pool-basic-crossbeam, textbook, threadpool"),
            "{text}"
        );
    }
}
